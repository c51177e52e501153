// Values of a model's graphs: in which graph each is defined, and what reads it there and in the subgraphs inside. A name in a
// subgraph is the subgraph's own where it defines one, else that of the graph around it.
import type { OnnxGraph, OnnxModel, OnnxNode, OnnxTensor } from "../../formats/onnx/types.js";
import type { Dims } from "./builder.js";

/** A graph and where it lies. */
export interface Scope {
  readonly graph: OnnxGraph;
  /** The graph around it; undefined for the main graph. */
  readonly parent?: Scope;
  /** The node that it is an attribute of. */
  readonly holder?: OnnxNode;
  /** That node, or the one around it in the main graph. */
  readonly top?: OnnxNode;
}

export interface Reader {
  readonly node: OnnxNode;
  readonly input: number;
  readonly scope: Scope;
}

export interface Value {
  readonly name: string;
  /** Where it is defined. */
  readonly scope: Scope;
  /** In the order of the file. */
  readonly readers: readonly Reader[];
  /** Graphs that put it out. */
  readonly outputOf: readonly Scope[];
}

interface OpenValue extends Value {
  readonly readers: Reader[];
  readonly outputOf: Scope[];
}

/** Cost: linear in the names of the model. */
export class Values {
  readonly main: Scope;
  private readonly defined = new Map<Scope, Map<string, OpenValue>>();
  private readonly constants = new Set<Value>();
  /** By the value of a Constant. */
  private readonly held = new Map<Value, OnnxTensor>();
  /** How many graphs define a name. */
  private readonly counts = new Map<string, number>();

  constructor({ graph }: OnnxModel) {
    this.main = { graph };
    this.enter(this.main);
  }

  /** Every graph, outer ones first. */
  get scopes(): readonly Scope[] {
    return [...this.defined.keys()];
  }

  /** What a name stands for in a graph. */
  find(scope: Scope, name: string): Value | undefined {
    for (let at: Scope | undefined = scope; at; at = at.parent) {
      const value = this.defined.get(at)?.get(name);
      if (value) return value;
    }
    return undefined;
  }

  /** It is an initializer, the output of a Constant, or computed of such alone. */
  isConstant(scope: Scope, name: string): boolean {
    const value = this.find(scope, name);
    return value !== undefined && this.constants.has(value);
  }

  /** The tensor of an initializer or of a Constant. */
  tensor(scope: Scope, name: string): OnnxTensor | undefined {
    const value = this.find(scope, name);
    return value && (value.scope.graph.initializers.get(name) ?? this.held.get(value));
  }

  /** No two graphs have a value of that name. */
  isUnique(name: string): boolean {
    return (this.counts.get(name) ?? 0) <= 1;
  }

  private enter(scope: Scope): void {
    const { graph } = scope;
    this.defined.set(scope, new Map());
    for (const name of [...graph.sparse, ...graph.initializers.keys()]) this.define(scope, name, true);
    for (const { name } of graph.inputs) this.define(scope, name);
    for (const node of graph.nodes) {
      node.inputs.forEach((name, input) => {
        this.resolve(scope, name)?.readers.push({ node, input, scope });
      });
      const top = scope.top ?? node;
      for (const inner of node.subgraphs) this.enter({ graph: inner.graph, parent: scope, holder: node, top });
      const isConstant = this.isFixed(scope, node);
      for (const name of node.outputs) this.define(scope, name, isConstant);
      const tensor = node.opType === "Constant" ? node.tensors.get("value") : undefined;
      const value = tensor && this.defined.get(scope)!.get(node.outputs[0] ?? "");
      if (value) this.held.set(value, tensor);
    }
    for (const { name } of graph.outputs) this.resolve(scope, name)?.outputOf.push(scope);
  }

  /** No input of the model changes what it puts out. */
  private isFixed(scope: Scope, { opType, domain, inputs, subgraphs }: OnnxNode): boolean {
    if (opType === "Constant" && domain === "") return true;
    const named = inputs.filter((name) => name !== "");
    if (named.length === 0 || subgraphs.length > 0 || opType.startsWith("Random")) return false;
    return named.every((name) => this.isConstant(scope, name));
  }

  private resolve(scope: Scope, name: string): OpenValue | undefined {
    return name === "" ? undefined : (this.find(scope, name) as OpenValue | undefined);
  }

  private define(scope: Scope, name: string, isConstant = false): void {
    const values = this.defined.get(scope)!;
    if (name === "" || values.has(name)) return;
    const value = { name, scope, readers: [], outputOf: [] };
    values.set(name, value);
    if (isConstant) this.constants.add(value);
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }
}

/** Sizes of a value, where the file says them. */
export function dimsOf(values: Values, scope: Scope, name: string): Dims | undefined {
  const { graph } = values.find(scope, name)?.scope ?? scope;
  const declared = [...graph.inputs, ...graph.outputs].find((value) => value.name === name);
  return (declared ?? graph.valueInfo.get(name))?.dims ?? graph.initializers.get(name)?.dims;
}

/** The node of the main graph that a node in `scope` is, or lies in. */
export function topOf({ top }: Scope, node: OnnxNode): OnnxNode {
  return top ?? node;
}
