/**
 * ZIP archives, reading (PKWARE APPNOTE 6.3): what .npz files are. Entries are found by the central directory at the end, of either
 * size of archive (zip64); they are stored or deflated. Only the directory and the entry that is asked for are read.
 */
import { InvalidFormatError } from "../errors.js";
import type { ByteSource } from "./bytes.js";
import { isWellFormed, quote } from "./json.js";
import { sniff, sniffedBytes } from "./sniff.js";

export interface ZipEntry {
  readonly name: string;
  /** Bytes, once decompressed. */
  readonly size: number;
  /** Bytes in the archive. */
  readonly packedSize: number;
  /** 0 stored, 8 deflated, or another that is not read. */
  readonly method: number;
  readonly crc32: number;
  /** Offset of its local header. */
  readonly header: number;
}

const endSignature = 0x06054b50;
const end64LocatorSignature = 0x07064b50;
const end64Signature = 0x06064b50;
const entrySignature = 0x02014b50;
const localSignature = 0x04034b50;
const endBytes = 22;
const mostComment = 0xffff;
/** What a field holds whose value is in the zip64 extra field. */
const elsewhere = 0xffffffff;

/**
 * The entries in the order of the directory; folders are left out.
 * @param mostBytes of the directory
 * @throws {InvalidFormatError} when it is no archive, is damaged, spans several files, or has an entry that is encrypted or of a
 *   name that another has.
 */
export async function readZipEntries(source: ByteSource, mostBytes = 2 ** 24): Promise<ZipEntry[]> {
  const file = source.name;
  const bad = (message: string, offset: number) => new InvalidFormatError(`${file}: ${message}`, { file, offset });
  const { start, size, count } = await findDirectory(source);
  if (size > mostBytes) throw bad(`its list of entries has ${size} bytes; at most ${mostBytes} are read.`, start);
  const bytes = await source.slice(start, start + size);
  const view = viewOf(bytes);
  const entries = new Map<string, ZipEntry>();
  for (let i = 0, at = 0; i < count; ++i) {
    const damaged = () => bad(`entry ${i} of its list is damaged. Copy or save it again.`, start + at);
    if (at + 46 > size || view.getUint32(at, true) !== entrySignature) throw damaged();
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) => view.getUint16(at + field, true));
    const next = at + 46 + nameLength + extraLength + commentLength;
    if (next > size) throw damaged();
    const name = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameLength));
    const extraStart = at + 46 + nameLength;
    const wide = wideFields(new DataView(view.buffer, view.byteOffset + extraStart, extraLength));
    // In this order, and only those that do not fit the entry's own fields.
    const [unpacked, packedSize, header] = [24, 20, 42].map((field) => {
      const value = view.getUint32(at + field, true);
      return value === elsewhere ? (wide.shift() ?? -1) : value;
    });
    if (Math.min(unpacked, packedSize, header) < 0 || header + packedSize > start) throw damaged();
    if (view.getUint16(at + 8, true) & 1)
      throw bad(`${quote(name)} is encrypted. Save it again without a password.`, start + at);
    if (!isWellFormed(name) || entries.has(name)) throw bad(`it has two entries named ${quote(name)}.`, start + at);
    if (!name.endsWith("/")) {
      const [method, crc32] = [view.getUint16(at + 10, true), view.getUint32(at + 16, true)];
      entries.set(name, { name, size: unpacked, packedSize, method, crc32, header });
    }
    at = next;
  }
  return [...entries.values()];
}

/**
 * The bytes of an entry. Memory: those, and the packed ones.
 * @throws {InvalidFormatError} when it is packed in another way than deflate, is damaged, or has another size than the directory says.
 */
export async function readZipEntry(source: ByteSource, entry: ZipEntry): Promise<Uint8Array> {
  const file = source.name;
  const { name, size, packedSize, method, header } = entry;
  const bad = (message: string) => new InvalidFormatError(`${file}: ${message}`, { file, offset: header });
  const damaged = (how: string) => bad(`${quote(name)} is damaged: ${how}. Copy or save it again.`);
  if (header + 30 > source.size) throw damaged("its header lies beyond the end");
  const local = viewOf(await source.slice(header, header + 30));
  if (local.getUint32(0, true) !== localSignature) throw damaged("its header is none");
  const start = header + 30 + local.getUint16(26, true) + local.getUint16(28, true);
  if (start + packedSize > source.size) throw damaged("it goes on beyond the end");
  const packed = await source.slice(start, start + packedSize);
  if (method === 0) {
    if (packedSize !== size) throw damaged(`${packedSize} bytes are stored of ${size}`);
    return packed;
  }
  if (method !== 8) {
    throw bad(
      `${quote(name)} is packed by method ${method}; stored and deflated entries are read. Save it again with numpy.savez or numpy.savez_compressed.`,
    );
  }
  // Deflate packs no better: what claims more is made to fill memory.
  if (size > 1032 * packedSize + 64) throw damaged(`${packedSize} bytes cannot unpack to ${size}`);
  const unpacked = await inflate(packed, entry).catch((cause: unknown) => cause as Error);
  if (unpacked instanceof Uint8Array) return unpacked;
  throw damaged(unpacked.message);
}

/**
 * A gzip file is a deflated stream with the same sum and size after it as the archive has in its directory: so every engine that
 * unpacks gzip reads archives, and checks the sum.
 */
async function inflate(packed: Uint8Array, { size, crc32 }: ZipEntry): Promise<Uint8Array> {
  const head = Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff);
  const tail = new Uint8Array(8);
  viewOf(tail).setUint32(0, crc32, true);
  viewOf(tail).setUint32(4, size % 2 ** 32, true);
  const stream = new Blob([head, packed as Uint8Array<ArrayBuffer>, tail])
    .stream()
    .pipeThrough(new DecompressionStream("gzip"));
  const all = new Uint8Array(size);
  let at = 0;
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (at + value.length > size) {
      await reader.cancel();
      throw new Error(`it unpacks to more than ${size} bytes`);
    }
    all.set(value, at);
    at += value.length;
  }
  if (at !== size) throw new Error(`it unpacks to ${at} bytes instead of ${size}`);
  return all;
}

async function findDirectory(source: ByteSource): Promise<{ start: number; size: number; count: number }> {
  const file = source.name;
  const bad = (message: string) => new InvalidFormatError(`${file}: ${message}`, { file, offset: 0 });
  const tailStart = Math.max(0, source.size - endBytes - mostComment);
  const tail = await source.slice(tailStart, source.size);
  const view = viewOf(tail);
  let at = tail.length - endBytes;
  while (at >= 0 && view.getUint32(at, true) !== endSignature) --at;
  if (at < 0) {
    const first = await source.slice(0, Math.min(source.size, sniffedBytes));
    throw bad(`not an archive (.npz, .zip), or its end is missing.${sniff(first)}`);
  }
  let [size, start] = [view.getUint32(at + 12, true), view.getUint32(at + 16, true)];
  let count = view.getUint16(at + 10, true);
  const split = view.getUint16(at + 4, true) !== 0 && view.getUint16(at + 4, true) !== 0xffff;
  if (split) throw bad("it is one part of an archive in several files. Join them first.");
  const locator = at - 20;
  if (locator >= 0 && view.getUint32(locator, true) === end64LocatorSignature) {
    const end64 = Number(view.getBigUint64(locator + 8, true));
    if (end64 + 56 > source.size) throw bad("the end of its list of entries is damaged. Copy or save it again.");
    const wide = viewOf(await source.slice(end64, end64 + 56));
    if (wide.getUint32(0, true) !== end64Signature)
      throw bad("the end of its list of entries is damaged. Copy or save it again.");
    count = Number(wide.getBigUint64(32, true));
    size = Number(wide.getBigUint64(40, true));
    start = Number(wide.getBigUint64(48, true));
  }
  if (start + size > tailStart + at) throw bad("its list of entries lies beyond its end: the file is truncated.");
  return { start, size, count };
}

/** The numbers of the zip64 extra field, in their order. */
function wideFields(extra: DataView): number[] {
  for (let at = 0; at + 4 <= extra.byteLength;) {
    const [id, length] = [extra.getUint16(at, true), extra.getUint16(at + 2, true)];
    if (id === 1) {
      const numbers: number[] = [];
      for (let i = at + 4; i + 8 <= Math.min(at + 4 + length, extra.byteLength); i += 8)
        numbers.push(Number(extra.getBigUint64(i, true)));
      return numbers;
    }
    at += 4 + length;
  }
  return [];
}

const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array) => new DataView(buffer, byteOffset, byteLength);
