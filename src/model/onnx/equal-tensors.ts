// Constants that are no weights and hold the same bytes: norms and biases of shared layers, a causal mask once for each layer. One of them
// stays, and what reads the others reads it.
import { onnxTensorChunks } from "../../formats/index.js";
import type { OnnxModel, OnnxTensor } from "../../formats/onnx/types.js";
import { grouped, leastBytes } from "./equal-weights.js";
import { isView } from "./float-view.js";
import type { Reader, Values } from "./values.js";
import { isWeight } from "./weights.js";

/** A tensor that can go. */
export interface EqualTensor {
  readonly tensor: OnnxTensor;
  /** What holds the same. */
  readonly first: OnnxTensor;
  readonly readers: readonly Reader[];
}

/**
 * Initializers of the main graph, of any type, that nobody may set from outside.
 * @param isTaken what must stay under its name
 *
 * Cost: what has type and shape of another is read once, and twice where sums over its bytes are the same.
 */
export async function equalTensors(
  model: OnnxModel,
  values: Values,
  isTaken: (tensor: OnnxTensor) => boolean,
): Promise<EqualTensor[]> {
  if (isView(model)) return [];
  const { graph } = model;
  const inputs = new Set(graph.inputs.map(({ name }) => name));
  const open = [...graph.initializers.values()].filter((tensor) => {
    const { name, data, byteLength } = tensor;
    if (data.kind === "none" || byteLength < leastBytes || isWeight(tensor) || isTaken(tensor)) return false;
    const value = values.find(values.main, name)!;
    return !inputs.has(name) && !graph.annotated.has(name) && value.readers.length > 0 && value.outputOf.length === 0;
  });
  const found: EqualTensor[] = [];
  for (const group of grouped(open, ({ dataType, dims }) => `${dataType} ${dims.join()}`)) {
    const sums = new Map<OnnxTensor, string>();
    for (const tensor of group) sums.set(tensor, await sumOf(model, tensor));
    for (const [first, ...others] of grouped(group, (tensor) => sums.get(tensor)!)) {
      for (const tensor of others) {
        const { readers } = values.find(values.main, tensor.name)!;
        if (await areEqual(model, first, tensor)) found.push({ tensor, first, readers });
      }
    }
  }
  return found;
}

/** FNV-1a. */
async function sumOf(model: OnnxModel, tensor: OnnxTensor): Promise<string> {
  let sum = 0x811c9dc5;
  for await (const chunk of onnxTensorChunks(model, tensor))
    for (let i = 0; i < chunk.length; ++i) sum = Math.imul(sum ^ chunk[i], 0x01000193);
  return String(sum >>> 0);
}

/** They are as long: chunks of both begin and end at the same bytes. */
async function areEqual(model: OnnxModel, a: OnnxTensor, b: OnnxTensor): Promise<boolean> {
  const others = onnxTensorChunks(model, b);
  try {
    for await (const chunk of onnxTensorChunks(model, a)) {
      const mine = chunk.slice();
      const other = (await others.next()).value!;
      if (mine.some((byte, i) => byte !== other[i])) return false;
    }
    return true;
  } finally {
    await others.return(undefined);
  }
}
