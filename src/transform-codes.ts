// Matrices in transform codes: how much they take, and their numbers again. Plain arithmetic, no kernel.
import { trellisTable } from "./code-trellis.js";
import { decodeRows } from "./codes.js";
import { InvalidInputError } from "./errors.js";
import type { RowSource } from "./matrix.js";
import type { CodeBand, CodedMatrix, TransformCode, WindowBits } from "./types/index.js";

/** All that is stored of it: codes, scales and their levels, centre, right factors, exact rows and their numbers (4 bytes each). */
export function transformBytes({ centre, bands, scales, scaleLevels, exact }: TransformCode): number {
  const own = centre.byteLength + scales.byteLength + scaleLevels.byteLength;
  const inBands = bands.reduce((sum, { codes, right }) => sum + codes.byteLength + bytesOf(right), 0);
  return own + inBands + (exact ? exact.rows.byteLength + bytesOf(exact.residual) : 0);
}

const bytesOf = ({ planes, scales }: CodedMatrix) =>
  planes.reduce((sum, { bytes }) => sum + bytes.byteLength, scales.byteLength);

/** Decodes rows of one matrix: its tables and right factors are unpacked once. */
export class TransformDecoder {
  /** Components of all bands. */
  readonly components: number;
  /** components x cols */
  readonly right: Float32Array;
  private readonly tables: readonly Float32Array[];

  constructor(readonly code: TransformCode) {
    const { bands, cols, windowBits } = code;
    this.components = bands.reduce((sum, band) => sum + band.cols, 0);
    this.right = new Float32Array(this.components * cols);
    let at = 0;
    for (const { right } of bands) {
      this.right.set(decodeRows(right, 0, right.rows), at);
      at += right.rows * cols;
    }
    this.tables = bands.map(({ bits }) => trellisTable(bits, windowBits));
  }

  /** Rows start ... start + count - 1 of the left factor, count x components: table values times the row's scale, in f32. */
  left(start: number, count: number): Float32Array {
    const { code, components, tables } = this;
    const { scales, scaleLevels, bands, windowBits } = code;
    const result = new Float32Array(count * components);
    let first = 0;
    bands.forEach((band, b) => {
      for (let i = 0; i < count; ++i) {
        const scale = scaleLevels[scales[start + i]];
        const out = result.subarray(i * components + first, i * components + first + band.cols);
        lookUp(out, band, start + i, tables[b], windowBits, scale);
      }
      first += band.cols;
    });
    return result;
  }

  /** Rows start ... start + count - 1, count x cols: products summed in f64, rounded to f32 once. */
  rows(start: number, count: number): Float32Array {
    const { code, components, right } = this;
    const { rows, cols, centre, scales, scaleLevels, exact } = code;
    if (!(
      Number.isSafeInteger(start) &&
      Number.isSafeInteger(count) &&
      start >= 0 &&
      count >= 0 &&
      start + count <= rows
    )) {
      throw new InvalidInputError(
        `Rows ${start} to ${start + count - 1} were asked of a matrix in transform codes that has ${rows} rows.`,
      );
    }
    const left = this.left(start, count);
    const result = new Float32Array(count * cols);
    const sum = new Float64Array(cols);
    const exactAt = new Map<number, number>();
    exact?.rows.forEach((row, at) => {
      if (row >= start && row < start + count) exactAt.set(row, at);
    });
    for (let i = 0; i < count; ++i) {
      if (scaleLevels[scales[start + i]] === 0) sum.fill(0);
      else {
        sum.set(centre);
        for (let k = 0; k < components; ++k) {
          const factor = left[i * components + k];
          for (let j = 0, at = k * cols; j < cols; ++j) sum[j] += factor * right[at + j];
        }
      }
      const at = exactAt.get(start + i);
      if (at !== undefined) decodeRows(exact!.residual, at, 1).forEach((x, j) => (sum[j] += x));
      result.set(sum, i * cols);
    }
    return result;
  }
}

/** Numbers of a row's windows, with what lies at its end before its first bit. */
export function lookUp(
  out: Float32Array,
  { bits, cols, codes }: Pick<CodeBand, "bits" | "cols" | "codes">,
  row: number,
  table: Float32Array,
  windowBits: WindowBits,
  scale = 1,
): void {
  const rowBytes = (cols * bits) / 8;
  const at = row * rowBytes;
  let window = 0;
  for (let back = Math.ceil(windowBits / 8); back > 0; --back)
    window = (window << 8) | codes[at + rowBytes - 1 - ((back - 1) % rowBytes)];
  const mask = 2 ** windowBits - 1;
  let [read, held, next] = [0, 0, at];
  for (let j = 0; j < cols; ++j) {
    while (held < bits) {
      read = ((read << 8) | codes[next++]) & 0xffff;
      held += 8;
    }
    held -= bits;
    window = ((window << bits) | ((read >> held) & (2 ** bits - 1))) & mask;
    out[j] = Math.fround(table[window] * scale);
  }
}

/** The decoded rows as an f32 source, made as they are read: for `residual`, `certify` and everything else that takes a matrix. */
export function transformRows(code: TransformCode, name = "a matrix in transform codes"): RowSource {
  let decoder: TransformDecoder | undefined;
  const { rows, cols } = code;
  return {
    rows,
    cols,
    dtype: "f32",
    name,
    read(start, count) {
      decoder ??= new TransformDecoder(code);
      return new Uint8Array(decoder.rows(start, count).buffer);
    },
  };
}
