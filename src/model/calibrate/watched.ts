// The original, whose file stays as it is, with values inside of it as outputs.
import { withOutputs } from "../../formats/onnx/outputs.js";
import type { OnnxModel } from "../../formats/onnx/types.js";
import { type RunnableModel, runnableModel } from "../onnx/runtime.js";

/** @param values names of values of the main graph; what is an input of the model is not put out again */
export function runnableWithOutputs(model: OnnxModel, values: readonly string[]): RunnableModel {
  const inputs = new Set(model.graph.inputs.map(({ name }) => name));
  const bytes = withOutputs(
    model,
    [...new Set(values)].filter((name) => !inputs.has(name)),
  );
  const original = runnableModel(model);
  return {
    ...original,
    async load() {
      const all = new Uint8Array(bytes.byteLength);
      let at = 0;
      for await (const chunk of bytes.chunks()) {
        all.set(chunk, at);
        at += chunk.byteLength;
      }
      return { ...(await original.load()), model: all };
    },
  };
}
