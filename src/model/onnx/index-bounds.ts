// Which inputs of a graph are row numbers, and of how many rows: an input that reaches the indices of a Gather over a constant
// table must stay within it, or the model does not run.
import { graphsOf } from "../../formats/onnx/graphs.js";
import type { OnnxGraph, OnnxModel, OnnxNode } from "../../formats/onnx/types.js";
import { attributesOf } from "./attributes.js";

/** Operators whose first output holds nothing but numbers of their first input. */
const carriers = new Set([
  "Cast",
  "Reshape",
  "Unsqueeze",
  "Identity",
  "Squeeze",
  "Flatten",
  "Slice",
  "Transpose",
  "Expand",
]);
/** Operators that leave the rows of a table where they are. */
const rowwise = new Set(["Cast", "CastLike", "Identity", "DequantizeLinear", "Mul", "Div"]);

/** Fused operators: input that holds row numbers -> input that holds their table. */
const fused: ReadonlyMap<string, readonly (readonly [number, number])[]> = new Map([
  [
    "EmbedLayerNormalization",
    [
      [0, 2],
      [1, 4],
      [7, 3],
    ],
  ],
  ["GatherBlockQuantized", [[1, 0]]],
]);

/**
 * Rows of the smallest constant table that each graph input is an index of; inputs that index no table are absent.
 * Cost: the edges of the graph, and decoding the attributes of its Gather nodes.
 */
export async function indexBounds(model: OnnxModel): Promise<Map<string, number>> {
  const { graph } = model;
  const makers = new Map<string, OnnxNode>();
  const graphs = [...graphsOf(graph)];
  const constants = new Map(graphs.flatMap(({ initializers }) => [...initializers]));
  // What a subgraph reads of the graph around it was made before it.
  const nodes = graphs.flatMap((each) => each.nodes);
  for (const node of nodes) for (const output of node.outputs) makers.set(output, node);
  // Value -> the graph input whose numbers it holds. Nodes come in topological order.
  const origin = new Map(
    graph.inputs.filter(({ name }) => !graph.initializers.has(name)).map(({ name }) => [name, name]),
  );
  const bounds = new Map<string, number>();
  for (const node of nodes) {
    const standard = node.domain === "";
    const from = origin.get(node.inputs[0] ?? "");
    if (from !== undefined && standard && carriers.has(node.opType)) origin.set(node.outputs[0], from);
    for (const [indices, table] of await lookups(model, node, standard)) {
      const input = origin.get(node.inputs[indices] ?? "");
      if (input === undefined) continue;
      const rows = tableRows(constants, makers, node.inputs[table] ?? "");
      if (rows !== undefined) bounds.set(input, Math.min(rows, bounds.get(input) ?? Infinity));
    }
  }
  return bounds;
}

async function lookups(
  model: OnnxModel,
  node: OnnxNode,
  standard: boolean,
): Promise<readonly (readonly [number, number])[]> {
  if (!standard) return (node.domain === "com.microsoft" && fused.get(node.opType)) || [];
  if (node.opType !== "Gather") return [];
  const axis = (await attributesOf(model, node)).int.get("axis") ?? 0;
  return axis === 0 ? [[1, 0]] : [];
}

/** Rows of a constant, also of one that is turned; undefined for what is computed. */
function tableRows(
  constants: OnnxGraph["initializers"],
  makers: ReadonlyMap<string, OnnxNode>,
  name: string,
): number | undefined {
  let isTurned = false;
  const rowsOf = (dims: readonly number[]) => (isTurned && dims.length === 2 ? dims[1] : dims[0]);
  for (let hops = 0; hops <= makers.size; ++hops) {
    const constant = constants.get(name);
    if (constant) return rowsOf(constant.dims);
    const node = makers.get(name);
    if (node === undefined || node.domain !== "") return undefined;
    if (node.opType === "Constant") return rowsOf(node.tensors.get("value")?.dims ?? []);
    if (node.opType === "Transpose") isTurned = !isTurned;
    else if (!rowwise.has(node.opType)) return undefined;
    const [first, second = ""] = node.inputs;
    // A number times a table.
    const isScaled = node.opType === "Mul" && (constants.get(first)?.dims.length ?? 2) < 2;
    name = isScaled ? second : (first ?? "");
  }
  return undefined;
}
