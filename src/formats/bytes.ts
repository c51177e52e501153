/**
 * The one input/output seam of the formats: bytes that can be read by ranges, and a place to write them in order. Disk
 * (node/files/file.ts), memory and Blob serve the parsers alike; so can an HTTP resource that answers range requests.
 */
import { FileError, InvalidInputError } from "../errors.js";

/** Bytes that can be read by ranges: a file, a blob, a buffer, an HTTP resource. */
export interface ByteSource {
  /** Length in bytes, fixed for the life of the source. */
  readonly size: number;
  /** Path or name, for error messages. */
  readonly name: string;
  /**
   * Bytes `start` (included) to `end` (excluded), exactly `end - start` of them. They may be a view of memory that the
   * source owns: read them, do not change them.
   * @throws {InvalidInputError} when the range does not lie in 0 ... size.
   * @throws {FileError} when fewer bytes came than there were when the source was opened.
   */
  slice(start: number, end: number): Promise<Uint8Array>;
  /**
   * Fills `target` with the bytes from `start` on; throws what `slice` throws. Sources that read into memory of the caller's have
   * it: rows that stream through one buffer leave nothing to collect.
   */
  readInto?(target: Uint8Array, start: number): Promise<void>;
  /** Where another process finds byte `start` and those after it: sources that lie in a file or behind an address have it. */
  at?(start: number): StoredAt | undefined;
}

export interface StoredAt {
  /** Absolute path or URL. */
  readonly address: string;
  /** Of the byte, in there. */
  readonly offset: number;
}

/** Takes bytes in order. */
export interface ByteSink {
  /** Resolves when `bytes` may be reused; await it before the next call, so that a slow disk holds the writer back. */
  write(bytes: Uint8Array): Promise<void>;
}

/** A sink that keeps everything in memory. */
export interface MemorySink extends ByteSink {
  /** Bytes written so far. */
  readonly size: number;
  /** A copy of all bytes written so far, in order. */
  bytes(): Uint8Array;
}

/** A source over bytes in memory. Slices are views: nothing is copied. */
export function bytesSource(bytes: Uint8Array | ArrayBuffer, name = "bytes"): ByteSource {
  const view = bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes);
  const size = view.byteLength;
  return {
    size,
    name,
    async slice(start, end) {
      checkRange(name, size, start, end);
      if (view.byteLength < end) throw shrank(name, start, end, Math.max(0, view.byteLength - start)); // buffer transferred away
      return view.subarray(start, end);
    },
  };
}

/** A source over a Blob or a File of a browser; every slice is read anew. */
export function blobSource(blob: Blob, name = (blob as Partial<File>).name ?? "blob"): ByteSource {
  const size = blob.size;
  return {
    size,
    name,
    async slice(start, end) {
      checkRange(name, size, start, end);
      let bytes: Uint8Array;
      try {
        bytes = new Uint8Array(await blob.slice(start, end).arrayBuffer());
      } catch (cause) {
        throw new FileError(
          `${name}: bytes ${start} to ${end} could not be read; the file was changed or removed after it was chosen. Choose it again.`,
          { file: name, offset: start },
          { cause },
        );
      }
      if (bytes.byteLength !== end - start) throw shrank(name, start, end, bytes.byteLength);
      return bytes;
    },
  };
}

/** A sink that keeps everything in memory. */
export function memorySink(): MemorySink {
  const parts: Uint8Array[] = [];
  let size = 0;
  return {
    get size() {
      return size;
    },
    async write(bytes) {
      parts.push(new Uint8Array(bytes)); // slice() of a Node Buffer would be a view
      size += bytes.byteLength;
    },
    bytes() {
      const all = new Uint8Array(size);
      let at = 0;
      for (const part of parts) {
        all.set(part, at);
        at += part.byteLength;
      }
      return all;
    },
  };
}

/** Bytes `start` to `end` of a source, in order, in chunks of at most `chunkBytes` (default 4 MiB). */
export async function* readChunks(
  source: ByteSource,
  start = 0,
  end = source.size,
  chunkBytes = 1 << 22,
): AsyncGenerator<Uint8Array> {
  for (let at = start; at < end; at += chunkBytes) yield await source.slice(at, Math.min(end, at + chunkBytes));
}

/**
 * What every source checks before it reads.
 * @throws {InvalidInputError} when the range does not lie in 0 ... size.
 */
export function checkRange(name: string, size: number, start: number, end: number): void {
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end < start || end > size) {
    throw new InvalidInputError(`${name}: bytes ${start} to ${end} were asked for, but it has bytes 0 to ${size}.`, {
      file: name,
      offset: start,
    });
  }
}

/** The error of a source whose bytes are no longer those that it had when it was opened; `how` says what tells. */
export function changed(name: string, start: number, how: string): FileError {
  return new FileError(
    `${name} changed while it was being read: ${how}. Let whatever writes it finish, then start again.`,
    { file: name, offset: start },
  );
}

/** The error of a source that gave fewer bytes than it had when it was opened. */
export function shrank(name: string, start: number, end: number, got: number): FileError {
  return new FileError(
    `${name} shrank while it was being read: bytes ${start} to ${end} gave ${got} bytes instead of ${end - start}. Let whatever writes it finish, then try again.`,
    { file: name, offset: start + got },
  );
}
