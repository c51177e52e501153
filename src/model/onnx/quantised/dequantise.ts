// Numbers of a weight in codes: (code - zero point) scale, as DequantizeLinear and the operators of quantised products have it.
//
// Codes are read by ranges; scales and zero points are kept. Cost: linear in the numbers that are asked for.
import { encodeNumbers, decodeNumbers } from "../../../formats/index.js";
import { locateBytes } from "../../../formats/onnx/tensor-bytes.js";
import type { OnnxModel, OnnxTensor } from "../../../formats/onnx/types.js";
import type { RowSource, RowType } from "../../../matrix.js";
import { once } from "../once.js";

/** Where the scale of a number is found: along one dimension in groups, the others as they are. */
export interface Scaling {
  /** Numbers along that dimension, and after it. */
  readonly size: number;
  readonly inner: number;
  /** Numbers along it that share a scale; undefined: one scale for each, whatever the other dimensions. */
  readonly block?: number;
}

export interface Codes {
  readonly codes: OnnxTensor;
  /** Of a code: 2, 4, 8 or 16; the first of a byte has its lowest bits. */
  readonly bits: number;
  readonly signed: boolean;
  /** Numbers in a row, and codes: rows may be filled up. */
  readonly width: number;
  readonly stride: number;
  readonly scales: OnnxTensor;
  /** Absent: one scale for all. */
  readonly scaling?: Scaling;
  /** In codes of their own, or as floats; a number: the same for all. */
  readonly zeros: OnnxTensor | number;
  /** Of zero points in codes: rows of them begin at whole bytes, so many in each. */
  readonly zeroRow?: number;
  readonly type: RowType;
}

/** Codes number `first` and on, `count` of them. */
function unpack(bytes: Uint8Array, first: number, count: number, bits: number, signed: boolean): Int32Array {
  const half = 2 ** (bits - 1);
  const codes = new Int32Array(count);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [each, mask] = [8 / bits, 2 ** bits - 1];
  for (let i = 0; i < count; ++i) {
    const at = first + i;
    const code =
      bits === 16 ? view.getUint16(2 * at, true) : (bytes[Math.floor(at / each)] >> (bits * (at % each))) & mask;
    codes[i] = signed && code >= half ? code - 2 * half : code;
  }
  return codes;
}

/** The weight as a matrix of this shape, which has as many numbers. */
export function dequantisedRows(model: OnnxModel, name: string, weight: Codes, shape: readonly number[]): RowSource {
  const { bits, signed, type: dtype, width, stride, scaling } = weight;
  const [rows, cols] = shape;
  const range = once(() => locateBytes(model, weight.codes));
  const scaled = once(() => scalesOf(model, weight));
  const placeOf = (number: number) => Math.floor(number / width) * stride + (number % width);
  return {
    ...{ rows, cols, dtype, name },
    async read(start, count) {
      const first = start * cols;
      const numbers = new Float32Array(count * cols);
      if (numbers.length === 0) return encodeNumbers(numbers, dtype);
      const { source, offset } = await range();
      const { scales, zeros } = await scaled();
      const from = Math.floor((placeOf(first) * bits) / 8);
      const end = Math.ceil(((placeOf(first + numbers.length - 1) + 1) * bits) / 8);
      const bytes = await source.slice(offset + from, offset + end);
      // Row by row of what is stored, whose end may be no number's.
      for (let done = 0; done < numbers.length;) {
        const here = Math.min(width - ((first + done) % width), numbers.length - done);
        const codes = unpack(bytes, placeOf(first + done) - (from * 8) / bits, here, bits, signed);
        fill(numbers.subarray(done, done + here), codes, first + done, scaling, scales, zeros);
        done += here;
      }
      return encodeNumbers(numbers, dtype);
    },
  };
}

/** @param first number of the first of `numbers` among all */
function fill(
  numbers: Float32Array,
  codes: ArrayLike<number>,
  first: number,
  scaling: Scaling | undefined,
  scales: ArrayLike<number>,
  zeros: ArrayLike<number> | number,
): void {
  const zeroAt = typeof zeros === "number" ? () => zeros : (at: number) => zeros[at];
  if (!scaling) {
    const [scale, zero] = [scales[0], zeroAt(0)];
    for (let i = 0; i < numbers.length; ++i) numbers[i] = (codes[i] - zero) * scale;
    return;
  }
  const { size, inner, block } = scaling;
  const groups = block === undefined ? size : Math.ceil(size / block);
  for (let i = 0; i < numbers.length; ++i) {
    const number = first + i;
    const along = Math.floor(number / inner) % size;
    const at =
      block === undefined
        ? along
        : (Math.floor(number / (inner * size)) * groups + Math.floor(along / block)) * inner + (number % inner);
    numbers[i] = (codes[i] - zeroAt(at)) * scales[at];
  }
}

async function scalesOf(
  model: OnnxModel,
  { scales: tensor, zeros, zeroRow, bits, signed }: Codes,
): Promise<{ scales: ArrayLike<number>; zeros: ArrayLike<number> | number }> {
  const scales = await floatsOf(model, tensor);
  if (typeof zeros === "number") return { scales, zeros };
  if (zeros.rowType !== undefined) return { scales, zeros: await floatsOf(model, zeros) };
  const bytes = await bytesOf(model, zeros);
  const count = scales.length;
  if (zeroRow === undefined) return { scales, zeros: unpack(bytes, 0, count, bits, signed) };
  const codesInRow = (Math.ceil((zeroRow * bits) / 8) * 8) / bits;
  const all = new Int32Array(count);
  for (let at = 0; at < count; at += zeroRow)
    all.set(unpack(bytes, (at / zeroRow) * codesInRow, zeroRow, bits, signed), at);
  return { scales, zeros: all };
}

async function bytesOf(model: OnnxModel, tensor: OnnxTensor): Promise<Uint8Array> {
  const { source, offset } = await locateBytes(model, tensor);
  return source.slice(offset, offset + tensor.byteLength);
}

async function floatsOf(model: OnnxModel, tensor: OnnxTensor): Promise<ArrayLike<number>> {
  return decodeNumbers(await bytesOf(model, tensor), tensor.rowType!);
}
