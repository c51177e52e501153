/**
 * Graphs and what is in them. Nodes are scanned lightly: names of values, and of attributes only the tensors and
 * subgraphs; everything else of an attribute is skipped until someone asks for the node (readNode).
 */
import { type DescMessage, fromBinary, isFieldSet, type MessageShape } from "@bufbuild/protobuf";
import { quote } from "../json.js";
import type { Cursor, Field, Message } from "./cursor.js";
import {
  TensorAnnotationSchema,
  TensorShapeProto_DimensionSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from "./onnx_pb.js";
import { scanTensor } from "./scan-tensor.js";
import type { NestedTensor, OnnxGraph, OnnxNode, OnnxTensor, OnnxValue, Subgraph } from "./types.js";

/** What one pass over a model gathers from all its graphs. */
export interface Scan {
  readonly cursor: Cursor;
  /** Every name of the main graph and its subgraphs. */
  readonly names: Set<string>;
  /** One string for each operator and domain, not one a node. */
  readonly operators: Map<string, string>;
  /** Tensors with external data that are no initializers of the main graph. */
  readonly nested: NestedTensor[];
}

/** What a node's attributes, or an attribute, contribute to it. */
interface Inner {
  readonly tensors: Map<string, OnnxTensor>;
  readonly captured: Set<string>;
  readonly subgraphs: Subgraph[];
}

/** What a node without attributes has. */
export const nothingInside = (): Inner => ({ tensors: new Map(), captured: new Set(), subgraphs: [] });

const none: Pick<OnnxNode, "captured" | "tensors" | "subgraphs"> = {
  captured: [],
  tensors: new Map(),
  subgraphs: [],
};

/**
 * The graph that `message` is.
 * @throws {InvalidFormatError} for a name that two initializers have, and whatever breaks the wire format.
 * @throws {LimitError} for more of anything than may be read.
 */
export async function scanGraph(scan: Scan, message: Message): Promise<OnnxGraph> {
  const { cursor, names } = scan;
  const isMain = message.parent?.parent === undefined;
  let name = "";
  const nodes: OnnxNode[] = [];
  const initializers = new Map<string, OnnxTensor>();
  const sparse = new Set<string>();
  const inputs: OnnxValue[] = [];
  const outputs: OnnxValue[] = [];
  const valueInfo = new Map<string, OnnxValue>();
  const repeatedValueInfo: OnnxValue[] = [];
  const annotated = new Set<string>();
  const once = (initializer: string, field: Field) => {
    if (initializers.has(initializer) || sparse.has(initializer))
      throw cursor.fault(`two initializers are named ${quote(initializer)}`, field.start, initializer);
    names.add(initializer);
  };
  for (let at = message.body; at < message.end;) {
    const field = cursor.field(at, message) ?? (await cursor.loadField(at, message));
    at = field.end;
    switch (field.number) {
      case 1:
        nodes.push(await scanNode(scan, cursor.enter(field, message, "node")));
        break;
      case 2:
        name = cursor.text(field, message) ?? (await cursor.loadText(field, message));
        break;
      case 5: {
        const own = cursor.enter(field, message, "tensor");
        const tensor = await scanTensor(cursor, own);
        once(tensor.name, field);
        initializers.set(tensor.name, tensor);
        if (!isMain) noteNested(scan, tensor, own);
        break;
      }
      case 11:
        inputs.push(await readValue(scan, field, message));
        break;
      case 12:
        outputs.push(await readValue(scan, field, message));
        break;
      case 13: {
        const value = await readValue(scan, field, message);
        if (valueInfo.has(value.name)) repeatedValueInfo.push(value);
        else valueInfo.set(value.name, value);
        break;
      }
      case 14:
        annotated.add((await decode(cursor, TensorAnnotationSchema, field, message)).tensorName);
        break;
      case 15: {
        const values = await scanSparse(scan, cursor.enter(field, message, "sparse tensor"));
        once(values, field);
        sparse.add(values);
        break;
      }
    }
  }
  const graph = { name, message, nodes, initializers, sparse, inputs, outputs };
  return { ...graph, valueInfo, repeatedValueInfo, annotated, names };
}

/** The node that `message` is. */
export async function scanNode(scan: Scan, message: Message): Promise<OnnxNode> {
  const { cursor, names, operators } = scan;
  cursor.count("graphNodes", "nodes", message.start);
  let opType = "";
  let domain = "";
  let name = "";
  const inputs: string[] = [];
  const outputs: string[] = [];
  let inner: Inner | undefined;
  for (let at = message.body; at < message.end;) {
    const field = cursor.field(at, message) ?? (await cursor.loadField(at, message));
    at = field.end;
    if (field.number === 5) {
      inner ??= nothingInside();
      await scanAttribute(scan, cursor.enter(field, message, "attribute"), inner);
    }
    if (field.number > 4 && field.number !== 7) continue;
    const text = cursor.text(field, message) ?? (await cursor.loadText(field, message));
    if (field.number === 1) inputs.push(text);
    else if (field.number === 2) outputs.push(text);
    else if (field.number === 3) name = text;
    else if (field.number === 4) opType = shared(operators, text);
    else domain = shared(operators, domainOf(text));
  }
  for (const value of outputs) names.add(value); // what is read is written, or declared, somewhere
  names.add(name);
  const { captured, tensors, subgraphs } = inner ? summary(inner) : none;
  const span = { start: message.body, end: message.end };
  const field = { start: message.start, end: message.end };
  return { opType, domain, name, inputs, outputs, span, field, captured, tensors, subgraphs };
}

/** Most nodes have attributes, but neither tensors nor subgraphs in them: these share the empty ones. */
function summary({ captured, tensors, subgraphs }: Inner): typeof none {
  return {
    captured: captured.size > 0 ? [...captured] : none.captured,
    tensors: tensors.size > 0 ? tensors : none.tensors,
    subgraphs: subgraphs.length > 0 ? subgraphs : none.subgraphs,
  };
}

/** Takes the tensors and subgraphs of an attribute in. */
export async function scanAttribute(scan: Scan, message: Message, inner: Inner): Promise<void> {
  const { cursor } = scan;
  let name = "";
  let value: OnnxTensor | undefined;
  const graphs: OnnxGraph[] = [];
  for (let at = message.body; at < message.end;) {
    const field = cursor.field(at, message) ?? (await cursor.loadField(at, message));
    at = field.end;
    switch (field.number) {
      case 1:
        name = cursor.text(field, message) ?? (await cursor.loadText(field, message));
        break;
      case 5:
      case 10: {
        const own = cursor.enter(field, message, "tensor");
        const tensor = await scanTensor(cursor, own);
        noteNested(scan, tensor, own);
        if (field.number === 5) value = tensor;
        break;
      }
      case 6:
      case 11:
        graphs.push(await scanGraph(scan, cursor.enter(field, message, "graph")));
        break;
      case 22:
      case 23:
        await scanSparse(scan, cursor.enter(field, message, "sparse tensor"));
        break;
    }
  }
  if (value) inner.tensors.set(name, value);
  for (const graph of graphs) {
    inner.subgraphs.push({ attribute: name, graph });
    capture(graph, inner.captured);
  }
}

/** What a subgraph reads from outside: names that nothing in it has defined by then. */
function capture(graph: OnnxGraph, captured: Set<string>): void {
  const defined = new Set<string>(graph.sparse);
  for (const name of graph.initializers.keys()) defined.add(name);
  for (const { name } of graph.inputs) defined.add(name);
  const read = (name: string) => {
    if (name !== "" && !defined.has(name)) captured.add(name);
  };
  for (const node of graph.nodes) {
    node.inputs.forEach(read);
    node.captured.forEach(read);
    for (const name of node.outputs) defined.add(name);
  }
  for (const { name } of graph.outputs) read(name);
}

/** Name of a sparse tensor, which is that of its values. */
async function scanSparse({ cursor }: Scan, message: Message): Promise<string> {
  let name = "";
  for (let at = message.body; at < message.end;) {
    const field = cursor.field(at, message) ?? (await cursor.loadField(at, message));
    at = field.end;
    if (field.number !== 1 && field.number !== 2) continue;
    const tensor = await scanTensor(cursor, cursor.enter(field, message, "tensor"));
    if (field.number === 1) name = tensor.name;
    if (tensor.data.kind === "external")
      throw cursor.fault(`sparse tensor ${quote(name)} has external data, which is not read`, field.start, name);
  }
  return name;
}

function noteNested({ nested }: Scan, tensor: OnnxTensor, message: Message): void {
  if (tensor.data.kind === "external") nested.push({ tensor, message });
}

async function readValue(scan: Scan, field: Field, message: Message): Promise<OnnxValue> {
  scan.cursor.count("graphValues", "inputs, outputs and value_info", field.start);
  const { name, type } = await decode(scan.cursor, ValueInfoProtoSchema, field, message);
  scan.names.add(name);
  const elemType = type?.tensorType?.elemType ?? 0;
  const dims = dimsOf(type);
  return { name, elemType, ...(dims && { dims }), field: { start: field.start, end: field.end } };
}

function dimsOf(type: ValueInfoProto["type"]): (number | string)[] | undefined {
  const { dimValue } = TensorShapeProto_DimensionSchema.field;
  return type?.tensorType?.shape?.dim.map((dim) => {
    if (!isFieldSet(dim, dimValue)) return dim.dimParam;
    const size = Number(dim.dimValue);
    return Number.isSafeInteger(size) ? size : ""; // no value has so many: as good as not given
  });
}

/** A small message, decoded whole. */
export async function decode<D extends DescMessage>(
  cursor: Cursor,
  schema: D,
  field: Field,
  message: Message,
): Promise<MessageShape<D>> {
  const bytes = await cursor.payload(field, message);
  try {
    return fromBinary(schema, bytes);
  } catch (cause) {
    throw cursor.fault(`${schema.name} that cannot be decoded: ${(cause as Error).message}`, field.start);
  }
}

/** The standard operators' domain has two names; "" is the one that is used here. */
export function domainOf(text: string): string {
  return text === "ai.onnx" ? "" : text;
}

function shared(strings: Map<string, string>, text: string): string {
  const known = strings.get(text);
  if (known !== undefined) return known;
  strings.set(text, text);
  return text;
}
