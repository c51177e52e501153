/**
 * Percentile bootstrap (Efron 1979): how far a score could lie from what was measured had other rows of the same kind been drawn. Rows
 * are drawn by whole numbers from a seed, so that every engine draws the same.
 */
import { InvalidInputError } from "../../errors.js";
import { checkSeed } from "../../options.js";

/** A score of the rows given, each as often as it stands there; NaN where it is not defined for them. */
export type Score = (rows: Uint32Array) => number;

export interface ResampleOptions {
  /** Default 1. */
  readonly seed?: number;
  /** Sets of rows that are drawn. Default 1000. */
  readonly samples?: number;
}

export interface IntervalOptions extends ResampleOptions {
  /** Share of the samples' scores that lie within. Default 0.95. */
  readonly level?: number;
}

/** Both NaN where no sample has a score. */
export interface Interval {
  readonly low: number;
  readonly high: number;
  /** Samples that the score was defined for: of few rows, some have one label only, and no correlation. */
  readonly samples: number;
}

/**
 * Draws n rows of n with replacement, `samples` times: n whole numbers below n each. The array is the same one every time; copy it to
 * keep it.
 * @throws {InvalidInputError} when there are no rows, or an option is out of range.
 */
export function* resample(n: number, { seed = 1, samples = 1000 }: ResampleOptions = {}): Generator<Uint32Array> {
  checkSeed(seed);
  if (!(Number.isSafeInteger(n) && n >= 1 && n < 2 ** 32))
    throw new InvalidInputError(`An interval needs rows, from 1 to 2^32 - 1; there are ${n}.`);
  if (!(Number.isSafeInteger(samples) && samples >= 1))
    throw new InvalidInputError(`samples must be a whole number of at least 1; got ${samples}.`);
  const next = randomBits(seed);
  const rows = new Uint32Array(n);
  for (let sample = 0; sample < samples; ++sample) {
    for (let i = 0; i < n; ++i) rows[i] = Math.floor((next() / 2 ** 32) * n);
    yield rows;
  }
}

/**
 * Interval of one score over `n` rows.
 * @throws {InvalidInputError} as `resample`, and for a level that does not lie between 0 and 1.
 * Cost: as many scores as samples.
 */
export function interval(n: number, score: Score, options: IntervalOptions = {}): Interval {
  return intervals(n, [score], options).scores[0];
}

/**
 * Intervals of several scores over the same rows, and of what each is above the first, sample by sample: two models that err in the same
 * rows differ by less than their own intervals say. That of the first is 0 to 0.
 * @throws {InvalidInputError} as `interval`.
 * Cost: as many times all scores as samples.
 */
export function intervals(
  n: number,
  scores: readonly Score[],
  options: IntervalOptions = {},
): { readonly scores: readonly Interval[]; readonly differences: readonly Interval[] } {
  const { level = 0.95 } = options;
  if (!(level > 0 && level < 1)) throw new InvalidInputError(`level must lie between 0 and 1; got ${level}.`);
  const found: number[][] = scores.map(() => []);
  for (const rows of resample(n, options)) scores.forEach((score, i) => found[i].push(score(rows)));
  const [first] = found;
  return {
    scores: found.map((values) => within(values, level)),
    differences: found.map((values) =>
      within(
        values.map((value, sample) => value - first[sample]),
        level,
      ),
    ),
  };
}

/** Percentiles as numpy.percentile has them: between two values, in proportion. */
function within(values: readonly number[], level: number): Interval {
  const sorted = Float64Array.from(values.filter((value) => !Number.isNaN(value))).sort();
  const { length } = sorted;
  const at = (share: number) => {
    const place = share * (length - 1);
    const below = Math.floor(place);
    const above = Math.min(below + 1, length - 1);
    // Equal neighbours may both be infinite, whose difference is no number.
    if (sorted[below] === sorted[above]) return sorted[below];
    return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
  };
  if (length === 0) return { low: NaN, high: NaN, samples: 0 };
  return { low: at((1 - level) / 2), high: at((1 + level) / 2), samples: length };
}

/**
 * 32 random bits at a time: xoshiro128** (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021), its state filled
 * from both halves of the seed by the finaliser of MurmurHash3 over a Weyl sequence, as SplitMix does.
 */
export function randomBits(seed: number): () => number {
  let weyl = (seed % 2 ** 32) ^ Math.imul(Math.floor(seed / 2 ** 32), 0x85ebca6b);
  const mixed = () => {
    weyl = (weyl + 0x9e3779b9) | 0;
    let x = weyl;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    return x ^ (x >>> 16);
  };
  let [a, b, c, d] = [mixed(), mixed(), mixed(), mixed()];
  const turned = (x: number, by: number) => (x << by) | (x >>> (32 - by));
  return () => {
    const bits = Math.imul(turned(Math.imul(b, 5), 7), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = turned(d, 11);
    return bits;
  };
}
