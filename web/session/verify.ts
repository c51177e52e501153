// Runs the original and the result in onnxruntime-web, which is loaded for this alone.
import { blobSource, openOnnx, type OnnxModel } from "loewner/formats";
import { compareOnnx, onnxInputs, runnableModel, type OnnxComparison, type OutputFile } from "loewner/model";
import { blobOf } from "./outputs.js";
import { withRuntime } from "./runtime.js";
import type { Run } from "./serve.js";

/** @param files the result, the main file last */
export async function openResult(files: readonly OutputFile[], signal: AbortSignal): Promise<OnnxModel> {
  const blobs = new Map<string, Blob>();
  for (const file of files) blobs.set(file.name, await blobOf(file, signal));
  const main = files[files.length - 1].name;
  const external = (location: string) => blobSource(blobs.get(location)!, location);
  return openOnnx(blobSource(blobs.get(main)!, main), { external });
}

/**
 * @param smaller opened once the runtime is there
 * @param folder where ort.wasm.min.mjs lies
 */
export function compareModels(
  original: OnnxModel,
  smaller: () => Promise<OnnxModel>,
  folder: URL,
  { signal, onProgress }: Run,
): Promise<OnnxComparison> {
  onProgress({ stage: "loading onnxruntime-web", done: 0, total: 1 });
  return withRuntime(folder, signal, async (runtime) => {
    const compressed = await smaller();
    const inputs = await onnxInputs(original);
    return compareOnnx(runtime, runnableModel(original), runnableModel(compressed), inputs, { signal, onProgress });
  });
}
