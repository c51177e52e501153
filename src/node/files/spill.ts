/**
 * A temporary file for bytes that memory should not hold: written once, then read by ranges, then removed. It lies in the folder
 * of the output, which must have the room anyway, and goes with the process's other temporary files when that is interrupted.
 */
import { open } from "node:fs/promises";
import { join } from "node:path";
import type { ByteSink, ByteSource } from "../../formats/bytes.js";
import { writeFault } from "./faults.js";
import { openFile, type FileSource } from "./file.js";
import { createTemporary, removeTemporary, temporaryName } from "./temporary.js";

export interface SpillFile {
  readonly sink: ByteSink;
  /** What was written, until close. */
  finish(): Promise<ByteSource>;
  /** Removes the file. */
  close(): Promise<void>;
}

/** @throws {FileError} when the folder cannot be written to, or the disk is full */
export async function openSpill(folder: string): Promise<SpillFile> {
  const path = temporaryName(join(folder, "factors"));
  let written = 0;
  const fault = (error: unknown): never => {
    throw writeFault(path, error, written, written);
  };
  createTemporary(path, fault);
  const handle = await open(path, "r+").catch(fault);
  let source: FileSource | undefined;
  let open_ = true;
  const closeHandle = async () => {
    if (open_) await handle.close();
    open_ = false;
  };
  return {
    sink: {
      async write(bytes) {
        for (let done = 0; done < bytes.byteLength;) {
          const { bytesWritten } = await handle.write(bytes, done, bytes.byteLength - done).catch(fault);
          done += bytesWritten;
          written += bytesWritten;
        }
      },
    },
    async finish() {
      await closeHandle();
      source = await openFile(path);
      return source;
    },
    async close() {
      await closeHandle();
      await source?.close();
      removeTemporary(path);
    },
  };
}
