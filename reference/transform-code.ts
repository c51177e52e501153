// Transform codes by the definition: bits read one by one, products summed plainly; and Shannon's bound that they are held against.
//
// Shapes   code: as src/types/transform-code.ts has it. table(bits): the values of its windows
// Cost     n K d multiply-adds
import { type Dense, fill } from "./matrix.js";
import { decode, type Coded } from "./quantise.js";
import { windowsOf } from "./trellis.js";

export interface Transform {
  readonly rows: number;
  readonly cols: number;
  readonly windowBits: number;
  readonly centre: ArrayLike<number>;
  readonly bands: readonly { bits: number; cols: number; codes: Uint8Array; right: Coded }[];
  readonly scales: ArrayLike<number>;
  readonly scaleLevels: ArrayLike<number>;
  readonly exact?: { readonly rows: ArrayLike<number>; readonly residual: Coded };
}

export function decodeTransform(code: Transform, table: (bits: number) => ArrayLike<number>): Dense {
  const { rows, cols, windowBits, centre, bands, scales, scaleLevels, exact } = code;
  const result = fill(rows, cols, (i, j) => (scaleLevels[scales[i]] === 0 ? 0 : centre[j]));
  for (const { bits, cols: n, codes, right } of bands) {
    const factor = decode(right);
    const rowBytes = (n * bits) / 8;
    for (let i = 0; i < rows; ++i) {
      const windows = windowsOf(codes.subarray(i * rowBytes, (i + 1) * rowBytes), n, { bits, windowBits });
      windows.forEach((window, k) => {
        const value = table(bits)[window] * scaleLevels[scales[i]];
        for (let j = 0; j < cols; ++j) result.data[i * cols + j] += value * factor.data[k * cols + j];
      });
    }
  }
  if (exact) {
    const residual = decode(exact.residual);
    Array.from(exact.rows).forEach((row, at) => {
      for (let j = 0; j < cols; ++j) result.data[row * cols + j] += residual.data[at * cols + j];
    });
  }
  return result;
}

/** Bits a row that a Gaussian source of these variances needs for a squared error: reverse water-filling, the level by bisection. */
export function boundBits(variances: ArrayLike<number>, error: number): number {
  const all = Array.from(variances);
  let [low, high] = [0, Math.max(...all)];
  for (let round = 0; round < 200; ++round) {
    const level = (low + high) / 2;
    if (all.reduce((sum, x) => sum + Math.min(level, x), 0) < error) low = level;
    else high = level;
  }
  return all.reduce((sum, x) => sum + (x > low ? Math.log2(x / low) / 2 : 0), 0);
}
