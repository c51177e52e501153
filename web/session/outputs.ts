// Where files of a result go: to a file that the person named, as they are made, or into a blob.
import { AbortedError } from "loewner";
import { blobSource, type ByteSink } from "loewner/formats";
import type { OutputFile, Spill } from "loewner/model";

/** Bytes that become a blob of their own, which browsers keep on disk where memory is short. */
const pieceBytes = 4 << 20;

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
  const blob = new GrowingBlob();
  const sink: ByteSink = {
    async write(bytes) {
      if (signal?.aborted) throw new AbortedError(signal.reason);
      blob.add(bytes);
    },
  };
  await write(sink, { signal });
  return blob.whole();
}

/** A place for what memory should not hold while a model is compressed. */
export async function blobSpill(): Promise<Spill> {
  const blob = new GrowingBlob();
  return { sink: { write: async (bytes) => blob.add(bytes) }, finish: async () => blobSource(blob.whole()) };
}

class GrowingBlob {
  private readonly pieces: Blob[] = [];
  private held: Uint8Array<ArrayBuffer>[] = [];
  private size = 0;

  /** @param bytes are copied */
  add(bytes: Uint8Array): void {
    this.held.push(new Uint8Array(bytes));
    this.size += bytes.byteLength;
    if (this.size >= pieceBytes) this.flush();
  }

  whole(): Blob {
    this.flush();
    return new Blob(this.pieces, { type: "application/octet-stream" });
  }

  private flush(): void {
    this.pieces.push(new Blob(this.held));
    [this.held, this.size] = [[], 0];
  }
}
