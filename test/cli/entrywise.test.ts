import { rmSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { bytesSource, openNpy } from "../../src/formats/index.js";
import { readRows } from "../../src/matrix.js";
import { matrix, residualOf } from "../library/matrices.js";
import { bytesOf, listing, run, temporaryFolder, writeMatrix } from "./run.js";

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("entrywise", () => {
  const files = ["--left", "L.npy", "--right", "R.npy"];
  const load = async (name: string) => openNpy(bytesSource(bytesOf(folder, name), name));

  test.each([
    [true, "<f4"],
    [false, "<f8"],
  ])("f32 %s: writes factors of %s, and the document is of them", async (f32, descr) => {
    const a = matrix("heavy-tailed rows", 120, 9, { f32 });
    const counts = Float64Array.from({ length: 120 }, (_, i) => i % 3);
    await writeMatrix(folder, "A.npy", a.data, [120, 9]);
    await writeMatrix(folder, "s.npy", counts, [120]);
    const options = [
      "--rank",
      "3",
      "--p",
      "1",
      "--steps",
      "30",
      "--starts",
      "2",
      "--seed",
      "5",
      "--row-weights",
      "s.npy",
    ];
    const { status, stdout } = run(folder, "entrywise", "A.npy", ...options, ...files, "--json");
    expect(status).toBe(0);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({
      ...{ input: "A.npy", left: "L.npy", right: "R.npy", shape: [120, 9], rank: 3, p: 1, method: "reweighting" },
      ...{ seed: 5, converged: false, iterations: 30 },
    });
    expect(report.starts.map((s: { start: string }) => s.start)).toEqual(["svd", "lewis", "random", "random"]);
    for (const key of ["residual", "seconds"]) expect(report[key]).toBeTypeOf("number");
    expect(report.version).toBeTypeOf("string");
    const [left, right] = [await load("L.npy"), await load("R.npy")];
    expect([left.descr, left.shape, right.descr, right.shape]).toEqual([descr, [120, 3], descr, [3, 9]]);
    const rest = residualOf(
      a,
      { data: await readRows(left), rows: 120, cols: 3 },
      { data: await readRows(right), rows: 3, cols: 9 },
    );
    const l1 = rest.data.reduce((sum, x, i) => sum + counts[Math.floor(i / 9)] * Math.abs(x), 0);
    expect(Math.abs(report.objective.lp / l1 - 1)).toBeLessThan(1e-9);
  });

  test("says what it did, refuses to overwrite, and what cannot be", async () => {
    await writeMatrix(folder, "A.npy", matrix("plain", 30, 5).data, [30, 5]);
    const first = run(folder, "entrywise", "A.npy", "--rank", "2", ...files);
    expect(first.status).toBe(0);
    expect(first.stdout).toMatch(/30 x 5 -> rank 2 by reweighting: sum \|r\|\^1 \S+, \S+ % below the best projection/);
    const again = run(folder, "entrywise", "A.npy", "--rank", "2", ...files);
    expect(again.status).toBe(1);
    expect(again.stderr).toMatch(/L\.npy/);
    expect(run(folder, "entrywise", "A.npy", "--rank", "2", ...files, "--force", "--quiet").stdout).toBe("");
    const listed = listing(folder);
    const large = run(folder, "entrywise", "A.npy", "--rank", "6", "--left", "X.npy", "--right", "Y.npy");
    expect(large.stderr).toMatch(/rank must be a whole number from 1 to min\(rows, cols\) = 5/);
    expect(large.status).toBe(1);
    for (const wrong of [
      ["--p", "4"],
      ["--steps", "-1"],
      ["--starts", "x"],
      ["--seed", "0.5"],
      ["--tolerance", "0"],
    ]) {
      const { status, stderr } = run(
        folder,
        "entrywise",
        "A.npy",
        "--rank",
        "1",
        "--left",
        "X.npy",
        "--right",
        "Y.npy",
        ...wrong,
      );
      expect(status).toBe(2);
      expect(stderr).toContain(wrong[0]);
    }
    expect(listing(folder)).toEqual(listed);
  });
});
