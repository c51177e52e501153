// Matrices by seed, and what tests measure on them.
import type { Matrix } from "../../src/matrix.js";

/** Counter-based: number i of stream `seed`, uniform in (0, 1). */
export function uniform(seed: number, i: number): number {
  let h = Math.imul(i ^ Math.imul(seed + 1, 0x9e3779b1), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return ((h ^ (h >>> 16)) >>> 0) / 2 ** 32 + 2 ** -33;
}

/** Nearly normal, by arithmetic alone. */
export function bell(seed: number, i: number): number {
  const [a, b, c, d] = [0, 1, 2, 3].map((k) => uniform(seed, 4 * i + k));
  return (a + b + c + d - 2) * Math.sqrt(3);
}

export type Kind = keyof typeof kinds;

/** Entry (i, j) of each kind of matrix. */
export const kinds = {
  plain: (seed: number, i: number, j: number, d: number) => bell(seed, i * d + j),
  "heavy-tailed rows": (seed: number, i: number, j: number, d: number) =>
    bell(seed, i * d + j) / Math.sqrt(uniform(seed + 1, i)) ** 3,
  "far rows, steep spectrum": (seed: number, i: number, j: number, d: number) =>
    bell(seed, i * d + j) * (j + 1) ** -1.5 * (uniform(seed + 2, i) < 0.02 ? 1000 : 1),
  "rank 2": (seed: number, i: number, j: number) =>
    bell(seed, 2 * i) * bell(seed + 1, 2 * j) + bell(seed, 2 * i + 1) * bell(seed + 1, 2 * j + 1),
  "zero and duplicate rows": (seed: number, i: number, j: number, d: number) =>
    i % 3 === 1 ? 0 : bell(seed, (i - (i % 4)) * d + j),
  "badly scaled columns": (seed: number, i: number, j: number, d: number) =>
    bell(seed, i * d + j) * 10 ** ((j % 5) * 2 - 4),
};

export function matrix(kind: Kind, rows: number, cols: number, { seed = 1, f32 = false } = {}): Matrix {
  const data = f32 ? new Float32Array(rows * cols) : new Float64Array(rows * cols);
  for (let i = 0; i < rows; ++i) for (let j = 0; j < cols; ++j) data[i * cols + j] = kinds[kind](seed, i, j, cols);
  return { data, rows, cols };
}

export function apply({ data, rows, cols }: Matrix, x: ArrayLike<number>): Float64Array {
  const y = new Float64Array(rows);
  for (let i = 0, at = 0; i < rows; ++i) {
    let sum = 0;
    for (let j = 0; j < cols; ++j) sum += data[at++] * x[j];
    y[i] = sum;
  }
  return y;
}

/** (sum_i s_i |y_i|^p)^(1/p); the largest |y_i| at p = Infinity */
export function norm(y: ArrayLike<number>, p: number, s?: ArrayLike<number>): number {
  // Beside the largest entry: 1e200^10 would overflow.
  let top = 0;
  for (let i = 0; i < y.length; ++i) if (!s || s[i] > 0) top = Math.max(top, Math.abs(y[i]));
  if (p === Infinity || top === 0) return top;
  let sum = 0;
  const power = p === 1 ? (t: number) => t : p === 2 ? (t: number) => t * t : (t: number) => t ** p;
  for (let i = 0; i < y.length; ++i) sum += (s ? s[i] : 1) * power(Math.abs(y[i]) / top);
  return top * sum ** (1 / p);
}

/** sqrt(x' G x) */
export function energyNorm(G: Matrix, x: ArrayLike<number>): number {
  const y = apply(G, x);
  let sum = 0;
  for (let i = 0; i < y.length; ++i) sum += y[i] * x[i];
  return Math.sqrt(Math.max(0, sum));
}

export function relative(a: number, b: number): number {
  const size = Math.max(Math.abs(a), Math.abs(b));
  return size === 0 ? 0 : Math.abs(a - b) / size;
}

/** A - left right */
export function residualOf(a: Matrix, left: Matrix, right: Matrix): Matrix<Float64Array> {
  const data = Float64Array.from(a.data);
  for (let i = 0; i < a.rows; ++i) {
    for (let k = 0; k < right.rows; ++k) {
      const l = left.data[i * right.rows + k];
      for (let j = 0; j < a.cols; ++j) data[i * a.cols + j] -= l * right.data[k * a.cols + j];
    }
  }
  return { data, rows: a.rows, cols: a.cols };
}
