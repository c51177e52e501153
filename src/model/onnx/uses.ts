// Where the weights of an ONNX graph go: which can be factored, and why the others cannot.
//
// A weight is a 2-D float initializer or Constant. From its value the graph is followed forward through Identity and Transpose to
// every operator that reads it. It can be factored when all of them can be rewritten; one that cannot is the reason.
import type { OnnxGraph, OnnxModel, OnnxNode, OnnxTensor } from "../../formats/onnx/types.js";
import { attributesOf, type Attributes } from "./attributes.js";

/** One operator that reads the weight W, as it is written down there; `transposed`: it reads W'. */
export type Use =
  | { readonly op: "gather"; readonly node: OnnxNode }
  | { readonly op: "matmul"; readonly node: OnnxNode; readonly side: "left" | "right"; readonly transposed: boolean }
  | {
      readonly op: "gemm";
      readonly node: OnnxNode;
      readonly side: "left" | "right";
      readonly transposed: boolean;
      readonly attributes: Attributes;
    };

export interface FoundWeight {
  readonly tensor: OnnxTensor;
  /** The value's name: the initializer's, or what the Constant puts out. */
  readonly name: string;
  /** The node that holds it, for a Constant. */
  readonly constant?: OnnxNode;
  readonly uses: readonly Use[];
  /** Identity and Transpose nodes between the weight and its uses. */
  readonly through: readonly OnnxNode[];
  /** Why it cannot be factored. */
  readonly blocked?: string;
}

/** Rewriting takes Gemm without C, Flatten and Slice with negative axes: opset 11. */
const oldestOpset = 11;
const quantisers =
  /^(De)?(Dynamic)?[Qq]uantize|^QLinear|Integer$|^MatMulNBits|^MatMulBnb4|BlockQuantized|^QOrdered|^QAttention/;

/** Every weight of the main graph, and those inside subgraphs, in the order of the file. */
export async function findWeights(model: OnnxModel): Promise<FoundWeight[]> {
  const finder = new Finder(model);
  const found: FoundWeight[] = [];
  for (const tensor of model.graph.initializers.values()) {
    if (isWeight(tensor)) found.push(await finder.follow(tensor, tensor.name));
  }
  for (const node of model.graph.nodes) {
    const tensor = node.opType === "Constant" && node.domain === "" ? node.tensors.get("value") : undefined;
    const [name] = node.outputs;
    if (tensor && name && isWeight(tensor)) found.push(await finder.follow(tensor, name, node));
    for (const inner of node.innerTensors) {
      if (!isWeight(inner)) continue;
      const blocked = `lies inside a subgraph of ${called(node)}; subgraphs are left as they are`;
      found.push({
        tensor: inner,
        name: inner.name || `a constant in ${called(node)}`,
        uses: [],
        through: [],
        blocked,
      });
    }
  }
  return onePerNode(found);
}

/** Of two weights that one node multiplies with each other the first can be factored. */
function onePerNode(found: readonly FoundWeight[]): FoundWeight[] {
  const taken = new Map<OnnxNode, string>();
  return found.map((weight) => {
    if (weight.blocked !== undefined) return weight;
    const shared = weight.uses.find(({ node }) => taken.has(node));
    if (shared) {
      const other = taken.get(shared.node)!;
      return { ...weight, blocked: `is multiplied with ${other}, another weight, by ${called(shared.node)}` };
    }
    for (const { node } of weight.uses) taken.set(node, weight.name);
    return weight;
  });
}

/**
 * 2-D, of more than one row and column, float or a quantised integer type, whose rows may lie in blocks: what a person would look
 * for in the list.
 */
function isWeight({ dims, rowType, dataType, data }: OnnxTensor): boolean {
  const integer = [2, 3, 21, 22, 25, 26].includes(dataType);
  const matrix = dims.length === 2 && (rowType !== undefined || integer);
  return (matrix || (dims.length === 3 && integer)) && dims[0] > 1 && dims[1] > 1 && data.kind !== "none";
}

/** Version of ai.onnx that a model imports, under either of its names. */
export function opsetOf({ opsets }: OnnxModel): number {
  return opsets.get("") ?? opsets.get("ai.onnx") ?? 0;
}

/** A node in messages: its operator, and its name where it has one. */
export function called({ opType, domain, name }: OnnxNode): string {
  return `${domain ? `${domain}.` : ""}${opType}${name ? ` "${name}"` : ""}`;
}

interface Trace {
  uses: Use[];
  through: OnnxNode[];
  blocked: string[];
}

class Finder {
  private readonly graph: OnnxGraph;
  private readonly readers = new Map<string, { node: OnnxNode; input: number }[]>();
  private readonly captured = new Map<string, OnnxNode>();
  private readonly outputs: ReadonlySet<string>;
  private readonly inputs: ReadonlySet<string>;

  constructor(private readonly model: OnnxModel) {
    this.graph = model.graph;
    this.outputs = new Set(this.graph.outputs.map(({ name }) => name));
    this.inputs = new Set(this.graph.inputs.map(({ name }) => name));
    for (const node of this.graph.nodes) {
      node.inputs.forEach((name, input) => {
        if (name === "") return;
        const list = this.readers.get(name);
        if (list) list.push({ node, input });
        else this.readers.set(name, [{ node, input }]);
      });
      for (const name of node.captured) this.captured.set(name, node);
    }
  }

  async follow(tensor: OnnxTensor, name: string, constant?: OnnxNode): Promise<FoundWeight> {
    const trace: Trace = { uses: [], through: [], blocked: [] };
    await this.trace(name, false, trace);
    const blocked = this.reasonOf(tensor, name, constant, trace);
    return { tensor, name, constant, uses: trace.uses, through: trace.through, ...(blocked && { blocked }) };
  }

  private reasonOf(tensor: OnnxTensor, name: string, constant: OnnxNode | undefined, trace: Trace): string | undefined {
    const opset = opsetOf(this.model);
    if (trace.blocked.length) return trace.blocked[0];
    if (tensor.rowType === undefined) return "is of an integer type: quantised already";
    if (this.graph.annotated.has(name)) return "has a quantization annotation: quantised already";
    if (!constant && this.inputs.has(name) && this.model.irVersion >= 4)
      return "is a graph input with a default value, which a caller may replace";
    if (trace.uses.length === 0) return "is not read by any node";
    if (opset < oldestOpset)
      return `the model has opset ${opset}; ${oldestOpset} or later is rewritten (onnx.version_converter can raise it)`;
    const both = new Set<OnnxNode>();
    for (const { node } of trace.uses) {
      if (both.has(node)) return `is on both sides of ${called(node)}`;
      both.add(node);
    }
    return undefined;
  }

  /** Adds what reads the value `name`, which is W or (transposed) W'. */
  private async trace(name: string, transposed: boolean, trace: Trace): Promise<void> {
    if (this.outputs.has(name)) trace.blocked.push("is an output of the model itself");
    const subgraph = this.captured.get(name);
    if (subgraph)
      trace.blocked.push(`is read inside a subgraph of ${called(subgraph)}; subgraphs are left as they are`);
    for (const { node, input } of this.readers.get(name) ?? []) {
      const attributes = await attributesOf(this.model, node);
      const standard = node.domain === "" || node.domain === "ai.onnx";
      if (standard && !isComplete(node)) {
        const counts = `${node.inputs.length} inputs and ${node.outputs.length} outputs`;
        trace.blocked.push(`is read by ${called(node)}, which has ${counts}: not those of that operator`);
      } else if (
        standard &&
        (node.opType === "Identity" || (node.opType === "Transpose" && isOrder(attributes, 0, 1)))
      ) {
        trace.through.push(node);
        await this.trace(node.outputs[0], transposed, trace);
      } else if (standard && node.opType === "Transpose" && isOrder(attributes, 1, 0)) {
        trace.through.push(node);
        await this.trace(node.outputs[0], !transposed, trace);
      } else {
        const use = standard ? useOf(node, input, transposed, attributes) : undefined;
        if (typeof use === "object") trace.uses.push(use);
        else trace.blocked.push(use ?? reasonFor(node, this.model));
      }
    }
  }
}

/** Fewest and most inputs of the operators that are followed or rewritten; each has one output. */
const arity: ReadonlyMap<string, readonly [number, number]> = new Map([
  ["Identity", [1, 1]],
  ["Transpose", [1, 1]],
  ["Gather", [2, 2]],
  ["MatMul", [2, 2]],
  ["Gemm", [2, 3]],
]);

/** Has the inputs and the output that its operator has. Any other operator is in the way as it is. */
function isComplete({ opType, inputs, outputs }: OnnxNode): boolean {
  const counts = arity.get(opType);
  if (!counts) return true;
  const [fewest, most] = counts;
  const named = inputs.slice(0, fewest).every((name) => name !== "");
  return named && inputs.length >= fewest && inputs.length <= most && outputs.length === 1 && outputs[0] !== "";
}

/** Without perm a Transpose swaps. */
function isOrder({ ints }: Attributes, first: number, second: number): boolean {
  const perm = ints.get("perm") ?? [1, 0];
  return perm.length === 2 && perm[0] === first && perm[1] === second;
}

/** The use, why it is none, or undefined where the operator itself is the reason. */
function useOf(node: OnnxNode, input: number, transposed: boolean, attributes: Attributes): Use | string | undefined {
  const side = input === 0 ? "left" : "right";
  switch (node.opType) {
    case "Gather":
      if (input !== 0) return `is the indices of ${called(node)}`;
      if ((attributes.int.get("axis") ?? 0) !== 0 && attributes.int.get("axis") !== -2)
        return `is read by column: ${called(node)} gathers along axis 1`;
      if (transposed) return `is transposed before ${called(node)} gathers its rows`;
      return { op: "gather", node };
    case "MatMul":
      return { op: "matmul", node, side, transposed };
    case "Gemm": {
      if (input === 2) return `is the bias of ${called(node)}`;
      const flag = attributes.int.get(input === 0 ? "transA" : "transB") === 1;
      return { op: "gemm", node, side, transposed: transposed !== flag, attributes };
    }
    default:
      return undefined;
  }
}

function reasonFor(node: OnnxNode, { functions }: OnnxModel): string {
  if (quantisers.test(node.opType)) return `is quantised already: ${called(node)} reads it`;
  if (functions.has(`${node.domain}:${node.opType}`)) return `goes into the model's own function ${called(node)}`;
  if (node.domain !== "" && node.domain !== "ai.onnx")
    return `is read by the fused operator ${called(node)}, which takes no factors; export the model without fusing`;
  return `is read by ${called(node)}, which takes no factors`;
}
