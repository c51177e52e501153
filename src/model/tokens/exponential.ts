/**
 * e^x from + - * / alone: Math.exp differs in the last place between engines, and what is computed from a tokenizer must come
 * out the same in all of them.
 *
 * x = k ln 2 + r with |r| <= ln 2 / 2; e^r by its Taylor series to the 13th power (the rest is below 4e-18); times 2^k.
 * ln 2 is split in two so that k times its upper part is exact.
 */
const log2OfE = 1.4426950408889634;
const ln2Upper = 0.69314718036912381649; // 32 bits
const ln2Lower = 1.90821492927058770002e-10;

/**
 * e^x for -700 <= x <= 700, within 2 units of the last place of Math.exp; 0 below, Infinity above, NaN for NaN.
 */
export function exponential(x: number): number {
  if (x < -700) return 0;
  if (x > 700) return Infinity;
  const k = Math.round(x * log2OfE);
  const r = x - k * ln2Upper - k * ln2Lower;
  let sum = 1;
  for (let power = 13; power >= 1; --power) sum = 1 + (r * sum) / power;
  return sum * 2 ** k;
}
