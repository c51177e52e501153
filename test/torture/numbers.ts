// What an answer is checked with: arithmetic that neither overflows nor underflows where the answer does not.
import type { Matrix } from "../../src/index.js";
import { bell } from "../library/matrices.js";

/** Paths of all numbers in a result that are NaN or infinite. */
export function notFinite(value: unknown, path = ""): string[] {
  if (typeof value === "number") return Number.isFinite(value) ? [] : [`${path} is ${value}`];
  if (value instanceof Float64Array || value instanceof Float32Array) {
    const at = value.findIndex((x) => !Number.isFinite(x));
    return at < 0 ? [] : [`${path}[${at}] of ${value.length} is ${value[at]}`];
  }
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return [];
  return Object.entries(value).flatMap(([key, inner]) => notFinite(inner, path ? `${path}.${key}` : key));
}

/** 2^e with |x| 2^e in [1, 2); 1 for 0. In two factors: 2^1074 is no number. */
export function exponentOf(x: number): number {
  if (x === 0 || !Number.isFinite(x)) return 0;
  let e = Math.floor(Math.log2(Math.abs(x)));
  while (timesPower(Math.abs(x), -e) >= 2) ++e;
  while (timesPower(Math.abs(x), -e) < 1) --e;
  return e;
}

/** x 2^e, rounded once at most. */
export function timesPower(x: number, e: number): number {
  for (; e > 1000; e -= 1000) x *= 2 ** 1000;
  for (; e < -1000; e += 1000) x *= 2 ** -1000;
  return x * 2 ** e;
}

/** A with each column's largest entry in [1, 2): A = scaled diag(2^exponents), and row i of the weighted rows 2^rowExponent times. */
export interface Scaled {
  rows: number;
  cols: number;
  data: Float64Array;
  exponents: Int32Array;
}

/** Columns of f64 that are nothing but smaller numbers count as zeros beside larger ones (docs/numbers.md). */
const leastColumn = 2 ** -990;

export function scaledColumns({ data, rows, cols }: Matrix): Scaled {
  const exponents = new Int32Array(cols);
  const all = Float64Array.from(data).reduce((top, x) => Math.max(top, Math.abs(x)), 0);
  const result = new Float64Array(rows * cols);
  for (let j = 0; j < cols; ++j) {
    let top = 0;
    for (let i = 0; i < rows; ++i) top = Math.max(top, Math.abs(data[i * cols + j]));
    if (top < leastColumn && all > 2 ** -400) continue;
    exponents[j] = exponentOf(top);
    for (let i = 0; i < rows; ++i) {
      // Squares of what is smaller vanish beside the column's largest.
      const x = timesPower(data[i * cols + j], -exponents[j]);
      if (Math.abs(x) > 2 ** -500) result[i * cols + j] = x;
    }
  }
  return { rows, cols, data: result, exponents };
}

/** The form of z = diag(2^exponents) x, times 2^-(2 shift), so that its largest entry is near 1. */
export interface Form {
  G: Float64Array;
  shift: number;
}

export function scaledForm({ data, cols }: Matrix, exponents: Int32Array): Form {
  const exponentAt = (at: number) => exponents[Math.floor(at / cols)] + exponents[at % cols];
  let top = -Infinity;
  data.forEach((g, at) => {
    if (g !== 0) top = Math.max(top, exponentOf(g) - exponentAt(at));
  });
  const shift = top === -Infinity ? 0 : Math.floor(top / 2);
  return { G: Float64Array.from(data, (g, at) => timesPower(g, -exponentAt(at) - 2 * shift)), shift };
}

/** Directions z: random ones, the axes, rows of A, and what A sees least of. */
export function directions({ rows, cols, data }: Scaled, count: number): Float64Array[] {
  const result = Array.from({ length: count }, (_, k) =>
    Float64Array.from({ length: cols }, (_, j) => bell(91, k * cols + j)),
  );
  for (let k = 0; k < cols; ++k) result.push(Float64Array.from({ length: cols }, (_, j) => Number(j === k)));
  for (let i = 0; i < Math.min(rows, 12); ++i) {
    const row = data.slice(i * cols, (i + 1) * cols);
    if (row.some((x) => x !== 0)) result.push(row);
  }
  return result;
}

/** A z for the scaled A. */
export function times(
  { data, rows, cols }: { data: ArrayLike<number>; rows: number; cols: number },
  z: Float64Array,
): Float64Array {
  const y = new Float64Array(rows);
  for (let i = 0; i < rows; ++i) for (let j = 0; j < cols; ++j) y[i] += data[i * cols + j] * z[j];
  return y;
}

/** log of (sum_i s_i |y_i|^p)^(1/p), of max |y_i| over s_i > 0 at Infinity; -Infinity for 0. */
export function logNorm(y: ArrayLike<number>, p: number, s?: ArrayLike<number>): number {
  const terms: number[] = [];
  for (let i = 0; i < y.length; ++i) {
    if (y[i] === 0 || s?.[i] === 0) continue;
    terms.push(p === Infinity ? Math.log(Math.abs(y[i])) : Math.log(s?.[i] ?? 1) + p * Math.log(Math.abs(y[i])));
  }
  const top = Math.max(...terms);
  if (terms.length === 0 || p === Infinity) return top;
  return (top + Math.log(terms.reduce((sum, x) => sum + Math.exp(x - top), 0))) / p;
}

/** log z' G z, and how far rounding may have moved z' G z beside itself; -Infinity where nothing but rounding is left. */
export function logEnergy({ G, shift }: Form, z: Float64Array): { log: number; error: number } {
  let value = 0;
  let size = 0;
  for (let i = 0; i < z.length; ++i) {
    for (let j = 0; j < z.length; ++j) {
      const term = z[i] * G[i * z.length + j] * z[j];
      value += term;
      size += Math.abs(term);
    }
  }
  const error = 8 * z.length * 2 ** -52 * size;
  if (!(value > 64 * error)) return { log: -Infinity, error: 1 };
  return { log: Math.log(value) + 2 * shift * Math.LN2, error: error / value };
}
