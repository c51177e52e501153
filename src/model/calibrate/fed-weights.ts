// The original with values inside of it as outputs, and without the numbers of its large weights, which every run is given: it loads in no
// time, weights are held once, and one is exchanged for another without loading anything anew.
import { withValues } from "../../formats/onnx/outputs.js";
import type { OnnxModel, OnnxTensor, Span } from "../../formats/onnx/types.js";
import { isView } from "../onnx/float-view.js";
import type { ModelInput } from "../onnx/inputs.js";
import { type Fault, Runner } from "../onnx/runner.js";
import { externalData, type OnnxRuntime, type RunnableModel, runnableModel } from "../onnx/runtime.js";

/** Bytes of a weight that is worth it. */
const leastBytes = 2 ** 14;

export interface FedOptions {
  readonly runtime: OnnxRuntime;
  readonly threads: number;
  readonly fault: Fault;
  /** Values of the main graph that are put out as well. Default: none. */
  readonly values?: readonly string[];
}

/**
 * Matrices of f32 that lie in the file are given to each run; where there are none, or the runtime wants them in the model, it is opened
 * whole. Memory: the weights once, and once more while onnxruntime-web runs.
 */
export async function openFed(model: OnnxModel, { runtime, threads, fault, values = [] }: FedOptions): Promise<Runner> {
  const fed = isView(model) ? [] : [...model.graph.initializers.values()].filter(isWorthIt);
  const open = (given: readonly OnnxTensor[]) => Runner.open(runtime, runnable(model, values, given), threads, fault);
  if (fed.length === 0) return open([]);
  try {
    return await open(fed);
  } catch {
    // An operator that takes constants alone. What is wrong with the model itself comes up again.
    return open([]);
  }
}

/** Whether `openFed` gives a tensor of the main graph to each run, unless the runtime wants it in the model. */
export function isFed(model: OnnxModel, name: string): boolean {
  const tensor = model.graph.initializers.get(name);
  return tensor !== undefined && !isView(model) && isWorthIt(tensor);
}

/** @param fed those that are given to each run */
function runnable(model: OnnxModel, outputs: readonly string[], fed: readonly OnnxTensor[]): RunnableModel {
  const bytes = withValues(model, { outputs: [...new Set(outputs)], inputs: fed });
  return {
    ...runnableModel(model),
    async load() {
      const all = new Uint8Array(bytes.byteLength);
      let at = 0;
      for await (const chunk of bytes.chunks()) {
        all.set(chunk, at);
        at += chunk.byteLength;
      }
      const given: ModelInput[] = [];
      for (const tensor of fed) given.push(await inputOf(model, tensor));
      return { model: all, externalData: await externalData(model), given };
    },
  };
}

function isWorthIt({ rowType, data, dims, byteLength }: OnnxTensor): boolean {
  const isMatrix = dims.length === 2 && byteLength === 4 * dims[0] * dims[1];
  return isMatrix && rowType === "f32" && data.kind === "inline" && byteLength >= leastBytes;
}

async function inputOf({ source }: OnnxModel, { name, dims, data }: OnnxTensor): Promise<ModelInput> {
  const { start, end } = (data as { span: Span }).span;
  const read = await source.slice(start, end);
  const bytes = read.byteOffset % 4 === 0 ? read : read.slice();
  const numbers = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  return { name, source: "given", dtype: "float32", shape: dims, data: numbers };
}
