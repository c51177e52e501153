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
  if (data.length > 0) await sink.write(bytesOf(data));
}

/**
 * Writes a matrix of floating point as its rows are made: '<f4' or '<f8', as the first block is. Blocks of whole rows come in row order,
 * `start` being the first row of each; the number of columns follows from them. One block is held until the next comes.
 */
export class NpyRowWriter {
  private first: Float32Array | Float64Array | undefined;

  constructor(
    private readonly sink: ByteSink,
    private readonly rows: number,
  ) {}

  /** Await each call before the next. */
  async write(start: number, block: Float32Array | Float64Array): Promise<void> {
    if (start === 0) {
      this.first = block.slice();
      return;
    }
    await this.begin(start);
    await this.sink.write(bytesOf(block));
  }

  /** Once all rows were written. */
  async finish(): Promise<void> {
    await this.begin(this.rows);
  }

  /** `count`: rows of the first block. */
  private async begin(count: number): Promise<void> {
    const { first } = this;
    if (!first) return;
    this.first = undefined;
    await this.sink.write(npyHeader(dtypeOf(first) as "f32" | "f64", [this.rows, first.length / count]));
    await this.sink.write(bytesOf(first));
  }
}

function bytesOf(data: Float32Array | Float64Array | Int32Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function dtypeOf(data: NpyArray["data"]): "f32" | "f64" | "i32" {
  if (data instanceof Float32Array) return "f32";
  if (data instanceof Float64Array) return "f64";
  if (data instanceof Int32Array) return "i32";
  throw new InvalidInputError(
    "writeNpy takes a Float32Array, a Float64Array or an Int32Array; copy the numbers into one first.",
  );
}
