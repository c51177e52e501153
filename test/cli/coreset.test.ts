import { rmSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { bytesSource, openNpy } from "../../src/formats/index.js";
import { createLoewner } from "../../src/index.js";
import { readRows } from "../../src/matrix.js";
import { matrix, uniform } from "../library/matrices.js";
import { bytesOf, listing, run, temporaryFolder, writeMatrix } from "./run.js";

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const load = async (name: string) => openNpy(bytesSource(bytesOf(folder, name), name));
const numbers = async (name: string) => [...(await readRows(await load(name)))];
/** An int32 vector: 128 bytes of header, then the numbers. */
function int32(name: string): number[] {
  const bytes = bytesOf(folder, name);
  expect(bytes.toString("latin1", 10, 128)).toMatch(
    /^\{'descr': '<i4', 'fortran_order': False, 'shape': \(\d+,\), \} *\n$/,
  );
  return Array.from({ length: (bytes.length - 128) / 4 }, (_, i) => bytes.readInt32LE(128 + 4 * i));
}

test.each([
  [true, "<f4"],
  [false, "<f8"],
])("f32 %s: sensitivities and coreset write %s, as the library gives them", async (f32, descr) => {
  const a = matrix("heavy-tailed rows", 300, 5, { f32 });
  const s = Float64Array.from({ length: 300 }, (_, i) => Math.floor(3 * uniform(1, i)));
  await writeMatrix(folder, "A.npy", a.data, [300, 5]);
  await writeMatrix(folder, "s.npy", s, [300]);
  const loewner = await createLoewner();
  const round = (x: Float64Array) => [...(f32 ? Float32Array.from(x) : x)];

  const bounds = await loewner.sensitivities(a, { p: 1.5, rowWeights: s });
  const first = run(folder, "sensitivities", "A.npy", "--p", "1.5", "--row-weights", "s.npy", "-o", "b.npy", "--json");
  expect(first.status).toBe(0);
  expect(JSON.parse(first.stdout)).toMatchObject({
    ...{
      input: "A.npy",
      output: "b.npy",
      shape: [300, 5],
      dtype: descr === "<f4" ? "f32" : "f64",
      p: 1.5,
      rank: 5,
      total: bounds.total,
      converged: true,
    },
    ...{ iterations: bounds.iterations, residual: bounds.residual },
  });
  expect((await load("b.npy")).descr).toBe(descr);
  expect(await numbers("b.npy")).toEqual(round(bounds.scores));

  const chosen = await loewner.coreset(a, { p: 1.5, size: 30, seed: 9, scheme: "mixed", rowWeights: s });
  const options = ["--p", "1.5", "--size", "30", "--seed", "9", "--scheme", "mixed", "--row-weights", "s.npy"];
  const outputs = ["--indices", "i.npy", "--weights", "w.npy", "-o", "rows.npy"];
  const second = run(folder, "coreset", "A.npy", ...options, ...outputs, "--json");
  expect(second.status).toBe(0);
  expect(JSON.parse(second.stdout)).toMatchObject({
    ...{
      input: "A.npy",
      indices: "i.npy",
      weights: "w.npy",
      output: "rows.npy",
      shape: [300, 5],
      dtype: descr === "<f4" ? "f32" : "f64",
    },
    ...{ p: 1.5, size: 30, seed: 9, scheme: "mixed", rank: 5, chosen: 30, expected: chosen.expected },
    ...{ realised: chosen.realised, converged: true },
  });
  expect(int32("i.npy")).toEqual([...chosen.indices]);
  expect([(await load("w.npy")).descr, (await load("rows.npy")).descr]).toEqual([descr, descr]);
  expect(await numbers("w.npy")).toEqual(round(chosen.weights));
  expect(await numbers("rows.npy")).toEqual([...chosen.rows.data]);
  loewner.dispose();

  // Existing outputs are kept; people get lines.
  const again = run(folder, "coreset", "A.npy", "--size", "30", ...outputs);
  expect([again.status, again.stderr]).toEqual([1, expect.stringContaining("i.npy")]);
  const third = run(folder, "coreset", "A.npy", "--size", "30", ...outputs, "--force");
  expect(third.stdout).toMatch(
    /30 rows chosen\nmeasured: .* <= \|Cx\|_1 <= .*\nproven: .*\nWritten: i\.npy, w\.npy, rows\.npy\n$/,
  );
});

test("bad usage", async () => {
  await writeMatrix(folder, "A.npy", matrix("plain", 30, 3).data, [30, 3]);
  for (const [args, message] of [
    [["coreset", "A.npy", "--indices", "i.npy", "--weights", "w.npy"], /--size/],
    [["coreset", "A.npy", "--size", "0", "--indices", "i.npy", "--weights", "w.npy"], /whole number of at least 1/],
    [
      ["coreset", "A.npy", "--size", "9", "--indices", "i.npy", "--weights", "w.npy", "--scheme", "magic"],
      /lewis, leverage, mixed, uniform/,
    ],
    [["coreset", "A.npy", "--size", "9", "--indices", "i.npy", "--weights", "i.npy"], /Two outputs have the same name/],
    [["sensitivities", "A.npy"], /--output/],
    [["sensitivities", "A.npy", "-o", "s.npy", "--p", "x"], /--p/],
  ] as const) {
    const { status, stderr, stdout } = run(folder, ...args);
    expect([status, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(message);
  }
  expect(listing(folder)).toEqual(["A.npy"]);
});
