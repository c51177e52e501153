// The levels of codes, and the error they leave on normally distributed entries.
//
// Normal levels: Max, Quantizing for minimum distortion (1960); Lloyd, Least squares quantization in PCM (1982): each level is
// the mean of what is nearest to it, for the standard normal distribution.
import type { CodeBits, LevelsName } from "./types/index.js";

/** The upper half of each list; the lower mirrors it. */
const normalHalves: Partial<Record<CodeBits, readonly number[]>> = {
  2: [0.45278003, 1.51041761],
  3: [0.24509418, 0.75600528, 1.34390928, 2.1519457],
  4: [0.12839503, 0.3880483, 0.65675912, 0.94234046, 1.2562312, 1.61804639, 2.06901723, 2.73258957],
};

export interface Levels {
  /** 2^bits of them, ascending. */
  readonly values: Float32Array;
  /** The code whose level is 0 where levels are whole numbers; -1 for a list. */
  readonly zero: number;
  /** The best scale of many normal entries of variance 1. */
  readonly scale: number;
}

/** Best scales of code - 2^(bits - 1): from the same integrals as the levels. */
const uniformScale: Record<CodeBits, number> = { 2: 1.006, 3: 0.5733, 4: 0.3321, 8: 0.0308 };

export function levelsOf(bits: CodeBits, name: LevelsName): Levels {
  const upper = normalHalves[bits];
  if (name === "normal" && upper) {
    return { values: Float32Array.from([...upper.map((x) => -x).reverse(), ...upper]), zero: -1, scale: 1 };
  }
  const zero = 2 ** (bits - 1);
  return { values: Float32Array.from({ length: 2 * zero }, (_, code) => code - zero), zero, scale: uniformScale[bits] };
}

/** Blocks that errors were measured at; the last stands for any larger one. */
const measuredBlocks = [8, 16, 32, 64, 128, 256, 512, 1024];
/** Relative squared error on independent normal entries, normal levels (8 bits: uniform), unbiased scales, one a block. */
const measuredErrors: Record<CodeBits, readonly number[]> = {
  8: [1.39e-5, 2.02e-5, 2.68e-5, 3.36e-5, 4.05e-5, 4.74e-5, 5.43e-5, 6.1e-5],
  4: [0.00338, 0.00478, 0.00597, 0.00699, 0.00787, 0.00855, 0.00901, 0.00928],
  3: [0.0156, 0.02132, 0.02633, 0.03022, 0.0327, 0.03413, 0.03493, 0.03538],
  2: [0.0819, 0.1044, 0.1182, 0.1255, 0.1293, 0.1312, 0.1322, 0.1327],
};

/**
 * Squared error of `quantise` beside the square of what it stores, expected of the entries of a rotated factor, which are nearly
 * normal; its defaults for levels and scale. So A ~ left right of rank k, the best one, errs by about
 * tail(k) + (1 - tail(k)) * quantisationError(bits, k), tail(k) the share of the sum of squared singular values past k.
 */
export function quantisationError(bits: CodeBits, block: number = Infinity): number {
  const errors = measuredErrors[bits];
  const above = measuredBlocks.findIndex((size) => size >= block);
  if (above <= 0) return above === 0 ? errors[0] : errors[errors.length - 1];
  // What a block of B entries gains falls with about the root of B.
  const root = (size: number) => 1 / Math.sqrt(size);
  const [left, right] = [measuredBlocks[above - 1], measuredBlocks[above]].map(root);
  const share = (root(block) - left) / (right - left);
  return errors[above - 1] + share * (errors[above] - errors[above - 1]);
}
