// lower |Mx|_2 <= |Ax|_p <= upper |Mx|_2 and |(A - left right) x|_p <= bound |x|_2: for random x and for x aimed at the ends.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createLoewner, type Loewner, type Matrix } from "../../src/index.js";
import { jacobiEigen } from "../../reference/jacobi-eigen.js";
import { apply, bell, energyNorm, matrix, norm, residualOf, uniform, type Kind } from "./matrices.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

const matrices: [Kind, number, number, boolean][] = [
  ["plain", 60, 5, false],
  ["plain", 300, 12, true],
  ["plain", 5, 9, false],
  ["plain", 1, 4, false],
  ["plain", 40, 1, false],
  ["heavy-tailed rows", 300, 8, false],
  ["heavy-tailed rows", 600, 16, true],
  ["heavy-tailed rows", 50, 3, false],
  ["far rows, steep spectrum", 400, 10, false],
  ["far rows, steep spectrum", 700, 16, true],
  ["far rows, steep spectrum", 100, 4, true],
  ["rank 2", 50, 6, false],
  ["rank 2", 300, 9, false],
  ["zero and duplicate rows", 40, 3, false],
  ["zero and duplicate rows", 260, 7, true],
  ["badly scaled columns", 90, 6, false],
  ["badly scaled columns", 270, 11, true],
  ["heavy-tailed rows", 20, 20, false],
  ["heavy-tailed rows", 12, 30, true],
  ["plain", 1000, 6, false],
];

/** |Ax|_p of each x, once. */
function productNorm(a: Matrix, p: number, s?: Float64Array): (x: Float64Array) => number {
  const known = new WeakMap<Float64Array, number>();
  return (x) => {
    let value = known.get(x);
    if (value === undefined) known.set(x, (value = norm(apply(a, x), p, s)));
    return value;
  };
}

/** Random directions, rows of A, eigenvectors of G, and steps of a local search towards both ends of |Ax|_p / |Mx|_2. */
function* directions(
  a: Matrix,
  gram: Matrix,
  ratio: (x: Float64Array) => number,
  count: number,
  seed: number,
): Generator<Float64Array> {
  const d = a.cols;
  const random = (i: number) => Float64Array.from({ length: d }, (_, j) => bell(seed, i * d + j));
  for (let i = 0; i < count / 2; ++i) yield random(i);
  for (let i = 0; i < Math.min(a.rows, count / 8); ++i) yield Float64Array.from(a.data.subarray(i * d, (i + 1) * d));
  const { vectors } = jacobiEigen({ data: Float64Array.from(gram.data), rows: d, cols: d });
  for (let k = 0; k < d; ++k) yield Float64Array.from({ length: d }, (_, j) => vectors.data[j * d + k]);
  for (const sign of [1, -1]) {
    let best = random(count);
    let step = 1;
    for (let i = 0; i < count / 4; ++i) {
      const move = random(count + 1 + i);
      const size = step * norm(best, 2);
      const next = best.map((x, j) => x + size * uniform(seed + 5, i) * move[j]);
      yield next;
      if (sign * ratio(next) > sign * ratio(best)) best = next;
      else step = Math.max(1e-3, step * 0.98);
    }
  }
}

describe.each([1, 1.25, 1.5, 1.75, 2, 3, 6, 10, Infinity])("p = %s", (p) => {
  test.each(matrices)("sandwich: %s %i x %i, f32 %s", async (kind, rows, cols, f32) => {
    const a = matrix(kind, rows, cols, { f32, seed: rows + cols });
    const sizeOf = productNorm(a, p);
    // Early stopped, half way, and converged.
    for (const [maxIterations, tolerance] of [
      [0, 1e-6],
      [2, 1e-6],
      [200, 1e-6],
    ] as const) {
      const { gram, certificate, rank } = await loewner.lewisWeights(a, { p, maxIterations, tolerance });
      const { lower, upper, slack } = certificate;
      const ratio = (x: Float64Array) => sizeOf(x) / energyNorm(gram, x);
      const largest = norm(gram.data, 2);
      // What |Ax|_p is beside each end, at worst: expect() itself takes longer than a direction.
      let least = Infinity;
      let most = 0;
      for (const x of directions(a, gram, ratio, 400, rows * 7 + cols)) {
        const size = energyNorm(gram, x);
        // Directions that the rank rule calls null are null for both sides; near them the test's own x' G x cancels.
        if (size <= 1e-6 * Math.sqrt(largest) * norm(x, 2)) continue;
        const cancelled = (1e-14 * largest * norm(x, 2) ** 2) / size ** 2;
        const value = sizeOf(x);
        least = Math.min(least, value / (lower * size * (1 - slack - cancelled)));
        most = Math.max(most, value / (upper * size * (1 + slack + cancelled)));
      }
      expect(least).toBeGreaterThanOrEqual(1);
      expect(most).toBeLessThanOrEqual(1);
      if (tolerance === 1e-6 && maxIterations === 200) {
        expect(upper / lower).toBeLessThan(rank ** Math.abs(1 / p - 0.5) * (1 + 1e-4));
      }
    }
  });

  test.each(matrices)("low rank: %s %i x %i, f32 %s", async (kind, rows, cols, f32) => {
    const a = matrix(kind, rows, cols, { f32, seed: rows + cols });
    const rowWeights = Float64Array.from({ length: rows }, (_, i) => 0.25 + Math.floor(3 * uniform(8, i)));
    for (const s of [undefined, rowWeights]) {
      const rank = Math.max(1, Math.min(rows, cols) >> 1);
      const result = await loewner.lowRank(a, { rank, p, rowWeights: s, method: "lewis", compareSvd: true });
      const rest = residualOf(a, result.left, result.right);
      for (const { certificate } of result.report.candidates) {
        const { rank: full } = await loewner.leverageScores(a);
        expect(certificate.upper / certificate.lower).toBeLessThanOrEqual(
          full ** Math.abs(1 / p - 0.5) * (1.01 + 1e-9),
        );
      }
      const { bound, slack, rounding } = result.certificate;
      const d = a.cols;
      const gram = { data: new Float64Array(d * d), rows: d, cols: d };
      for (let i = 0; i < rows; ++i)
        for (let j = 0; j < d; ++j)
          for (let k = 0; k < d; ++k) gram.data[j * d + k] += rest.data[i * d + j] * rest.data[i * d + k];
      const sizeOf = productNorm(rest, p, s);
      const ratio = (x: Float64Array) => sizeOf(x) / norm(x, 2);
      let most = 0;
      for (const x of directions(a, gram, ratio, 200, rows * 3 + cols))
        if (norm(x, 2) > 0) most = Math.max(most, ratio(x));
      expect(most).toBeLessThanOrEqual((bound * (1 + slack) + rounding) * (1 + 1e-12));
    }
  });
});

test("10,000 directions at a thousandfold outlier, p = 1", async () => {
  const a = matrix("far rows, steep spectrum", 1500, 12, { f32: true, seed: 3 });
  const { gram, certificate } = await loewner.lewisWeights(a, { p: 1 });
  const { lower, upper, slack } = certificate;
  const sizeOf = productNorm(a, 1);
  const ratio = (x: Float64Array) => sizeOf(x) / energyNorm(gram, x);
  let lowest = Infinity;
  let highest = 0;
  for (const x of directions(a, gram, ratio, 10_000, 11)) {
    lowest = Math.min(lowest, ratio(x));
    highest = Math.max(highest, ratio(x));
  }
  expect(lowest).toBeGreaterThanOrEqual(lower * (1 - slack));
  expect(highest).toBeLessThanOrEqual(upper * (1 + slack));
  // A certificate that is loose by a factor of two would pass the above and be useless.
  expect(highest / lowest).toBeGreaterThan(1.2);
});
