/**
 * The safetensors format, writing: a header, then the tensors' bytes as a stream. The layout is the reference
 * implementation's (safetensors/src/tensor.rs): tensors by falling alignment of their dtype, then by name in code-point
 * order; the header padded with spaces to a multiple of 8. So every tensor lies at a multiple of its element size, and
 * the same tensors and metadata give the same bytes.
 */
import { InvalidInputError, throwIfAborted } from "../errors.js";
import type { ByteSink } from "./bytes.js";
import { isWellFormed, quote } from "./json.js";
import { MAX_SAFETENSORS_HEADER } from "./safetensors.js";
import { dtypeRank, isSafetensorsDtype, type SafetensorsDtype, tensorBytes } from "./safetensors-dtype.js";

/** What the header says of a tensor. */
export interface SafetensorsEntry {
  readonly name: string;
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  /** Must be what dtype and shape make. */
  readonly byteLength: number;
}

/** A tensor to be written. */
export interface SafetensorsInput extends SafetensorsEntry {
  /** Its bytes, little endian, row-major, in order; called once, when its turn comes. */
  chunks(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/** Text by name; as entries when names such as "10" must keep their place. */
export type SafetensorsMetadata = Readonly<Record<string, string>> | Iterable<readonly [string, string]>;

/** Where everything will lie in the file. */
export interface SafetensorsLayout<T extends SafetensorsEntry> {
  /** Header length, header and padding: the first bytes of the file. */
  readonly header: Uint8Array;
  /** The tensors in the order of the file. */
  readonly order: readonly T[];
  /** Size of the whole file. */
  readonly byteLength: number;
}

/**
 * Lays out a file without writing it.
 * @throws {InvalidInputError} when a name stands twice, is `__metadata__` or has no UTF-8 form, a dtype is unknown, a
 *   byteLength is not what dtype and shape make, or the header outgrows the format's limit.
 */
export function layOutSafetensors<T extends SafetensorsEntry>(
  tensors: readonly T[],
  metadata?: SafetensorsMetadata,
): SafetensorsLayout<T> {
  const names = new Set<string>();
  for (const tensor of tensors) checkEntry(tensor, names);
  const order = [...tensors].sort(
    (a, b) => dtypeRank(b.dtype) - dtypeRank(a.dtype) || compareCodePoints(a.name, b.name),
  );
  const parts: string[] = [];
  if (metadata !== undefined) parts.push(`"__metadata__":{${metadataText(metadata)}}`);
  let offset = 0;
  for (const { name, dtype, shape, byteLength } of order) {
    const end = offset + byteLength;
    parts.push(
      `${JSON.stringify(name)}:{"dtype":"${dtype}","shape":[${shape.join(",")}],"data_offsets":[${offset},${end}]}`,
    );
    offset = end;
  }
  const text = new TextEncoder().encode(`{${parts.join(",")}}`);
  const length = Math.ceil(text.byteLength / 8) * 8;
  if (length > MAX_SAFETENSORS_HEADER) {
    throw new InvalidInputError(
      `A safetensors header of ${length} bytes is over the format's limit of ${MAX_SAFETENSORS_HEADER}; shorten the metadata or write fewer tensors to a file.`,
    );
  }
  const header = new Uint8Array(8 + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(text, 8);
  return { header, order, byteLength: header.byteLength + offset };
}

/**
 * Writes a whole file, one chunk at a time. The order of `tensors` does not matter; the order of `metadata` is kept.
 *
 * Memory: the header and one chunk.
 * @returns the size of the file in bytes.
 * @throws {InvalidInputError} as layOutSafetensors, or when a tensor gives more or fewer bytes than its byteLength.
 * @throws {AbortedError} when `signal` fires.
 */
export async function writeSafetensors(
  sink: ByteSink,
  file: { tensors: readonly SafetensorsInput[]; metadata?: SafetensorsMetadata },
  options: { signal?: AbortSignal } = {},
): Promise<number> {
  const { header, order, byteLength } = layOutSafetensors(file.tensors, file.metadata);
  await sink.write(header);
  for (const tensor of order) {
    let written = 0;
    for await (const chunk of tensor.chunks()) {
      throwIfAborted(options.signal);
      written += chunk.byteLength;
      if (written > tensor.byteLength) throw wrongLength(tensor, `at least ${written}`);
      await sink.write(chunk);
    }
    if (written !== tensor.byteLength) throw wrongLength(tensor, String(written));
  }
  return byteLength;
}

function checkEntry({ name, dtype, shape, byteLength }: SafetensorsEntry, names: Set<string>): void {
  const bad = (message: string) => new InvalidInputError(`Tensor ${quote(name)} ${message}`, { tensor: name });
  if (names.has(name)) throw bad("stands twice among the tensors to write; a safetensors file holds a name once.");
  names.add(name);
  if (name === "__metadata__") throw bad("cannot be written: the format keeps that name for its metadata. Rename it.");
  if (!isWellFormed(name)) throw bad("has half of a surrogate pair in its name, which UTF-8 cannot store. Rename it.");
  if (!isSafetensorsDtype(dtype)) throw bad(`has the unknown dtype ${quote(String(dtype))}.`);
  if (!shape.every((n) => Number.isSafeInteger(n) && n >= 0))
    throw bad(`has the shape [${shape.join(", ")}]; whole numbers were expected.`);
  const bytes = tensorBytes(dtype, shape);
  if (bytes !== byteLength) {
    throw bad(
      `says it has ${byteLength} bytes, but ${dtype} of shape [${shape.join(", ")}] makes ${typeof bytes === "number" ? bytes : `no whole number of bytes below 2^53`}.`,
    );
  }
}

function metadataText(metadata: SafetensorsMetadata): string {
  const entries =
    Symbol.iterator in metadata ? (metadata as Iterable<readonly [string, string]>) : Object.entries(metadata);
  const seen = new Set<string>();
  const parts: string[] = [];
  for (const [key, value] of entries) {
    if (typeof value !== "string")
      throw new InvalidInputError(`Metadata ${quote(key)} is a ${typeof value}; the format allows text only.`);
    if (seen.has(key)) throw new InvalidInputError(`Metadata ${quote(key)} stands twice.`);
    if (!isWellFormed(key) || !isWellFormed(value))
      throw new InvalidInputError(`Metadata ${quote(key)} has half of a surrogate pair, which UTF-8 cannot store.`);
    seen.add(key);
    parts.push(`${JSON.stringify(key)}:${JSON.stringify(value)}`);
  }
  return parts.join(",");
}

function wrongLength({ name, byteLength }: SafetensorsEntry, got: string): InvalidInputError {
  return new InvalidInputError(
    `Tensor ${quote(name)} gave ${got} bytes instead of the ${byteLength} that its header entry says.`,
    { tensor: name },
  );
}

/** Order of UTF-8 bytes, which is the order of code points; JavaScript's own < is of UTF-16 units and differs past U+FFFF. */
function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    const xHigh = x >= 0xd800 && x <= 0xdfff;
    const yHigh = y >= 0xd800 && y <= 0xdfff;
    return xHigh === yHigh ? x - y : xHigh ? 1 : -1;
  }
  return a.length - b.length;
}
