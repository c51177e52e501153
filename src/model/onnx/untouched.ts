// Float tensors of an ONNX model that are no weights that could be compressed: where each lies, and why not.
import type { OnnxModel, OnnxTensor } from "../../formats/onnx/types.js";
import { shapeReason } from "../matrix-shape.js";
import type { Reader, Scope, Values } from "./values.js";
import { isWeight } from "./weights.js";

export interface Untouched {
  readonly name: string;
  readonly tensor: OnnxTensor;
  readonly reason: string;
  /** Operators. */
  readonly readers: readonly string[];
}

/** Those of `leastBytes` or more. */
export function untouchedTensors(model: OnnxModel, values: Values, leastBytes: number): Untouched[] {
  const found: Untouched[] = [];
  const counts = ({ rowType, byteLength }: OnnxTensor) => rowType !== undefined && byteLength >= leastBytes;
  const add = (name: string, tensor: OnnxTensor, scope: Scope) => {
    if (!counts(tensor) || isWeight(tensor)) return;
    const readers = operatorsOf(values.find(scope, name)?.readers ?? []);
    found.push({ name, tensor, reason: shapeReason(tensor.dims)!, readers });
  };
  for (const scope of values.scopes) {
    const { initializers, nodes } = scope.graph;
    initializers.forEach((tensor) => add(tensor.name, tensor, scope));
    for (const { tensors, outputs, opType, name } of nodes)
      for (const tensor of tensors.values()) add(outputs[0] || name || opType, tensor, scope);
  }
  for (const [key, { constants }] of model.functions) {
    const name = key.replace(/^:/, "").replace(":", ".");
    constants.filter(counts).forEach((tensor, i) => {
      const reason = `lies in the model's own function ${name}; onnx.inliner.inline_local_functions takes functions apart`;
      found.push({ name: tensor.name || `${name}, constant ${i + 1}`, tensor, reason, readers: [name] });
    });
  }
  return found;
}

/** Each once, as messages name them. */
export function operatorsOf(readers: readonly Reader[]): string[] {
  return [...new Set(readers.map(({ node: { domain, opType } }) => (domain ? `${domain}.${opType}` : opType)))];
}
