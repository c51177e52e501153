// The tables of trellis codes (assembly/trellis.ts), and the error to expect of them.
import { type LinearCode, linearCodes, measuredLengths } from "./code-tables.js";
import { f16ToF32, f32ToF16 } from "./formats/half.js";
import type { TrellisBits, WindowBits } from "./types/index.js";

/**
 * The values that windows decode to, 2^windowBits of them, each a number that half precision holds. The value of a window's complement is
 * the negative of its own. For entries of variance 1: `code-tables.ts` holds a linear map of the window's bits to the rank of a level, and
 * what levels are of a normal distribution's quantiles.
 */
export function trellisTable(
  bits: TrellisBits,
  windowBits: WindowBits,
  { rows, offset, curve }: Omit<LinearCode, "errors"> = linearCodes[windowBits][bits - 1],
): Float32Array {
  const upper = upperLevels(2 ** (rows.length - 1), curve);
  const half = upper.length;
  // Rank of a window: that of the window without its highest bit, and what that bit flips.
  const columns = Array.from({ length: windowBits }, (_, j) => rows.reduce((x, row) => 2 * x + ((row >> j) & 1), 0));
  const ranks = new Uint16Array(2 ** windowBits).fill(offset, 0, 1);
  return Float32Array.from(ranks, (_, w) => {
    const top = 31 - Math.clz32(w);
    if (w > 0) ranks[w] = ranks[w ^ (1 << top)] ^ columns[top];
    return ranks[w] < half ? -upper[half - 1 - ranks[w]] : upper[ranks[w] - half];
  });
}

/** The levels above 0, ascending. The lower ones are their negatives. */
function upperLevels(count: number, [a, b, c]: LinearCode["curve"]): Float32Array {
  const levels = Float32Array.from({ length: count }, (_, i) => {
    const z = quantile((i + 0.5) / count);
    const square = z * z;
    return z * (a + square * (b + square * c));
  });
  return f16ToF32(f32ToF16(levels));
}

/**
 * The z between which and -z a share u < 1 of a normal distribution lies: within 0.016 at u = 1 - 2^-12, 0.001 below. By the four
 * operations alone, which are the same on every engine.
 */
export function quantile(u: number): number {
  const t = u * u;
  const above = 1.257716 + t * (-2.952662 + t * (2.173915 - t * 0.4788816));
  return (u * above) / (1 + t * (-2.588152 + t * (2.190698 - t * 0.6025237)));
}

/**
 * Mean squared error of independent normal entries of variance 1 in rows of `length`, at a scale of 1; 1 at no bits. Short rows err more:
 * their end is tied to their beginning.
 */
export function trellisError(bits: TrellisBits | 0, windowBits: WindowBits, length: number = Infinity): number {
  if (bits === 0) return 1;
  const { errors }: LinearCode = linearCodes[windowBits][bits - 1];
  // What the tie costs a row is shared by its entries: nearly linear in 1 / length.
  const above = measuredLengths.findIndex((measured) => measured >= length);
  const right = above < 0 ? measuredLengths.length - 1 : Math.max(1, above);
  const [x, y] = [1 / measuredLengths[right - 1], 1 / measuredLengths[right]];
  return errors[right] + ((1 / length - y) / (x - y)) * (errors[right - 1] - errors[right]);
}
