// Small matrices with spikes: as near to the best of many random starts as can be told, where one start alone ends a few per cent above.
import { afterAll, beforeAll, expect, test } from "vitest";
import { createLoewner, type EntrywiseOptions, type Loewner } from "../../src/index.js";
import { bell, uniform } from "./matrices.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

const [n, d] = [30, 8];

/** Rank 2, a little noise, 5 % spikes. */
function spiked(seed: number): Float64Array {
  return Float64Array.from({ length: n * d }, (_, at) => {
    const [i, j] = [Math.floor(at / d), at % d];
    const plain = bell(seed, 2 * i) * bell(seed + 1, 2 * j) + bell(seed, 2 * i + 1) * bell(seed + 1, 2 * j + 1);
    const spike = uniform(seed + 2, at) < 0.05 ? 10 * bell(seed + 3, at) : 0;
    return plain + 0.05 * bell(seed + 4, at) + spike;
  });
}

/** Least sum of |A - L R| over rank 2 from a random R: alternating reweighted least squares, its floor from half of mean |A| down to nothing. */
function fromRandom(a: Float64Array, seed: number): number {
  const left = new Float64Array(2 * n);
  const right = Float64Array.from({ length: 2 * d }, (_, i) => bell(seed, i));
  const mean = a.reduce((sum, x) => sum + Math.abs(x), 0) / a.length;
  const rest = (i: number, j: number) => a[i * d + j] - left[2 * i] * right[j] - left[2 * i + 1] * right[d + j];
  /** Two unknowns from weighted equations x u + y v = b. */
  const solve = (count: number, at: (t: number) => readonly [x: number, y: number, b: number, w: number]) => {
    let [xx, xy, yy, xb, yb] = [1e-12, 0, 1e-12, 0, 0];
    for (let t = 0; t < count; ++t) {
      const [x, y, b, w] = at(t);
      [xx, xy, yy, xb, yb] = [xx + w * x * x, xy + w * x * y, yy + w * y * y, xb + w * x * b, yb + w * y * b];
    }
    const determinant = xx * yy - xy * xy;
    return [(yy * xb - xy * yb) / determinant, (xx * yb - xy * xb) / determinant] as const;
  };
  let best = Infinity;
  for (let step = 0; step < 150; ++step) {
    const floor = Math.max(step === 0 ? 1e6 : 0.5 * 0.9 ** step, 1e-9) * mean;
    const weight = (i: number, j: number) => 1 / Math.sqrt(rest(i, j) ** 2 + floor * floor);
    for (let i = 0; i < n; ++i)
      [left[2 * i], left[2 * i + 1]] = solve(d, (j) => [right[j], right[d + j], a[i * d + j], weight(i, j)]);
    for (let j = 0; j < d; ++j)
      [right[j], right[d + j]] = solve(n, (i) => [left[2 * i], left[2 * i + 1], a[i * d + j], weight(i, j)]);
    let sum = 0;
    for (let i = 0; i < n; ++i) for (let j = 0; j < d; ++j) sum += Math.abs(rest(i, j));
    best = Math.min(best, sum);
  }
  return best;
}

test.each([100, 200, 300, 400])("matrix %d: at most 1e-3 above the best of 60 random starts", async (seed) => {
  const data = spiked(seed);
  const { objective, report } = await loewner.entrywiseLowRank({ data, rows: n, cols: d }, { rank: 2 });
  let best = Infinity;
  for (let start = 0; start < 60; ++start) best = Math.min(best, fromRandom(data, seed + 1000 + start));
  expect(objective.lp).toBeLessThanOrEqual(best * (1 + 1e-3));
  expect(report.starts.filter(({ start }) => start === "hop")).toHaveLength(40);
});

test("hops stand back where starts are counted, where an exact fit is found, and where they would cost much", async () => {
  const hops = async (data: Float64Array, rows: number, options: EntrywiseOptions) => {
    const { report } = await loewner.entrywiseLowRank({ data, rows, cols: data.length / rows }, options);
    return report.starts.filter(({ start }) => start === "hop").length;
  };
  expect(await hops(spiked(1), n, { rank: 2, starts: 1 })).toBe(0);
  expect(await hops(spiked(1), n, { rank: 2, p: 2 })).toBe(0);
  expect(
    await hops(
      Float64Array.from({ length: 40 }, (_, i) => (1 + (i % 5)) * (1 + Math.floor(i / 5))),
      8,
      { rank: 1 },
    ),
  ).toBe(0);
  const large = Float64Array.from({ length: 1500 * 40 }, (_, i) => bell(1, i));
  expect(await hops(large, 1500, { rank: 12, maxIterations: 1 })).toBe(0);
});
