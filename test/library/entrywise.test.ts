import fc from "fast-check";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createLoewner, InvalidInputError, type EntrywiseOptions, type Loewner, type Matrix } from "../../src/index.js";
import { entrywise } from "../../reference/entrywise.js";
import { lowRank } from "../../reference/low-rank.js";
import { toDense } from "../../reference/matrix.js";
import { objective } from "../../reference/objective.js";
import { kinds, matrix, relative, uniform, type Kind } from "./matrices.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

const methods = ["reweighting", "splitting"] as const;
const errorOf = (a: Matrix, { left, right }: { left: Matrix; right: Matrix }, p: number, s?: Float64Array) =>
  objective(toDense(a), toDense(left), toDense(right), p, s);
const zero = (a: Matrix) => ({
  left: { data: new Float64Array(a.rows), rows: a.rows, cols: 1 },
  right: { data: new Float64Array(a.cols), rows: 1, cols: a.cols },
});

describe("against the best of nine starts", () => {
  const { cases } = JSON.parse(readFileSync(new URL("../fixtures/entrywise.json", import.meta.url), "utf8")) as {
    cases: { name: string; rank: number; p: number; A: number[][]; bestOf9Starts: number; svd: number }[];
  };
  test.each(cases)("$name, p = $p: at or below, by default", async ({ rank, p, A, bestOf9Starts, svd }) => {
    const a = { data: Float64Array.from(A.flat()), rows: A.length, cols: A[0].length };
    const result = await loewner.entrywiseLowRank(a, { rank, p });
    expect(result.objective.lp).toBeLessThanOrEqual(bestOf9Starts * (1 + 1e-14));
    expect(relative(result.objective.lp, errorOf(a, result, p).lp)).toBeLessThan(1e-12);
    expect(relative(result.report.starts[0].projection, svd)).toBeLessThan(1e-10);
    expect(result.converged).toBe(true);
    // Splitting has one start, and none of the last digits.
    const other = await loewner.entrywiseLowRank(a, { rank, p, method: "splitting" });
    expect(other.report.method).toBe("splitting");
    expect(other.objective.lp).toBeLessThan(0.96 * svd);
    expect(other.objective.lp).toBeGreaterThanOrEqual(result.objective.lp);
  });
});

const shapes = fc.record({
  kind: fc.constantFrom(...(Object.keys(kinds) as Kind[])),
  rows: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 4, max: 40 }), fc.constantFrom(256, 257)),
  cols: fc.integer({ min: 1, max: 11 }),
  seed: fc.integer({ min: 0, max: 1e6 }),
  f32: fc.boolean(),
});

describe("against a plain implementation without wasm", () => {
  test("the same steps from the same start: SVD's", async () => {
    const kind = fc.constantFrom<Kind>("plain", "heavy-tailed rows", "zero and duplicate rows");
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          kind,
          rows: fc.constantFrom(9, 20, 33, 300),
          cols: fc.integer({ min: 3, max: 9 }),
          seed: fc.nat(99),
        }),
        fc.constantFrom(0.75, 1, 1.3, 1.5, 3),
        fc.boolean(),
        async ({ kind, rows, cols, seed }, p, weighted) => {
          const a = matrix(kind, rows, cols, { seed });
          const rowWeights = weighted
            ? Float64Array.from({ length: rows }, (_, i) => 1 + Math.floor(3 * uniform(seed, i)))
            : undefined;
          const rank = 1 + (seed % 2);
          const start = lowRank(toDense(a), rank, p, "svd", rowWeights);
          // Few steps: more would magnify the last digit where the path forks.
          const twin = entrywise(toDense(a), start, p, 12, rowWeights);
          const result = await loewner.entrywiseLowRank(a, { rank, p, starts: 0, maxIterations: 12, rowWeights });
          expect(relative(result.report.starts[0].projection, start.objective.lp)).toBeLessThan(1e-9);
          expect(relative(result.report.starts[0].refined!, twin.lp)).toBeLessThan(1e-6);
        },
      ),
      { numRuns: 24, seed: 20260 },
    );
  });

  test.each(methods)(
    "%s: the report is of the factors, never worse than a projection, right is orthonormal",
    async (method) => {
      await fc.assert(
        fc.asyncProperty(
          shapes,
          fc.double({ min: 0, max: 1, noNaN: true }),
          fc.constantFrom(0.5, 1, 1.5, 1.9, 2, 3),
          async (shape, share, p) => {
            const a = matrix(shape.kind, shape.rows, shape.cols, shape);
            const rank = 1 + Math.floor(share * (Math.min(a.rows, a.cols) - 1));
            const rowWeights =
              shape.seed % 2
                ? Float64Array.from({ length: a.rows }, (_, i) => Math.floor(3 * uniform(shape.seed, i)))
                : undefined;
            const result = await loewner.entrywiseLowRank(a, {
              rank,
              p,
              method,
              starts: 1,
              maxIterations: 30,
              rowWeights,
            });
            const exact = errorOf(a, result, p, rowWeights);
            const size = errorOf(a, zero(a), p, rowWeights);
            const noise = 1e-12 * size.lp;
            expect(Math.abs(result.objective.lp - exact.lp)).toBeLessThanOrEqual(1e-7 * exact.lp + noise);
            for (const { projection } of result.report.starts)
              expect(result.objective.lp).toBeLessThanOrEqual(projection);
            const { right } = result;
            for (let i = 0; i < rank; ++i) {
              for (let j = 0; j <= i; ++j) {
                let dot = 0;
                for (let l = 0; l < a.cols; ++l) dot += right.data[i * a.cols + l] * right.data[j * a.cols + l];
                expect(Math.abs(dot - Number(i === j))).toBeLessThan(shape.f32 ? 1e-6 : 1e-9);
              }
            }
            for (const x of result.left.data) expect(Number.isFinite(x)).toBe(true);
          },
        ),
        { numRuns: 40, seed: 20261 },
      );
    },
  );
});

describe("splitting", () => {
  test.each([0.75, 1, 1.25, 1.6, 2.5, 3])(
    "p = %f: about what reweighting reaches, well below the projection",
    async (p) => {
      const a = matrix("plain", 130, 10, { seed: 3 });
      for (const rank of [3, 7]) {
        const fine = await loewner.entrywiseLowRank(a, { rank, p, starts: 0, method: "reweighting" });
        const quick = await loewner.entrywiseLowRank(a, { rank, p, starts: 0, method: "splitting", maxIterations: 60 });
        expect(quick.report.method).toBe("splitting");
        // Most of the way from the projection to there; below 1 there are many more local minima to end in.
        const { projection } = fine.report.starts[0];
        expect(projection - quick.objective.lp).toBeGreaterThan((p < 1 ? 0.3 : 0.7) * (projection - fine.objective.lp));
      }
    },
  );

  test("f32, and f32 rows that need f64 sums", async () => {
    for (const kind of ["heavy-tailed rows", "far rows, steep spectrum"] as const) {
      const wide = matrix(kind, 700, 20, { seed: 5 });
      const narrow = { ...wide, data: Float32Array.from(wide.data) };
      const options = { rank: 13, method: "splitting", maxIterations: 20 } as const;
      const ours = await loewner.entrywiseLowRank(narrow, options);
      const theirs = await loewner.entrywiseLowRank(wide, options);
      expect(ours.left.data).toBeInstanceOf(Float32Array);
      expect(theirs.left.data).toBeInstanceOf(Float64Array);
      expect(relative(ours.objective.lp, theirs.objective.lp)).toBeLessThan(2e-3);
      expect(ours.objective.lp).toBeLessThan(0.9 * ours.report.starts[0].projection);
    }
  });

  test("1000 spoiled entries of a matrix of rank 10 are found out", async () => {
    const [n, d, k] = [400, 40, 10];
    const data = new Float64Array(n * d);
    const [x, y] = [matrix("plain", n, k, { seed: 1 }), matrix("plain", k, d, { seed: 2 })];
    for (let i = 0; i < n; ++i)
      for (let j = 0; j < d; ++j) for (let l = 0; l < k; ++l) data[i * d + j] += x.data[i * k + l] * y.data[l * d + j];
    const clean = data.slice();
    let spoiled = 0;
    for (let e = 0; e < 1000; ++e) data[Math.floor(uniform(7, e) * n * d)] += 20 * (uniform(8, e) - 0.5);
    for (let e = 0; e < n * d; ++e) spoiled += Math.abs(data[e] - clean[e]);
    const a = { data, rows: n, cols: d };
    const { objective, report } = await loewner.entrywiseLowRank(a, {
      rank: k,
      method: "splitting",
      maxIterations: 100,
    });
    expect(report.starts[0].projection).toBeGreaterThan(1.5 * spoiled);
    expect(objective.lp).toBeLessThan(1.01 * spoiled);
  });
});

describe.each(methods)("%s: invariants", (method) => {
  const options = { rank: 4, p: 1, starts: 1, maxIterations: 25, method } as const;

  test.each([true, false])("the same bytes for every tile size, f32 %s", async (f32) => {
    const a = matrix("heavy-tailed rows", 1100, 9, { f32 });
    const expected = await loewner.entrywiseLowRank(a, options);
    for (const tileRows of [256, 512, 4096]) {
      const other = await createLoewner({ tileRows });
      const { left, right } = await other.entrywiseLowRank(a, options);
      expect(left.data).toEqual(expected.left.data);
      expect(right.data).toEqual(expected.right.data);
      other.dispose();
    }
  });

  test.each([2 ** 600, 2 ** -600])("A times %f: the same factors, scaled", async (scale) => {
    const a = matrix("heavy-tailed rows", 300, 9);
    const b = { ...a, data: a.data.map((x) => x * scale) };
    const [x, y] = [await loewner.entrywiseLowRank(a, options), await loewner.entrywiseLowRank(b, options)];
    expect(relative(y.objective.lp / scale, x.objective.lp)).toBeLessThan(1e-3);
    expect(y.objective.lp / scale).toBeLessThan(0.95 * x.report.starts[0].projection);
  });

  test("whole row weights count rows; zero weights drop them", async () => {
    const a = matrix("plain", 60, 6, { seed: 2 });
    const counts = Float64Array.from({ length: 60 }, (_, i) => i % 3);
    const repeated: number[] = [];
    counts.forEach((count, i) => {
      for (let c = 0; c < count; ++c) repeated.push(...a.data.subarray(i * 6, i * 6 + 6));
    });
    const b = { data: Float64Array.from(repeated), rows: repeated.length / 6, cols: 6 };
    const x = await loewner.entrywiseLowRank(a, { ...options, rank: 2, rowWeights: counts, starts: 0 });
    const y = await loewner.entrywiseLowRank(b, { ...options, rank: 2, starts: 0 });
    expect(relative(x.objective.lp, y.objective.lp)).toBeLessThan(5e-3);
  });

  test("bf16 rows: what their f32 values give", async () => {
    const a = matrix("plain", 300, 7, { f32: true });
    const bits = new Uint32Array(a.data.buffer as ArrayBuffer).map((x) => x & 0xffff0000);
    const halves = Uint16Array.from(bits, (x) => x >>> 16);
    const source = {
      ...{ rows: 300, cols: 7, dtype: "bf16" as const },
      read: (start: number, count: number) => new Uint8Array(halves.buffer, start * 14, count * 14),
    };
    const expected = await loewner.entrywiseLowRank({ ...a, data: new Float32Array(bits.buffer) }, options);
    expect((await loewner.entrywiseLowRank(source, options)).left.data).toEqual(expected.left.data);
  });

  test("all row weights zero: nothing to fit", async () => {
    const a = matrix("plain", 30, 5);
    const { objective, left } = await loewner.entrywiseLowRank(a, { ...options, rowWeights: new Float64Array(30) });
    expect(objective.lp).toBe(0);
    for (const x of left.data) expect(Number.isFinite(x)).toBe(true);
  });

  test("the order of the rows does not matter", async () => {
    const a = matrix("plain", 257, 7, { seed: 6 });
    const b = { ...a, data: new Float64Array(a.data.length) };
    for (let i = 0; i < 257; ++i) b.data.set(a.data.subarray(i * 7, i * 7 + 7), ((i * 100) % 257) * 7);
    const [x, y] = [await loewner.entrywiseLowRank(a, options), await loewner.entrywiseLowRank(b, options)];
    expect(relative(x.objective.lp, y.objective.lp)).toBeLessThan(1e-6);
  });

  test.each<[string, Matrix, number]>([
    ["rank 2 of 2", matrix("rank 2", 50, 7), 2],
    ["rank 3 of 2", matrix("rank 2", 50, 7), 3],
    ["k = d", matrix("plain", 50, 7), 7],
    ["one row", matrix("plain", 1, 7), 1],
    ["one column", matrix("plain", 50, 1), 1],
    ["zeros", { data: new Float64Array(40), rows: 8, cols: 5 }, 2],
  ])("exact: %s", async (_, a, rank) => {
    const { objective, converged } = await loewner.entrywiseLowRank(a, { ...options, rank });
    expect(objective.lp).toBeLessThanOrEqual(1e-12 * errorOf(a, zero(a), 1).lp);
    expect(converged).toBe(true);
  });
});

test("p = 2 is the SVD", async () => {
  const a = matrix("plain", 90, 8);
  const svd = await loewner.lowRank(a, { rank: 3, p: 2 });
  const { objective, left, report } = await loewner.entrywiseLowRank(a, { rank: 3, p: 2 });
  expect(report.method).toBe("projection");
  expect(objective.lp).toBe(svd.report.objective.lp);
  expect(left.data).toEqual(svd.left.data);
});

test("seeds: the same one the same bytes, another one other starts", async () => {
  const a = matrix("plain", 40, 7);
  const run = (seed: number) => loewner.entrywiseLowRank(a, { rank: 2, starts: 2, maxIterations: 5, seed });
  const [x, y, z] = [await run(1), await run(1), await run(2)];
  expect(x.right.data).toEqual(y.right.data);
  expect(x.report.starts.map((s) => s.start)).toEqual(["svd", "lewis", "random", "random"]);
  expect(x.report.starts[2].projection).not.toBe(z.report.starts[2].projection);
  expect(x.report.starts[2].projection).not.toBe(x.report.starts[3].projection);
});

test("no step at all is the better projection; it has not converged", async () => {
  const a = matrix("heavy-tailed rows", 90, 8);
  const { report, converged, objective, iterations } = await loewner.entrywiseLowRank(a, {
    rank: 3,
    maxIterations: 0,
    starts: 0,
  });
  expect([report.method, converged, iterations]).toEqual(["projection", false, 0]);
  expect(objective.lp).toBe(Math.min(...report.starts.map((s) => s.projection)));
});

test("large shapes go to splitting, by estimate", async () => {
  const a = matrix("plain", 3000, 48, { f32: true });
  const { report } = await loewner.entrywiseLowRank(a, { rank: 44, maxIterations: 2 });
  expect(report.method).toBe("splitting");
});

test("progress is monotone and ends at its total", async () => {
  for (const method of methods) {
    const seen: number[] = [];
    await loewner.entrywiseLowRank(matrix("plain", 600, 8), {
      ...{ rank: 3, method, starts: 1, maxIterations: 9 },
      onProgress: ({ done, total }) => seen.push(done / total),
    });
    seen.slice(1).forEach((share, i) => expect(share).toBeGreaterThanOrEqual(seen[i]));
    expect(seen.at(-1)).toBe(1);
  }
});

describe("bad input is refused with a message that names it", () => {
  test.each<[string, EntrywiseOptions, RegExp]>([
    ["rank 0", { rank: 0 }, /rank must be a whole number from 1 to min\(rows, cols\) = 6 .*got 0/],
    ["rank too large", { rank: 7 }, /got 7/],
    ["p 0", { rank: 1, p: 0 }, /p must be a number with 0 < p < 4; got 0/],
    ["p 4", { rank: 1, p: 4 }, /got 4/],
    ["maxIterations", { rank: 1, maxIterations: 1.5 }, /maxIterations must be a whole number of at least 0; got 1\.5/],
    ["tolerance", { rank: 1, tolerance: 0 }, /tolerance must be a positive number; got 0/],
    ["starts", { rank: 1, starts: -1 }, /starts must be a whole number of at least 0; got -1/],
    ["seed", { rank: 1, seed: -1 }, /seed must be a whole number from 0 to 2\^53 - 1; got -1/],
    [
      "method",
      { rank: 1, method: "magic" as "auto" },
      /method must be one of "auto", "reweighting", "splitting"; got "magic"/,
    ],
    ["row weights", { rank: 1, rowWeights: [1] }, /rowWeights has 1 entries, but A has 30 rows/],
  ])("%s", async (_, options, message) => {
    const promise = loewner.entrywiseLowRank(matrix("plain", 30, 6), options);
    await expect(promise).rejects.toThrow(InvalidInputError);
    await expect(promise).rejects.toThrow(message);
  });

  test("NaN in A: row and column", async () => {
    const a = matrix("plain", 300, 6);
    a.data[270 * 6 + 2] = NaN;
    await expect(loewner.entrywiseLowRank(a, { rank: 2 })).rejects.toThrow(
      "A holds NaN or infinity at row 270, column 2",
    );
  });
});
