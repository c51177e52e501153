// The graph with factors in place of weights: which nodes and tensors go, and what comes in their place (layer-rewriter.ts).
import { onnxDtypeName } from "../../formats/index.js";
import type { OnnxEdits, OnnxModel, OnnxNode } from "../../formats/onnx/types.js";
import { describeLayer, type LayerDescription } from "../description.js";
import type { Operators } from "../model.js";
import type { StoredLayer } from "../stored.js";
import { Builder, type Dims } from "./builder.js";
import { LayerRewriter } from "./layer-rewriter.js";
import type { Surroundings } from "./operand.js";
import { opsetOf, type FoundWeight } from "./uses.js";

export interface Replacement {
  readonly weight: FoundWeight;
  readonly layer: StoredLayer;
}

/** The edits that put the layers' factors in, and what the file should say of them. */
export function rewrite(
  model: OnnxModel,
  replacements: readonly Replacement[],
  operators: Operators = "standard",
): { edits: OnnxEdits; described: Map<string, LayerDescription> } {
  const builder = new Builder(model.graph);
  const dropNodes = new Set<OnnxNode>();
  const dropTensors = new Set<string>();
  const dropValueInfo = new Set<string>();
  const replaceNodes = new Map<OnnxNode, Uint8Array[]>();
  const graph: Surroundings = { operators, opset: opsetOf(model), shapes: shapeFinder(model) };
  const described = new Map<string, LayerDescription>();
  for (const { weight, layer } of replacements) {
    if (weight.constant) dropNodes.add(weight.constant);
    else dropTensors.add(weight.name);
    for (const node of weight.through) {
      dropNodes.add(node);
      node.outputs.forEach((name) => dropValueInfo.add(name));
    }
    dropValueInfo.add(weight.name);
    const one = new LayerRewriter(builder, weight, layer, graph);
    described.set(layer.name, describeLayer(layer, onnxDtypeName(weight.tensor.dataType), one.description));
    for (const use of [...weight.uses].sort((a, b) => a.node.field.start - b.node.field.start)) {
      one.write(use);
      replaceNodes.set(use.node, builder.take());
    }
  }
  // What several layers are unpacked by is made before the first of them.
  if (builder.prelude.length > 0) {
    const first = [...replaceNodes.keys()].reduce((a, b) => (b.field.start < a.field.start ? b : a));
    replaceNodes.set(first, [...builder.prelude, ...replaceNodes.get(first)!]);
  }
  const addOpsets = new Map([...builder.domains].map((domain) => [domain, 1]));
  return {
    edits: {
      ...{ dropNodes, dropTensors, dropValueInfo, replaceNodes, addOpsets },
      ...{ addTensors: builder.tensors, addValueInfo: newValues(model, builder) },
    },
    described,
  };
}

/** Sizes of a value, where the file says them. */
function shapeFinder({ graph }: OnnxModel): (name: string) => Dims | undefined {
  const values = new Map([...graph.inputs, ...graph.outputs].map((value) => [value.name, value]));
  return (name) => (values.get(name) ?? graph.valueInfo.get(name))?.dims ?? graph.initializers.get(name)?.dims;
}

/** Shapes to be written down of values whose shape the file does not have. */
function newValues({ graph }: OnnxModel, { values }: Builder): Uint8Array[] {
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  return [...values].flatMap(([name, value]) => (outputs.has(name) || graph.valueInfo.has(name) ? [] : [value]));
}
