/** NumPy's .npy format, writing: version 1.0, little endian, C order; byte for byte what numpy.save writes. */
import { InvalidInputError } from "../errors.js";
import type { ByteSink } from "./bytes.js";

/** Numbers in memory with the shape they have in the file. */
export interface NpyArray {
  readonly data: Float32Array | Float64Array | Int32Array;
  /** Whole numbers whose product is `data.length`; [] for a single number. */
  readonly shape: readonly number[];
}

/** numpy.save leaves room to grow the first dimension to this many digits in place. */
const GROWTH_DIGITS = 21;

/**
 * The bytes before the data, a multiple of 64 of them; rows may then be streamed after it as raw little-endian bytes.
 * @throws {InvalidInputError} when the shape is not made of whole numbers, or the header outgrows version 1.0.
 */
export function npyHeader(dtype: "f32" | "f64" | "i32", shape: readonly number[]): Uint8Array {
  if (!shape.every((n) => Number.isSafeInteger(n) && n >= 0)) {
    throw new InvalidInputError(`The shape of an .npy array must be whole numbers; got (${shape.join(", ")}).`);
  }
  const descr = { f32: "<f4", f64: "<f8", i32: "<i4" }[dtype];
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  let text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${tuple}, }`;
  if (shape.length > 0) text += " ".repeat(GROWTH_DIGITS - String(shape[0]).length);
  text += `${" ".repeat(64 - ((10 + text.length + 1) % 64))}\n`;
  if (text.length > 65535)
    throw new InvalidInputError(`An .npy array of ${shape.length} dimensions cannot be written.`);
  const header = new Uint8Array(10 + text.length);
  header.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, text.length & 255, text.length >>> 8]);
  for (let i = 0; i < text.length; i++) header[10 + i] = text.charCodeAt(i);
  return header;
}

/**
 * Writes a whole array: '<f4' for a Float32Array, '<f8' for a Float64Array, '<i4' for an Int32Array (indices; openNpy reads
 * floating point alone).
 * @throws {InvalidInputError} when data and shape do not match.
 */
export async function writeNpy(sink: ByteSink, { data, shape }: NpyArray): Promise<void> {
  const dtype = dtypeOf(data);
  const elements = shape.reduce((product, n) => product * n, 1);
  const header = npyHeader(dtype, shape);
  if (elements !== data.length) {
    throw new InvalidInputError(
      `The shape (${shape.join(", ")}) holds ${elements} numbers, but the data has ${data.length}.`,
    );
  }
  await sink.write(header);
  if (data.length > 0) await sink.write(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

function dtypeOf(data: NpyArray["data"]): "f32" | "f64" | "i32" {
  if (data instanceof Float32Array) return "f32";
  if (data instanceof Float64Array) return "f64";
  if (data instanceof Int32Array) return "i32";
  throw new InvalidInputError(
    "writeNpy takes a Float32Array, a Float64Array or an Int32Array; copy the numbers into one first.",
  );
}
