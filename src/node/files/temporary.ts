/**
 * Temporary files: made under a name that tells their owner, gone when their work is done, when the process is interrupted, or,
 * where it was killed outright, when a later one comes by.
 */
import { closeSync, lstatSync, openSync, readdirSync, type Stats, unlinkSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { writeFault } from "./faults.js";
import { originalAt } from "./originals.js";
import { isLeftBehind, ownedName, ownerIn } from "./owner.js";

const ENDING = "tmp";
/** Temporary files of this process that are not yet in place. */
const live = new Set<string>();

/** A name beside `target` that nobody else has. */
export function temporaryName(target: string): string {
  return ownedName(target, ENDING);
}

/** Synchronous, so that a signal handler never meets a file on its way to being made. */
export function createTemporary(path: string, fault: (error: unknown) => never): void {
  try {
    closeSync(openSync(path, "wx"));
    live.add(path);
  } catch (error) {
    fault(error);
  }
}

/** No call moves more than this: some systems take at most 2^31 - 1 bytes at once. */
export const MAX_TRANSFER = 1 << 30;

/** All of the bytes, at the file's position. @param onWritten told of each call's bytes */
export async function writeWhole(
  handle: FileHandle,
  bytes: Uint8Array,
  onWritten: (count: number) => void,
): Promise<void> {
  for (let done = 0; done < bytes.byteLength;) {
    const { bytesWritten } = await handle.write(bytes, done, Math.min(bytes.byteLength - done, MAX_TRANSFER));
    done += bytesWritten;
    onWritten(bytesWritten);
  }
}

/** A temporary file on its way from its first byte to its last. */
export class TemporaryFile {
  /** Bytes written. */
  size = 0;
  private isOpen = true;

  private constructor(
    readonly path: string,
    readonly handle: FileHandle,
    private readonly fault: (error: unknown, written: number, needed: number) => never,
  ) {}

  /**
   * @param target what it lies beside
   * @param told the file that errors name; its own name by default
   * @throws {FileError} when the folder cannot be written to
   */
  static async create(target: string, told?: string): Promise<TemporaryFile> {
    const path = temporaryName(target);
    const fault = (error: unknown, written = 0, needed = 0): never => {
      throw writeFault(told ?? path, error, written, needed);
    };
    createTemporary(path, fault);
    const handle = await open(path, "r+").catch((error: unknown) => {
      removeTemporary(path);
      return fault(error);
    });
    return new TemporaryFile(path, handle, fault);
  }

  /**
   * @param needed bytes of the whole file, where they are known, for the message when the disk is full
   * @throws {FileError} when it cannot be written
   */
  async write(bytes: Uint8Array, needed = 0): Promise<void> {
    const end = this.size + bytes.byteLength;
    try {
      await writeWhole(this.handle, bytes, (count) => (this.size += count));
    } catch (error) {
      this.fault(error, this.size, Math.max(end, needed));
    }
  }

  /** On disk, and closed: some network file systems report a full disk only here. */
  async flush(needed = 0): Promise<void> {
    try {
      await this.handle.sync();
      await this.close();
    } catch (error) {
      this.fault(error, this.size, Math.max(this.size, needed));
    }
  }

  async close(): Promise<void> {
    if (!this.isOpen) return;
    this.isOpen = false;
    await this.handle.close();
  }

  /** Gone, unless it is in place under another name. */
  remove(): void {
    removeTemporary(this.path);
  }
}

export function removeTemporary(path: string): void {
  removeFile(path);
  live.delete(path);
}

/** Removes every temporary file of this process, synchronously: for handlers of SIGINT and SIGTERM just before the exit. */
export function removeTemporaryFiles(): void {
  live.forEach(removeTemporary);
}

/** Removes temporary files in a folder that processes of this machine made which run no more. */
export function removeLeftBehind(folder: string): void {
  for (const name of namesIn(folder)) {
    const path = join(folder, name);
    const owner = ownerIn(name, ENDING);
    if (owner !== undefined && isLeftBehind(path, owner) && isRegularFile(path) && originalAt(path) === undefined)
      removeFile(path);
  }
}

/** What is no regular file, a link included, was made by somebody else; to open a pipe would wait for its other end. */
export function isRegularFile(path: string): boolean {
  return lookAt(path)?.isFile() ?? false;
}

/** Of a link, the link itself; undefined where nothing is, or may be seen. */
export function lookAt(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}

/** Names in a folder; none where there is no such folder. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Gone afterwards, unless the system refuses. */
export function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // it is in place under its own name, or was never made
  }
}
