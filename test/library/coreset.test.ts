// Coresets: the rows that the plain sampler chooses, probabilities that are what they are said to be, errors that are realised.
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  AbortedError,
  createLoewner,
  type CoresetOptions,
  type CoresetResult,
  type Loewner,
  type Matrix,
  type Progress,
} from "../../src/index.js";
import { coreset as twin, directionOrder } from "../../reference/coreset.js";
import { leverageScores } from "../../reference/leverage.js";
import { lewisWeights } from "../../reference/lewis.js";
import { toDense } from "../../reference/matrix.js";
import { philox, uniform as philoxUniform } from "../../reference/philox.js";
import { apply, bell, matrix, norm, relative, uniform, type Kind } from "./matrices.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

const sumOf = (x: ArrayLike<number>) => Array.from(x).reduce((a, b) => a + b, 0);
const direction = (d: number, seed: number) => Float64Array.from({ length: d }, (_, j) => bell(seed, j));
/** |Cx|_p */
const estimate = ({ rows, weights }: { rows: Matrix; weights: Float64Array }, x: Float64Array, p: number) =>
  norm(apply(rows, x), p, weights);
const facts = ({ seconds, ...rest }: CoresetResult) => ({ ...rest, seconds: seconds >= 0 });

test("the twin's Philox gives the vectors that its authors publish (Random123, kat_vectors)", () => {
  expect(philox([0, 0, 0, 0], [0, 0])).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
  const f = 0xffffffff;
  expect(philox([f, f, f, f], [f, f])).toEqual([0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]);
});

describe("against the twin: the same rows", () => {
  const shapes = fc.record({
    kind: fc.constantFrom<Kind>("plain", "heavy-tailed rows", "far rows, steep spectrum", "badly scaled columns"),
    rows: fc.oneof(fc.integer({ min: 30, max: 60 }), fc.constantFrom(255, 257, 513)),
    cols: fc.integer({ min: 1, max: 7 }),
    matrixSeed: fc.integer({ min: 0, max: 1e6 }),
    seed: fc.oneof(fc.integer({ min: 0, max: 9 }), fc.constant(2 ** 40 + 3)),
    share: fc.double({ min: 0.1, max: 0.7, noNaN: true }),
    weighted: fc.boolean(),
    p: fc.constantFrom(0.7, 1, 2, 3),
  });
  test.each(["lewis", "leverage", "mixed", "uniform"] as const)("%s", async (scheme) => {
    await fc.assert(
      fc.asyncProperty(shapes, async ({ kind, rows, cols, matrixSeed, seed, share, weighted, p }) => {
        const a = matrix(kind, rows, cols, { seed: matrixSeed });
        const s = weighted
          ? Float64Array.from({ length: rows }, (_, i) => Math.floor(4 * uniform(matrixSeed, i)))
          : undefined;
        const live = s ? s.filter((x) => x > 0).length : rows;
        const size = Math.ceil(share * live);
        const options = { p, size, seed, scheme, rowWeights: s, tolerance: 1e-10 };
        const { indices, weights, probabilities, expected, rows: taken } = await loewner.coreset(a, options);
        const lewis = lewisWeights(toDense(a), p, s).weights;
        const leverage = leverageScores(toDense(a), s);
        const total = s ? sumOf(s) : rows;
        const q = {
          lewis,
          leverage: leverage.scores,
          mixed: leverage.scores.map((x, i) => x / leverage.rank + (s ? s[i] : 1) / total),
          uniform: s ?? new Float64Array(rows).fill(1),
        }[scheme];
        const order = scheme === "uniform" ? [...q.keys()] : directionOrder(toDense(a), lewis, p, s);
        const plain = twin(q, order, { size, seed, s });
        expect([...indices]).toEqual(plain.indices);
        weights.forEach((w, k) => expect(relative(w, plain.weights[k])).toBeLessThan(1e-6));
        probabilities.forEach((x, k) => expect(relative(x, plain.probabilities[k])).toBeLessThan(1e-6));
        expect(expected).toBeCloseTo(size, 9);
        expect(indices.length).toBe(size);
        indices.forEach((i, k) =>
          expect([...taken.data.subarray(k * cols, (k + 1) * cols)]).toEqual([
            ...a.data.subarray(i * cols, (i + 1) * cols),
          ]),
        );
      }),
      { numRuns: 25, seed: 20262 },
    );
  });
});

test("the numbers are Philox's, keyed by seed, stream 16 and row", async () => {
  // Two equal rows, one to be chosen: row 1's number decides, and it wins when that is below a half.
  for (let seed = 0; seed < 20; ++seed) {
    const { indices } = await loewner.coreset({ data: Float64Array.of(1, 1), rows: 2, cols: 1 }, { size: 1, seed });
    expect([...indices]).toEqual([philoxUniform(seed, 16, 1) < 0.5 ? 1 : 0]);
  }
});

describe("realised error", () => {
  const cases: [Kind, number, number][] = [
    ["plain", 700, 5],
    ["heavy-tailed rows", 900, 8],
    ["far rows, steep spectrum", 600, 6],
    ["rank 2", 400, 6],
    ["zero and duplicate rows", 500, 4],
    ["badly scaled columns", 500, 7],
    ["plain", 300, 1],
  ];
  test.each(cases)("%s %i x %i: what is proved holds, and what is measured is within it", async (kind, rows, cols) => {
    const a = matrix(kind, rows, cols);
    for (const p of [0.5, 1, 1.5, 2, 3]) {
      for (const scheme of ["lewis", "mixed", "uniform"] as const) {
        const c = await loewner.coreset(a, { p, size: 40, seed: 3, scheme });
        const { measured, proved } = c.realised;
        expect(proved.lower).toBeLessThanOrEqual(measured.lower * (1 + 1e-9));
        expect(proved.upper).toBeGreaterThanOrEqual(measured.upper * (1 - 1e-9));
        expect(measured.lower).toBeLessThanOrEqual(measured.upper);
        for (let i = 0; i < 30; ++i) {
          const x = direction(cols, 50 + i);
          const ratio = estimate(c, x, p) / norm(apply(a, x), p);
          expect(ratio).toBeGreaterThanOrEqual(proved.lower * (1 - 1e-9));
          expect(ratio).toBeLessThanOrEqual(proved.upper * (1 + 1e-9));
        }
        // At p = 2 both are the extreme eigenvalues.
        if (p === 2) {
          expect(relative(measured.upper, proved.upper)).toBeLessThan(1e-6);
          if (proved.lower > 1e-3) expect(relative(measured.lower, proved.lower)).toBeLessThan(1e-6);
        }
      }
    }
  });

  test("a coreset that misses a direction is proved to do nothing there, and seen to", async () => {
    // Column 3 lives in one row, which the control misses.
    const a = matrix("plain", 500, 4);
    for (let i = 0; i < 500; ++i) a.data[i * 4 + 3] = i === 77 ? 1 : 0;
    const { realised, indices } = await loewner.coreset(a, { size: 30, scheme: "uniform" });
    expect(indices).not.toContain(77);
    expect(realised.proved.lower).toBe(0);
    expect(realised.measured.lower).toBeLessThan(0.01);
    const lewis = await loewner.coreset(a, { size: 30 });
    expect(lewis.indices).toContain(77);
    expect(lewis.realised.measured.lower).toBeGreaterThan(0.4);
  });

  test("scores that hide a direction from f64 prove nothing, and say so", async () => {
    // Odd rows lie along (1, 1), and weigh so little that their part of the Gram matrix is below rounding.
    const a = matrix("plain", 60, 2);
    for (let i = 0; i < 60; ++i) a.data[2 * i + 1] = (i % 2 ? 1 : -1) * a.data[2 * i];
    const scores = Float64Array.from({ length: 60 }, (_, i) => (i % 2 ? 1e-60 : 1));
    const { realised, rank } = await loewner.coreset(a, { p: 3, size: 40, scores });
    expect(rank).toBe(2);
    expect(realised.proved).toEqual({ lower: 0, upper: Infinity });
  });

  test("the search aims: it finds more than 1000 random directions do", async () => {
    const a = matrix("heavy-tailed rows", 2000, 10);
    const c = await loewner.coreset(a, { size: 60 });
    const ratios = Array.from({ length: 1000 }, (_, i) => {
      const x = direction(10, 1000 + i);
      return estimate(c, x, 1) / norm(apply(a, x), 1);
    });
    expect(c.realised.measured.upper).toBeGreaterThan(Math.max(...ratios));
    expect(c.realised.measured.lower).toBeLessThan(Math.min(...ratios));
  });
});

// What the eigenvectors that the search starts from reach without a step: 0.610 and 0.817.
test.each([
  [1500, 16, 80, 1, 0.571],
  [1000, 12, 120, 0.7, 0.772],
])("the search climbs: %i x %i, %i rows, p = %d goes down to %d", async (rows, cols, size, p, attained) => {
  const { realised } = await loewner.coreset(matrix("plain", rows, cols, { seed: 8 }), { p, size, seed: 1 });
  expect(realised.measured.lower).toBeLessThan(attained + 0.01);
  expect(realised.measured.lower).toBeGreaterThan(attained - 0.03);
});

describe("invariants", () => {
  test("tile sizes give the same", async () => {
    const a = matrix("heavy-tailed rows", 1300, 9, { f32: true });
    const results = [];
    for (const tileRows of [256, 512, 4096]) {
      const instance = await createLoewner({ tileRows });
      results.push(facts(await instance.coreset(a, { size: 100, seed: 5 })));
      instance.dispose();
    }
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
  });

  test("f32 and f64 of the same numbers, and A times a power of two, choose the same rows", async () => {
    const a = matrix("heavy-tailed rows", 600, 6, { f32: true });
    const { indices, rows } = await loewner.coreset(a, { size: 80, seed: 2 });
    expect(rows.data).toBeInstanceOf(Float32Array);
    for (const factor of [1, 2 ** 600, 2 ** -600]) {
      const wide = { ...a, data: Float64Array.from(a.data, (x) => x * factor) };
      const other = await loewner.coreset(wide, { size: 80, seed: 2 });
      expect(other.indices).toEqual(indices);
      expect(other.rows.data).toBeInstanceOf(Float64Array);
      expect(other.realised.measured.upper).toBeLessThan(2);
      expect(other.realised.proved.upper).toBeLessThan(20);
    }
  });

  test("other seeds choose other rows; the same seed the same", async () => {
    const a = matrix("plain", 600, 6);
    const [x, y, z] = [
      await loewner.coreset(a, { size: 60, seed: 1 }),
      await loewner.coreset(a, { size: 60, seed: 1 }),
      await loewner.coreset(a, { size: 60, seed: 2 }),
    ];
    expect(facts(x)).toEqual(facts(y));
    expect(x.indices).not.toEqual(z.indices);
  });

  test("scores given: the same as computed here", async () => {
    const a = matrix("heavy-tailed rows", 600, 6);
    const { weights } = await loewner.lewisWeights(a, { tolerance: 0.01 });
    const [x, y] = [await loewner.coreset(a, { size: 60 }), await loewner.coreset(a, { size: 60, scores: weights })];
    expect(y.indices).toEqual(x.indices);
    expect(y.realised).toEqual(x.realised);
  });

  test("a size of at least the rows that count gives them all, exactly", async () => {
    const a = matrix("zero and duplicate rows", 40, 3);
    const live = [...Array(40).keys()].filter((i) => i % 3 !== 1);
    for (const size of [live.length, 40, 1000]) {
      const c = await loewner.coreset(a, { size, rowWeights: Array.from({ length: 40 }, (_, i) => (i === 0 ? 0 : 2)) });
      expect([...c.indices]).toEqual(live.slice(1));
      expect(new Set(c.weights)).toEqual(new Set([2]));
      expect(new Set(c.probabilities)).toEqual(new Set([1]));
      expect(c).toMatchObject({ expected: live.length - 1, rank: 3, converged: true });
      expect(c.realised).toEqual({ measured: { lower: 1, upper: 1 }, proved: { lower: 1, upper: 1 }, directions: 0 });
    }
  });

  test("one row, one column, all zero, fewer rows than columns", async () => {
    expect([...(await loewner.coreset(matrix("plain", 1, 4), { size: 1 })).weights]).toEqual([1]);
    expect((await loewner.coreset(matrix("plain", 90, 1), { size: 10 })).indices).toHaveLength(10);
    const zero = await loewner.coreset({ data: new Float64Array(12), rows: 4, cols: 3 }, { size: 2 });
    expect([zero.indices.length, zero.rows.rows, zero.rank]).toEqual([0, 0, 0]);
    // Each row is alone in its direction: no share is small, and a missing one is seen.
    const wide = await loewner.coreset(matrix("plain", 5, 9), { size: 3 });
    expect(wide.indices).toHaveLength(3);
    expect(wide.realised.proved.lower).toBe(0);
  });
});

describe("bad input is refused with a message that names it", () => {
  const a = matrix("plain", 300, 4);
  test.each<[string, CoresetOptions, RegExp]>([
    ["no size", {} as CoresetOptions, /size must be a whole number of rows, at least 1; got undefined/],
    ["size 0", { size: 0 }, /got 0/],
    ["size 1.5", { size: 1.5 }, /got 1\.5/],
    ["seed", { size: 9, seed: -1 }, /seed must be a whole number from 0 to 2\^53 - 1; got -1/],
    [
      "scheme",
      { size: 9, scheme: "magic" as "lewis" },
      /scheme must be one of "lewis", "leverage", "mixed", "uniform"; got "magic"/,
    ],
    ["p 0", { size: 9, p: 0 }, /p must be a number with 0 < p/],
    ["p infinite", { size: 9, p: Infinity }, /p must be finite/],
    ["tolerance", { size: 9, tolerance: -1 }, /tolerance must be a positive number/],
    ["too few scores", { size: 9, scores: [1] }, /scores has 1 entries, but A has 300 rows/],
    [
      "negative score",
      { size: 9, scores: Array(300).fill(-1) },
      /scores\[0\] is -1; scores must be finite and at least 0/,
    ],
    [
      "score 0 of a row",
      { size: 9, scores: Array.from({ length: 300 }, (_, i) => (i === 7 ? 0 : 1)) },
      /scores\[7\] is 0, but row 7 of A is not zero: it could never be chosen/,
    ],
    ["row weights", { size: 9, rowWeights: [1] }, /rowWeights has 1 entries/],
  ])("%s", async (_, options, message) => {
    await expect(loewner.coreset(a, options)).rejects.toThrow(message);
  });

  test("NaN names its place; progress is monotone and ends; a signal stops it", async () => {
    const b = matrix("plain", 300, 4);
    b.data[130 * 4 + 2] = NaN;
    await expect(loewner.coreset(b, { size: 9 })).rejects.toThrow("A holds NaN or infinity at row 130, column 2");
    const seen: Progress[] = [];
    await loewner.coreset(a, { size: 9, onProgress: (progress) => seen.push(progress) });
    seen.slice(1).forEach((progress, i) => expect(progress.done).toBeGreaterThanOrEqual(seen[i].done));
    expect(seen.at(-1)!.done).toBe(seen.at(-1)!.total);
    expect(seen.slice(0, -1).every(({ done, total }) => done < total)).toBe(true);
    const controller = new AbortController();
    const stopped = loewner.coreset(a, { size: 9, signal: controller.signal, onProgress: () => controller.abort() });
    await expect(stopped).rejects.toThrow(AbortedError);
  });
});
