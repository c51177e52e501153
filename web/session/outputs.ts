// Where files of a result go: to a file that the person named, as they are made, or into a blob.
import { AbortedError } from "loewner";
import type { ByteSink } from "loewner/formats";
import type { OutputFile } from "loewner/model";

/** Bytes that become a blob of their own, which browsers keep on disk where memory is short. */
const pieceBytes = 16 << 20;

/** Nothing is left of a file that was not finished. */
export async function saveTo(file: OutputFile, handle: FileSystemFileHandle, signal: AbortSignal): Promise<void> {
  const stream = await handle.createWritable();
  try {
    await file.write({ write: (bytes) => stream.write(bytes as Uint8Array<ArrayBuffer>) }, { signal });
  } catch (error) {
    await stream.abort();
    throw error;
  }
  await stream.close();
}

export async function blobOf({ write }: Pick<OutputFile, "write">, signal?: AbortSignal): Promise<Blob> {
  const pieces: Blob[] = [];
  let held: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  const flush = () => {
    pieces.push(new Blob(held));
    [held, size] = [[], 0];
  };
  const sink: ByteSink = {
    async write(bytes) {
      if (signal?.aborted) throw new AbortedError(signal.reason);
      held.push(new Uint8Array(bytes));
      size += bytes.byteLength;
      if (size >= pieceBytes) flush();
    },
  };
  await write(sink, { signal });
  flush();
  return new Blob(pieces, { type: "application/octet-stream" });
}
