/**
 * A temporary file for bytes that memory should not hold: written once, then read by ranges, then removed. It lies in the folder
 * of the output, which must have the room anyway, and goes with the process's other temporary files when that is interrupted.
 */
import { join } from "node:path";
import type { ByteSink, ByteSource } from "../../formats/bytes.js";
import { openFile, type FileSource } from "./file.js";
import { TemporaryFile } from "./temporary.js";

export interface SpillFile {
  readonly sink: ByteSink;
  /** What was written, until close. */
  finish(): Promise<ByteSource>;
  /** Removes the file. */
  close(): Promise<void>;
  /** The same. */
  discard(): Promise<void>;
}

/** @throws {FileError} when the folder cannot be written to, or the disk is full */
export async function openSpill(folder: string): Promise<SpillFile> {
  const file = await TemporaryFile.create(join(folder, "factors"));
  let source: FileSource | undefined;
  const close = async () => {
    await file.close();
    await source?.close();
    file.remove();
  };
  return {
    sink: { write: (bytes) => file.write(bytes) },
    async finish() {
      await file.close();
      source = await openFile(file.path);
      return source;
    },
    close,
    discard: close,
  };
}
