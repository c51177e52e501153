// Matrices in few bits: how much they take, and their numbers again. Plain arithmetic, no kernel.
import { InvalidInputError } from "./errors.js";
import { f16ToF32 } from "./half.js";
import type { RowSource } from "./matrix.js";
import type { CodeBits, CodedMatrix } from "./types/index.js";

/** Bits in each plane of codes. */
export const planeBits: Record<CodeBits, readonly (8 | 4 | 2 | 1)[]> = { 8: [8], 4: [4], 3: [2, 1], 2: [2] };

/** Columns that share a scale when `block` of them (a multiple of 8) are asked for: no more than a row has, in eights. */
export function blockColumns(cols: number, block: number = Infinity): number {
  return Math.min(block, 8 * Math.ceil(cols / 8));
}

/** Columns stored for `cols` columns that mean something: whole blocks. */
export function paddedColumns(cols: number, block: number = Infinity): number {
  const size = blockColumns(cols, block);
  return Math.ceil(cols / size) * size;
}

/** Bytes of the codes and scales of a rows x cols matrix; the 2^bits levels come on top, once a matrix. */
export function codedBytes(rows: number, cols: number, bits: CodeBits, block: number = Infinity): number {
  const padded = paddedColumns(cols, block);
  return rows * ((padded * bits) / 8 + (2 * padded) / blockColumns(cols, block));
}

/** @throws {InvalidInputError} unless rows start ... start + count - 1 are among so many; `of` is whose, in the message */
export function checkRowRange(start: number, count: number, rows: number, of: string): void {
  const isCount = (x: number) => Number.isSafeInteger(x) && x >= 0;
  if (isCount(start) && isCount(count) && start + count <= rows) return;
  throw new InvalidInputError(`Rows ${start} to ${start + count - 1} were asked of ${of}.`);
}

/**
 * Rows start ... start + count - 1 (count x cols, row-major), decoded: levels[code] * scale in f32, as every reader computes it.
 * @throws {InvalidInputError} when the matrix does not hold those rows
 */
export function decodeRows(coded: CodedMatrix, start: number, count: number): Float32Array {
  const { rows, cols, paddedCols, block, levels, scales } = coded;
  checkRowRange(start, count, rows, `a coded matrix of ${rows} rows`);
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
