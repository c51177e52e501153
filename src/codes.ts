// Matrices in few bits: how much they take, and their numbers again. Plain arithmetic, no kernel.
import { InvalidInputError } from "./errors.js";
import { f16ToF32 } from "./formats/half.js";
import type { RowSource } from "./matrix.js";
import type { CodeBits, CodedMatrix } from "./types/index.js";

/** Columns that share a scale where entries are as a trained table has them, not made even by a rotation. */
const tableBlock = 32;

/** Columns that share a scale unless the caller says otherwise: a whole row, or 32 columns of a table stored as it is (`dense`). */
export function defaultBlock(cols: number, _bits: CodeBits, dense = false): number {
  const whole = 8 * Math.ceil(cols / 8);
  return dense ? Math.min(tableBlock, whole) : whole;
}

/** Columns stored for `cols` columns that mean something: whole blocks of a multiple of 8. A block wider than the row is the row. */
export function paddedColumns(cols: number, bits: CodeBits, block: number = defaultBlock(cols, bits)): number {
  const size = Math.min(block, defaultBlock(cols, bits));
  return Math.ceil(cols / size) * size;
}

/** Bytes of the codes and scales of a rows x cols matrix; the 2^bits levels come on top, once a matrix. */
export function codedBytes(rows: number, cols: number, bits: CodeBits, block?: number): number {
  const padded = paddedColumns(cols, bits, block);
  const size = Math.min(block ?? padded, padded);
  return rows * ((padded * bits) / 8 + (2 * padded) / size);
}

/**
 * Rows start ... start + count - 1 (count x cols, row-major), decoded: levels[code] * scale in f32, as every reader computes it.
 * @throws {InvalidInputError} when the matrix does not hold those rows
 */
export function decodeRows(coded: CodedMatrix, start: number, count: number): Float32Array {
  const { rows, cols, paddedCols, block, levels, scales } = coded;
  if (!(
    Number.isSafeInteger(start) &&
    Number.isSafeInteger(count) &&
    start >= 0 &&
    count >= 0 &&
    start + count <= rows
  )) {
    throw new InvalidInputError(`Rows ${start} to ${start + count - 1} were asked of a coded matrix of ${rows} rows.`);
  }
  const blocks = paddedCols / block;
  const scale = f16ToF32(scales.subarray(start * blocks, (start + count) * blocks));
  const codeAt = codeReader(coded);
  const result = new Float32Array(count * cols);
  for (let i = 0; i < count; ++i) {
    for (let j = 0; j < cols; ++j) {
      result[i * cols + j] = levels[codeAt(start + i, j)] * scale[i * blocks + Math.floor(j / block)];
    }
  }
  return result;
}

function codeReader({ bits, planes }: CodedMatrix): (row: number, column: number) => number {
  const [{ bytes, bytesPerRow }, low] = planes;
  switch (bits) {
    case 8:
      return (i, j) => bytes[i * bytesPerRow + j] ^ 0x80;
    case 4:
      return (i, j) => (bytes[i * bytesPerRow + (j >> 1)] >> (4 * (j & 1))) & 15;
    case 2:
      return (i, j) => (bytes[i * bytesPerRow + (j >> 2)] >> (2 * (j & 3))) & 3;
    case 3:
      return (i, j) =>
        (((bytes[i * bytesPerRow + (j >> 2)] >> (2 * (j & 3))) & 3) << 1) |
        ((low.bytes[i * low.bytesPerRow + (j >> 3)] >> (j & 7)) & 1);
  }
}

/** The decoded rows as an f32 source, made as they are read: for `multiply`, `residual` and everything else that takes a matrix. */
export function codedRows(coded: CodedMatrix, name = "a coded matrix"): RowSource {
  const { rows, cols } = coded;
  return {
    rows,
    cols,
    dtype: "f32",
    name,
    read: (start, count) => new Uint8Array(decodeRows(coded, start, count).buffer),
  };
}

export { quantisationError } from "./code-levels.js";
