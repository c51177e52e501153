/**
 * Files of Node, Deno and Bun: reading by ranges, and writing so that a file is either absent (or as it was) or whole.
 *
 * Writing goes to a temporary file beside the target (temporary.ts), is flushed to disk (fsync), and only then put in place
 * (publish.ts). A process that is killed outright leaves its temporary files behind, never a part of the target; the next that
 * writes to that folder removes them.
 */
import { type BigIntStats, existsSync, realpathSync } from "node:fs";
import { access, constants, type FileHandle, lstat, open, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { FileError, InvalidInputError, throwIfAborted } from "../../errors.js";
import { type ByteSink, type ByteSource, changed, checkRange, shrank } from "../../formats/bytes.js";
import { codeOf, readFault, writeFault } from "./faults.js";
import { noteOriginal, realOf, refuseOriginal } from "./originals.js";
import { publish } from "./publish.js";
import { MAX_TRANSFER, removeLeftBehind, TemporaryFile } from "./temporary.js";
import { checkOptions, type Names } from "../../option-names.js";

const writeAllAtomicallyNames: Names<WriteOptions> = { force: 1, signal: 1, onWritten: 1 };

/** An open file; close it when done. */
export interface FileSource extends ByteSource {
  /** When the file was last written to, in nanoseconds: with the size it tells one state of a file from another. */
  readonly modifiedNs: bigint;
  /** Waits for reads under way. */
  close(): Promise<void>;
}

/** How files are written. */
export interface WriteOptions {
  /** Replace a target that exists. Default false: that is a FileError. */
  force?: boolean;
  /** Stops at the next write and removes what was written; once all bytes are on disk it has no effect. */
  signal?: AbortSignal;
  /** Called when all files are whole on disk, with the temporary name of the last: they are put in place next. */
  onWritten?: (main: string) => void;
}

/** One file to write. */
export interface FileToWrite {
  path: string;
  /** Size of the whole file if known; only for the message when the disk is full. */
  byteLength?: number;
  write(sink: ByteSink): Promise<unknown>;
}

/**
 * Opens a regular file for reading by ranges. A file that is written to meanwhile would give rows of two states: every read
 * compares its size and its time of modification with those at the start. (Replacing it by another under its name is safe: the
 * one that was opened is read to the end.)
 * @throws {FileError} when there is no such file, it is a folder or a device, or may not be read; from reads, when the file has
 *   changed since.
 */
export async function openFile(path: string): Promise<FileSource> {
  let opened: FileHandle | undefined;
  let before: BigIntStats;
  try {
    const found = await stat(path); // first: opening a pipe would wait for its other end
    if (found.isDirectory())
      throw new FileError(`${path} is a folder; a file was expected. Name the file inside it.`, { file: path });
    if (!found.isFile())
      throw new FileError(`${path} is not a regular file, so it cannot be read by ranges. Copy it to a file first.`, {
        file: path,
      });
    opened = await open(path, "r");
    before = await opened.stat({ bigint: true });
  } catch (error) {
    await opened?.close().catch(() => undefined);
    throw error instanceof FileError ? error : readFault(path, error);
  }
  noteOriginal(path, before);
  const handle = opened;
  const size = Number(before.size);
  const address = resolve(path);
  const failed = (error: unknown) => Promise.reject(readFault(path, error));
  const underWay = new Set<Promise<void>>();
  async function readInto(target: Uint8Array, start: number): Promise<void> {
    const reading = readUnchanged(target, start);
    underWay.add(reading);
    try {
      await reading;
    } finally {
      underWay.delete(reading);
    }
  }
  async function readUnchanged(target: Uint8Array, start: number): Promise<void> {
    const length = target.byteLength;
    checkRange(path, size, start, start + length);
    for (let done = 0; done < length;) {
      const { bytesRead } = await handle
        .read(target, done, Math.min(length - done, MAX_TRANSFER), start + done)
        .catch(failed);
      if (bytesRead === 0) throw shrank(path, start, start + length, done);
      done += bytesRead;
    }
    const now = await handle.stat({ bigint: true }).catch(failed);
    if (now.size !== before.size) throw changed(path, start, `it had ${before.size} bytes and has ${now.size} now`);
    if (now.mtimeNs !== before.mtimeNs) {
      const [then, later] = [before, now].map(({ mtimeNs }) => new Date(Number(mtimeNs / 1000000n)).toISOString());
      throw changed(path, start, `it was last written at ${then}, and again at ${later}`);
    }
  }
  return {
    name: path,
    size,
    modifiedNs: before.mtimeNs,
    readInto,
    at: (offset) => ({ address, offset }),
    async slice(start, end) {
      checkRange(path, size, start, end);
      const bytes = new Uint8Array(end - start);
      await readInto(bytes, start);
      return bytes;
    },
    async close() {
      await Promise.allSettled(underWay);
      await handle.close();
    },
  };
}

/**
 * Checks that a file could be written there, before any work is done for it. Temporary files that processes which were killed left in
 * that folder are cleared away first.
 * @throws {FileError} when the folder is missing or is a file, the target is a folder or a device, or it exists and
 *   `force` is not set.
 * @throws {InvalidInputError} when it is a file that was read, of a process that keeps these (originals.ts)
 */
export async function checkTarget(path: string, { force = false }: { force?: boolean } = {}): Promise<void> {
  const place = { file: path };
  if (path === "" || /[/\\]$/.test(path))
    throw new FileError(`Cannot write to ${JSON.stringify(path)}: it names a folder, not a file.`, place);
  refuseOriginal(path);
  removeLeftBehind(dirname(realOf(path)));
  const target = await stat(path).catch((error: unknown) => ifMissing(path, error));
  if (target?.isDirectory()) throw new FileError(`Cannot write ${path}: it is a folder. Name a file inside it.`, place);
  if (target && !target.isFile()) throw new FileError(`Cannot write ${path}: it is not a regular file.`, place);
  if (target && !force)
    throw new FileError(`${path} exists already. Pass --force to replace it, or choose another name.`, place);
  if (!target && (await lstat(path).catch(() => undefined)))
    throw new FileError(
      `Cannot write ${path}: it is a link to a file that does not exist. Remove it, or name the file itself.`,
      place,
    );
  if (target) return;
  const folder = await stat(dirname(path)).catch((error: unknown) => ifMissing(path, error));
  if (!folder)
    throw new FileError(`Cannot write ${path}: the folder ${dirname(path)} does not exist. Create it first.`, place);
  if (!folder.isDirectory()) throw new FileError(`Cannot write ${path}: ${dirname(path)} is not a folder.`, place);
  await access(dirname(path), constants.W_OK).catch((error: unknown) => Promise.reject(writeFault(path, error, 0, 0)));
}

/** Writes one file; see writeAllAtomically. */
export async function writeAtomically(
  path: string,
  { byteLength, ...options }: WriteOptions & { byteLength?: number },
  write: (sink: ByteSink) => Promise<unknown>,
): Promise<void> {
  await writeAllAtomically([{ path, byteLength, write }], options);
}

/**
 * Writes several files as one transaction: all of them are written under temporary names in the given order and flushed,
 * then put in place in that order (so name data files first and the file that refers to them last). On any error or
 * abort nothing is left, and files that were replaced are back as they were; publish.ts says what a process that is killed
 * can leave.
 * @throws {FileError} when a target may not be written, the disk is full, or a target appeared meanwhile without `force`.
 * @throws {AbortedError} when `signal` fires; whatever `write` throws is passed on.
 */
export async function writeAllAtomically(files: readonly FileToWrite[], options: WriteOptions = {}): Promise<void> {
  checkOptions("writeAllAtomically", options, writeAllAtomicallyNames);
  const { force = false, signal } = options;
  const temporaries: TemporaryFile[] = [];
  try {
    const targets: string[] = [];
    for (const { path } of files) {
      await checkTarget(path, { force });
      targets.push(existsSync(path) ? realpathSync(path) : path); // a link keeps pointing where it points
    }
    if (new Set(targets.map(realOf)).size !== targets.length)
      throw new FileError(`The same file is to be written twice: ${targets.join(", ")}.`);
    for (const [i, target] of targets.entries()) {
      throwIfAborted(signal);
      temporaries.push(await TemporaryFile.create(target, files[i].path));
      await writeTemporary(files[i], temporaries[i], target, signal);
    }
    throwIfAborted(signal);
    options.onWritten?.(temporaries[temporaries.length - 1].path);
    publish(targets.map((target, i) => ({ temporary: temporaries[i].path, target })), force); // prettier-ignore
  } finally {
    for (const temporary of temporaries) {
      await temporary.close();
      temporary.remove();
    }
  }
}

async function writeTemporary(
  { path, byteLength, write }: FileToWrite,
  temporary: TemporaryFile,
  target: string,
  signal?: AbortSignal,
): Promise<void> {
  let busy = false;
  let ended = false;
  const sink: ByteSink = {
    async write(bytes) {
      if (busy || ended)
        throw new InvalidInputError(
          `${path}: write() was called ${busy ? "before the last one had settled" : "after the end"}; await each call.`,
          { file: path },
        );
      throwIfAborted(signal);
      busy = true;
      try {
        await temporary.write(bytes, byteLength);
      } finally {
        busy = false;
      }
    },
  };
  const old = await stat(target).catch(() => undefined);
  if (old) await temporary.handle.chmod(old.mode & 0o777).catch(() => undefined); // a replaced file keeps its permissions where it can
  try {
    await write(sink);
  } finally {
    ended = true;
  }
  if (busy)
    throw new InvalidInputError(`${path}: the writer ended before its last write() had settled; await each call.`, {
      file: path,
    });
  await temporary.flush(byteLength);
}

function ifMissing(path: string, error: unknown): void {
  if (codeOf(error) !== "ENOENT" && codeOf(error) !== "ENOTDIR") throw writeFault(path, error, 0, 0);
}
