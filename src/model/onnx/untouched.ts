// Float tensors of an ONNX model that are no weights that could be compressed: where each lies, and why not.
import type { OnnxModel, OnnxTensor } from "../../formats/onnx/types.js";
import { shapeReason } from "../matrix-shape.js";
import type { Values } from "./values.js";
import { isWeight } from "./weights.js";

export interface Untouched {
  readonly name: string;
  readonly tensor: OnnxTensor;
  readonly reason: string;
}

/** Those of `leastBytes` or more. */
export function untouchedTensors(model: OnnxModel, values: Values, leastBytes: number): Untouched[] {
  const found: Untouched[] = [];
  const counts = ({ rowType, byteLength }: OnnxTensor) => rowType !== undefined && byteLength >= leastBytes;
  const add = (name: string, tensor: OnnxTensor) => {
    if (counts(tensor) && !isWeight(tensor)) found.push({ name, tensor, reason: shapeReason(tensor.dims)! });
  };
  for (const { graph } of values.scopes) {
    graph.initializers.forEach((tensor) => add(tensor.name, tensor));
    for (const { tensors, outputs, opType, name } of graph.nodes)
      for (const tensor of tensors.values()) add(outputs[0] || name || opType, tensor);
  }
  for (const [key, constants] of model.functions) {
    const name = key.replace(/^:/, "").replace(":", ".");
    constants.filter(counts).forEach((tensor, i) => {
      const reason = `lies in the model's own function ${name}; onnx.inliner.inline_local_functions takes functions apart`;
      found.push({ name: tensor.name || `${name}, constant ${i + 1}`, tensor, reason });
    });
  }
  return found;
}
