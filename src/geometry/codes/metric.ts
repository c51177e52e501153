// A metric that errors count under: the squared error of a row, e, is e M e'.
//
// M = L L', so that e M e' = |e L|^2: coordinates are those of rows times L, and what they give is taken back by L^-1. Any root of M gives the
// same codes but for the rotation. Directions that count for next to nothing are damped, so that M can be singular: M + damping * mean * I, mean
// that of its diagonal.
import { InvalidInputError } from "../../errors.js";
import type { RowSource } from "../../matrix.js";
import type { TransformCodeOptions } from "../../types/index.js";
import { transpose } from "../basis/small-dense.js";
import type { Run } from "../run.js";

export interface Metric {
  /** d x d, mean of the diagonal 1, damped. */
  matrix: Float64Array;
  /** L, lower triangular, and L^-1. */
  root: Float64Array;
  inverse: Float64Array;
}

const damping = 2 ** -16;
/** How far M may be from its transpose, and its diagonal from a multiple of I's, beside its largest entry. */
const rounding = 2 ** -20;

/** @throws {InvalidInputError} unless it is d x d, symmetric, finite and not zero, with a diagonal of at least 0 */
export function checkMetric(metric: TransformCodeOptions["metric"], { cols: d, name = "A" }: RowSource): void {
  if (metric === undefined) return;
  const data = dataOf(metric);
  const { rows, cols } = "data" in metric ? metric : { rows: d, cols: d };
  const what = `metric must be ${d} x ${d}, for the columns of ${name}`;
  if (!(data instanceof Float64Array || data instanceof Float32Array))
    throw new InvalidInputError(`${what}, in a Float32Array or Float64Array.`);
  if (rows !== d || cols !== d) throw new InvalidInputError(`${what}; got ${rows} x ${cols}.`);
  if (data.length !== d * d) throw new InvalidInputError(`${what}; got ${data.length} numbers, not ${d * d}.`);
  const top = topOf(data);
  let trace = 0;
  for (let i = 0; i < d; ++i) {
    for (let j = 0; j <= i; ++j) {
      const [one, other] = [data[i * d + j], data[j * d + i]];
      const at = `at row ${i}, column ${j}`;
      if (!(Number.isFinite(one) && Number.isFinite(other)))
        throw new InvalidInputError(`metric holds NaN or infinity ${at}, or across.`);
      if (Math.abs(one - other) > rounding * top)
        throw new InvalidInputError(`metric must be symmetric: ${at} is ${one}, across ${other}.`);
    }
    const own = data[i * (d + 1)];
    if (own < 0)
      throw new InvalidInputError(`metric must be positive semidefinite, but at row ${i}, column ${i} is ${own}.`);
    trace += own;
  }
  if (top === 0) throw new InvalidInputError("metric is all zeros: no error would count. Leave it out instead.");
  if (trace === 0) throw new InvalidInputError("metric must be positive semidefinite, but its diagonal is all zeros.");
}

/**
 * @returns undefined where all directions count alike: errors are what they are
 * @throws {InvalidInputError} when it has an eigenvalue below 0
 */
export async function metricOf(
  run: Run,
  metric: TransformCodeOptions["metric"],
  d: number,
): Promise<Metric | undefined> {
  if (metric === undefined) return undefined;
  const data = dataOf(metric);
  const top = topOf(data);
  const matrix = Float64Array.from(data, (_, at) => {
    const across = (at % d) * d + Math.floor(at / d);
    return (data[at] / top + data[across] / top) / 2;
  });
  let mean = 0;
  for (let i = 0; i < d; ++i) mean += matrix[i * (d + 1)] / d;
  if (matrix.every((x, at) => Math.abs(x - (at % (d + 1) === 0 ? mean : 0)) <= rounding)) return undefined;
  for (let at = 0; at < d * d; ++at) matrix[at] = matrix[at] / mean + (at % (d + 1) === 0 ? damping : 0);
  const factor = await run.engine.dense("inverseCholesky", { matrix, n: d, tolerance: 0 });
  if (!("inverse" in factor))
    throw new InvalidInputError(`metric must be positive semidefinite, but has an eigenvalue below 0.`);
  // M L'^-1 = L
  const size = { rows: d, inner: d, cols: d };
  const root = await run.engine.dense("multiply", { left: matrix, right: factor.inverse, ...size });
  return { matrix, root, inverse: transpose(factor.inverse, d, d) };
}

const dataOf = (metric: NonNullable<TransformCodeOptions["metric"]>) => ("data" in metric ? metric.data : metric);

function topOf(data: ArrayLike<number>): number {
  let top = 0;
  for (let at = 0; at < data.length; ++at) top = Math.max(top, Math.abs(data[at]));
  return top;
}

/** Rows (count x d) times a matrix; as they are where there is none. */
export async function times({ engine }: Run, rows: Float64Array, matrix: Float64Array | undefined, d: number) {
  if (!matrix || rows.length === 0) return rows;
  return engine.dense("multiply", { left: rows, right: matrix, rows: rows.length / d, inner: d, cols: d });
}
