// Rows in few bits, by the definition: no search but a fine one, no lanes.
//
// Shapes   x: the entries of one block. levels: 2^bits, ascending. The decoded entry is levels[code] * scale.
// Cost     a pass over the block for every scale that half precision has between 0.3 and 3 times the root mean square
import { type Dense, fill, multiply, transpose } from "./matrix.js";

/** The level nearest to x; the upper one of two. */
export function nearestCode(x: number, levels: ArrayLike<number>): number {
  let code = 0;
  for (let i = 1; i < levels.length; ++i) if (Math.abs(x - levels[i]) <= Math.abs(x - levels[code])) code = i;
  return code;
}

/** Squared error of the block at a scale, each entry at the level nearest to it. */
export function blockError(x: ArrayLike<number>, levels: ArrayLike<number>, scale: number): number {
  let sum = 0;
  for (let j = 0; j < x.length; ++j) sum += (x[j] - scale * levels[nearestCode(x[j] / scale, levels)]) ** 2;
  return sum;
}

/** The least of them over `steps` scales a factor of 100 apart, around `middle`: what any search is measured against. */
export function leastBlockError(x: ArrayLike<number>, levels: ArrayLike<number>, middle: number, steps = 2000): number {
  let least = Infinity;
  for (let i = 0; i <= steps; ++i) least = Math.min(least, blockError(x, levels, middle * 10 ** ((2 * i) / steps - 1)));
  return least;
}

/** A R' (R R')^-1: the best left factor for a given right one, by elimination. */
export function bestLeft(a: Dense, right: Dense): Dense {
  const k = right.rows;
  const gram = multiply(right, transpose(right));
  const rest = transpose(multiply(a, transpose(right)));
  for (let p = 0; p < k; ++p) {
    const pivot = gram.data[p * k + p];
    for (let i = 0; i < k; ++i) {
      if (i === p) continue;
      const factor = gram.data[i * k + p] / pivot;
      for (let j = 0; j < k; ++j) gram.data[i * k + j] -= factor * gram.data[p * k + j];
      for (let j = 0; j < a.rows; ++j) rest.data[i * a.rows + j] -= factor * rest.data[p * a.rows + j];
    }
  }
  return fill(a.rows, k, (i, p) => rest.data[p * a.rows + i] / gram.data[p * k + p]);
}

/** What 16 bits mean in half precision. */
export function half(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  return (bits >> 15 ? -1 : 1) * (exponent ? (1024 + fraction) * 2 ** (exponent - 25) : fraction * 2 ** -24);
}

export interface Coded {
  readonly rows: number;
  readonly cols: number;
  readonly paddedCols: number;
  readonly bits: number;
  readonly block: number;
  readonly levels: ArrayLike<number>;
  readonly planes: readonly { readonly bytes: Uint8Array }[];
  readonly scales: Uint16Array;
}

/** Bit `at` of a run of bytes, the lowest of each first. */
const bitAt = (bytes: Uint8Array, at: number) => (bytes[at >> 3] >> (at & 7)) & 1;

/** Decoded, from the bits as src/types/codes.ts describes them; f64 products. */
export function decode({ rows, cols, paddedCols, bits, block, levels, planes, scales }: Coded): Dense {
  return fill(rows, cols, (i, j) => {
    const at = i * paddedCols + j;
    let code = 0;
    const [first, second] = planes;
    const upper = bits === 3 ? 2 : bits;
    for (let b = 0; b < upper; ++b) code += bitAt(first.bytes, at * upper + b) << b;
    if (bits === 3) code = 2 * code + bitAt(second.bytes, at);
    if (bits === 8) code = (code + 128) % 256;
    return levels[code] * half(scales[(i * paddedCols + j - (j % block)) / block]);
  });
}
