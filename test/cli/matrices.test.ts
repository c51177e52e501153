import { rmSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { bytesSource, openNpy } from "../../src/formats/index.js";
import { readRows } from "../../src/matrix.js";
import { matrix, residualOf } from "../library/matrices.js";
import { bytesOf, run, temporaryFolder, writeMatrix } from "./run.js";

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("matrices", () => {
  const load = async (name: string) => openNpy(bytesSource(bytesOf(folder, name), name));
  test.each([
    [true, "<f4"],
    [false, "<f8"],
  ])("f32 %s: low-rank, leverage, lewis-weights write %s", async (f32, descr) => {
    const a = matrix("heavy-tailed rows", 300, 9, { f32 });
    await writeMatrix(folder, "A.npy", a.data, [300, 9]);
    const low = run(
      folder,
      "low-rank",
      "A.npy",
      "--rank",
      "3",
      "--p",
      "1",
      "--left",
      "L.npy",
      "--right",
      "R.npy",
      "--json",
    );
    expect(low.status).toBe(0);
    const report = JSON.parse(low.stdout);
    const [left, right] = [await load("L.npy"), await load("R.npy")];
    expect([left.descr, left.shape, right.descr, right.shape]).toEqual([descr, [300, 3], descr, [3, 9]]);
    const rest = residualOf(
      a,
      { data: await readRows(left), rows: 300, cols: 3 },
      { data: await readRows(right), rows: 3, cols: 9 },
    );
    expect(Math.abs(report.objective.l1 / rest.data.reduce((sum, x) => sum + Math.abs(x), 0) - 1)).toBeLessThan(1e-5);

    expect(run(folder, "leverage", "A.npy", "-o", "tau.npy").status).toBe(0);
    const tau = await readRows(await load("tau.npy"));
    expect(tau.reduce((x, y) => x + y, 0)).toBeCloseTo(9, 5);
    const lewis = run(folder, "lewis-weights", "A.npy", "--p", "1.5", "-o", "w.npy", "--gram", "G.npy", "--json");
    expect(JSON.parse(lewis.stdout)).toMatchObject({ rank: 9, p: 1.5, converged: true });
    expect((await readRows(await load("w.npy"))).reduce((x, y) => x + y, 0)).toBeCloseTo(9, 4);
    expect((await load("G.npy")).shape).toEqual([9, 9]);
  });
});
