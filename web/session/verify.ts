// Runs the original and the result in onnxruntime-web, which is loaded for this alone.
import { InvalidInputError } from "loewner";
import { blobSource, openOnnx, type OnnxModel } from "loewner/formats";
import {
  compareOnnx,
  onnxInputs,
  runnableModel,
  type OnnxComparison,
  type OnnxRuntime,
  type OutputFile,
} from "loewner/model";
import { blobOf } from "./outputs.js";
import type { Run } from "./serve.js";

type Runtime = OnnxRuntime & { env: { wasm: { numThreads?: number; wasmPaths?: string } } };

/**
 * @param files the result, the main file last
 * @param folder where ort.wasm.min.mjs lies
 */
export async function compareModels(
  original: OnnxModel,
  files: readonly OutputFile[],
  folder: URL,
  { signal, onProgress }: Run,
): Promise<OnnxComparison> {
  onProgress({ stage: "loading onnxruntime-web", done: 0, total: 1 });
  const runtime = await load(folder);
  const blobs = new Map<string, Blob>();
  for (const file of files) blobs.set(file.name, await blobOf(file, signal));
  const main = files[files.length - 1].name;
  const external = (location: string) => blobSource(blobs.get(location)!, location);
  const compressed = await openOnnx(blobSource(blobs.get(main)!, main), { external });
  const inputs = await onnxInputs(original);
  return compareOnnx(runtime, runnableModel(original), runnableModel(compressed), inputs, { signal, onProgress });
}

async function load(folder: URL): Promise<Runtime> {
  let runtime: Runtime;
  try {
    runtime = (await import(/* @vite-ignore */ new URL("ort.wasm.min.mjs", folder).href)) as Runtime;
  } catch (cause) {
    throw new InvalidInputError(
      "onnxruntime-web is not beside this page, so models cannot be run here. On a machine with Node, npm install onnxruntime-web and then npx loewner serve has it; or run npx loewner verify MODEL SMALLER.",
      {},
      { cause },
    );
  }
  // Threads would need a page with headers that few hosts send.
  runtime.env.wasm.numThreads = 1;
  runtime.env.wasm.wasmPaths = folder.href;
  return runtime;
}
