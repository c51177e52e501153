import type { RunOptions } from "./common.js";
import type { Objective } from "./low-rank.js";
import type { TrellisBits, WindowBits } from "./transform-code.js";

/**
 * An orthogonal matrix of D x D that takes few bytes: diag(signs) (mixing x H), x the Kronecker product, H the Hadamard matrix of
 * Sylvester of D / order rows, entries 1 and -1.
 */
export interface KroneckerRotation {
  readonly order: number;
  /** order x order; times the root of D / order it is orthogonal, to f32 rounding. */
  readonly mixing: Float32Array;
  /** D of them: 1 or -1. */
  readonly signs: Int8Array;
}

/**
 * A matrix in trellis codes, all entries in equally many bits, in coordinates that a fixed rotation gives. With D coordinates, D >= cols,
 *
 *     row i = scale(i) * (first cols of values(i) rotation'),    values(i)_k = table[window i of line k]
 *
 * scale(i) = scaleLevels[scales[i]]. Codes run down the rows: line k holds the codes of coordinate k of all rows.
 */
export interface TrellisCode {
  readonly kind: "trellis";
  readonly rows: number;
  readonly cols: number;
  readonly bits: TrellisBits;
  readonly windowBits: WindowBits;
  /** Rows whose codes make one circle, a multiple of 8, 256 at most; the last one is filled up. */
  readonly segment: number;
  /**
   * D x segments x (segment * bits / 8) bytes. Code j of a circle is bits j * bits ... (j + 1) * bits - 1, the highest bit of each byte
   * first. Window j is the `windowBits` bits that end with code j; before its first bit a circle goes on with its last one.
   */
  readonly codes: Uint8Array;
  /** One a row. */
  readonly scales: Uint8Array;
  /** At most 256, ascending, not below 0. */
  readonly scaleLevels: Float32Array;
  readonly rotation: KroneckerRotation;
}

/** A square matrix, row-major. */
export interface Moments {
  readonly gram: Float64Array;
  /** Rows that were summed up. */
  readonly rows: number;
}

export interface TrellisCodeOptions extends RunOptions {
  /** Of every entry. */
  bits: TrellisBits;
  /**
   * H = X'X of the inputs x that rows are multiplied with, cols x cols: what is small then is the error of the products, the sum of
   * (a_i - decoded_i) H (a_i - decoded_i)', for what one coordinate errs the later ones make up. Default: all inputs are alike.
   */
  moments?: Float64Array;
  /** Share of the mean of H's diagonal that is added to it: what it does not know. Default 0.01. */
  damping?: number;
  /** Of objective.lp. Default 2. */
  p?: number;
  /** Bits of the window that a value is looked up by: 12 costs four times the time, and saves 1 % of the bytes. Default 10. */
  windowBits?: WindowBits;
  /** 0 ... 2^53 - 1; what the rotation is drawn by. Default 0. */
  seed?: number;
}

export interface TrellisCodeResult {
  code: TrellisCode;
  /** Of A - what it decodes to. */
  objective: Objective;
  /** sum_i |a_i - decoded|^2 / sum_i |a_i|^2; 0 of a matrix of zeros. */
  error: number;
  /** The same of products: tr(E H E') / tr(A H A'). `error` without moments. */
  outputError: number;
  /** outputError, foretold before anything was coded. */
  predictedError: number;
  /** Of all that is stored, the rotation included, which all codes of as many columns and of one seed share. */
  byteLength: number;
  seed: number;
  /** Wall-clock seconds. */
  seconds: number;
}
