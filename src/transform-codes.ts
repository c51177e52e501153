// Matrices in transform codes: how much they take, and their numbers again. Plain arithmetic, no kernel.
import { trellisTable } from "./code-trellis.js";
import { checkRowRange, decodeRows } from "./codes.js";
import type { MatrixLike, RowSource } from "./matrix.js";
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
    const rowScales = Float32Array.from({ length: count }, (_, i) => scaleLevels[scales[start + i]]);
    bands.forEach((band, b) => {
      lookUp(result.subarray(first), components, band, start, rowScales, tables[b], windowBits);
      first += band.cols;
    });
    return result;
  }

  /** Rows start ... start + count - 1, count x cols: products summed in f64, rounded to f32 once. */
  rows(start: number, count: number): Float32Array {
    const { code, components, right } = this;
    const { rows, cols, centre, scales, scaleLevels, exact } = code;
    checkRowRange(start, count, rows, `a matrix in transform codes that has ${rows} rows`);
    const left = this.left(start, count);
    const result = new Float32Array(count * cols);
    const exactAt = new Map<number, number>();
    exact?.rows.forEach((row, at) => {
      if (row >= start && row < start + count) exactAt.set(row, at);
    });
    // Some rows at a time share what is read of the right factor.
    const sums = new Float64Array(rowsAtOnce * cols);
    for (let first = 0; first < count; first += rowsAtOnce) {
      const some = Math.min(rowsAtOnce, count - first);
      for (let i = 0; i < some; ++i) {
        const isZero = scaleLevels[scales[start + first + i]] === 0;
        sums.set(isZero ? new Float32Array(cols) : centre, i * cols);
      }
      addProducts(sums, left.subarray(first * components, (first + some) * components), right, cols);
      for (let i = 0; i < some; ++i) {
        const at = exactAt.get(start + first + i);
        if (at !== undefined) decodeRows(exact!.residual, at, 1).forEach((x, j) => (sums[i * cols + j] += x));
      }
      result.set(sums.subarray(0, some * cols), first * cols);
    }
    return result;
  }
}

const rowsAtOnce = 4;

/** sums += left right, two rows of left and four of right at a time; the order of a sum's terms depends on neither. */
function addProducts(sums: Float64Array, left: Float32Array, right: Float32Array, cols: number): void {
  const inner = right.length / cols;
  const count = left.length / inner;
  const whole = inner - (inner % 4);
  for (let i = 0; i < count; i += 2) {
    const to = i * cols;
    const next = i + 1 < count ? cols : 0;
    for (let k = 0; k < whole; k += 4) {
      const x = i * inner + k;
      const y = next ? x + inner : x;
      const [a, b, c, e] = [left[x], left[x + 1], left[x + 2], left[x + 3]];
      const [f, g, h, l] = [left[y], left[y + 1], left[y + 2], left[y + 3]];
      for (let j = to, p = k * cols; j < to + cols; ++j, ++p) {
        const [r, s, t, u] = [right[p], right[p + cols], right[p + 2 * cols], right[p + 3 * cols]];
        sums[j] = sums[j] + a * r + b * s + c * t + e * u;
        if (next) sums[j + next] = sums[j + next] + f * r + g * s + h * t + l * u;
      }
    }
    for (let k = whole; k < inner; ++k) {
      for (let row = i; row <= i + Number(next > 0); ++row) {
        const factor = left[row * inner + k];
        for (let j = 0; j < cols; ++j) sums[row * cols + j] += factor * right[k * cols + j];
      }
    }
  }
}

/** Numbers of windows of rows from `start` on, one a scale: before its first bit a row goes on with its end. Rows of `out` are `stride` apart. */
export function lookUp(
  out: Float32Array,
  stride: number,
  { bits, cols, codes }: Pick<CodeBand, "bits" | "cols" | "codes">,
  start: number,
  scales: Float32Array,
  table: Float32Array,
  windowBits: WindowBits,
): void {
  const rowBytes = (cols * bits) / 8;
  const [all, low] = [2 ** windowBits - 1, 2 ** bits - 1];
  for (let i = 0; i < scales.length; ++i) {
    const scale = scales[i];
    let next = (start + i) * rowBytes;
    let window = 0;
    for (let back = Math.ceil(windowBits / 8); back > 0; --back)
      window = (window << 8) | codes[next + rowBytes - 1 - ((back - 1) % rowBytes)];
    let read = 0;
    let held = 0;
    for (let j = i * stride; j < i * stride + cols; ++j) {
      if (held < bits) {
        read = ((read << 8) | codes[next++]) & 0xffff;
        held += 8;
      }
      held -= bits;
      window = ((window << bits) | ((read >> held) & low)) & all;
      out[j] = table[window] * scale;
    }
  }
}

/** Decoded rows that say what they are decoded from. */
export interface CodedRows extends RowSource {
  readonly code: TransformCode;
}

/** The decoded rows as an f32 source, made as they are read: for `residual`, `certify` and everything else that takes a matrix. */
export function transformRows(code: TransformCode, name = "a matrix in transform codes"): CodedRows {
  let decoder: TransformDecoder | undefined;
  const { rows, cols } = code;
  return {
    rows,
    cols,
    dtype: "f32",
    name,
    code,
    read(start, count) {
      decoder ??= new TransformDecoder(code);
      return new Uint8Array(decoder.rows(start, count).buffer);
    },
  };
}

/** The code that rows are decoded from; undefined of any others. */
export function codeBehind(rows: MatrixLike): TransformCode | undefined {
  const { code } = rows as { code?: Partial<TransformCode> };
  return code?.kind === "transform" ? (code as TransformCode) : undefined;
}
