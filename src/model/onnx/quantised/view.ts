// A model whose quantised weights can be compressed anew: as the float model that it stands for, without any of its floats being written.
// Where an operator reads a weight in codes, the view has a float tensor, which is made of the codes as it is read, and float operators;
// what is done to the view is done to the file, where codes go once nothing reads them.
import { create, toBinary } from "@bufbuild/protobuf";
import { NodeProtoSchema } from "../../../formats/onnx/onnx_pb.js";
import type { OnnxEdits, OnnxGraph, OnnxModel, OnnxNode, OnnxTensor } from "../../../formats/onnx/types.js";
import { DataType } from "../builder.js";
import type { DequantisedModel, DequantisedTensor } from "../float-view.js";
import { isDequantisable } from "../uses.js";
import { inlinedModel } from "../functions/inlined.js";
import { type Scope, Values } from "../values.js";
import { Constants } from "./constants.js";
import { dequantisedRows } from "./dequantise.js";
import { type Match, Patterns } from "./patterns.js";
import { unreadBeside } from "./unread.js";

/**
 * The model with its quantised weights as floats, for `onnxModel`, `calibrate` and whatever else takes a model; the same model where it
 * has none that are understood. Understood are DequantizeLinear of weights (one scale, one a row or column, blocks), what quantize_dynamic
 * writes (Gather, MatMulInteger), its fused forms (MatMulIntegerToFloat, DynamicQuantizeMatMul), MatMulNBits and GatherBlockQuantized.
 *
 * A layer that is compressed is multiplied in floats after that: its inputs are quantised no longer. A layer that is not stays as it is in the file.
 *
 * Cost: a pass over the nodes. Memory: scales and zero points of each weight that is read.
 */
export async function dequantisedModel(given: OnnxModel): Promise<OnnxModel> {
  const model = await inlinedModel(given);
  const values = new Values(model);
  if (!values.scopes.some(({ graph }) => graph.nodes.some(isDequantisable))) return model;
  const constants = new Constants(model, values);
  const patterns = new Patterns(model, constants);
  let matches: Match[] = [];
  for (const scope of values.scopes) {
    for (const node of scope.graph.nodes) {
      const match = await patterns.match(node, scope);
      if (match && Math.min(...sides(match.dims)) > 1) matches.push(match);
    }
  }
  // Codes that something else reads too would stay beside what is made of them.
  for (;;) {
    const { constants: unread } = unreadOf(values, matches, endsOf(matches));
    const kept = matches.filter(({ codes }) => unread.has(codes.value));
    if (kept.length === matches.length) break;
    matches = kept;
  }
  return new View(model, values, matches).model();
}

const sides = (dims: readonly number[]) =>
  dims.length < 2 ? [0] : [dims[0], dims.slice(1).reduce((all, n) => all * n, 1)];

const endsOf = (matches: readonly Match[]) => new Set(matches.map(({ end }) => end));

function unreadOf(values: Values, matches: readonly Match[], gone: ReadonlySet<OnnxNode>) {
  const nodes = new Map<OnnxNode, Scope>();
  for (const { others, scope } of matches) for (const node of others) nodes.set(node, scope);
  const constants = matches.flatMap(({ stored }) => stored);
  return unreadBeside(values, gone, nodes, constants);
}

/** Of a node that is none of the file: it has no attributes. */
const nothing = { start: 0, end: 0 };

class View {
  private readonly names: Set<string>;
  /** Float tensors by where they are defined. */
  private readonly tensors = new Map<OnnxGraph, DequantisedTensor[]>();
  /** Float operators by the node that they are in place of. */
  private readonly instead = new Map<OnnxNode, OnnxNode[]>();
  /** The file's node for one of the view. */
  private readonly real = new Map<OnnxNode, OnnxNode>();
  /** What a float tensor is put out by in the file, where it is one of the file's values. */
  private readonly makers = new Map<OnnxTensor, OnnxNode>();

  constructor(
    private readonly original: OnnxModel,
    private readonly values: Values,
    private readonly matches: readonly Match[],
  ) {
    this.names = new Set(original.graph.names);
    const known = new Map<string, string>();
    for (const match of matches) {
      if (match.use) this.put(match, known);
      else this.makers.set(this.add(match, match.end.outputs[0], match.scope), match.end);
    }
  }

  model(): DequantisedModel {
    const { original, values, matches } = this;
    const { nodes, constants } = unreadOf(values, matches, endsOf(matches));
    const gone = new Set<OnnxTensor>();
    for (const { stored } of matches)
      for (const { tensor, value } of stored) if (constants.has(value)) gone.add(tensor);
    const graph = this.graph(original.graph, new Set([...nodes, ...this.makers.values()]), gone);
    return { ...original, graph, original, restore: (edits) => this.restore(edits) };
  }

  private add({ weight, dims, codes, stored }: Match, name: string, { graph }: Scope): DequantisedTensor {
    const { span, field } = codes.tensor;
    const tensor: DequantisedTensor = {
      ...{ name, dims, span, field, header: [], rowType: weight.type, dataType: DataType[weight.type] },
      data: { kind: "inline", span: nothing },
      byteLength: stored.reduce((sum, constant) => sum + constant.tensor.byteLength, 0),
      stored: stored.map((constant) => constant.tensor),
      rows: (shape) => dequantisedRows(this.original, name, weight, shape),
    };
    this.tensors.set(graph, [...(this.tensors.get(graph) ?? []), tensor]);
    return tensor;
  }

  /** Operators that read the same codes read one tensor. */
  private put(match: Match, known: Map<string, string>): void {
    const { end, codes, weight, dims, stored } = match;
    const { op, input, transposed, bias } = match.use!;
    const layout = [weight.width, weight.stride, weight.bits, dims.join(), JSON.stringify(weight.scaling)];
    const key = [...stored.map(({ value }) => `${this.idOf(value.scope)} ${value.name}`), ...layout].join("\n");
    let name = known.get(key);
    if (name === undefined) {
      const isFree = this.values.isUnique(codes.value.name) && ![...known.values()].includes(codes.value.name);
      name = isFree ? codes.value.name : this.fresh(codes.value.name);
      known.set(key, name);
      this.add(match, name, codes.value.scope);
    }
    const [output] = end.outputs;
    const nodes: OnnxNode[] = [];
    const write = (opType: string, inputs: string[], made: string) => {
      const node = { ...end, opType, domain: "", inputs, outputs: [made], span: nothing };
      nodes.push(node);
      this.real.set(node, end);
    };
    const product = bias ? this.fresh(`${output}/product`) : output;
    if (op === "gather") write("Gather", [name, input], output);
    else if (transposed) {
      const turned = this.fresh(`${name}/transposed`);
      write("Transpose", [name], turned);
      write("MatMul", [input, turned], product);
    } else write("MatMul", [input, name], product);
    if (bias) write("Add", [product, bias], output);
    this.instead.set(end, nodes);
  }

  private idOf(scope: Scope): number {
    return this.values.scopes.indexOf(scope);
  }

  private fresh(wanted: string): string {
    let name = wanted;
    for (let i = 2; this.names.has(name); ++i) name = `${wanted}_${i}`;
    this.names.add(name);
    return name;
  }

  private graph(graph: OnnxGraph, goneNodes: ReadonlySet<OnnxNode>, goneTensors: ReadonlySet<OnnxTensor>): OnnxGraph {
    const nodes = graph.nodes.flatMap((node) => {
      if (goneNodes.has(node)) return [];
      const instead = this.instead.get(node);
      if (instead) return instead;
      if (node.subgraphs.length === 0) return [node];
      const subgraphs = node.subgraphs.map(({ attribute, graph: inner }) => ({
        attribute,
        graph: this.graph(inner, goneNodes, goneTensors),
      }));
      const view = { ...node, subgraphs };
      this.real.set(view, node);
      return [view];
    });
    const kept = [...graph.initializers].filter(([, tensor]) => !goneTensors.has(tensor));
    const added = (this.tensors.get(graph) ?? []).map((tensor): [string, OnnxTensor] => [tensor.name, tensor]);
    return { ...graph, nodes, initializers: new Map([...kept, ...added]), names: this.names };
  }

  private restore(edits: OnnxEdits): OnnxEdits {
    const { dropNodes = [], dropTensors = [], replaceNodes = [], insertNodes = [], dropValueInfo = [] } = edits;
    const replaced = new Map<OnnxNode, readonly Uint8Array[]>();
    for (const [node, by] of replaceNodes) {
      const real = this.real.get(node);
      const all = real && this.instead.get(real);
      if (!real || !all) replaced.set(real ?? node, by);
      else
        replaced.set(
          real,
          all.flatMap((each) => (each === node ? by : each.opType === "Add" ? [encoded(each)] : [])),
        );
    }
    const inserted = new Map<OnnxNode, readonly Uint8Array[]>();
    for (const [node, before] of insertNodes) {
      const real = this.real.get(node) ?? node;
      inserted.set(real, [...(inserted.get(real) ?? []), ...before]);
    }
    const tensors = new Set<OnnxTensor>();
    const dropped = new Set<OnnxNode>();
    for (const node of dropNodes) if (!this.real.has(node)) dropped.add(node);
    for (const tensor of dropTensors) {
      const maker = this.makers.get(tensor);
      if (maker) dropped.add(maker);
      else if (!("stored" in tensor)) tensors.add(tensor);
    }
    const gone = new Set([...dropped, ...replaced.keys()]);
    const { nodes, constants } = unreadOf(this.values, this.matches, gone);
    for (const { stored } of this.matches)
      for (const { tensor, value, node } of stored) if (constants.has(value) && !node) tensors.add(tensor);
    for (const node of nodes) dropped.add(node);
    const info = new Set([...dropValueInfo, ...[...nodes].flatMap(({ outputs }) => outputs)]);
    return {
      ...edits,
      ...{
        dropNodes: dropped,
        dropTensors: tensors,
        replaceNodes: replaced,
        insertNodes: inserted,
        dropValueInfo: info,
      },
    };
  }
}

function encoded({ opType, name, inputs, outputs }: OnnxNode): Uint8Array {
  return toBinary(NodeProtoSchema, create(NodeProtoSchema, { opType, name, input: [...inputs], output: [...outputs] }));
}
