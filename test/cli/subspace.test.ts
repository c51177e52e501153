import { rmSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { bytesSource, openNpy } from "../../src/formats/index.js";
import { readRows } from "../../src/matrix.js";
import { toDense } from "../../reference/matrix.js";
import { sumOfPowers } from "../../reference/subspace.js";
import { matrix } from "../library/matrices.js";
import { bytesOf, listing, run, temporaryFolder, writeMatrix } from "./run.js";

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test.each([
  [true, "<f4", 1e-5],
  [false, "<f8", 1e-9],
])("subspace: f32 %s writes %s", async (f32, descr, error) => {
  const a = matrix("heavy-tailed rows", 200, 7, { f32 });
  const weights = Float64Array.from({ length: 200 }, (_, i) => i % 3);
  await writeMatrix(folder, "A.npy", a.data, [200, 7]);
  await writeMatrix(folder, "s.npy", weights, [200]);
  const flags = "--rank 3 --p 1.5 --restarts 3 --seed 5 --tolerance 1e-7 --row-weights s.npy --json".split(" ");
  const { status, stdout } = run(folder, "subspace", "A.npy", "-o", "V.npy", ...flags);
  expect(status).toBe(0);
  const report = JSON.parse(stdout);
  expect(report).toMatchObject({
    ...{ input: "A.npy", output: "V.npy", shape: [200, 7], rank: 3, p: 1.5, restarts: 3, seed: 5, tolerance: 1e-7 },
    ...{ converged: true, iterations: expect.any(Number), seconds: expect.any(Number), version: expect.any(String) },
  });
  expect(report.residual).toBeLessThanOrEqual(1e-7);
  const V = await openNpy(bytesSource(bytesOf(folder, "V.npy"), "V.npy"));
  expect([V.descr, V.shape]).toEqual([descr, [7, 3]]);
  const sum = sumOfPowers(toDense(a), { data: await readRows(V), rows: 7, cols: 3 }, 1.5, weights);
  expect(Math.abs(report.objective / sum - 1)).toBeLessThan(error);
  const again = run(folder, "subspace", "A.npy", "-o", "V.npy", "--rank", "3");
  expect([again.status, again.stderr]).toEqual([1, expect.stringContaining("--force")]);
  const plain = run(folder, "subspace", "A.npy", "-o", "V.npy", "--rank", "3", "--force");
  expect(plain.stdout).toMatch(/200 x 7, rank 3; sum of dist\^1: .*\nconverged in \d+ sweeps; .*\nWritten: V\.npy/);
});

test("bad usage: exit 2 and the option's name; nothing is written", async () => {
  const a = matrix("plain", 20, 4);
  await writeMatrix(folder, "A.npy", a.data, [20, 4]);
  const cases: [string[], RegExp, number][] = [
    [[], /--rank/, 2],
    [["--rank", "0"], /--rank.*whole number of at least 1/, 2],
    [["--rank", "2", "--p", "3"], /--p.*0 < p <= 2/, 2],
    [["--rank", "2", "--restarts", "-1"], /--restarts/, 2],
    [["--rank", "2", "--seed", "x"], /--seed.*a number was expected/, 2],
    [["--rank", "2", "--tolerance", "0"], /--tolerance/, 2],
    [["--rank", "5"], /rank must be a whole number from 1 to min\(rows, cols\) = 4 of .*; got 5/, 1],
  ];
  for (const [flags, message, code] of cases) {
    const { status, stderr, stdout } = run(folder, "subspace", "A.npy", "-o", "V.npy", ...flags);
    expect([flags, status, stdout]).toEqual([flags, code, ""]);
    expect(stderr).toMatch(message);
  }
  expect(listing(folder)).toEqual(["A.npy"]);
});
