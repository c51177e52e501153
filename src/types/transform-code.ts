import type { CodedMatrix } from "./codes.js";

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
