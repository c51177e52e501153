import { InvalidInputError, throwIfAborted } from "./errors.js";

/** What holds a matrix's numbers. */
export type Floats = Float32Array | Float64Array;

/** A dense matrix: `rows * cols` numbers, row-major, Float32Array or Float64Array. */
export interface Matrix<T extends Floats = Floats> {
  readonly data: T;
  readonly rows: number;
  readonly cols: number;
}

/** How the numbers of a row source are stored, little endian. f16 and bf16 are widened to f32 as blocks load. */
export type RowType = "f16" | "bf16" | "f32" | "f64";

/** Bytes of one element. */
export const rowTypeBytes: Record<RowType, number> = { f16: 2, bf16: 2, f32: 4, f64: 8 };

/**
 * Rows that need not be in memory: a range of a file, of a blob, of an HTTP resource.
 *
 * `read` gives `count` whole rows from row `start`, row-major, little endian, as raw bytes
 * (`count * cols * rowTypeBytes[dtype]` of them, at any alignment). It may be called many times for the same range, and the bytes must not change between
 * calls; the callee may reuse the buffer once the next `read` is made. One range is asked for at a time, ahead of its use; only a call
 * that was stopped leaves a read behind that nobody waits for.
 */
export interface RowSource {
  readonly rows: number;
  readonly cols: number;
  readonly dtype: RowType;
  /** Name used in error messages: a tensor, a file. */
  readonly name?: string;
  read(start: number, count: number): Uint8Array | Promise<Uint8Array>;
}

/** Size and type of a matrix, without its rows. */
export type MatrixShape = Pick<RowSource, "rows" | "cols" | "dtype">;

/** Bytes of all its rows. */
export const bytesOf = ({ rows, cols, dtype }: MatrixShape): number => rows * cols * rowTypeBytes[dtype];

/** What every primitive takes. */
export type MatrixLike = Matrix | RowSource;

export function isRowSource(a: MatrixLike): a is RowSource {
  return typeof (a as RowSource).read === "function";
}

/**
 * Checks a matrix and turns it into a row source over the caller's own bytes (nothing is copied here).
 * @throws {InvalidInputError} when the data is not a Float32Array or Float64Array, or its length is not rows * cols.
 */
export function toRowSource(a: MatrixLike, name = "A"): RowSource {
  if (a === null || typeof a !== "object") {
    throw new InvalidInputError(`${name} must be a matrix { data, rows, cols } or a row source; got ${String(a)}.`);
  }
  const bare = shapeless(a, name);
  if (bare !== undefined) throw new InvalidInputError(bare);
  const { rows, cols } = a;
  if (!Number.isSafeInteger(rows) || !Number.isSafeInteger(cols) || rows < 1 || cols < 1) {
    throw new InvalidInputError(
      `${name} must have at least one row and one column, as whole numbers; got rows ${rows}, cols ${cols}.`,
    );
  }
  if (isRowSource(a)) {
    if (Object.hasOwn(rowTypeBytes, a.dtype)) return a;
    throw new InvalidInputError(
      `${a.name ?? name} is a row source of dtype ${String(a.dtype)}; it must be one of ${Object.keys(rowTypeBytes).join(", ")}.`,
    );
  }
  const { data } = a;
  if (!(data instanceof Float32Array) && !(data instanceof Float64Array)) {
    const how = Array.isArray(data) || ArrayBuffer.isView(data) ? `: pass Float32Array.from(${name}.data)` : "";
    throw new InvalidInputError(`${name}.data is ${kindOf(data)}; it must be a Float32Array or a Float64Array${how}.`);
  }
  if (data.length !== rows * cols) {
    throw new InvalidInputError(
      `${name}.data has ${data.length} elements, but rows * cols = ${rows} * ${cols} = ${rows * cols}.`,
    );
  }
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const rowBytes = cols * data.BYTES_PER_ELEMENT;
  return {
    rows,
    cols,
    dtype: data instanceof Float32Array ? "f32" : "f64",
    name,
    read(start, count) {
      if (bytes.byteLength === rows * rowBytes) return bytes.subarray(start * rowBytes, (start + count) * rowBytes);
      throw new InvalidInputError(
        `${name}.data was transferred to another thread while it was in use; pass a copy, or wait until the call is over.`,
      );
    },
  };
}

/** What is wrong with numbers that do not say their shape, and what to pass. */
function shapeless(a: object, name: string): string | undefined {
  const isView = ArrayBuffer.isView(a);
  if (!Array.isArray(a) && !isView) return undefined;
  const { length = 0 } = a as { length?: number };
  const first: unknown = (a as ArrayLike<unknown>)[0];
  if (!isView && (Array.isArray(first) || ArrayBuffer.isView(first))) {
    const { length: cols } = first as unknown as ArrayLike<number>;
    const flat = `Float64Array.from(${name}.flatMap((row) => [...row]))`;
    return `${name} is an array of ${length} arrays: pass { data: ${flat}, rows: ${length}, cols: ${cols} }.`;
  }
  const data = a instanceof Float32Array || a instanceof Float64Array ? name : `Float64Array.from(${name})`;
  return `${name} is ${kindOf(a)} of ${length} numbers, which does not say its shape: pass { data: ${data}, rows, cols }, row after row.`;
}

/**
 * What a source gives for some rows, checked.
 * @throws {InvalidInputError} unless it is their bytes
 */
export function rowsRead(source: RowSource, start: number, count: number): Uint8Array | Promise<Uint8Array> {
  const found: unknown = source.read(start, count);
  if (found instanceof Uint8Array) return checkRows(found, source, start, count);
  return Promise.resolve(found).then((bytes) => checkRows(bytes, source, start, count));
}

function checkRows(found: unknown, source: RowSource, start: number, count: number): Uint8Array {
  const expected = count * source.cols * rowTypeBytes[source.dtype];
  const isBytes = isTyped(found) && found.BYTES_PER_ELEMENT === 1;
  if (isBytes && found.byteLength === expected) return found as Uint8Array;
  const gave = !isBytes
    ? kindOf(found)
    : isDetached(found)
      ? "bytes of a detached buffer"
      : `${found.byteLength} bytes`;
  const asked = `for rows ${start} to ${start + count - 1}, expected ${expected}`;
  const remedy = !isBytes
    ? "its read() must return a Uint8Array of their bytes, or a promise of one"
    : isDetached(found)
      ? "its read() must return bytes that it has not transferred to another thread"
      : "its read() must return whole rows";
  throw new InvalidInputError(`${source.name ?? "The row source"} gave ${gave} ${asked}; ${remedy}.`, {
    tensor: source.name,
    row: start,
  });
}

/** Arrays of numbers and of bytes, of any realm; a DataView is none. */
function isTyped(value: unknown): value is Uint8Array {
  return ArrayBuffer.isView(value) && "BYTES_PER_ELEMENT" in value;
}

/** What a value is, for a message: "a DataView", "null". */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  const name = typeof value === "object" ? Object.prototype.toString.call(value).slice(8, -1) : typeof value;
  return `${/^[AEIO]/.test(name) ? "an" : "a"} ${name}`;
}

/** Its memory went to another thread: nothing is left of it here. */
export function isDetached(view: ArrayBufferView): boolean {
  if (view.byteLength > 0) return false;
  try {
    new Uint8Array(view.buffer);
    return false;
  } catch {
    return true;
  }
}

/** All rows of a source as f64, in memory. f16 and bf16 are widened through their bits. */
export async function readRows(source: RowSource): Promise<Float64Array> {
  const { rows, cols } = source;
  const result = new Float64Array(rows * cols);
  const step = Math.max(1, Math.floor((1 << 20) / cols));
  for (let start = 0; start < rows; start += step) {
    await widenRows(source, start, Math.min(step, rows - start), result.subarray(start * cols));
  }
  return result;
}

/** The rows of these numbers as f64, in the order given: a small active set, say. Neighbours are read in one go. */
export async function gatherRows(
  source: RowSource,
  indices: ArrayLike<number>,
  signal?: AbortSignal,
): Promise<Float64Array> {
  const { cols } = source;
  const result = new Float64Array(indices.length * cols);
  for (let i = 0; i < indices.length;) {
    throwIfAborted(signal);
    let count = 1;
    while (i + count < indices.length && count < 4096 && indices[i + count] === indices[i] + count) ++count;
    await widenRows(source, indices[i], count, result.subarray(i * cols));
    i += count;
  }
  return result;
}

/** Rows start ... start + count - 1 as f64, into `to`. */
export async function widenRows(source: RowSource, start: number, count: number, to: Float64Array): Promise<void> {
  const { cols, dtype } = source;
  const bytes = await rowsRead(source, start, count);
  if (dtype === "f32" || dtype === "f64") {
    const size = rowTypeBytes[dtype];
    // A Node Buffer's own slice would be a view, at the same odd place.
    const { buffer, byteOffset } = bytes.byteOffset % size === 0 ? bytes : Uint8Array.prototype.slice.call(bytes);
    to.set(
      dtype === "f32"
        ? new Float32Array(buffer, byteOffset, count * cols)
        : new Float64Array(buffer, byteOffset, count * cols),
    );
    return;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const get = element[dtype];
  for (let i = 0; i < count * cols; ++i) to[i] = get(view, i);
}

const element: Record<RowType, (view: DataView, index: number) => number> = {
  f64: (view, i) => view.getFloat64(8 * i, true),
  f32: (view, i) => view.getFloat32(4 * i, true),
  bf16: (view, i) => {
    word.setUint32(0, view.getUint16(2 * i, true) << 16);
    return word.getFloat32(0);
  },
  f16: (view, i) => {
    const h = view.getUint16(2 * i, true);
    const sign = h & 0x8000 ? -1 : 1;
    const exponent = (h >> 10) & 31;
    const fraction = h & 1023;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (exponent ? (1024 + fraction) * 2 ** (exponent - 25) : fraction * 2 ** -24);
  },
};
const word = new DataView(new ArrayBuffer(4));
