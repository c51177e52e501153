// A model's own functions: what each needs, and its body.
import { fromBinary } from "@bufbuild/protobuf";
import { InvalidFormatError } from "../../../errors.js";
import { type FunctionProto, FunctionProtoSchema } from "../../../formats/onnx/onnx_pb.js";
import { functionKey } from "../../../formats/onnx/open.js";
import { domainOf } from "../../../formats/onnx/scan-graph.js";
import { quote } from "../../../formats/json.js";
import type { OnnxModel, OnnxNode } from "../../../formats/onnx/types.js";
import { isWeight } from "../weights.js";

export interface Called {
  readonly key: string;
  /** In its nodes, or in those of functions that it calls. */
  readonly holdsWeights: boolean;
  /** Of the operators in its own nodes that are no functions of the model. */
  readonly domains: ReadonlySet<string>;
}

export class Bodies {
  private readonly known = new Map<string, Called>();
  private readonly decoded = new Map<string, Promise<FunctionProto>>();

  constructor(private readonly model: OnnxModel) {}

  /** The function that a node calls; undefined for operators. */
  calledBy(domain: string, opType: string, overload?: string): Called | undefined {
    const key = functionKey(domainOf(domain), opType, overload);
    const found = this.model.functions.get(key);
    if (!found) return undefined;
    let called = this.known.get(key);
    if (!called) {
      const all = [key, ...this.reachedFrom([key])].map((each) => this.model.functions.get(each)!);
      const operators = [...nodesIn(found.nodes)].filter((node) => this.keyOf(node) === undefined);
      called = {
        key,
        holdsWeights: all.some(({ constants }) => constants.some(isWeight)),
        domains: new Set(operators.map((node) => node.domain)),
      };
      this.known.set(key, called);
    }
    return called;
  }

  /** Functions, and those that they call, at any depth. */
  reachedFrom(keys: Iterable<string>): Set<string> {
    const reached = new Set<string>();
    const open = [...keys];
    for (let key = open.pop(); key !== undefined; key = open.pop()) {
      if (reached.has(key)) continue;
      reached.add(key);
      for (const node of nodesIn(this.model.functions.get(key)!.nodes)) {
        const inner = this.keyOf(node);
        if (inner !== undefined) open.push(inner);
      }
    }
    return reached;
  }

  /** Memory: what lies in it, constants too. */
  read(key: string): Promise<FunctionProto> {
    let body = this.decoded.get(key);
    if (!body) {
      body = this.decode(key);
      this.decoded.set(key, body);
    }
    return body;
  }

  private async decode(key: string): Promise<FunctionProto> {
    const { source, functions } = this.model;
    const { start, end } = functions.get(key)!.span;
    try {
      return fromBinary(FunctionProtoSchema, await source.slice(start, end));
    } catch (cause) {
      const file = source.name;
      const problem = (cause as Error).message;
      throw new InvalidFormatError(
        `${file}: function ${quote(key)} at byte ${start} cannot be decoded: ${problem}. Get or save the file again.`,
        { file, offset: start },
        { cause },
      );
    }
  }

  /** Which of several overloads a node calls is not told by what was scanned of it: all are reached then. */
  private keyOf({ domain, opType }: OnnxNode): string | undefined {
    const key = functionKey(domain, opType);
    if (this.model.functions.has(key)) return key;
    return [...this.model.functions.keys()].find((each) => each.startsWith(`${key}:`));
  }
}

function* nodesIn(nodes: readonly OnnxNode[]): Generator<OnnxNode> {
  for (const node of nodes) {
    yield node;
    for (const { graph } of node.subgraphs) yield* nodesIn(graph.nodes);
  }
}
