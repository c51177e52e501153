// A matrix stored in few bits.

/** Bits of a stored number. */
export type CodeBits = 8 | 4 | 3 | 2;

/**
 * A matrix in few bits: entry (i, j) is levels[code(i, j)] * scale(i, floor(j / block)).
 *
 * Codes lie in planes, each of `rows` rows of whole bytes. 8 bits: one plane of int8, code = byte + 128. 4 bits: one plane, two
 * codes a byte, the first in the low nibble. 2 bits: one plane, four codes a byte, the first in the lowest bits. 3 bits: a plane
 * of the upper two bits (four a byte), then a plane of the lowest bit (eight a byte).
 */
export interface CodedMatrix {
  readonly kind: "codes";
  readonly rows: number;
  /** Columns that mean something. */
  readonly cols: number;
  /** Columns that are stored: a multiple of 8 and of `block`; those past `cols` decode to numbers that the right factor's zero rows drop. */
  readonly paddedCols: number;
  readonly bits: CodeBits;
  /** Columns that share a scale. */
  readonly block: number;
  /** Value of each code, 2^bits of them, ascending. A power of two is part of them where scales would leave half precision. */
  readonly levels: Float32Array;
  readonly planes: readonly {
    readonly bits: 8 | 4 | 2 | 1;
    readonly bytesPerRow: number;
    readonly bytes: Uint8Array;
  }[];
  /** f16 bit patterns, rows x (paddedCols / block). */
  readonly scales: Uint16Array;
}
