import type { CodedMatrix } from "./codes.js";
import type { WeightedOptions } from "./common.js";
import type { Matrix } from "../matrix.js";
import type { Objective } from "./low-rank.js";
import type { ScaleName } from "./quantise.js";

/** Bits of the window that a value is looked up by. */
export type WindowBits = 10 | 12;
export type TrellisBits = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

/** Components that are stored in equally many bits. */
export interface CodeBand {
  readonly bits: TrellisBits;
  /** Components: a multiple of 8. */
  readonly cols: number;
  /**
   * rows x (cols * bits / 8) bytes. Code j of a row is bits j * bits ... (j + 1) * bits - 1, the highest bit of each byte first. Window j
   * is the `windowBits` bits that end with code j; before its first bit a row goes on with its last one, as often as it takes.
   */
  readonly codes: Uint8Array;
  /** cols x (columns of A), in 8 or 4 bits, a row is one block; the band's rotation is part of it. */
  readonly right: CodedMatrix;
}

/** Rows that the codes fit worst. */
export interface ExactRows {
  /** Ascending. */
  readonly rows: Uint32Array;
  /** What is left of them: one row each, a row is one block. */
  readonly residual: CodedMatrix;
}

/**
 * A matrix in transform codes. Row i is
 *
 *     centre + scale(i) * sum over bands of values(i) right,    values(i)_j = table[window j of row i]
 *
 * and, of an exact row, its residual on top. scale(i) = scaleLevels[scales[i]]; a row whose scale is 0 is 0 (without the centre). The table
 * of a band is that of its bits and of windowBits: `trellisTable`.
 */
export interface TransformCode {
  readonly kind: "transform";
  readonly rows: number;
  readonly cols: number;
  readonly windowBits: WindowBits;
  /** One number a column. */
  readonly centre: Float32Array;
  /** By falling bits; none where every row is the centre or 0. */
  readonly bands: readonly CodeBand[];
  /** One a row. */
  readonly scales: Uint8Array;
  /** At most 256, ascending, not below 0. */
  readonly scaleLevels: Float32Array;
  /** Absent where there are none. */
  readonly exact?: ExactRows;
}

export type Aim = "error" | "reading" | "comparing";

/** Exactly one of bytes, bitsPerEntry and maxError says how large the code may be. */
export interface TransformCodeOptions extends WeightedOptions {
  /** All that is stored, at most. */
  bytes?: number;
  /** The same beside rows * cols entries, in bits. */
  bitsPerEntry?: number;
  /** Largest `metricError` of the result: the smallest code that keeps to it is looked for. */
  maxError?: number;
  /** Of the ellipsoid whose axes and centre are taken, 0 < p < 4, and of objective.lp. Below 2 far rows count less. Default 2. */
  p?: number;
  /** How many rows are stored nearly exactly; "auto" (default): as many as pay, 1 in 1000 to 1 in 100. */
  exactRows?: number | "auto";
  /** Bits of the window that a value is looked up by: 12 costs four times the time, and saves 1 % of the bytes. Default 10. */
  windowBits?: WindowBits;
  /**
   * How a row's scale is chosen once its codes are: as `quantise` has it. Default "least-squares"; "unbiased" for a matrix that others
   * are multiplied by, such as an output projection.
   */
  scale?: ScaleName;
  /**
   * What bits are shared out for. "error" (default): the least squared error. Where rows are read by a model, or compared with its vectors,
   * its answers change less if an error along an axis counts by the variance there, so that the widest directions get more bits: "reading",
   * in which an axis without bits counts twice, evenly, and "comparing".
   */
  aim?: Aim;
  /**
   * What errors count for: a row's squared error e e' is e M e', M cols x cols (row-major), symmetric, positive semidefinite, of any scale. For a
   * matrix whose products with vectors h are wanted, such as an output projection, their second moments sum h' h, or a mixture with the
   * identity. M / mean + 2^-16 I is what counts, mean that of the diagonal, so that M may be singular. Default: the identity.
   */
  metric?: Matrix | Float64Array | Float32Array;
  /**
   * Numbers of rows, rising: these alone are coded, each as it would be among all, and the code has them in this order. Errors are sums over
   * them beside the squares of all. For a look at what coding does to some rows; not with `maxError`. Default: all.
   */
  only?: Uint32Array;
  /** 0 ... 2^53 - 1; what rotations are drawn by. Default 0. */
  seed?: number;
}

export interface TransformCodeResult {
  code: TransformCode;
  /** Of A - what it decodes to, exact rows among them. */
  objective: Objective;
  /** sum_i s_i |a_i - decoded|^2 / sum_i s_i |a_i|^2; 0 of a matrix of zeros. */
  error: number;
  /** The same with e M e' in place of |e|^2, M the metric; without one it is `error`. */
  metricError: number;
  /** metricError, foretold before anything was coded. */
  predictedError: number;
  /** Of all that is stored. */
  byteLength: number;
  /**
   * Variance of the rows along each axis, falling, cols of them, and the bits that its component is stored in. Those of a metric are in its
   * coordinates, M's diagonal being 1 on average.
   */
  variances: Float64Array;
  bits: Uint8Array;
  /** Rows that are stored nearly exactly, ascending. */
  exactRows: Uint32Array;
  seed: number;
  /** Wall-clock seconds. */
  seconds: number;
}
