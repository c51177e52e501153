// The graph with what is stored in place of weights: which nodes and tensors go, and what comes in their place (layer-rewriter.ts).
import { onnxDtypeName, onnxRows } from "../../formats/index.js";
import type { OnnxEdits, OnnxModel, OnnxNode, OnnxTensor } from "../../formats/onnx/types.js";
import { describeLayer, type LayerDescription } from "../description.js";
import type { Operators } from "../model.js";
import type { StoredLayer } from "../stored.js";
import { inHalves } from "../halves.js";
import { Builder, DataType } from "./builder.js";
import type { EqualTensor } from "./equal-tensors.js";
import { LayerRewriter } from "./layer-rewriter.js";
import type { Surroundings } from "./operand.js";
import { opsetOf, type Use } from "./uses.js";
import { dimsOf, topOf, type Reader, type Scope, type Values } from "./values.js";
import { copiesIn, type FoundWeight, type Place } from "./found-weight.js";

export interface Replacement {
  readonly weight: FoundWeight;
  readonly layer: StoredLayer;
}

/**
 * The edits that put the layers' factors in, and what the file should say of them. What holds the numbers of another weight goes.
 * @param weights all of the model's
 * @param halves tensors of the main graph that are stored in halves
 * @param equal tensors beside the weights that go, and what holds their bytes
 */
export function rewrite(
  model: OnnxModel,
  values: Values,
  weights: Iterable<FoundWeight>,
  replacements: readonly Replacement[],
  operators: Operators = "standard",
  halves: readonly OnnxTensor[] = [],
  equal: readonly EqualTensor[] = [],
): { edits: OnnxEdits; described: Map<string, LayerDescription> } {
  const rewriter = new Rewriter(model, values, operators);
  for (const { weight, layer } of replacements) rewriter.replace(weight, layer);
  const replaced = new Set(replacements.map(({ weight }) => weight));
  for (const weight of weights) if (!replaced.has(weight)) rewriter.joinPlaces(weight);
  for (const each of equal) rewriter.joinTensor(each);
  for (const tensor of halves) rewriter.halve(tensor);
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
    this.surroundings = { operators, opset: opsetOf(model), shapes: (name, scope) => dimsOf(values, scope, name) };
  }

  replace(weight: FoundWeight, layer: StoredLayer): void {
    const one = new LayerRewriter(this.builder, weight, layer, this.surroundings);
    const dtype = onnxDtypeName(weight.tensor.dataType);
    this.described.set(layer.name, describeLayer(layer, { dtype }, one.description));
    for (const place of weight.places) this.drop(place);
    const readings = [
      ...weight.uses.map((use) => ({ node: use.node, write: () => this.put(one, use) })),
      // The first of them makes the whole.
      ...weight.places.flatMap((place) =>
        byPosition(place.wholes)
          .slice(0, 1)
          .map((reader) => ({ node: reader.node, write: () => this.makeWhole(one, place, reader) })),
      ),
    ];
    for (const { write } of byPosition(readings)) write();
  }

  /** A weight that stays as it is, in one of its places; what reads the others has it from there. */
  joinPlaces(weight: FoundWeight): void {
    for (const place of copiesIn(weight, this.values)) {
      const { tensor, value, constant } = place;
      if (constant) this.dropNodes.add(constant);
      else this.dropTensors.add(tensor);
      this.readFrom(weight, place);
      const [{ node, scope }] = byPosition(value.readers);
      this.insert(topOf(scope, node), this.take(node, scope));
    }
  }

  /** A place's value, made of what the first place holds. */
  private readFrom({ places: [first], matrix: [rows, cols] }: FoundWeight, { tensor, value, transposed }: Place): void {
    const { builder } = this;
    const { name } = value;
    const shaped = (from: string, dims: readonly number[], to: { name: string; output?: string }) =>
      builder.node("Reshape", [from, builder.vector(dims)], to);
    const isShaped = tensor.dims.join() !== (transposed ? [cols, rows] : first.tensor.dims).join();
    let from = first.value.name;
    if (tensor.dataType !== first.tensor.dataType)
      from = builder.node("Cast", [from], { name: `${name}/cast`, attributes: { to: tensor.dataType } });
    if (transposed) {
      if (first.tensor.dims.length !== 2) from = shaped(from, [rows, cols], { name: `${name}/matrix` });
      const to = isShaped ? { name: `${name}/turned` } : { name, output: name };
      from = builder.node("Transpose", [from], { ...to, attributes: { perm: [1, 0] } });
    }
    if (isShaped) shaped(from, tensor.dims, { name, output: name });
    else if (!transposed) builder.node("Identity", [from], { name, output: name });
  }

  /** What reads a tensor has its numbers from another one. */
  joinTensor({ tensor, first, readers }: EqualTensor): void {
    const { name } = tensor;
    this.dropTensors.add(tensor);
    this.builder.node("Identity", [first.name], { name, output: name });
    const [{ node, scope }] = byPosition(readers);
    this.insert(topOf(scope, node), this.take(node, scope));
  }

  /** Floats under the tensor's name, made of halves as the model loads. */
  halve(tensor: OnnxTensor): void {
    const { name, dims } = tensor;
    const numbers = onnxRows(this.model, tensor, [tensor.byteLength / 4, 1]);
    this.dropTensors.add(tensor);
    const halves = this.builder.tensor(`${name}.half`, DataType.f16, dims, inHalves(numbers));
    this.builder.node("Cast", [halves], { name, output: name, attributes: { to: DataType.f32 } });
    this.builder.prelude.push(...this.builder.take().constant);
  }

  private drop({ tensor, value, constant, through }: Place): void {
    if (constant) this.dropNodes.add(constant);
    else this.dropTensors.add(tensor);
    this.dropValueInfo.add(value.name);
    for (const node of through) {
      this.dropNodes.add(node);
      node.outputs.forEach((name) => this.dropValueInfo.add(name));
    }
  }

  private put(one: LayerRewriter, use: Use): void {
    one.write(use);
    this.replaceNodes.set(use.node, this.take(use.node, use.scope));
  }

  /** The weight's value for whatever reads it, before the first that does. */
  private makeWhole(one: LayerRewriter, place: Place, { node, scope }: Reader): void {
    const { name, scope: own } = place.value;
    // A value of the main graph, which subgraphs read by its name, unless one of them has another of that name.
    if (!own.parent || this.values.isUnique(name)) {
      one.whole(place, name);
      this.take(node, scope);
      return;
    }
    const outer = this.builder.fresh(name);
    one.whole(place, outer);
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
    const { builder, dropNodes, dropTensors, dropValueInfo, replaceNodes, insertNodes: own } = this;
    // What several layers are unpacked by is made of constants, before all else: of several nodes that stand for one of the file, too.
    const [first] = this.model.graph.nodes;
    const before = new Map<OnnxNode, readonly Uint8Array[]>(
      builder.prelude.length > 0 ? [[first, builder.prelude]] : [],
    );
    for (const [node, nodes] of own) before.set(node, [...(before.get(node) ?? []), ...nodes]);
    return {
      ...{ dropNodes, dropTensors, dropValueInfo, replaceNodes, insertNodes: before },
      addOpsets: new Map([...builder.domains].map((domain) => [domain, 1])),
      ...{ addTensors: builder.tensors, addValueInfo: this.newValues() },
    };
  }

  /** Shapes to be written down of values whose shape the file does not have. */
  private newValues(): Uint8Array[] {
    const { graph } = this.model;
    const outputs = new Set(graph.outputs.map(({ name }) => name));
    const isNew = (name: string) => !outputs.has(name) && (!graph.valueInfo.has(name) || this.dropValueInfo.has(name));
    return [...this.builder.values].flatMap(([name, value]) => (isNew(name) ? [value] : []));
  }
}

/** In the order of the file. */
function byPosition<T extends { readonly node: OnnxNode }>(list: readonly T[]): T[] {
  return [...list].sort((a, b) => a.node.field.start - b.node.field.start);
}
