// Row weights whose sums, or whose squares, leave the range of f64: answers are those of weights times a power of two.
import { InvalidInputError } from "../../errors.js";
import { storedExponent } from "../profile.js";
import type { RowWeights } from "../../types/index.js";

/** Row weights with the largest of them in 2^-100 ... 2^100 stay as they are. */
const farWeight = 100;

/** What brings the largest weight into 1 ... 2, where it is far from there; 0 elsewhere. */
export function weightExponent(weights?: RowWeights): number {
  if (!weights) return 0;
  let top = 0;
  for (let i = 0; i < weights.length; ++i) top = Math.max(top, weights[i]);
  if (top === 0) return 0;
  const exponent = exponentOf(top);
  return Math.abs(exponent) <= farWeight ? 0 : -exponent;
}

/** @throws {InvalidInputError} naming the row whose weight f64 does not hold beside the largest */
export function scaledWeights(weights: RowWeights, exponent: number): Float64Array {
  return Float64Array.from(weights, (s, row) => {
    const scaled = timesPowerOfTwo(s, exponent);
    if (s === 0 || scaled >= 2 ** -1022) return scaled;
    throw new InvalidInputError(
      `rowWeights[${row}] is ${s}, less than 2^-1022 of the largest: f64 does not hold both. Make it 0, or larger.`,
      { row },
    );
  });
}

/** e with 2^e <= x < 2^(e + 1), x > 0. */
export function exponentOf(x: number): number {
  if (x < 2 ** -1000) return exponentOf(x * 2 ** 100) - 100;
  return storedExponent(x);
}

/** x 2^exponent, in steps: 2^1074 is no number. */
export function timesPowerOfTwo(x: number, exponent: number): number {
  for (; exponent > 1000; exponent -= 1000) x *= 2 ** 1000;
  for (; exponent < -1000; exponent += 1000) x *= 2 ** -1000;
  return x * 2 ** exponent;
}
