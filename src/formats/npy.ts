/**
 * NumPy's .npy format, reading (NEP 1; numpy/lib/format.py): versions 1.0, 2.0 and 3.0, dtypes f2, f4 and f8 of either
 * byte order, C and Fortran order, one or two dimensions. Data is read by ranges: only the header is held in memory,
 * and for Fortran order one block of rows.
 */
import { InvalidFormatError, InvalidInputError } from "../errors.js";
import { locate } from "../location.js";
import { type RowSource, type RowType, rowTypeBytes } from "../matrix.js";
import type { ByteSource } from "./bytes.js";
import { type LimitOptions, limitsOf, overLimit } from "./limits.js";
import { parsePythonLiteral, type PythonLiteral, PythonLiteralError } from "./python-literal.js";
import { structuredDtype, unsupportedDtype } from "./npy-dtype.js";
import { sniff, sniffedBytes } from "./sniff.js";
import { checkOptions, type Names } from "../option-names.js";

const openNpyNames: Names<LimitOptions> = { limits: 1 };

/** What the header of an .npy file says. */
export interface NpyHeader {
  /** Format version, [1, 0] to [3, 0]. */
  readonly version: readonly [number, number];
  /** NumPy's type string, e.g. "<f4". */
  readonly descr: string;
  /** Columns lie one after another, instead of rows. */
  readonly fortranOrder: boolean;
  readonly shape: readonly number[];
  /** Offset of the first byte of data. */
  readonly dataStart: number;
}

/** The rows of an .npy file. A vector of n numbers is an n x 1 matrix. */
export interface NpyRows extends RowSource {
  readonly name: string;
  readonly descr: string;
  readonly fortranOrder: boolean;
  readonly shape: readonly number[];
}

const MAGIC = "\x93NUMPY";
/** Rows of a Fortran-order file are kept in blocks of about this many bytes, so that a sweep costs few reads per column. */
const BLOCK_BYTES = 1 << 25;

/**
 * Reads and checks the header alone; `shape` and `descr` are not judged here.
 * @param options.limits `npyHeaderBytes`
 * @throws {InvalidFormatError} when it is not an .npy file, or the header is truncated or not understood.
 * @throws {LimitError} when the header is longer than may be read.
 */
export async function readNpyHeader(source: ByteSource, options: LimitOptions = {}): Promise<NpyHeader> {
  const limits = limitsOf(options);
  const file = source.name;
  const bad = (message: string, offset = 0) => new InvalidFormatError(`${file}: ${message}`, { file, offset });
  if (source.size === 0) throw bad("the file is empty (0 bytes); an .npy file was expected.");
  const start = await source.slice(0, Math.min(source.size, 12));
  const magic = String.fromCharCode(...start.subarray(0, 6));
  if (magic !== MAGIC.slice(0, magic.length)) {
    const more = await source.slice(0, Math.min(source.size, sniffedBytes));
    throw bad(
      `not an .npy file: it begins with ${hex(start.subarray(0, 6))}, not with 93 4e 55 4d 50 59 ("\\x93NUMPY").${sniff(more)}`,
    );
  }
  const truncated = (needed: number, part: string) =>
    bad(
      `truncated in its header: it has ${source.size} bytes, but ${part} ends at byte ${needed}. Copy or save it again.`,
      source.size,
    );
  if (source.size < 8) throw truncated(8, "the format version");
  const [major, minor] = [start[6], start[7]];
  if (major < 1 || major > 3 || minor !== 0) {
    throw bad(
      `.npy format version ${major}.${minor} is not known; 1.0, 2.0 and 3.0 are. Save it again with numpy.save.`,
      6,
    );
  }
  const textStart = major === 1 ? 10 : 12;
  if (source.size < textStart) throw truncated(textStart, "the header's length");
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const dataStart = textStart + length;
  if (source.size < dataStart) throw truncated(dataStart, "the header");
  if (length > limits.npyHeaderBytes)
    throw overLimit(limits, "npyHeaderBytes", `a header of ${length} bytes`, length, { file, offset: 8 });
  const text = decodeHeader(await source.slice(textStart, dataStart), major, file, textStart);
  return { version: [major, minor], ...parseHeader(text, file, textStart), dataStart };
}

/**
 * Opens an .npy file as rows; bytes come out little endian and row-major whatever the file has.
 *
 * Memory: a Fortran-order file keeps one block of rows (32 MiB, or one row if that is more).
 * @throws {InvalidFormatError} when the header is bad, the dtype is not f2, f4 or f8, the shape is not (n,) or (n, d) with
 *   n, d >= 1, or the data is not exactly as long as the shape says.
 * @throws {LimitError} as readNpyHeader.
 */
export async function openNpy(source: ByteSource, options: LimitOptions = {}): Promise<NpyRows> {
  checkOptions("openNpy", options, openNpyNames);
  const header = await readNpyHeader(source, options);
  const { descr, shape, fortranOrder, dataStart } = header;
  const file = source.name;
  const bad = (message: string, offset = 10) => new InvalidFormatError(`${file}: ${message}`, { file, offset });
  const { dtype, swap } = rowType(descr, file);
  if (shape.length !== 1 && shape.length !== 2) {
    throw bad(
      `an array of ${shape.length} dimensions, shape ${tuple(shape)}; a matrix (n, d) or a vector (n,) is needed. Reshape it first.`,
    );
  }
  const [rows, cols = 1] = shape;
  if (rows < 1 || cols < 1)
    throw bad(`the array is empty, shape ${tuple(shape)}; at least one row and one column are needed.`);
  const rowBytes = cols * rowTypeBytes[dtype];
  const expected = rows * rowBytes;
  const found = source.size - dataStart;
  if (!Number.isSafeInteger(expected))
    throw bad(`shape ${tuple(shape)} of ${descr} needs more than 2^53 bytes; the header is damaged.`);
  if (found !== expected) {
    throw bad(
      `${found} bytes of data, but shape ${tuple(shape)} of ${descr} needs ${expected}: ${
        found < expected ? "the file is truncated" : "there is something after the array"
      }. Copy or save it again.`,
      Math.min(source.size, dataStart + expected),
    );
  }
  const range = reusing(source);
  const readRows = async (start: number, count: number): Promise<Uint8Array> => {
    const bytes = await range(dataStart + start * rowBytes, dataStart + (start + count) * rowBytes);
    return swap ? swapped(bytes, rowTypeBytes[dtype]) : bytes;
  };
  const readBlock = fortranOrder && rows > 1 && cols > 1 ? fortranRows(source, header, dtype, swap) : readRows;
  const opened: NpyRows = {
    rows,
    cols,
    dtype,
    name: file,
    descr,
    fortranOrder,
    shape,
    read(start, count) {
      if (
        !Number.isSafeInteger(start) ||
        !Number.isSafeInteger(count) ||
        start < 0 ||
        count < 0 ||
        start + count > rows
      ) {
        throw new InvalidInputError(
          `${file}: rows ${start} to ${start + count} were asked for, but it has rows 0 to ${rows}.`,
          { file },
        );
      }
      return readBlock(start, count);
    },
  };
  const place = swap ? undefined : source.at?.(dataStart);
  if (place === undefined) return opened;
  const stored = { ...place, dtype };
  return locate(opened, async () =>
    readBlock === readRows
      ? { ...stored, rows, cols, transposed: false }
      : { ...stored, rows: cols, cols: rows, transposed: true },
  );
}

/**
 * Slices in a buffer that the next one overwrites, as row sources may. A read has a buffer for itself until it is done: one that
 * nobody waits for any more may still be filling when the next begins.
 */
function reusing(source: ByteSource): (start: number, end: number) => Promise<Uint8Array> {
  if (!source.readInto) return (start, end) => source.slice(start, end);
  let idle: ArrayBuffer | undefined;
  return async (start, end) => {
    const length = end - start;
    const buffer = idle && idle.byteLength >= length ? idle : new ArrayBuffer(length);
    idle = undefined;
    const bytes = new Uint8Array(buffer, 0, length);
    await source.readInto!(bytes, start);
    idle = buffer;
    return bytes;
  };
}

/** Reads rows of a file whose columns lie one after another: a block of rows at a time, one slice a column. */
function fortranRows(source: ByteSource, { shape, dataStart }: NpyHeader, dtype: RowType, swap: boolean) {
  const [rows, cols] = shape;
  const size = rowTypeBytes[dtype];
  const rowBytes = cols * size;
  const blockRows = Math.min(rows, Math.max(1, Math.floor(BLOCK_BYTES / rowBytes)));
  let cached: { start: number; bytes: Promise<Uint8Array> } | undefined;

  const load = async (start: number, count: number): Promise<Uint8Array> => {
    const out = new Uint8Array(count * rowBytes);
    const to = words(out, size);
    const perElement = size === 8 ? 2 : 1;
    // A file that fits one block is one slice; otherwise a few columns at a time keep the disk busy.
    const whole = count === rows ? await source.slice(dataStart, dataStart + rows * rowBytes) : undefined;
    const column = async (j: number): Promise<Uint16Array | Uint32Array> => {
      const at = (j * rows + start) * size;
      const end = at + count * size;
      const bytes = whole?.subarray(at, end) ?? (await source.slice(dataStart + at, dataStart + end));
      return words(swap ? swapped(bytes, size) : bytes, size);
    };
    for (let j = 0; j < cols; j += 16) {
      const columns = await Promise.all(Array.from({ length: Math.min(16, cols - j) }, (_, k) => column(j + k)));
      for (let i = 0, at = j * perElement; i < count; i++, at += cols * perElement) {
        for (let k = 0, w = at; k < columns.length; k++) {
          for (let b = 0; b < perElement; b++) to[w++] = columns[k][i * perElement + b];
        }
      }
    }
    return out;
  };

  const block = (start: number): Promise<Uint8Array> => {
    if (cached?.start !== start) {
      const bytes = load(start, Math.min(blockRows, rows - start));
      const mine = (cached = { start, bytes });
      bytes.catch(() => {
        if (cached === mine) cached = undefined; // a failed read is tried anew
      });
    }
    return cached.bytes;
  };

  return async (start: number, count: number): Promise<Uint8Array> => {
    const out = new Uint8Array(count * rowBytes);
    for (let row = start; row < start + count;) {
      const first = Math.floor(row / blockRows) * blockRows;
      const end = Math.min(first + blockRows, start + count);
      const bytes = await block(first);
      out.set(bytes.subarray((row - first) * rowBytes, (end - first) * rowBytes), (row - start) * rowBytes);
      row = end;
    }
    return out;
  };
}

function decodeHeader(bytes: Uint8Array, major: number, file: string, offset: number): string {
  if (major < 3) return Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""); // latin-1
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new InvalidFormatError(
      `${file}: the header is not UTF-8, as format version 3.0 asks. Save it again with numpy.save.`,
      { file, offset },
      { cause },
    );
  }
}

function parseHeader(text: string, file: string, offset: number): Pick<NpyHeader, "descr" | "fortranOrder" | "shape"> {
  const bad = (what: string, at = 0) =>
    new InvalidFormatError(
      `${file}: the header is not understood: ${what} (byte ${offset + at}). Expected {'descr': '<f4', 'fortran_order': False, 'shape': (n, d), }; save the array again with numpy.save.`,
      { file, offset: offset + at },
    );
  let header: PythonLiteral;
  try {
    header = parsePythonLiteral(text);
  } catch (error) {
    throw error instanceof PythonLiteralError ? bad(`found ${error.what}`, error.at) : error;
  }
  if (!(header instanceof Map)) throw bad("it is not a dict");
  for (const key of ["descr", "fortran_order", "shape"]) if (!header.has(key)) throw bad(`the key '${key}' is missing`);
  if (header.size !== 3) throw bad(`keys ${[...header.keys()].map((key) => `'${key}'`).join(", ")}`);
  const descr = header.get("descr");
  const fortranOrder = header.get("fortran_order");
  const shape = header.get("shape");
  if (typeof fortranOrder !== "boolean") throw bad("'fortran_order' is not True or False");
  if (!Array.isArray(shape) || !shape.every((n): n is number => Number.isSafeInteger(n) && (n as number) >= 0)) {
    throw bad("'shape' is not a tuple of whole numbers");
  }
  if (typeof descr !== "string") {
    throw new InvalidFormatError(`${file}: ${structuredDtype(supported)}`, {
      file,
      offset,
    });
  }
  return { descr, fortranOrder, shape };
}

const supported = "float16, bfloat16, float32 and float64 (f2, V2, f4, f8)";

/** '=' and '|' mean the byte order of the machine, which is little endian wherever this runs. */
function rowType(descr: string, file: string): { dtype: RowType; swap: boolean } {
  // NumPy has no bfloat16: what ml_dtypes adds is saved as two bytes without a meaning, and tools that write files themselves name it.
  if (/^([<=|]?V2|bfloat16)$/.test(descr)) return { dtype: "bf16", swap: false };
  const match = /^([<>=|]?)f([248])$/.exec(descr);
  if (!match) {
    throw new InvalidFormatError(`${file}: ${unsupportedDtype(descr, supported)}`, { file, offset: 10 });
  }
  const dtype = ({ 2: "f16", 4: "f32", 8: "f64" } as const)[match[2] as "2" | "4" | "8"];
  return { dtype, swap: match[1] === ">" };
}

/** Bytes as 16-bit words for f2 and 32-bit words for f4 and f8; copied when they are not aligned. */
function words(bytes: Uint8Array, size: number): Uint16Array | Uint32Array {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : new Uint8Array(bytes);
  return size === 2
    ? new Uint16Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 2)
    : new Uint32Array(aligned.buffer, aligned.byteOffset, aligned.byteLength / 4);
}

/** Elements of `size` bytes in the other byte order; a copy. */
export function swapped(bytes: Uint8Array, size: number): Uint8Array {
  const out = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i += size) {
    for (let b = 0; b < size; b++) out[i + b] = bytes[i + size - 1 - b];
  }
  return out;
}

/** A shape as Python writes it. */
export function tuple(shape: readonly number[]): string {
  return shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}
