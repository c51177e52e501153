// Which metric a head's table is coded under: mixtures of the second moments of its input with the identity, chosen by what the codes do to
// the head's answers on inputs at hand. No labels are needed.
//
// Inputs may have a few huge directions, in which case their moments alone leave the others to chance (attention sinks), and a table that
// is read as well wants its rows near in every direction. How far answers move is told by the Kullback-Leibler divergence of the softmax of
// the logits, to second order: half the variance, under the original's probabilities, of what they change by.
import { InvalidInputError, throwIfAborted } from "../../errors.js";
import { dot } from "../../geometry/basis/small-dense.js";
import { type Matrix, type MatrixLike, type RowSource, toRowSource, widenRows } from "../../matrix.js";
import { transformRows } from "../../transform-codes.js";
import type { Loewner, TransformCodeOptions, TransformCodeResult } from "../../types/index.js";

/** A mixture with trace d: beta H d / tr H + (1 - beta) I. */
export interface HeadMetric {
  /** 0: the identity. */
  readonly beta: number;
  /** Which of the moments H are. */
  readonly moments: number;
  /** Of the logits of the sample, in nats. */
  readonly divergence: number;
}

export interface HeadMetricOptions extends Omit<TransformCodeOptions, "metric"> {
  /** Inputs of the head, count x cols: a choice of those that the moments are of. 128 of them, at even distances, are used. */
  sample: Matrix;
  /** Second moments of the head's input, cols x cols each: plain ones, and under Lewis weights, say. */
  moments: readonly Float64Array[];
  /** Default 0.5 and 0.75; 0, without moments, is always among them. */
  betas?: readonly number[];
  /** One a row of the table, added to its logit. */
  bias?: ArrayLike<number>;
}

export interface HeadMetricResult {
  /** Undefined where the identity is best. */
  metric?: Float64Array;
  best: HeadMetric;
  /** All that were tried, in order. */
  tried: HeadMetric[];
  /** The code under the best. */
  result: TransformCodeResult;
}

const defaultBetas = [0.5, 0.75];
const mostSamples = 128;
/** Rows of the table that are multiplied at once. */
const rowsAtOnce = 1024;

/**
 * Codes the table (vocabulary x cols) under each mixture and keeps the code whose logits are nearest to the table's own.
 *
 * Cost: `transformCode` for each, and 128 * rows * cols multiply-adds. Memory: the logits of the sample, 128 * rows numbers in f32.
 * @throws {InvalidInputError} when shapes do not fit or a beta is outside of 0 ... 1, and as transformCode
 */
export async function chooseHeadMetric(
  loewner: Loewner,
  table: MatrixLike,
  options: HeadMetricOptions,
): Promise<HeadMetricResult> {
  const { sample, moments, betas = defaultBetas, bias, ...code } = options;
  const source = toRowSource(table, "table");
  const { cols } = source;
  check(options, source);
  const of = (rows: RowSource) => logits(rows, sample, bias, code.signal);
  const original = await of(source);
  const candidates = [
    { beta: 0, moments: 0 },
    ...moments.flatMap((_, k) => betas.filter((beta) => beta > 0).map((beta) => ({ beta, moments: k }))),
  ];
  const tried: HeadMetric[] = [];
  let best: HeadMetricResult | undefined;
  for (const { beta, moments: k } of candidates) {
    const metric = beta > 0 ? mixture(moments[k], beta, cols) : undefined;
    // Under a metric errors count by that.
    const aim = metric ? "error" : code.aim;
    const result = await loewner.transformCode(source, { ...code, aim, metric });
    const divergence = divergenceOf(original, await of(transformRows(result.code)), source.rows);
    const one = { beta, moments: k, divergence };
    tried.push(one);
    if (!best || divergence < best.best.divergence) best = { metric, best: one, tried, result };
  }
  return best!;
}

/** beta H d / tr H + (1 - beta) I */
export function mixture(H: Float64Array, beta: number, d: number): Float64Array {
  let trace = 0;
  for (let j = 0; j < d; ++j) trace += H[j * (d + 1)];
  const factor = trace > 0 ? (beta * d) / trace : 0;
  return H.map((x, at) => factor * x + (at % (d + 1) === 0 ? 1 - beta : 0));
}

function check({ sample, moments, betas = [], bias }: HeadMetricOptions, table: { rows: number; cols: number }): void {
  const { rows, cols } = table;
  if (sample.cols !== cols || sample.rows < 1 || sample.data.length !== sample.rows * cols) {
    throw new InvalidInputError(
      `sample must be inputs of the head, at least one, of ${cols} numbers each; got ${sample.rows} x ${sample.cols} in ${sample.data.length} numbers.`,
    );
  }
  moments.forEach((h, k) => {
    if (h.length === cols * cols) return;
    throw new InvalidInputError(
      `moments[${k}] must be ${cols} x ${cols}, for the table's columns; got ${h.length} numbers.`,
    );
  });
  const bad = betas.find((beta) => !(beta >= 0 && beta <= 1));
  if (bad !== undefined) throw new InvalidInputError(`betas must be numbers from 0 to 1; got ${bad}.`);
  if (bias && bias.length !== rows)
    throw new InvalidInputError(`bias must have a number for each of the table's ${rows} rows; got ${bias.length}.`);
}

/** samples x rows */
async function logits(
  table: RowSource,
  { data, rows: count, cols }: Matrix,
  bias: ArrayLike<number> | undefined,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const used = Math.min(count, mostSamples);
  const inputs = new Float64Array(used * cols);
  for (let k = 0; k < used; ++k) {
    const first = Math.floor((k * count) / used) * cols;
    inputs.set(data.subarray(first, first + cols), k * cols);
  }
  const result = new Float32Array(used * table.rows);
  const rows = new Float64Array(rowsAtOnce * cols);
  for (let start = 0; start < table.rows; start += rowsAtOnce) {
    throwIfAborted(signal);
    const size = Math.min(rowsAtOnce, table.rows - start);
    await widenRows(table, start, size, rows);
    for (let k = 0; k < used; ++k) {
      for (let i = 0; i < size; ++i) {
        const product = dot(inputs, k * cols, rows, i * cols, cols);
        result[k * table.rows + start + i] = product + (bias?.[start + i] ?? 0);
      }
    }
  }
  return result;
}

/** Mean over the samples. */
function divergenceOf(original: Float32Array, changed: Float32Array, rows: number): number {
  let total = 0;
  for (let first = 0; first < original.length; first += rows) {
    let top = -Infinity;
    for (let i = first; i < first + rows; ++i) top = Math.max(top, original[i]);
    let [weight, mean, square] = [0, 0, 0];
    for (let i = first; i < first + rows; ++i) {
      const p = exponential(original[i] - top);
      const change = changed[i] - original[i];
      weight += p;
      mean += p * change;
      square += p * change * change;
    }
    total += (square / weight - (mean / weight) * (mean / weight)) / 2;
  }
  return total / (original.length / rows);
}

/** e^x, x <= 0, to 1e-5 of it where it is above e^-20: by multiplication, the same on every engine. */
function exponential(x: number): number {
  const y = Math.max(x, -80) / 1024;
  let result = 1 + y * (1 + (y / 2) * (1 + y / 3));
  for (let k = 0; k < 10; ++k) result *= result;
  return result;
}
