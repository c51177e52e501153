import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createLoewner, InvalidInputError, type Loewner, type Matrix, type SubspaceOptions } from "../../src/index.js";
import { norm2, toDense } from "../../reference/matrix.js";
import { pca, sumOfPowers } from "../../reference/subspace.js";
import { bell, matrix, relative, uniform } from "./matrices.js";
import { expectOrthonormal, inType } from "./subspace-checks.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

const times = (a: Matrix, factor: number): Matrix => ({ ...a, data: a.data.map((x) => x * factor) });

describe("invariants", () => {
  const a = matrix("heavy-tailed rows", 700, 11, { seed: 2 });

  test("the same bytes for every tile, f32 and f64, with restarts", async () => {
    for (const f32 of [false, true]) {
      for (const rank of [2, 8]) {
        const results = [];
        for (const tileRows of [256, 512, 4096]) {
          const instance = await createLoewner({ tileRows });
          const { seconds, ...result } = await instance.robustSubspace(inType(a, f32), { rank, restarts: 3 });
          expect(seconds).toBeGreaterThan(0);
          results.push(result);
          instance.dispose();
        }
        expect(results[1]).toEqual(results[0]);
        expect(results[2]).toEqual(results[0]);
      }
    }
  });

  test("seeds: the same gives the same, another may not; the order of rows does not matter", async () => {
    const options = { rank: 3, restarts: 5, seed: 7 };
    const once = await loewner.robustSubspace(a, options);
    const again = await loewner.robustSubspace(a, options);
    expect({ ...again, seconds: once.seconds }).toEqual(once);
    const reversed = { ...a, data: a.data.slice().reverse() };
    const backwards = await loewner.robustSubspace(reversed, { rank: 3, restarts: 5, seed: 8 });
    expect(relative(backwards.objective, once.objective)).toBeLessThan(1e-4);
  });

  test.each([
    [1e200, false],
    [1e-200, false],
    [2 ** 100, true],
    [2 ** -110, true],
    [2 ** -135, true],
  ])("times %d the distances are that many times, f32 %s", async (factor, f32) => {
    for (const rank of [2, 8]) {
      const one = await loewner.robustSubspace(inType(a, f32), { rank });
      const other = await loewner.robustSubspace(inType(times(a, factor), f32), { rank });
      expect(relative(other.objective / factor, one.objective)).toBeLessThan(1e-5);
      other.distances.forEach((x, i) =>
        expect(Math.abs(x / factor - one.distances[i])).toBeLessThan(0.02 * (1 + one.distances[i])),
      );
    }
  });

  test("a looser tolerance takes fewer sweeps and is no better; maxIterations 0 is PCA, and says so", async () => {
    const tight = await loewner.robustSubspace(a, { rank: 4 });
    const loose = await loewner.robustSubspace(a, { rank: 4, tolerance: 1e-2 });
    expect(loose.iterations).toBeLessThan(tight.iterations);
    expect(loose.objective).toBeGreaterThanOrEqual(tight.objective * (1 - 1e-12));
    expect(loose.objective).toBeLessThan(tight.objective * 1.02);
    expect(tight.residual).toBeLessThanOrEqual(1e-6);
    const none = await loewner.robustSubspace(a, { rank: 4, maxIterations: 0 });
    expect(none.converged).toBe(false);
    expect(relative(none.objective, sumOfPowers(toDense(a), pca(toDense(a), 4), 1))).toBeLessThan(1e-6);
  });

  test("rows too far for f32 are measured in f64", async () => {
    const b = matrix("far rows, steep spectrum", 600, 24, { f32: true });
    for (const rank of [3, 20]) {
      const { objective, distances: ours, basis } = await loewner.robustSubspace(b, { rank });
      expect(relative(objective, sumOfPowers(toDense(b), toDense(basis), 1))).toBeLessThan(1e-10);
      expect(ours.length).toBe(600);
      const wide = await loewner.robustSubspace(inType(b, false), { rank });
      expect(objective).toBeLessThan(wide.objective * (1 + 1e-4));
    }
  });

  test("distances that f32 would take for rounding are not", async () => {
    const data = Float32Array.from({ length: 300 * 5 }, (_, i) => {
      const [row, col] = [Math.floor(i / 5), i % 5];
      return bell(3, i) * (col < 2 ? 1 : 1e-10 / uniform(4, row) ** 1.5);
    });
    const b = { data, rows: 300, cols: 5 };
    const { objective, iterations } = await loewner.robustSubspace(b, { rank: 2 });
    expect(iterations).toBeGreaterThan(0);
    expect(relative(objective, (await loewner.robustSubspace(inType(b, false), { rank: 2 })).objective)).toBeLessThan(
      1e-3,
    );
    expect(objective).toBeLessThan(0.99 * sumOfPowers(toDense(b), pca(toDense(b), 2), 1));
  });

  test.each([
    ["all rows zero", { data: new Float64Array(30), rows: 10, cols: 3 }, 2],
    ["one row", { data: Float64Array.of(3, 4), rows: 1, cols: 2 }, 1],
    ["one column", { data: Float64Array.of(3, 4, 0), rows: 3, cols: 1 }, 1],
    ["rank = cols", matrix("plain", 20, 3), 3],
    ["rank of A below rank", matrix("rank 2", 40, 6), 3],
    [
      "the same row again and again",
      { data: Float64Array.from({ length: 40 }, (_, i) => 1 + (i % 4)), rows: 10, cols: 4 },
      1,
    ],
  ] as [string, Matrix, number][])("%s: nothing is left over", async (_, b, rank) => {
    for (const f32 of [false, true]) {
      for (const p of [0.5, 1, 2]) {
        const {
          objective,
          distances: left,
          basis,
          converged,
        } = await loewner.robustSubspace(inType(b, f32), { rank, p, restarts: 3 });
        const scale = norm2(toDense(b).data);
        expect(left.every((x) => x <= (f32 ? 1e-6 : 1e-12) * scale)).toBe(true);
        expect(objective).toBeLessThanOrEqual(b.rows * ((f32 ? 1e-6 : 1e-12) * scale) ** p);
        expect(converged).toBe(true);
        expectOrthonormal(basis);
      }
    }
  });

  test("row weights all 0: an answer all the same", async () => {
    const { objective, converged } = await loewner.robustSubspace(a, { rank: 2, rowWeights: new Float64Array(700) });
    expect([objective, converged]).toEqual([0, true]);
  });
});

describe("bad input is refused with a message that names it", () => {
  const a = matrix("plain", 20, 5);
  test.each<[string, SubspaceOptions, RegExp]>([
    ["rank 0", { rank: 0 }, /rank must be a whole number from 1 to min\(rows, cols\) = 5 .*got 0/],
    ["rank above cols", { rank: 6 }, /got 6/],
    ["no rank", {} as SubspaceOptions, /got undefined/],
    ["p 0", { rank: 1, p: 0 }, /p must be a number with 0 < p <= 2; got 0/],
    ["p above 2", { rank: 1, p: 2.5 }, /0 < p <= 2; got 2\.5/],
    ["restarts", { rank: 1, restarts: -1 }, /restarts must be a whole number of at least 0; got -1/],
    ["fractional restarts", { rank: 1, restarts: 1.5 }, /restarts .*got 1\.5/],
    ["seed", { rank: 1, seed: -1 }, /seed must be a whole number from 0 to 2\^53 - 1; got -1/],
    ["tolerance", { rank: 1, tolerance: 0 }, /tolerance must be a positive number; got 0/],
    ["maxIterations", { rank: 1, maxIterations: -2 }, /maxIterations must be a whole number of at least 0; got -2/],
    ["row weights", { rank: 1, rowWeights: [1] }, /rowWeights has 1 entries, but A has 20 rows/],
  ])("%s", async (_, options, message) => {
    const promise = loewner.robustSubspace(a, options);
    await expect(promise).rejects.toThrow(InvalidInputError);
    await expect(promise).rejects.toThrow(message);
  });

  test("NaN in A: row and column", async () => {
    const b = matrix("plain", 300, 5);
    b.data[270 * 5 + 2] = NaN;
    await expect(loewner.robustSubspace(b, { rank: 1 })).rejects.toThrow(/NaN or infinity at row 270, column 2/);
  });

  test("progress ends at its total; a signal stops it", async () => {
    let last = 0;
    await loewner.robustSubspace(a, { rank: 2, onProgress: ({ done, total }) => (last = done / total) });
    expect(last).toBe(1);
    const controller = new AbortController();
    const stopped = loewner.robustSubspace(a, {
      rank: 2,
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    await expect(stopped).rejects.toMatchObject({ code: "ABORTED" });
  });
});
