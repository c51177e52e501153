/**
 * NumPy arrays of any shape and of the numeric types that models take, read whole: what a model is fed.
 * npy.ts reads matrices by rows instead, and has the header.
 */
import { InvalidFormatError, OutOfMemoryError } from "../errors.js";
import type { ByteSource } from "./bytes.js";
import type { LimitOptions } from "./limits.js";
import { readNpyHeader, swapped, tuple } from "./npy.js";
import { unsupportedDtype } from "./npy-dtype.js";
import { checkOptions, type Names } from "../option-names.js";

const readNpyArrayNames: Names<LimitOptions> = { limits: 1 };

/** The types that are read, under NumPy's names. float16 stays as its bit patterns, bool is 0 or 1 in a byte. */
export interface NpyTypes {
  float32: Float32Array;
  float64: Float64Array;
  float16: Uint16Array;
  int8: Int8Array;
  int16: Int16Array;
  int32: Int32Array;
  int64: BigInt64Array;
  uint8: Uint8Array;
  uint16: Uint16Array;
  uint32: Uint32Array;
  uint64: BigUint64Array;
  bool: Uint8Array;
}

export type NpyDtype = keyof NpyTypes;

/** An array of any shape in memory; `data` is in C order. */
export interface NpyTensor {
  readonly dtype: NpyDtype;
  readonly data: NpyTypes[NpyDtype];
  /** [] for a single number; dimensions may be 0. */
  readonly shape: readonly number[];
}

type Elements = new (buffer: ArrayBuffer) => NpyTypes[NpyDtype];

const dtypes: Record<string, { dtype: NpyDtype; Elements: Elements; size: 1 | 2 | 4 | 8 }> = {
  f2: { dtype: "float16", Elements: Uint16Array, size: 2 },
  f4: { dtype: "float32", Elements: Float32Array, size: 4 },
  f8: { dtype: "float64", Elements: Float64Array, size: 8 },
  i1: { dtype: "int8", Elements: Int8Array, size: 1 },
  i2: { dtype: "int16", Elements: Int16Array, size: 2 },
  i4: { dtype: "int32", Elements: Int32Array, size: 4 },
  i8: { dtype: "int64", Elements: BigInt64Array, size: 8 },
  u1: { dtype: "uint8", Elements: Uint8Array, size: 1 },
  u2: { dtype: "uint16", Elements: Uint16Array, size: 2 },
  u4: { dtype: "uint32", Elements: Uint32Array, size: 4 },
  u8: { dtype: "uint64", Elements: BigUint64Array, size: 8 },
  b1: { dtype: "bool", Elements: Uint8Array, size: 1 },
};

const MAX_BYTES = 2 ** 31;

/**
 * Reads a whole .npy file of any shape; either byte order and either element order come out little endian in C order.
 *
 * Memory: the array, twice where the bytes or the elements have to be put in order.
 * @throws {InvalidFormatError} when the header is bad, the dtype is none of `NpyTypes`, or the data is not exactly as long as
 *   the shape says.
 * @throws {LimitError} as readNpyHeader.
 * @throws {OutOfMemoryError} when the array takes more than 2^31 bytes.
 */
export async function readNpyArray(source: ByteSource, options: LimitOptions = {}): Promise<NpyTensor> {
  checkOptions("readNpyArray", options, readNpyArrayNames);
  const { descr, shape, fortranOrder, dataStart } = await readNpyHeader(source, options);
  const file = source.name;
  const name = descr.replace(/^[<>=|]/, "");
  const type = Object.hasOwn(dtypes, name) ? dtypes[name] : undefined;
  if (!type) {
    throw new InvalidFormatError(
      `${file}: ${unsupportedDtype(descr, "floats of 16 to 64 bits, integers of 8 to 64 bits and bool")}`,
      { file, offset: 10 },
    );
  }
  const expected = shape.reduce((product, n) => product * n, type.size);
  if (expected > MAX_BYTES) {
    throw new OutOfMemoryError(
      `${file}: shape ${tuple(shape)} of ${type.dtype} takes ${expected} bytes; at most ${MAX_BYTES} are read into memory. Give a part of it, such as its first rows.`,
      { file },
    );
  }
  const found = source.size - dataStart;
  if (found !== expected) {
    throw new InvalidFormatError(
      `${file}: ${found} bytes of data, but shape ${tuple(shape)} of ${type.dtype} needs ${expected}: ${
        found < expected ? "the file is truncated" : "there is something after the array"
      }. Copy or save it again.`,
      { file, offset: Math.min(source.size, dataStart + expected) },
    );
  }
  const bytes = await source.slice(dataStart, source.size);
  // A copy in either case: the source's bytes may be its own memory, at any alignment.
  const little = descr.startsWith(">") && type.size > 1 ? swapped(bytes, type.size) : new Uint8Array(bytes);
  const { buffer } = fortranOrder ? inCOrder(little, shape, type.size) : little;
  return { dtype: type.dtype, data: new type.Elements(buffer as ArrayBuffer), shape };
}

const words = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array, 8: BigUint64Array };

/** Elements whose first index runs fastest, put so that the last one does. Moved as whole numbers: a NaN keeps its bits. */
function inCOrder(bytes: Uint8Array, shape: readonly number[], size: 1 | 2 | 4 | 8): { buffer: ArrayBufferLike } {
  const from = new words[size](bytes.buffer as ArrayBuffer);
  const to = new words[size](from.length);
  const index = shape.map(() => 0);
  const strides: number[] = [];
  for (let axis = 0, stride = 1; axis < shape.length; stride *= shape[axis++]) strides.push(stride);
  for (let i = 0, at = 0; i < from.length; ++i) {
    to[i] = from[at];
    for (let axis = shape.length - 1; axis >= 0; --axis) {
      at += strides[axis];
      if (++index[axis] < shape[axis]) break;
      at -= shape[axis] * strides[axis];
      index[axis] = 0;
    }
  }
  return to;
}
