// The graph with what is stored in place of weights: which nodes and tensors go, and what comes in their place (layer-rewriter.ts).
import { onnxDtypeName } from "../../formats/index.js";
import type { OnnxEdits, OnnxModel, OnnxNode, OnnxTensor } from "../../formats/onnx/types.js";
import { describeLayer, type LayerDescription } from "../description.js";
import type { Operators } from "../model.js";
import type { StoredLayer } from "../stored.js";
import { Builder, type Dims } from "./builder.js";
import { LayerRewriter } from "./layer-rewriter.js";
import type { Surroundings } from "./operand.js";
import { opsetOf } from "./uses.js";
import { topOf, type Scope, type Values } from "./values.js";
import type { FoundWeight } from "./weights.js";

export interface Replacement {
  readonly weight: FoundWeight;
  readonly layer: StoredLayer;
}

/** The edits that put the layers' factors in, and what the file should say of them. */
export function rewrite(
  model: OnnxModel,
  values: Values,
  replacements: readonly Replacement[],
  operators: Operators = "standard",
): { edits: OnnxEdits; described: Map<string, LayerDescription> } {
  const rewriter = new Rewriter(model, values, operators);
  for (const { weight, layer } of replacements) rewriter.replace(weight, layer);
  return { edits: rewriter.edits(), described: rewriter.described };
}

class Rewriter {
  readonly described = new Map<string, LayerDescription>();
  private readonly builder: Builder;
  private readonly surroundings: Surroundings;
  private readonly dropNodes = new Set<OnnxNode>();
  private readonly dropTensors = new Set<OnnxTensor>();
  private readonly dropValueInfo = new Set<string>();
  private readonly replaceNodes = new Map<OnnxNode, readonly Uint8Array[]>();
  private readonly insertNodes = new Map<OnnxNode, Uint8Array[]>();

  constructor(
    private readonly model: OnnxModel,
    private readonly values: Values,
    operators: Operators,
  ) {
    this.builder = new Builder(model.graph);
    this.surroundings = { operators, opset: opsetOf(model), shapes: (name, scope) => this.shapeOf(name, scope) };
  }

  replace(weight: FoundWeight, layer: StoredLayer): void {
    const { tensor, value, constant, uses, through, wholes } = weight;
    if (constant) this.dropNodes.add(constant);
    else this.dropTensors.add(tensor);
    this.dropValueInfo.add(value.name);
    for (const node of through) {
      this.dropNodes.add(node);
      node.outputs.forEach((name) => this.dropValueInfo.add(name));
    }
    const one = new LayerRewriter(this.builder, weight, layer, this.surroundings);
    this.described.set(layer.name, describeLayer(layer, onnxDtypeName(tensor.dataType), one.description));
    const readings = [...uses.map((use) => ({ ...use, use })), ...wholes.map((each) => ({ ...each, use: undefined }))];
    readings.sort((a, b) => a.node.field.start - b.node.field.start);
    let isWhole = false;
    for (const { node, scope, use } of readings) {
      if (use) {
        one.write(use);
        this.replaceNodes.set(node, this.take(node, scope));
      } else if (!isWhole) {
        isWhole = true;
        this.makeWhole(one, weight, node, scope);
      }
    }
  }

  /** The weight's value for whatever reads it, before `node`, the first that does. */
  private makeWhole(one: LayerRewriter, { value }: FoundWeight, node: OnnxNode, scope: Scope): void {
    const { name, scope: own } = value;
    // A value of the main graph, which subgraphs read by its name, unless one of them has another of that name.
    if (!own.parent || this.values.isUnique(name)) {
      one.whole(name);
      this.take(node, scope);
      return;
    }
    const outer = this.builder.fresh(name);
    one.whole(outer);
    this.builder.node("Identity", [outer], { name, output: name });
    this.insert(own.graph.nodes[0], this.take(node, scope));
  }

  /** What was written for a node in `scope`; what of it is constant goes to the main graph. */
  private take(node: OnnxNode, scope: Scope): readonly Uint8Array[] {
    const { constant, others } = this.builder.take();
    this.insert(topOf(scope, node), constant);
    return others;
  }

  private insert(before: OnnxNode, nodes: readonly Uint8Array[]): void {
    if (nodes.length > 0) this.insertNodes.set(before, [...(this.insertNodes.get(before) ?? []), ...nodes]);
  }

  edits(): OnnxEdits {
    const { builder, dropNodes, dropTensors, dropValueInfo, replaceNodes, insertNodes } = this;
    return {
      ...{ dropNodes, dropTensors, dropValueInfo, replaceNodes, insertNodes },
      addOpsets: new Map([...builder.domains].map((domain) => [domain, 1])),
      ...{ addTensors: builder.tensors, addValueInfo: this.newValues() },
    };
  }

  /** Sizes of a value, where the file says them. */
  private shapeOf(name: string, scope: Scope): Dims | undefined {
    const { graph } = this.values.find(scope, name)?.scope ?? scope;
    const declared = [...graph.inputs, ...graph.outputs].find((value) => value.name === name);
    return (declared ?? graph.valueInfo.get(name))?.dims ?? graph.initializers.get(name)?.dims;
  }

  /** Shapes to be written down of values whose shape the file does not have. */
  private newValues(): Uint8Array[] {
    const { graph } = this.model;
    const outputs = new Set(graph.outputs.map(({ name }) => name));
    const isNew = (name: string) => !outputs.has(name) && (!graph.valueInfo.has(name) || this.dropValueInfo.has(name));
    return [...this.builder.values].flatMap(([name, value]) => (isNew(name) ? [value] : []));
  }
}
