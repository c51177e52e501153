// npm start: a matrix like an embedding table, compressed by SVD and by the l_1 method to the same size.
import { mkdir } from "node:fs/promises";
import { join, relative } from "node:path";
import { createLoewner } from "../dist/index.js";
import { openSafetensors, writeSafetensors } from "../dist/formats/index.js";
import { openFile, writeAtomically } from "../dist/formats/node-file.js";
import { compressModel } from "../dist/model/index.js";
import { embedding } from "./embedding.mjs";

const keep = 0.5;
const folder = process.argv[2] ?? "demo-output";
const name = "embeddings.word_embeddings.weight";
await mkdir(folder, { recursive: true });

const { data, rows, cols } = embedding();
const model = join(folder, "model.safetensors");
const table = {
  name,
  dtype: "F32",
  shape: [rows, cols],
  byteLength: data.byteLength,
  chunks: () => [new Uint8Array(data.buffer)],
};
await writeAtomically(model, { force: true }, (sink) =>
  writeSafetensors(sink, { tensors: [table], metadata: { made: "examples/demo.mjs" } }),
);

const loewner = await createLoewner();
const source = await openFile(model);
const file = await openSafetensors(source);
const lines = [["method", "bytes", "l_1", "l_2,1", "l_2", "worst row", "ordinary row", "bound", "seconds"]];
for (const method of ["svd", "lewis"]) {
  const result = await compressModel(loewner, file, { keep, p: 1, method });
  const output = join(folder, method === "svd" ? "svd.safetensors" : "l1.safetensors");
  await writeAtomically(output, { force: true }, (sink) => writeSafetensors(sink, result));
  const [layer] = result.layers;
  const { l1, l21, l2, worstRow } = layer.objective;
  const figures = [l1, l21, l2, worstRow.norm, await ordinaryRow(output), layer.certificate.bound].map((x) =>
    x.toPrecision(5),
  );
  lines.push([
    method === "svd" ? "SVD (l_2)" : "Lewis (l_1)",
    String(result.bytesAfter),
    ...figures,
    layer.seconds.toFixed(2),
  ]);
}
await source.close();
loewner.dispose();

const widths = lines[0].map((_, c) => Math.max(...lines.map((line) => line[c].length)));
console.log(`${name}: ${rows} x ${cols}, f32, ${data.byteLength} bytes; factors keep ${100 * keep} % of them\n`);
for (const line of lines)
  console.log(line.map((cell, c) => (c ? cell.padStart(widths[c]) : cell.padEnd(widths[c]))).join("  "));
console.log(`
Two rows in a hundred lie far from all others. SVD spends its rank on them; the l_1 method lets them go (worst row) and is
closer to everything else: "ordinary row" is the median over all rows of |row error|_2. "bound": for every x,
|(A - left right) x|_1 <= bound |x|_2, proved for this very matrix.

Files: ${["model", "svd", "l1"].map((x) => join(relative(".", folder) || ".", `${x}.safetensors`)).join(", ")}
Next:  node dist/cli/main.js verify ${join(folder, "model.safetensors")} ${join(folder, "l1.safetensors")}
       node dist/cli/main.js compress YOUR.safetensors -o small.safetensors --keep 0.5`);

/** Median 2-norm of the rows of A - left right, from the file that was written. */
async function ordinaryRow(path) {
  const opened = await openFile(path);
  const bytes = await opened.slice(0, opened.size);
  await opened.close();
  const header = JSON.parse(
    new TextDecoder().decode(
      bytes.subarray(8, 8 + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true))),
    ),
  );
  const start = 8 + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const read = (tensor) =>
    new Float32Array(
      bytes.slice(start + header[tensor].data_offsets[0], start + header[tensor].data_offsets[1]).buffer,
    );
  const left = read(`${name}.left`);
  const right = read(`${name}.right`);
  const rank = right.length / cols;
  const norms = new Float64Array(rows);
  const row = new Float64Array(cols);
  for (let i = 0; i < rows; ++i) {
    row.set(data.subarray(i * cols, (i + 1) * cols));
    for (let k = 0; k < rank; ++k) for (let j = 0; j < cols; ++j) row[j] -= left[i * rank + k] * right[k * cols + j];
    norms[i] = Math.sqrt(row.reduce((sum, x) => sum + x * x, 0));
  }
  return norms.sort()[rows >> 1];
}
