// A matrix in a .npy file becomes two: left and right, at most `keep` of its size together.
//
//   deno run --allow-read --allow-write deno.ts A.npy left.npy right.npy [keep]
import { createLoewner } from "loewner"; // npm:loewner where there is no package.json
import { bytesSource, memorySink, openNpy, writeNpy } from "loewner/formats";

const [input, leftFile, rightFile, keep = "0.5"] = Deno.args;
const matrix = await openNpy(bytesSource(await Deno.readFile(input), input));
const loewner = await createLoewner({ threads: "auto" });
const { left, right, report } = await loewner.lowRank(matrix, { keep: Number(keep), p: 1 });
loewner.dispose();

for (const [file, { data, rows, cols }] of [
  [leftFile, left],
  [rightFile, right],
] as const) {
  const sink = memorySink();
  await writeNpy(sink, { data, shape: [rows, cols] });
  await Deno.writeFile(file, sink.bytes());
}
const { objective, certificate } = report;
console.log(`${matrix.rows} x ${matrix.cols}, rank ${right.rows}: l_1 error ${objective.l1.toPrecision(4)}`);
console.log(`|(A - left right) x|_1 <= ${certificate.bound.toPrecision(4)} |x|_2 for every x`);
