// Bodies of a model's own functions in place of the calls that take weights (ONNX IR specification, "Model-local functions"): names of the
// body become fresh ones, or those that the call has for inputs and outputs; attributes that refer to those of the function become the
// call's, or the function's defaults. So with an operator of onnxruntime's that would read a table as a whole (embedding.ts).
import { toBinary } from "@bufbuild/protobuf";
import { readNode } from "../../../formats/index.js";
import { editedSource } from "../../../formats/onnx/layout.js";
import { type FunctionProto, type NodeProto, NodeProtoSchema } from "../../../formats/onnx/onnx_pb.js";
import { openOnnx } from "../../../formats/onnx/open.js";
import { domainOf } from "../../../formats/onnx/scan-graph.js";
import type { OnnxModel, OnnxNode } from "../../../formats/onnx/types.js";
import { type Scope, Values } from "../values.js";
import { isWeight } from "../weights.js";
import { Bodies, type Called } from "./bodies.js";
import { embeddingNodes, isEmbedding } from "./embedding.js";
import { identity, Renaming, withAttributes } from "./renaming.js";

/** Nodes, and bytes, that a model may grow by: functions that call each other twice at each level grow beyond all bounds. */
const mostNodes = 2 ** 17;
const mostBytes = 2 ** 28;
/** Functions in one another. */
const mostLevels = 100;

export async function inline(model: OnnxModel): Promise<OnnxModel> {
  const inliner = new Inliner(model);
  const replaceNodes = await inliner.calls();
  if (replaceNodes.size === 0) return model;
  const { opsets: addOpsets } = inliner;
  const source = editedSource(model, { replaceNodes, addOpsets, dropFunctions: inliner.unused(replaceNodes) });
  const most = Number.MAX_SAFE_INTEGER;
  const limits = { graphBytes: most, graphNodes: most, graphValues: most, tensors: most, files: most, textBytes: most };
  const opened = await openOnnx(source, { external: (location) => model.external(location), limits });
  return { ...opened, byteLength: model.byteLength };
}

/** A constant, in whole or in part a weight; "": of no account. */
type Kind = "weight" | "constant" | "";

/** What holds in a body, or in a subgraph of one. */
interface Surroundings {
  readonly names: Renaming;
  /** Of names as they are in the model. */
  readonly kinds: Map<string, Kind>;
  /** Of the functions whose bodies this lies in. */
  readonly within: readonly string[];
}

/** A call that stays, since its body cannot be had. */
class Stays extends Error {}

class Inliner {
  /** Operator sets that the model does not import. */
  readonly opsets = new Map<string, number>();
  private readonly values: Values;
  private readonly bodies: Bodies;
  private readonly taken: Set<string>;
  /** Functions that are called in what was made. */
  private readonly kept = new Set<string>();
  private readonly inlined = new Set<string>();
  private nodes = 0;
  private bytes = 0;

  constructor(private readonly model: OnnxModel) {
    this.values = new Values(model);
    this.bodies = new Bodies(model);
    this.taken = new Set(model.graph.names);
  }

  /** What comes in place of calls; nothing where that is too much. */
  async calls(): Promise<Map<OnnxNode, Uint8Array[]>> {
    const replaced = new Map<OnnxNode, Uint8Array[]>();
    for (const scope of this.values.scopes) {
      for (const node of scope.graph.nodes) {
        const body = await this.insteadOf(node, scope);
        if (!body) continue;
        const written = body.map((each) => toBinary(NodeProtoSchema, each));
        this.bytes += written.reduce((sum, { byteLength }) => sum + byteLength, 0);
        if (this.nodes > mostNodes || this.bytes > mostBytes) return new Map();
        replaced.set(node, written);
      }
    }
    return replaced;
  }

  private async insteadOf(node: OnnxNode, scope: Scope): Promise<NodeProto[] | undefined> {
    if (isEmbedding(this.model, this.values, { node, scope }))
      return embeddingNodes(await readNode(this.model, node), new Renaming(this.taken, node.name || node.outputs[0]));
    const called = this.bodies.calledBy(node.domain, node.opType);
    if (!called || node.subgraphs.length > 0) return undefined;
    const kinds = new Map(node.inputs.map((name) => [name, this.kindIn(scope, name)]));
    if (!called.holdsWeights && ![...kinds.values()].includes("weight")) return undefined;
    return this.bodyOf(await readNode(this.model, node), kinds, []);
  }

  /** Functions that only calls which are gone had use for. */
  unused(replaced: ReadonlyMap<OnnxNode, unknown>): Set<string> {
    const called = new Set(this.kept);
    for (const { graph } of this.values.scopes)
      for (const node of graph.nodes) {
        const key = replaced.has(node) ? undefined : this.bodies.calledBy(node.domain, node.opType)?.key;
        if (key !== undefined) called.add(key);
      }
    const needed = this.bodies.reachedFrom(called);
    return new Set([...this.inlined].filter((key) => !needed.has(key)));
  }

  private kindIn(scope: Scope, name: string): Kind {
    if (name === "" || !this.values.isConstant(scope, name)) return "";
    const tensor = this.values.tensor(scope, name);
    // What is computed of constants alone may be of a weight.
    return !tensor || isWeight(tensor) ? "weight" : "constant";
  }

  /** The nodes of a call; undefined where it stays. */
  private async bodyOf(
    call: NodeProto,
    kinds: ReadonlyMap<string, Kind>,
    within: readonly string[],
  ): Promise<NodeProto[] | undefined> {
    const called = this.bodies.calledBy(call.domain, call.opType, call.overload);
    if (!called || within.includes(called.key)) return undefined;
    const body = await this.bodies.read(called.key);
    if (!this.imports(called, body)) return undefined;
    try {
      const nodes = await this.opened(call, body, kinds, [...within, called.key]);
      this.inlined.add(called.key);
      return nodes;
    } catch (error) {
      if (error instanceof Stays) return undefined;
      throw error;
    }
  }

  /** Whether nodes of its body mean in the model what they mean in the function; the model imports what it has not yet. */
  private imports({ domains }: Called, { opsetImport }: FunctionProto): boolean {
    const wanted = new Map(opsetImport.map(({ domain, version }) => [domainOf(domain), Number(version)]));
    const known = (domain: string) => this.model.opsets.get(domain) ?? this.opsets.get(domain);
    if ([...domains].some((domain) => (known(domain) ?? wanted.get(domain)) !== wanted.get(domain))) return false;
    for (const domain of domains) {
      const version = wanted.get(domain);
      if (known(domain) === undefined && version !== undefined) this.opsets.set(domain, version);
    }
    return true;
  }

  /** @param within with the function itself */
  private async opened(
    call: NodeProto,
    body: FunctionProto,
    given: ReadonlyMap<string, Kind>,
    within: readonly string[],
  ): Promise<NodeProto[]> {
    const names = new Renaming(this.taken, call.name || call.output.find((name) => name !== "") || body.name);
    const kinds = new Map<string, Kind>();
    body.input.forEach((name, i) => {
      const actual = call.input[i] ?? "";
      names.set(name, actual);
      kinds.set(actual, given.get(actual) ?? "");
    });
    const passed: NodeProto[] = [];
    body.output.forEach((name, i) => {
      const actual = call.output[i] ?? "";
      const from = names.get(name);
      // An input, or what another output is too.
      if (from !== undefined && actual !== "") passed.push(identity(from, actual));
      else if (from === undefined) names.set(name, actual || names.fresh(name));
    });
    const attributes = new Map([...body.attributeProto, ...call.attribute].map((each) => [each.name, each]));
    const nodes = withAttributes(body.node, attributes);
    return [...(await this.rewritten(nodes, { names, kinds, within })), ...passed];
  }

  /** Nodes of a body, or of a subgraph in one, as they are in the model. */
  private async rewritten(nodes: readonly NodeProto[], around: Surroundings): Promise<NodeProto[]> {
    const { names, kinds, within } = around;
    const made: NodeProto[] = [];
    for (const node of nodes) {
      node.input = node.input.map((name) => {
        const actual = name === "" ? "" : names.get(name);
        if (actual === undefined) throw new Stays();
        return actual;
      });
      await this.rewriteSubgraphs(node, around);
      node.output = node.output.map((name) => (name === "" ? "" : names.defined(name)));
      if (++this.nodes > mostNodes || within.length > mostLevels) throw new Stays();
      const called = this.bodies.calledBy(node.domain, node.opType, node.overload);
      const takesWeights = node.input.some((name) => kinds.get(name) === "weight");
      if (called && (called.holdsWeights || takesWeights)) {
        const body = await this.bodyOf(node, kinds, within);
        if (body) {
          for (const each of body) made.push(each);
          continue;
        }
      }
      if (called) this.kept.add(called.key);
      const kind = kindOf(node, kinds);
      for (const name of node.output) kinds.set(name, kind);
      made.push(node);
    }
    return made;
  }

  private async rewriteSubgraphs(node: NodeProto, { names: outer, kinds, within }: Surroundings): Promise<void> {
    for (const { g, graphs } of node.attribute) {
      for (const graph of [...(g ? [g] : []), ...graphs]) {
        const names = outer.inner();
        for (const { name } of graph.input) names.defined(name);
        for (const each of graph.initializer) each.name = names.defined(each.name);
        for (const { values } of graph.sparseInitializer) if (values) values.name = names.defined(values.name);
        const inside = new Map(kinds);
        for (const { name, dims } of graph.initializer) inside.set(name, dims.length > 1 ? "weight" : "constant");
        graph.node = await this.rewritten(graph.node, { names, kinds: inside, within });
        for (const value of [...graph.input, ...graph.output]) {
          const actual = names.get(value.name);
          if (actual === undefined) throw new Stays();
          value.name = actual;
        }
        graph.valueInfo = graph.valueInfo.filter(({ name }) => names.get(name) !== undefined);
        for (const value of graph.valueInfo) value.name = names.get(value.name)!;
        graph.quantizationAnnotation = [];
      }
    }
  }
}

function kindOf({ opType, domain, input, attribute }: NodeProto, kinds: ReadonlyMap<string, Kind>): Kind {
  if (opType === "Constant" && domain === "") {
    const [tensor] = attribute.flatMap(({ t }) => t ?? []);
    return tensor && tensor.dims.length > 1 ? "weight" : "constant";
  }
  const named = input.filter((name) => name !== "").map((name) => kinds.get(name) ?? "");
  if (named.length === 0 || named.includes("") || opType.startsWith("Random")) return "";
  return named.includes("weight") ? "weight" : "constant";
}
