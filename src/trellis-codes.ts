// Matrices in trellis codes: how much they take, and their numbers again. Plain arithmetic, no kernel.
import { trellisTable } from "./code-trellis.js";
import { checkRowRange } from "./codes.js";
import type { RowSource } from "./matrix.js";
import { rotate } from "./rotation.js";
import { lookUp } from "./transform-codes.js";
import type { TrellisCode } from "./types/index.js";

/** All that is stored of it: codes, scales and their levels, and the rotation, which codes of as many columns share. */
export function trellisBytes({ codes, scales, scaleLevels, rotation }: TrellisCode): number {
  const { mixing, signs } = rotation;
  return codes.byteLength + scales.byteLength + scaleLevels.byteLength + mixing.byteLength + signs.byteLength;
}

/** Rows of one circle, of as many circles as there have to be. */
export function segmentOf(rows: number): number {
  const most = 256;
  const segments = Math.ceil(rows / most);
  return 8 * Math.ceil(rows / segments / 8);
}

/** Levels of scales that are stored for so many rows, at most: few rows have one each. */
export function levelCount(rows: number): number {
  return Math.min(256, Math.max(Math.min(rows, 16), Math.floor(rows / 8)));
}

/** Decodes rows of one matrix, a segment at a time. */
export class TrellisDecoder {
  private readonly table: Float32Array;
  private readonly segments: number;
  /** The segment that was decoded last, segment x cols. */
  private held: { number: number; rows: Float32Array } | undefined;

  constructor(readonly code: TrellisCode) {
    this.table = trellisTable(code.bits, code.windowBits);
    this.segments = Math.ceil(code.rows / code.segment);
  }

  /** Rows start ... start + count - 1, count x cols: summed in f64, rounded to f32 once. */
  rows(start: number, count: number): Float32Array {
    const { rows, cols, segment } = this.code;
    checkRowRange(start, count, rows, `a matrix in trellis codes that has ${rows} rows`);
    const result = new Float32Array(count * cols);
    for (let at = start; at < start + count;) {
      const number = Math.floor(at / segment);
      const end = Math.min(start + count, (number + 1) * segment);
      if (this.held?.number !== number) this.held = { number, rows: this.decoded(number) };
      const first = at - number * segment;
      result.set(this.held.rows.subarray(first * cols, (first + end - at) * cols), (at - start) * cols);
      at = end;
    }
    return result;
  }

  private decoded(number: number): Float32Array {
    const { rows, cols, segment, codes, bits, windowBits, scales, scaleLevels, rotation } = this.code;
    const lines = rotation.signs.length;
    const X = new Float64Array(lines * segment);
    const line = new Float32Array(segment);
    const one = Float32Array.of(1);
    for (let k = 0; k < lines; ++k) {
      lookUp(line, segment, { bits, cols: segment, codes }, k * this.segments + number, one, this.table, windowBits);
      X.set(line, k * segment);
    }
    rotate(X, segment, rotation, true);
    const result = new Float32Array(segment * cols);
    const count = Math.min(segment, rows - number * segment);
    for (let i = 0; i < count; ++i) {
      const scale = scaleLevels[scales[number * segment + i]];
      for (let j = 0; j < cols; ++j) result[i * cols + j] = scale * X[j * segment + i];
    }
    return result;
  }
}

/** The decoded rows as an f32 source, made as they are read: for `residual`, `certify` and everything else that takes a matrix. */
export function trellisRows(code: TrellisCode, name = "a matrix in trellis codes"): RowSource {
  let decoder: TrellisDecoder | undefined;
  const { rows, cols } = code;
  return {
    ...{ rows, cols, dtype: "f32", name },
    read(start, count) {
      decoder ??= new TrellisDecoder(code);
      return new Uint8Array(decoder.rows(start, count).buffer);
    },
  };
}
