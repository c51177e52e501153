import type { Matrix } from "../matrix.js";
import type { CodeBits, CodedMatrix } from "./codes.js";
import type { WeightedOptions } from "./common.js";
import type { Objective } from "./low-rank.js";

/**
 * Values that codes stand for, beside a block's scale. "normal": the levels of least squared error for normally distributed
 * entries (Lloyd, Max), which is what a rotation makes. "uniform": code - 2^(bits - 1), what operators with a whole zero point
 * can hold. 8 bits are always uniform.
 */
export type LevelsName = "normal" | "uniform";

/**
 * How a block's scale is chosen once its codes are. "unbiased": the decoded block has the inner product |x|^2 with the block x,
 * so that on average inner products are kept. "least-squares": least |x - decoded|, which is shorter than x.
 */
export type ScaleName = "unbiased" | "least-squares";

export interface QuantiseOptions extends WeightedOptions {
  /** Right factor (rank x cols, orthonormal rows): a factor pair is stored. Without it A itself is. */
  right?: Matrix;
  /** Bits of an entry of the left factor, or of A. */
  bits: CodeBits;
  /** Bits of an entry of the right factor. Default 8. */
  rightBits?: CodeBits;
  /**
   * Columns that share a scale: a multiple of 8. Default: all of a rotated row; 32 without rotation. More than there are
   * columns means all of them.
   */
  block?: number;
  /** Default "normal". */
  levels?: LevelsName;
  /** Default "unbiased". */
  scale?: ScaleName;
  /** 0 ... 2^53 - 1; what the rotation is drawn by. Default 0. */
  seed?: number;
  /**
   * Rotates the row space at random before storing, which spreads every row of the left factor evenly over its columns; the right
   * factor takes the rotation back, so the product stays. Needs `right`. Default true where there is one.
   */
  rotate?: boolean;
  /** Of objective.lp: 0 < p <= Infinity. Default 1. */
  p?: number;
}

export interface QuantiseResult {
  /** rows x rank codes of the (rotated) left factor; without `right`, rows x cols codes of A. */
  left: CodedMatrix;
  /** rank x cols; a row is one block. Absent when A itself was stored. */
  right?: CodedMatrix;
  /** Of A - left right, both as they decode. */
  objective: Objective;
  /** Of codes and scales, both factors. */
  byteLength: number;
  seed: number;
  /** Wall-clock seconds. */
  seconds: number;
}
