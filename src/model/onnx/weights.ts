// The weights of an ONNX model, in its main graph and its subgraphs: where they go, and why those cannot be compressed that cannot.
//
// A weight is a float initializer or Constant of 2 dimensions or more. From its value the graph is followed forward through operators that
// pass it on to everything that reads it. What takes rows of it or multiplies with it is rewritten; for all else the whole is made of what
// is stored, once, as the model loads.
import type { OnnxModel, OnnxNode, OnnxTensor } from "../../formats/onnx/types.js";
import type { RowType } from "../../matrix.js";
import { matrixShape } from "../matrix-shape.js";
import { attendingOf } from "./attention.js";
import { type Attributes, attributesOf } from "./attributes.js";
import { joinEqual } from "./equal-weights.js";
import { isView } from "./float-view.js";
import { joinHalves } from "./half-copies.js";
import type { FoundWeight } from "./found-weight.js";
import { Passing } from "./passing.js";
import {
  type Attending,
  called,
  castTo,
  isComplete,
  isDequantisable,
  isQuantiser,
  opsetOf,
  type Scale,
  useOf,
  type Use,
} from "./uses.js";
import { type Reader, type Scope, type Value, Values } from "./values.js";
import { View } from "./view.js";

/** Rewriting takes Gemm without C, Flatten and Slice with negative axes: opset 11. */
const oldestOpset = 11;

/** Every weight, in the order of the file, those of the main graph first. Equal ones are joined. */
export async function findWeights(model: OnnxModel, values = new Values(model)): Promise<FoundWeight[]> {
  const finder = new Finder(model, values);
  const found: FoundWeight[] = [];
  for (const scope of values.scopes) {
    for (const tensor of scope.graph.initializers.values()) {
      if (isWeight(tensor)) found.push(await finder.follow(tensor, scope, tensor.name));
    }
    for (const node of scope.graph.nodes) {
      const tensor = node.opType === "Constant" && node.domain === "" ? node.tensors.get("value") : undefined;
      const [name] = node.outputs;
      if (tensor && name && isWeight(tensor)) found.push(await finder.follow(tensor, scope, name, node));
    }
  }
  return joinHalves(model, await joinEqual(model, found));
}

/** TensorProto.DataType: integers of 8 bits and fewer, floats of 8 bits and fewer. */
const codeTypes = new Set([...[2, 3, 21, 22, 25, 26], ...[17, 18, 19, 20, 23, 24]]);

/**
 * Float, or of a type of codes and 2-D, or 3-D where rows lie in blocks: what a person would look for in the list. A matrix of one
 * row or column is none.
 */
export function isWeight({ dims, rowType, dataType, data }: OnnxTensor): boolean {
  if (data.kind === "none" || dims.length < 2) return false;
  if (rowType === undefined) return codeTypes.has(dataType) && dims.length <= 3 && dims[0] > 1 && dims[1] > 1;
  return Math.min(...matrixShape(dims)) > 1;
}

/** Operators whose output holds all numbers of a weight, scaled at most. */
const movers = new Set([
  ...["Identity", "Cast", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Mul", "Div"],
]);

/** A weight as operators pass it on. */
interface PassedOn {
  readonly view: View;
  readonly type: RowType;
  readonly scales: readonly Scale[];
}

/** What one weight's value comes to. */
interface Trace {
  readonly uses: Use[];
  readonly through: OnnxNode[];
  readonly wholes: Reader[];
  readonly blocked: string[];
}

class Finder {
  private readonly names = new Set<string>();
  private readonly passing: Passing;
  /** Nodes that a weight found before is multiplied by. */
  private readonly taken = new Set<OnnxNode>();

  constructor(
    private readonly model: OnnxModel,
    private readonly values: Values,
  ) {
    this.passing = new Passing(model, values);
  }

  async follow(tensor: OnnxTensor, scope: Scope, valueName: string, constant?: OnnxNode): Promise<FoundWeight> {
    const value = this.values.find(scope, valueName)!;
    const trace = await this.traceOnce(tensor, value);
    const blocked = this.reasonOf(tensor, value, constant, trace);
    if (blocked === undefined) for (const { node } of trace.uses) this.taken.add(node);
    const { uses, through, wholes } = trace;
    return {
      ...{ tensor, name: this.nameOf(value), uses, matrix: matrixShape(tensor.dims) },
      places: [{ tensor, value, ...(constant && { constant }), transposed: false, through, wholes }],
      ...(blocked && { blocked }),
    };
  }

  /** Two graphs may have weights of one name. */
  private nameOf({ name, scope }: Value): string {
    const { holder } = scope;
    let own = name;
    if (holder && this.names.has(name)) {
      const branch = holder.subgraphs.find(({ graph }) => graph === scope.graph)!.attribute;
      own = `${holder.name || holder.opType}.${branch}.${name}`;
    }
    let free = own;
    for (let i = 2; this.names.has(free); ++i) free = `${own}_${i}`;
    this.names.add(free);
    return free;
  }

  /** One for each kind of operator. */
  private quantisedReason(node?: OnnxNode): string {
    const by = node ? ` (${node.opType})` : "";
    const other = node && isDequantisable(node) && !isView(this.model) ? ", or add --requantise" : "";
    return `is quantised already${by}: start from the float file, which loses less${other}`;
  }

  /** Of codes: what dequantises them, also after rows were looked up. */
  private integerReader({ readers }: Value): OnnxNode | undefined {
    const later = readers.flatMap(({ node, scope: at }) =>
      node.outputs.flatMap((output) => this.values.find(at, output)?.readers ?? []),
    );
    return [...readers, ...later].find(({ node }) => isQuantiser(node))?.node ?? readers[0]?.node;
  }

  private reasonOf(tensor: OnnxTensor, value: Value, constant: OnnxNode | undefined, trace: Trace): string | undefined {
    const { name, scope } = value;
    const opset = opsetOf(this.model);
    if (trace.blocked.length) return trace.blocked[0];
    if (tensor.rowType === undefined) return this.quantisedReason(this.integerReader(value));
    if (scope.graph.annotated.has(name)) return this.quantisedReason();
    const isInput = !constant && scope.graph.inputs.some((input) => input.name === name);
    if (isInput && this.model.irVersion >= 4)
      return "is a graph input with a default value, which a caller may replace; take it out of the graph's inputs to make it a constant";
    if (trace.uses.length + trace.wholes.length === 0) return "is not read by any node";
    if (opset < oldestOpset)
      return `the model has opset ${opset}; ${oldestOpset} or later is rewritten (onnx.version_converter can raise it)`;
    return undefined;
  }

  /** A node is rewritten for one weight on one side of it; for others it reads the whole. */
  private async traceOnce(tensor: OnnxTensor, value: Value): Promise<Trace> {
    const opaque = new Set(this.taken);
    for (;;) {
      const trace: Trace = { uses: [], through: [], wholes: [], blocked: [] };
      const as = { view: View.of(tensor.dims, false), type: tensor.rowType ?? "f32", scales: [] };
      await this.trace({ value, matrix: matrixShape(tensor.dims) }, value, as, opaque, trace);
      const nodes = new Set<OnnxNode>();
      const twice = trace.uses.filter(({ node }) => nodes.size === nodes.add(node).size);
      if (twice.length === 0) return trace;
      for (const { node } of twice) opaque.add(node);
    }
  }

  /** Adds what reads a value, which is the weight as others passed it on. */
  private async trace(
    weight: { readonly value: Value; readonly matrix: readonly [number, number] },
    value: Value,
    as: PassedOn,
    opaque: ReadonlySet<OnnxNode>,
    trace: Trace,
  ): Promise<void> {
    const transposed = as.view.orientation(weight.matrix);
    for (const { holder, parent } of value.outputOf) {
      if (!holder) trace.blocked.push("is an output of the model itself");
      else if (value === weight.value) trace.blocked.push(`is put out by a subgraph of ${called(holder)}`);
      else trace.wholes.push({ node: holder, input: -1, scope: parent! });
    }
    for (const reader of value.readers) {
      const { node, input, scope } = reader;
      if (!isComplete(node)) {
        const counts = `${node.inputs.length} inputs and ${node.outputs.length} outputs`;
        trace.blocked.push(`is read by ${called(node)}, which has ${counts}: not those of that operator`);
        continue;
      }
      if (isQuantiser(node)) {
        trace.blocked.push(this.quantisedReason(node));
        continue;
      }
      const attributes = await attributesOf(this.model, node);
      const passed = await this.passedOn(as, reader, attributes);
      const { type, scales } = as;
      const isUse = transposed !== undefined && !opaque.has(node);
      const reading = { node, scope, type, ...(scales.length > 0 && { scales }) };
      const attending = isUse ? this.attendingOf(weight.matrix, transposed, as, reader, attributes) : undefined;
      const use: Use | undefined = attending
        ? { ...reading, transposed: transposed!, op: "matmul", side: "right", attending }
        : isUse
          ? useOf(input, attributes, { ...reading, transposed })
          : undefined;
      if (passed) {
        const next = this.values.find(scope, node.outputs[0])!;
        const before = trace.wholes.length;
        await this.trace(weight, next, passed, opaque, trace);
        // What passes the whole on stays.
        if (trace.wholes.length === before) trace.through.push(node);
        else trace.wholes.splice(before, Infinity, reader);
      } else if (use) trace.uses.push(use);
      else trace.wholes.push(reader);
    }
  }

  /** What Attention does with its product; scaled, or in types that it does not take, it must have the whole. */
  private attendingOf(
    matrix: readonly [number, number],
    transposed: boolean,
    { type, scales }: PassedOn,
    reader: Reader,
    attributes: Attributes,
  ): Attending | undefined {
    if (scales.length > 0 || (type !== "f32" && type !== "f16")) return undefined;
    return attendingOf(this.model, this.values, reader, attributes, matrix[transposed ? 0 : 1]);
  }

  /** What a node puts out that passes on all of what it reads, in any dimensions; undefined for all others. */
  private async passedOn(as: PassedOn, reader: Reader, attributes: Attributes): Promise<PassedOn | undefined> {
    const { node, input, scope } = reader;
    const { opType, inputs } = node;
    const [view] = movers.has(opType) ? await this.passing.on(as.view, reader, attributes) : [];
    if (view === undefined || node.outputs.length !== 1) return undefined;
    if (opType === "Cast") {
      const type = castTo(attributes);
      // A product in one type is not one in another.
      return type && as.scales.length === 0 ? { ...as, view, type } : undefined;
    }
    if (opType !== "Mul" && opType !== "Div") return { ...as, view };
    const number = inputs[1 - input];
    const tensor = this.passing.number(scope, number);
    const isPlain = tensor?.rowType === as.type && tensor.dims.length <= 1 && as.type !== "bf16";
    return isPlain ? { ...as, view, scales: [...as.scales, { op: opType, number }] } : undefined;
  }
}
