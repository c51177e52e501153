// Files that were laid out, in memory, for a runtime to load.
import type { OutputFile } from "../model.js";
import type { RunnableModel } from "../onnx/runtime.js";

/** @param files data files first, the main file ("") last */
export function runnableFiles(name: string, files: readonly OutputFile[], signal?: AbortSignal): RunnableModel {
  return {
    name,
    byteLength: files.reduce((sum, file) => sum + file.byteLength, 0),
    async load() {
      const read: { path: string; data: Uint8Array }[] = [];
      for (const file of files) read.push({ path: file.name, data: await bytesOf(file, signal) });
      return { model: read.pop()!.data, externalData: read };
    },
  };
}

async function bytesOf(file: OutputFile, signal?: AbortSignal): Promise<Uint8Array> {
  const bytes = new Uint8Array(file.byteLength);
  let at = 0;
  const write = async (chunk: Uint8Array) => {
    bytes.set(chunk, at);
    at += chunk.byteLength;
  };
  await file.write({ write }, { signal });
  return bytes;
}
