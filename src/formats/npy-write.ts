/** NumPy's .npy format, writing: version 1.0, little endian, C order; byte for byte what numpy.save writes. */
import { InvalidInputError } from "../errors.js";
import type { ByteSink } from "./bytes.js";

/** Numbers in memory with the shape they have in the file. */
export interface NpyArray {
  readonly data: Float32Array | Float64Array;
  /** Whole numbers whose product is `data.length`; [] for a single number. */
  readonly shape: readonly number[];
}

/** numpy.save leaves room to grow the first dimension to this many digits in place. */
const GROWTH_DIGITS = 21;

/**
 * The bytes before the data, a multiple of 64 of them; rows may then be streamed after it as raw little-endian bytes.
 * @throws {InvalidInputError} when the shape is not made of whole numbers, or the header outgrows version 1.0.
 */
export function npyHeader(dtype: "f32" | "f64", shape: readonly number[]): Uint8Array {
  if (!shape.every((n) => Number.isSafeInteger(n) && n >= 0)) {
    throw new InvalidInputError(`The shape of an .npy array must be whole numbers; got (${shape.join(", ")}).`);
  }
  const descr = dtype === "f32" ? "<f4" : "<f8";
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
 * Writes a whole array: '<f4' for a Float32Array, '<f8' for a Float64Array.
 * @throws {InvalidInputError} when data and shape do not match.
 */
export async function writeNpy(sink: ByteSink, { data, shape }: NpyArray): Promise<void> {
  if (!(data instanceof Float32Array) && !(data instanceof Float64Array)) {
    throw new InvalidInputError("writeNpy takes a Float32Array or a Float64Array; copy the numbers into one first.");
  }
  const elements = shape.reduce((product, n) => product * n, 1);
  const header = npyHeader(data instanceof Float32Array ? "f32" : "f64", shape);
  if (elements !== data.length) {
    throw new InvalidInputError(
      `The shape (${shape.join(", ")}) holds ${elements} numbers, but the data has ${data.length}.`,
    );
  }
  await sink.write(header);
  if (data.length > 0) await sink.write(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}
