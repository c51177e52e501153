// The metric of a head's table, chosen by what its codes do to the head's answers.
import { afterAll, beforeAll, expect, test } from "vitest";
import { createLoewner, transformRows, type Loewner, type Matrix } from "../../src/index.js";
import { chooseHeadMetric, type HeadMetricOptions } from "../../src/model/index.js";
import { normal, bitsOf } from "../../src/model/onnx/input-numbers.js";
import { widenRows } from "../../src/matrix.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

const [rows, cols] = [600, 24];
const numbers = (name: string) => normal(bitsOf(1, name));
const table: Matrix<Float32Array> = {
  data: Float32Array.from({ length: rows * cols }, (_, i) => numbers("table")(i) * (1 + (i % cols)) ** -0.3),
  ...{ rows, cols },
};
/** Inputs that are largest along the last columns. */
const sample: Matrix<Float32Array> = {
  data: Float32Array.from({ length: 200 * cols }, (_, i) => 0.02 * numbers("inputs")(i) * (1 + (i % cols)) ** 1.5),
  ...{ rows: 200, cols },
};
const momentsOf = ({ data }: Matrix) =>
  Float64Array.from({ length: cols * cols }, (_, at) => {
    let sum = 0;
    for (let first = 0; first < data.length; first += cols)
      sum += data[first + Math.floor(at / cols)] * data[first + (at % cols)];
    return sum;
  });
const h = momentsOf(sample);
const given: HeadMetricOptions = { bitsPerEntry: 1.5, sample, moments: [h], scale: "unbiased" };

test("codes are made under the mixture whose answers are nearest to the table's own", async () => {
  const { metric, best, tried, result } = await chooseHeadMetric(loewner, table, given);
  expect(tried.map(({ beta }) => beta)).toEqual([0, 0.5, 0.75]);
  expect(best).toEqual(tried.reduce((a, b) => (b.divergence < a.divergence ? b : a)));
  expect(best.beta).toBeGreaterThan(0);
  expect(best.divergence).toBeLessThan(0.7 * tried[0].divergence);
  let trace = 0;
  for (let j = 0; j < cols; ++j) trace += metric![j * (cols + 1)];
  expect(trace).toBeCloseTo(cols, 9);
  const again = await loewner.transformCode(table, { bitsPerEntry: 1.5, scale: "unbiased", metric });
  expect(again.code).toEqual(result.code);
});

test("the divergence is that of the softmax, near enough, with the biases in it", async () => {
  const bias = Float32Array.from({ length: rows }, (_, i) => numbers("bias")(i));
  const { tried, best, result } = await chooseHeadMetric(loewner, table, { ...given, bias, bitsPerEntry: 3 });
  const decoded = new Float64Array(rows * cols);
  await widenRows(transformRows(result.code), 0, rows, decoded);
  const logProbabilities = (data: ArrayLike<number>, x: ArrayLike<number>) => {
    const logits = Array.from({ length: rows }, (_, i) => {
      let sum = bias[i];
      for (let j = 0; j < cols; ++j) sum += data[i * cols + j] * x[j];
      return sum;
    });
    const total = Math.log(logits.reduce((sum, z) => sum + Math.exp(z), 0));
    return logits.map((z) => z - total);
  };
  let divergence = 0;
  for (let k = 0; k < 128; ++k) {
    const first = Math.floor((k * 200) / 128) * cols;
    const x = sample.data.subarray(first, first + cols);
    const [p, q] = [logProbabilities(table.data, x), logProbabilities(decoded, x)];
    divergence += p.reduce((sum, value, i) => sum + Math.exp(value) * (value - q[i]), 0) / 128;
  }
  expect(tried).toContain(best);
  expect(Math.abs(best.divergence / divergence - 1)).toBeLessThan(0.05);
});

test("moments that inputs at hand do not bear out are not used", async () => {
  // The sample lies along the first columns, where these moments say nothing counts.
  const other = { ...sample, data: sample.data.map((_, i) => 0.3 * numbers("others")(i) * Number(i % cols < 4)) };
  const wrong = h.map((x, at) => (at % cols < 12 || at / cols < 12 ? 0 : x));
  const { metric, best } = await chooseHeadMetric(loewner, table, { ...given, sample: other, moments: [wrong] });
  expect([metric, best.beta]).toEqual([undefined, 0]);
});

const refused: [string, Partial<HeadMetricOptions>, RegExp][] = [
  [
    "inputs of another width",
    { sample: { data: new Float32Array(20), rows: 1, cols: 20 } },
    /of 24 numbers each; got 1 x 20/,
  ],
  [
    "no inputs",
    { sample: { data: new Float32Array(0), rows: 0, cols } },
    /at least one, of 24 numbers each; got 0 x 24/,
  ],
  ["moments of another width", { moments: [h, new Float64Array(9)] }, /moments\[1\] must be 24 x 24.*got 9 numbers/],
  ["a share above 1", { betas: [0.5, 1.5] }, /betas must be numbers from 0 to 1; got 1.5/],
  ["biases of other rows", { bias: [1, 2] }, /bias must have a number for each of the table's 600 rows; got 2/],
];
test.each(refused)("%s are refused", async (_name, options, message) => {
  await expect(chooseHeadMetric(loewner, table, { ...given, ...options })).rejects.toThrow(message);
});
