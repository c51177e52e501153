import { rmSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { bytesSource, openNpy } from "../../src/formats/index.js";
import { readRows } from "../../src/matrix.js";
import { apply, energyNorm, matrix, norm } from "../library/matrices.js";
import { bytesOf, listing, run, temporaryFolder, writeMatrix } from "./run.js";

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const load = (name: string) => openNpy(bytesSource(bytesOf(folder, name), name));

test.each([
  [true, "<f4"],
  [false, "<f8"],
])("level-set, f32 %s: writes %s, and the document says what is proved", async (f32, descr) => {
  const a = matrix("heavy-tailed rows", 40, 3, { f32 });
  await writeMatrix(folder, "A.npy", a.data, [40, 3]);
  const { status, stdout } = run(
    folder,
    "level-set",
    "A.npy",
    "--p",
    "1",
    "-o",
    "H.npy",
    "--contacts",
    "X.npy",
    "--json",
  );
  expect(status).toBe(0);
  const report = JSON.parse(stdout);
  expect(report).toMatchObject({ input: "A.npy", output: "H.npy", shape: [40, 3], p: 1, rank: 3, converged: true });
  expect(report).toMatchObject({ center: [0, 0, 0], certificate: { lower: 1 } });
  expect(report.factor).toBeGreaterThanOrEqual(1);
  for (const key of ["logDet", "residual", "iterations", "seconds", "version"]) expect(report).toHaveProperty(key);
  const [H, X] = [await load("H.npy"), await load("X.npy")];
  expect([H.descr, H.shape, X.descr, X.shape[1]]).toEqual([descr, [3, 3], descr, 3]);
  const form = { data: await readRows(H), rows: 3, cols: 3 };
  const points = await readRows(X);
  for (let i = 0; i < X.shape[0]; ++i) {
    const x = points.subarray(3 * i, 3 * i + 3);
    expect(Math.abs(energyNorm(form, x) - 1)).toBeLessThan(1e-5);
    expect(Math.abs(norm(apply(a, x), 1) - 1)).toBeLessThan(1e-5);
  }
});

test("p = inf, few rounds, on a terminal; an output that exists is refused", async () => {
  await writeMatrix(folder, "A.npy", matrix("plain", 60, 5).data, [60, 5]);
  const args = ["level-set", "A.npy", "--p", "inf", "--max-iterations", "0", "--directions", "4", "-o", "H.npy"];
  const first = run(folder, ...args);
  expect(first.stdout).toContain("did NOT converge in 0 rounds");
  expect(first.stdout).toContain("proven: |Ax|_Infinity <= 1 implies x'Hx <= ");
  expect(run(folder, ...args).status).toBe(1);
  expect(run(folder, ...args, "--force", "--json").stdout).toContain('"p": "inf"');
  expect(listing(folder)).toEqual(["A.npy", "H.npy"]);
});

test("bad usage", async () => {
  await writeMatrix(folder, "A.npy", matrix("plain", 9, 2).data, [9, 2]);
  const bad = run(folder, "level-set", "A.npy", "--p", "0.5", "-o", "H.npy");
  expect([bad.status, bad.stderr]).toEqual([
    2,
    expect.stringContaining("a number with 1 <= p <= Infinity was expected"),
  ]);
  expect(listing(folder)).toEqual(["A.npy"]);
});
