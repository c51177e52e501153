// Sizes of the heads that a model keeps keys and values of, where its inputs leave them open: those of its weights.
import { graphsOf } from "../../formats/onnx/graphs.js";
import type { OnnxModel, OnnxNode, OnnxTensor } from "../../formats/onnx/types.js";
import { attributesOf } from "./attributes.js";

/** Inputs of com.microsoft.GroupQueryAttention. */
const [QUERY, KEY, PAST_KEY, PAST_VALUE, COSINES] = [0, 1, 3, 4, 7];

/**
 * Symbols of the last dimension of cached keys and values, and what they stand for: twice what a table of cosines has, or what a product
 * in front of the operator gives each head.
 */
export async function cacheSizes(model: OnnxModel): Promise<Record<string, number>> {
  const { graph } = model;
  const inputs = new Map(graph.inputs.map((input) => [input.name, input]));
  const graphs = [...graphsOf(graph)];
  const tensors = new Map(graphs.flatMap(({ initializers }) => [...initializers]));
  const makers = new Map(
    graphs.flatMap(({ nodes }) => nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const))),
  );
  const sizes: Record<string, number> = {};
  for (const node of graphs.flatMap(({ nodes }) => nodes)) {
    if (node.domain !== "com.microsoft" || node.opType !== "GroupQueryAttention") continue;
    const { int } = await attributesOf(model, node);
    const [heads, cached] = ["num_heads", "kv_num_heads"].map((key) => int.get(key) ?? 0);
    const width = (at: number) => widthOf(makers.get(node.inputs[at] ?? ""), tensors);
    const cosines = tensors.get(node.inputs[COSINES] ?? "")?.dims[1];
    const size = cosines ? 2 * cosines : node.inputs[KEY] ? width(KEY) / cached : width(QUERY) / (heads + 2 * cached);
    if (!Number.isSafeInteger(size) || size < 1) continue;
    for (const at of [PAST_KEY, PAST_VALUE]) {
      const symbol = inputs.get(node.inputs[at] ?? "")?.dims?.at(-1);
      if (typeof symbol === "string" && symbol !== "") sizes[symbol] = size;
    }
  }
  return sizes;
}

/** Columns of the matrix that a product is with; NaN for anything else. */
function widthOf(maker: OnnxNode | undefined, tensors: ReadonlyMap<string, OnnxTensor>): number {
  const weight = maker?.opType === "MatMul" ? tensors.get(maker.inputs[1] ?? "") : undefined;
  return weight?.dims.at(-1) ?? NaN;
}
