/**
 * The safetensors format, reading (https://huggingface.co/docs/safetensors, "Format"):
 *
 *   8 bytes            n, little-endian u64: length of the header, at most 100 000 000
 *   n bytes            JSON: { name: { dtype, shape, data_offsets: [begin, end] }, ..., __metadata__?: { string: string } }
 *   the rest           the tensors' bytes, little endian, row-major, without holes or overlaps
 *
 * Only the header is held in memory. Everything the format asks for is checked when a file is opened; on top of it,
 * names may stand once only, an entry may hold nothing else, and counts are limited (limits.ts; 64 dimensions).
 */
import { InvalidFormatError, InvalidInputError } from "../errors.js";
import { locate } from "../location.js";
import { type RowSource, rowTypeBytes } from "../matrix.js";
import { type ByteSource, readChunks } from "./bytes.js";
import { type JsonValue, parseJson, quote } from "./json.js";
import { type LimitOptions, limitsOf, overLimit, type ReadLimits } from "./limits.js";
import {
  dtypeBits,
  isSafetensorsDtype,
  rowTypeOf,
  type SafetensorsDtype,
  safetensorsDtypes,
  tensorBytes,
} from "./safetensors-dtype.js";
import { sniff, sniffedBytes } from "./sniff.js";
import { checkOptions, type Names } from "../option-names.js";

const openSafetensorsNames: Names<LimitOptions> = { limits: 1 };

/** Longest header that the format allows, in bytes. */
export const MAX_SAFETENSORS_HEADER = 100_000_000;
const MAX_DIMENSIONS = 64;

/** One tensor of a safetensors file. */
export interface SafetensorsTensor {
  readonly name: string;
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  /** Offset of its first byte in the file. */
  readonly start: number;
  /** Offset after its last byte in the file. */
  readonly end: number;
  /** end - start */
  readonly byteLength: number;
}

/** An open safetensors file. */
export interface SafetensorsFile {
  readonly source: ByteSource;
  /** The `__metadata__` map, without a prototype; empty when the file has none. */
  readonly metadata: Readonly<Record<string, string>>;
  /** The same in the order of the header (a Record puts names such as "10" first); undefined when the file has none. */
  readonly metadataEntries: ReadonlyArray<readonly [string, string]> | undefined;
  /** Tensors by name, in the order of their data in the file. */
  readonly tensors: ReadonlyMap<string, SafetensorsTensor>;
  /** Names of the tensors in the order of the header. */
  readonly headerOrder: readonly string[];
  /** Offset of the first byte of data: 8 + header length. */
  readonly dataStart: number;
}

/**
 * Opens a safetensors file: reads and checks its header.
 *
 * Cost: one pass over the header. Memory: the header and its entries.
 * @param options.limits `headerBytes`, `jsonDepth`, `jsonValues`, `tensors`
 * @throws {InvalidFormatError} when anything breaks the format; it names the file, the tensor and the byte offset.
 * @throws {LimitError} when the header holds more than may be read of it.
 */
export async function openSafetensors(source: ByteSource, options: LimitOptions = {}): Promise<SafetensorsFile> {
  checkOptions("openSafetensors", options, openSafetensorsNames);
  const limits = limitsOf(options);
  const file = source.name;
  const header = await readHeader(source, limits);
  const dataStart = 8 + header.byteLength;
  const origin = { file, part: "header", offset: 8 };
  const root = parseJson(header, { limits, integersOnly: true }, origin) as Map<string, JsonValue>; // it begins with '{'
  const count = root.size - (root.has("__metadata__") ? 1 : 0);
  if (count > limits.tensors) throw overLimit(limits, "tensors", `it has ${count} tensors`, count, { file });
  let metadataEntries: [string, string][] | undefined;
  const entries: SafetensorsTensor[] = [];
  for (const [name, value] of root) {
    if (name === "__metadata__") metadataEntries = readMetadata(value, file);
    else entries.push(readEntry(name, value, source, dataStart));
  }
  const headerOrder = entries.map((tensor) => tensor.name);
  entries.sort((a, b) => a.start - b.start || a.end - b.end);
  checkLayout(entries, source, dataStart);
  const metadata: Record<string, string> = Object.create(null);
  for (const [key, value] of metadataEntries ?? []) metadata[key] = value;
  const tensors = new Map(entries.map((tensor) => [tensor.name, tensor]));
  return { source, metadata, metadataEntries, tensors, headerOrder, dataStart };
}

/**
 * The tensor of that name.
 * @throws {InvalidInputError} when there is none; it lists what there is.
 */
export function findTensor(file: SafetensorsFile, name: string): SafetensorsTensor {
  const tensor = file.tensors.get(name);
  if (tensor) return tensor;
  const names = [...file.tensors.keys()];
  const some = names.slice(0, 10).map(quote).join(", ") + (names.length > 10 ? `, ... (${names.length} in all)` : "");
  throw new InvalidInputError(`${file.source.name} has no tensor ${quote(name)}; it has ${some || "none at all"}.`, {
    file: file.source.name,
    tensor: name,
  });
}

/**
 * A 2-D float tensor as rows, read by ranges.
 * @param matrix rows and columns of one that has other dimensions; their product is its number of elements
 * @throws {InvalidInputError} when there is no such tensor, or it is not an F16, BF16, F32 or F64 tensor, 2-D unless `matrix`
 *   is given, with at least one row and one column.
 */
export function tensorRows(file: SafetensorsFile, name: string, matrix?: readonly number[]): RowSource {
  const tensor = findTensor(file, name);
  const place = { file: file.source.name, tensor: name };
  const dtype = rowTypeOf(tensor.dtype);
  const what = `${place.file}: tensor ${quote(name)} is ${tensor.dtype} of shape [${tensor.shape.join(", ")}]`;
  if (dtype === undefined)
    throw new InvalidInputError(`${what}; only F16, BF16, F32 and F64 can be computed with.`, place);
  const shape = matrix ?? tensor.shape;
  if (shape.length !== 2) throw new InvalidInputError(`${what}; a matrix of 2 dimensions is needed.`, place);
  const [rows, cols] = shape;
  if (rows < 1 || cols < 1) throw new InvalidInputError(`${what}; at least one row and one column are needed.`, place);
  const rowBytes = cols * rowTypeBytes[dtype];
  const stored = file.source.at?.(tensor.start);
  const source: RowSource = {
    rows,
    cols,
    dtype,
    name,
    read(start, count) {
      if (
        !Number.isSafeInteger(start) ||
        !Number.isSafeInteger(count) ||
        start < 0 ||
        count < 0 ||
        start + count > rows
      ) {
        throw new InvalidInputError(`${what}; rows ${start} to ${start + count} were asked for.`, place);
      }
      return file.source.slice(tensor.start + start * rowBytes, tensor.start + (start + count) * rowBytes);
    },
  };
  return locate(source, async () => stored && { ...stored, rows, cols, dtype, transposed: false });
}

/** The raw bytes of a tensor, in order, in chunks of at most 4 MiB. */
export function tensorChunks(file: SafetensorsFile, name: string): AsyncIterable<Uint8Array> {
  const { start, end } = findTensor(file, name);
  return readChunks(file.source, start, end);
}

async function readHeader(source: ByteSource, limits: ReadLimits): Promise<Uint8Array> {
  const file = source.name;
  const bad = (message: string, offset: number) => new InvalidFormatError(`${file}: ${message}`, { file, offset });
  if (source.size === 0) throw bad("the file is empty (0 bytes); a safetensors file was expected.", 0);
  if (source.size < 8) {
    throw bad(
      `the file has ${source.size} bytes; a safetensors file begins with 8 bytes of header length. It is truncated; get it again.`,
      source.size,
    );
  }
  const start = await source.slice(0, Math.min(sniffedBytes, source.size));
  const length = new DataView(start.buffer, start.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(Math.max(MAX_SAFETENSORS_HEADER, source.size))) {
    const other = sniff(start);
    throw bad(
      other
        ? `not a safetensors file.${other}`
        : `not a safetensors file, or damaged: its first 8 bytes give a header of ${length} bytes, over the format's limit of ${MAX_SAFETENSORS_HEADER}.`,
      0,
    );
  }
  const end = 8 + Number(length);
  if (source.size > 8 && end > 8 && start[8] !== 0x7b) {
    const other = sniff(start);
    throw bad(
      other
        ? `not a safetensors file.${other}`
        : `not a safetensors file, or damaged: its header begins with byte 0x${start[8].toString(16).padStart(2, "0")}, not with '{'.`,
      8,
    );
  }
  if (end > source.size) {
    throw bad(
      `truncated in its header: the header ends at byte ${end}, but the file has ${source.size} bytes. Copy or download it again.`,
      source.size,
    );
  }
  if (length > BigInt(limits.headerBytes))
    throw overLimit(limits, "headerBytes", `a header of ${length} bytes`, Number(length), { file, offset: 0 });
  if (end < 10) throw bad(`damaged: a header of ${length} bytes; the shortest there is, {}, has 2.`, 0);
  return source.slice(8, end);
}

function readMetadata(value: JsonValue, file: string): [string, string][] {
  const bad = (message: string) =>
    new InvalidFormatError(`${file}: ${message}; the format allows text only. Save the file again.`, {
      file,
      offset: 8,
    });
  if (value === null) return []; // as the reference library takes it
  if (!(value instanceof Map)) throw bad(`__metadata__ is ${kind(value)}, not an object`);
  return [...value].map(([key, text]) => {
    if (typeof text !== "string") throw bad(`__metadata__ has ${kind(text)} under ${quote(key)}`);
    return [key, text];
  });
}

function readEntry(name: string, value: JsonValue, source: ByteSource, dataStart: number): SafetensorsTensor {
  const file = source.name;
  const bad = (message: string, offset = 8) =>
    new InvalidFormatError(`${file}: tensor ${quote(name)} ${message}`, { file, tensor: name, offset });
  if (!(value instanceof Map))
    throw bad(`is ${kind(value)} in the header, not an object with dtype, shape and data_offsets.`);
  for (const key of ["dtype", "shape", "data_offsets"]) if (!value.has(key)) throw bad(`has no ${key} in the header.`);
  for (const key of value.keys()) {
    if (key !== "dtype" && key !== "shape" && key !== "data_offsets") {
      throw bad(`has ${quote(key)} in the header; only dtype, shape and data_offsets may stand there.`);
    }
  }
  const dtype = value.get("dtype")!;
  const shape = value.get("shape")!;
  const offsets = value.get("data_offsets")!;
  if (!isSafetensorsDtype(dtype)) {
    throw bad(
      `has the unknown dtype ${typeof dtype === "string" ? quote(dtype) : kind(dtype)}; known are ${safetensorsDtypes.join(", ")}. Save the model again with that tensor in one of these, or without it.`,
    );
  }
  if (!isWholeNumbers(shape)) throw bad("has a shape that is not an array of whole numbers from 0 to 2^53 - 1.");
  if (shape.length > MAX_DIMENSIONS) throw bad(`has ${shape.length} dimensions; at most ${MAX_DIMENSIONS} are read.`);
  if (!isWholeNumbers(offsets) || offsets.length !== 2)
    throw bad("has data_offsets that are not two whole numbers from 0 to 2^53 - 1.");
  const [begin, end] = offsets;
  if (begin > end) throw bad(`has data_offsets [${begin}, ${end}]: it ends before it begins.`);
  const what = `${dtype} of shape [${shape.join(", ")}]`;
  const bytes = tensorBytes(dtype, shape);
  if (bytes === "overflow") throw bad(`is ${what}: more than 2^53 bytes.`);
  if (bytes === "fraction") throw bad(`is ${what}: its elements of ${dtypeBits(dtype)} bits do not fill whole bytes.`);
  if (end - begin !== bytes) {
    throw bad(`is ${what}, which takes ${bytes} bytes, but its data_offsets [${begin}, ${end}] hold ${end - begin}.`);
  }
  const available = source.size - dataStart;
  if (end > available) {
    throw bad(
      `ends at byte ${end} of the data, but the file holds only ${available} bytes of data: it is truncated, or the header is damaged. Copy or download it again.`,
      source.size,
    );
  }
  return { name, dtype, shape, start: dataStart + begin, end: dataStart + end, byteLength: bytes };
}

/** Sorted by offset, each tensor must begin where the last one ended, and the last must end with the file. */
function checkLayout(sorted: readonly SafetensorsTensor[], source: ByteSource, dataStart: number): void {
  const file = source.name;
  let end = dataStart;
  let last = "";
  for (const { name, start, end: next } of sorted) {
    if (start !== end) {
      const fault =
        start > end
          ? `leaves a hole of ${start - end} bytes before it, from byte ${end} of the file`
          : `overlaps tensor ${quote(last)} by ${end - start} bytes, from byte ${start} of the file`;
      throw new InvalidFormatError(
        `${file}: tensor ${quote(name)} ${fault}. The header is damaged; get or save the file again.`,
        {
          file,
          tensor: name,
          offset: Math.min(start, end),
        },
      );
    }
    end = next;
    last = name;
  }
  if (end !== source.size) {
    throw new InvalidFormatError(
      `${file}: ${source.size - end} bytes after ${last === "" ? "the header" : `the last tensor, ${quote(last)},`} belong to no tensor (from byte ${end} of the file). Get or save the file again.`,
      { file, offset: end },
    );
  }
}

function isWholeNumbers(value: JsonValue): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && (n as number) >= 0 && !Object.is(n, -0));
}

function kind(value: JsonValue): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  return value instanceof Map ? "an object" : `a ${typeof value}`;
}
