// Transform codes under a metric: e M e' is what a row's error e counts for.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  createLoewner,
  TransformDecoder,
  type Loewner,
  type Matrix,
  type TransformCode,
  type TransformCodeOptions,
} from "../../src/index.js";
import { relative, uniform } from "./matrices.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

const normal = (seed: number, i: number) =>
  Math.sqrt(-2 * Math.log(uniform(seed, i))) * Math.cos(2 * Math.PI * uniform(seed + 1, i));

/** Normal rows around a centre, of falling variances. */
function rowsOf(rows: number, cols: number, seed = 3): Matrix<Float32Array> {
  const data = Float32Array.from({ length: rows * cols }, (_, i) => {
    return 0.5 * normal(seed + 2, i % cols) + normal(seed, i) * (1 + (i % cols)) ** -0.3;
  });
  return { data, rows, cols };
}

/** sum h' h of `count` vectors of which the last columns are the largest. */
function moments(cols: number, count: number, seed = 11): Float64Array {
  const h = Array.from({ length: count }, (_, k) =>
    Array.from({ length: cols }, (_, j) => normal(seed, k * cols + j) * (1 + j)),
  );
  return Float64Array.from({ length: cols * cols }, (_, at) =>
    h.reduce((sum, x) => sum + x[Math.floor(at / cols)] * x[at % cols], 0),
  );
}

const decoded = (code: TransformCode) => new TransformDecoder(code).rows(0, code.rows);

/** x M y', by the definition; M is damped as the contract says. */
function inner(M: Float64Array, x: Float32Array, y: Float32Array): number {
  const d = x.length;
  let mean = 0;
  for (let i = 0; i < d; ++i) mean += M[i * (d + 1)] / d;
  let sum = 0;
  for (let i = 0; i < d; ++i) {
    for (let j = 0; j < d; ++j) sum += x[i] * (M[i * d + j] / mean + (i === j ? 2 ** -16 : 0)) * y[j];
  }
  return sum;
}

/** Squared errors of the rows in the metric, and their squares. */
function inMetric({ data, rows, cols }: Matrix, code: TransformCode, M: Float64Array) {
  const back = decoded(code);
  const row = (x: ArrayLike<number>, i: number) => Float32Array.from({ length: cols }, (_, j) => x[i * cols + j]);
  const errors = Array.from({ length: rows }, (_, i) => {
    const error = row(back, i).map((x, j) => data[i * cols + j] - x);
    return inner(M, error, error);
  });
  const squares = Array.from({ length: rows }, (_, i) => inner(M, row(data, i), row(data, i)));
  return { errors, squares };
}
const sum = (x: readonly number[]) => x.reduce((total, value) => total + value, 0);
const [n, d] = [1500, 24];
const bitsPerEntry = 1.2;

describe("what errors count for", () => {
  test("a multiple of the identity is no metric: the same bytes", async () => {
    const a = rowsOf(400, d);
    const without = await loewner.transformCode(a, { bitsPerEntry });
    expect(without.metricError).toBe(without.error);
    const identity = Float64Array.from({ length: d * d }, (_, i) => Number(i % (d + 1) === 0));
    for (const metric of [identity, identity.map((x) => 7e200 * x), { data: identity, rows: d, cols: d }]) {
      const found = await loewner.transformCode(a, { bitsPerEntry, metric });
      expect({ ...found, seconds: 0 }).toEqual({ ...without, seconds: 0 });
    }
  });

  test.each([
    ["moments of many vectors", 200, 0.1],
    ["moments of fewer vectors than columns", 5, 0.3],
    ["those of a single one", 1, 2],
  ])(
    "%s: the error under them falls, as foretold, and both errors are those of what is stored",
    async (_name, count, off) => {
      const a = rowsOf(n, d);
      const metric = moments(d, count);
      const found = await loewner.transformCode(a, { bitsPerEntry, metric, exactRows: 0 });
      const without = await loewner.transformCode(a, { bitsPerEntry, exactRows: 0 });
      const { errors, squares } = inMetric(a, found.code, metric);
      expect(relative(found.metricError, sum(errors) / sum(squares))).toBeLessThan(1e-3);
      expect(found.predictedError / found.metricError - 1).toBeLessThan(off);
      expect(found.predictedError / found.metricError - 1).toBeGreaterThan(-0.1);
      const plain = inMetric(a, without.code, metric);
      expect(sum(errors)).toBeLessThan(0.8 * sum(plain.errors));
      expect(found.byteLength).toBeLessThanOrEqual((n * d * bitsPerEntry) / 8);
      const back = decoded(found.code);
      const error = sum(Array.from(a.data, (x, i) => (x - back[i]) ** 2)) / sum(Array.from(a.data, (x) => x * x));
      expect(relative(found.error, error)).toBeLessThan(1e-4);
      expect(found.error).toBeGreaterThan(without.error);
    },
  );

  test("its scale does not matter, and f32 numbers of it do", async () => {
    const a = rowsOf(300, 16);
    const metric = Float32Array.from(moments(16, 40));
    const found = await loewner.transformCode(a, { bitsPerEntry, metric });
    for (const factor of [2 ** -300, 2 ** 40]) {
      const scaled = Float64Array.from(metric, (x) => x * factor);
      expect((await loewner.transformCode(a, { bitsPerEntry, metric: scaled })).code).toEqual(found.code);
    }
  });

  test("weights of rows, p below 2, f64 rows and rows of zeros go with it", async () => {
    const a = rowsOf(600, d);
    const metric = moments(d, 100);
    a.data.fill(0, 5 * d, 7 * d);
    const rowWeights = Float64Array.from({ length: 600 }, (_, i) => i % 3);
    for (const data of [a.data, Float64Array.from(a.data)]) {
      const { code, metricError } = await loewner.transformCode(
        { ...a, data },
        { bitsPerEntry: 2, metric, rowWeights, p: 1 },
      );
      const { errors, squares } = inMetric(a, code, metric);
      const weighted = (x: readonly number[]) => sum(x.map((value, i) => value * rowWeights[i]));
      expect(relative(metricError, weighted(errors) / weighted(squares))).toBeLessThan(1e-3);
      expect(decoded(code).subarray(5 * d, 7 * d)).toEqual(new Float32Array(2 * d));
    }
  });

  test("the largest error that is asked for is one in the metric", async () => {
    const a = rowsOf(n, d);
    const found = await loewner.transformCode(a, { maxError: 0.02, metric: moments(d, 60) });
    expect(found.metricError).toBeLessThanOrEqual(0.02);
    expect(found.metricError).toBeGreaterThan(0.015);
    expect(found.error).toBeGreaterThan(0.04);
  });

  test("exact rows are those whose error counts most, not those that are off most", async () => {
    const a = rowsOf(n, d);
    // Row 3 is far along the first columns, which count for little, row 9 less far along the last ones.
    for (let j = 0; j < 8; ++j) a.data[3 * d + j] = j % 2 ? 30 : -30;
    for (let j = 16; j < d; ++j) a.data[9 * d + j] = j % 2 ? 12 : -12;
    const metric = Float64Array.from({ length: d * d }, (_, i) => (i % (d + 1) ? 0 : i / d < 12 ? 1e-4 : 1));
    const one = { bitsPerEntry: 1, exactRows: 1 };
    expect([...(await loewner.transformCode(a, one)).exactRows]).toEqual([3]);
    expect([...(await loewner.transformCode(a, { ...one, metric })).exactRows]).toEqual([9]);
  });

  test("unbiased scales keep inner products in the metric, on average those of the rows", async () => {
    const a = rowsOf(2000, d);
    a.data.forEach((x, i) => (a.data[i] = x - 0.5 * normal(5, i % d)));
    const metric = moments(d, 200);
    const bias = async (scale: "unbiased" | "least-squares") => {
      const { code } = await loewner.transformCode(a, { bitsPerEntry: 2.5, scale, metric, exactRows: 0 });
      const back = decoded(code);
      const row = (x: Float32Array, i: number) => x.subarray(i * d, (i + 1) * d);
      const at = Array.from({ length: a.rows }, (_, i) => i);
      return (
        sum(at.map((i) => inner(metric, row(a.data, i), row(back, i)))) /
        sum(at.map((i) => inner(metric, row(a.data, i), row(a.data, i))))
      );
    };
    const [unbiased, least] = [await bias("unbiased"), await bias("least-squares")];
    expect(Math.abs(unbiased - 1)).toBeLessThan(Math.abs(least - 1) / 3);
  });
});

const symmetric = (of: (i: number, j: number) => number) =>
  Float64Array.from({ length: 64 }, (_, at) => of(Math.floor(at / 8), at % 8));
const refused: [string, TransformCodeOptions["metric"], RegExp][] = [
  ["too few numbers", new Float64Array(63), /metric must be 8 x 8, for the columns of A; got 63 numbers, not 64/],
  ["another shape", { data: new Float64Array(64), rows: 4, cols: 16 }, /metric must be 8 x 8.*; got 4 x 16/],
  [
    "a plain array",
    Array.from({ length: 64 }, () => 1) as never,
    /metric must be 8 x 8.* in a Float32Array or Float64Array/,
  ],
  ["not symmetric", symmetric((i, j) => 1 + i + 2 * j), /must be symmetric: at row 1, column 0 is 2, across 3/],
  ["NaN", symmetric((i, j) => (i === 2 && j === 1 ? NaN : 1)), /NaN or infinity at row 2, column 1/],
  ["a diagonal below 0", symmetric((i, j) => (i === j ? 3 - i : 0)), /but at row 4, column 4 is -1/],
  [
    "an eigenvalue below 0",
    symmetric((i, j) => (i === j ? 1 : 2)),
    /positive semidefinite, but has an eigenvalue below 0/,
  ],
  ["zeros", symmetric(() => 0), /metric is all zeros/],
  ["a diagonal of zeros", symmetric((i, j) => (i === j ? 0 : 1)), /its diagonal is all zeros/],
];
test.each(refused)("a metric of %s is refused by name", async (_name, metric, message) => {
  await expect(loewner.transformCode(rowsOf(100, 8), { bitsPerEntry: 2, metric })).rejects.toThrow(message);
});
