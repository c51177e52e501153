/**
 * The ONNX format, writing: a model with changes made to it, laid out to the byte before anything is written. What is not
 * changed stays as it is in the file, fields that are not known included, in its order.
 */
import { create, toBinary } from "@bufbuild/protobuf";
import { InvalidInputError, throwIfAborted } from "../../errors.js";
import type { ByteSink, ByteSource } from "../bytes.js";
import { isWellFormed, quote } from "../json.js";
import type { Message } from "./cursor.js";
import { onnxDtypeName, onnxTensorBytes } from "./dtype.js";
import { type ExternalFile, ExternalFiles } from "./external-files.js";
import {
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  TensorProtoSchema,
  TypeProtoSchema,
  ValueInfoProtoSchema,
} from "./onnx_pb.js";
import { graphsOf } from "./graphs.js";
import { piecewiseSource } from "./piecewise.js";
import { type Cut, fieldHeader, lengthDelimited, type Piece, pieceBytes, splice, splicedPieces } from "./splice.js";
import type { NewTensor, OnnxEdits, OnnxGraph, OnnxModel, OnnxTensor, Span, StreamedBytes } from "./types.js";

/** No message of protocol buffers may be longer. */
export const MAX_ONNX_FILE = 2 ** 31 - 1;
/** Smaller tensors stay in the model file: shapes and axes are read while a model loads, where external data may not be. */
const MIN_EXTERNAL = 1024;

/** Field numbers of GraphProto. */
const NODE = 1;
const INITIALIZER = 5;
const INPUT = 11;
const VALUE_INFO = 13;
/** Field numbers of ModelProto. */
const OPSET_IMPORT = 8;
const METADATA_PROPS = 14;
/** Field number of TensorProto. */
const RAW_DATA = 9;

export interface OnnxLayoutOptions {
  /** Name of the file for external data, relative to the model's folder. Default: the source's own name + "_data". */
  externalName?: string;
}

/** Where everything will lie. */
export interface OnnxLayout {
  /** The .onnx file. */
  readonly main: StreamedBytes;
  /** Files of external data that go beside it; write them first. */
  readonly external: readonly ExternalFile[];
}

/**
 * Lays out a changed model. Without changes and without external data it is the same file.
 *
 * Tensors that were external stay so and are written to new files, bytes that several share once; new tensors of 1 KiB or more join them. A model without
 * external data stays one file while it has at most 2^31 - 1 bytes, protocol buffers' limit; past it, every tensor of
 * 1 KiB or more that lies in raw_data goes to external files.
 *
 * Cost: linear in the number of changes, and of external tensors. Memory: the same; while it is written, 4 MiB chunks.
 * @throws {InvalidInputError} when a node or name of the edits is not in the model, a new name is taken, new data does not
 *   fit its shape, or the model would pass 2 GiB even with its tensors outside.
 */
export function layOutOnnx(model: OnnxModel, edits: OnnxEdits = {}, options: OnnxLayoutOptions = {}): OnnxLayout {
  checkEdits(model, edits);
  const name = options.externalName ?? `${model.source.name.replace(/^.*[/\\]/, "")}_data`;
  const common = [...graphCuts(model.graph, edits), ...valueCuts(model, edits), ...modelCuts(model, edits)];
  const place = (outside: ExternalFiles | undefined, evictAll: boolean): OnnxLayout => {
    const cuts = [...common, ...tensorCuts(model, edits, outside, evictAll)];
    return { main: splice(model.source, cuts), external: outside?.files() ?? [] };
  };
  const first = place(model.hasExternalData ? new ExternalFiles(model, name) : undefined, false);
  if (first.main.byteLength <= MAX_ONNX_FILE) return first;
  const second = place(new ExternalFiles(model, name), true);
  if (second.main.byteLength <= MAX_ONNX_FILE) return second;
  throw new InvalidInputError(
    `${model.source.name}: the model would have ${second.main.byteLength} bytes without its external data; protocol buffers allow ${MAX_ONNX_FILE}. Move constants of nodes to initializers first.`,
    { file: model.source.name },
  );
}

/**
 * A changed model's main file as bytes to be opened again; tensors lie where they did, in external files too. Nothing is written.
 * @param edits without new tensors
 */
export function editedSource(model: OnnxModel, edits: OnnxEdits): ByteSource {
  checkEdits(model, edits);
  const cuts = [...graphCuts(model.graph, edits), ...modelCuts(model, edits)];
  return piecewiseSource(model.source, splicedPieces(model.source, cuts));
}

/**
 * Writes bytes that were laid out.
 * @returns how many there are.
 * @throws {AbortedError} when `signal` fires; whatever the sources of the bytes throw is passed on.
 */
export async function writeOnnx(
  sink: ByteSink,
  bytes: StreamedBytes,
  options: { signal?: AbortSignal } = {},
): Promise<number> {
  for await (const chunk of bytes.chunks()) {
    throwIfAborted(options.signal);
    await sink.write(chunk);
  }
  return bytes.byteLength;
}

function checkEdits(model: OnnxModel, edits: OnnxEdits): void {
  const { graph } = model;
  const file = model.source.name;
  const bad = (text: string, tensor?: string) =>
    new InvalidInputError(`${file}: ${text}`, { file, ...(tensor !== undefined && { tensor }) });
  const named = [edits.dropNodes, edits.replaceNodes, edits.insertNodes].flatMap((nodes) => [...(nodes?.keys() ?? [])]);
  if (named.length > 0 || edits.dropTensors?.size) {
    const graphs = [...graphsOf(graph)];
    const own = new Set(graphs.flatMap(({ nodes }) => nodes));
    for (const node of named)
      if (!own.has(node)) throw bad(`node ${quote(node.name)} is to be replaced, but is no node of the model.`);
    const initializers = new Set(graphs.flatMap((each) => [...each.initializers.values()]));
    for (const tensor of edits.dropTensors ?? [])
      if (!initializers.has(tensor))
        throw bad(`initializer ${quote(tensor.name)} is to go, but there is none.`, tensor.name);
  }
  const added = new Set<string>();
  for (const { name, dataType, dims, data } of edits.addTensors ?? []) {
    const before = graph.initializers.get(name);
    const taken = (before !== undefined && !edits.dropTensors?.has(before)) || graph.sparse.has(name);
    if (taken || added.has(name))
      throw bad(`an initializer ${quote(name)} is to be added, but that name is taken.`, name);
    if (!isWellFormed(name)) throw bad(`initializer ${quote(name)} has half of a surrogate pair in its name.`, name);
    added.add(name);
    const bytes = onnxTensorBytes(dataType, dims);
    if (bytes !== data.byteLength || !dims.every((n) => Number.isSafeInteger(n) && n >= 0)) {
      throw bad(
        `initializer ${quote(name)} is to be added as ${onnxDtypeName(dataType)} of shape [${dims.join(", ")}] with ${data.byteLength} bytes, which do not fit each other.`,
        name,
      );
    }
  }
}

/** What goes from a graph, and the nodes that come, in its subgraphs too. */
function graphCuts(graph: OnnxGraph, edits: OnnxEdits): Cut[] {
  const cuts: Cut[] = [];
  const parent = graph.message;
  const replace = ({ start, end }: Span, by: readonly Piece[] = []) => cuts.push({ start, end, by, parent });
  const { dropTensors, dropValueInfo, insertNodes, replaceNodes, dropNodes } = edits;
  const fields = (nodes: readonly Uint8Array[]) => nodes.map((one) => lengthDelimited(NODE, one));
  for (const node of graph.nodes) {
    const { field } = node;
    const before = insertNodes?.get(node);
    const instead = replaceNodes?.get(node);
    if (before) replace({ start: field.start, end: field.start }, fields(before));
    if (instead) replace(field, fields(instead));
    else if (dropNodes?.has(node)) replace(field);
    else for (const subgraph of node.subgraphs) cuts.push(...graphCuts(subgraph.graph, edits));
  }
  const gone = new Set<string>();
  for (const tensor of graph.initializers.values()) {
    if (!dropTensors?.has(tensor)) continue;
    replace(tensor.field);
    gone.add(tensor.name);
  }
  for (const { name, field } of graph.inputs) if (gone.has(name)) replace(field);
  for (const { name, field } of [...graph.valueInfo.values(), ...graph.repeatedValueInfo])
    if (gone.has(name) || dropValueInfo?.has(name)) replace(field);
  return cuts;
}

/** Values that the main graph declares beside those it has. */
function valueCuts({ graph, irVersion }: OnnxModel, edits: OnnxEdits): Cut[] {
  const cuts: Cut[] = [];
  const parent = graph.message;
  const insert = (at: number, by: Piece[]) => {
    if (by.length > 0) cuts.push({ start: at, end: at, by, parent });
  };
  const inputs = irVersion < 4 ? (edits.addTensors ?? []).map(inputOf) : [];
  insert(
    lastEnd(graph.inputs, parent),
    inputs.map((value) => lengthDelimited(INPUT, value)),
  );
  const infos = [...graph.valueInfo.values(), ...graph.repeatedValueInfo];
  insert(
    lastEnd(infos, parent),
    (edits.addValueInfo ?? []).map((value) => lengthDelimited(VALUE_INFO, value)),
  );
  return cuts;
}

/** Before IR version 4 every initializer is an input of the graph as well. */
function inputOf({ name, dataType, dims }: NewTensor): Uint8Array {
  const dim = dims.map((size) => ({ dimValue: BigInt(size) }));
  const type = create(TypeProtoSchema, { tensorType: { elemType: dataType, shape: { dim } } });
  return toBinary(ValueInfoProtoSchema, create(ValueInfoProtoSchema, { name, type }));
}

/** Changes outside the graph. */
function modelCuts({ source, graph, opsets, functions, metadataFields }: OnnxModel, edits: OnnxEdits): Cut[] {
  const parent = graph.message.parent!;
  const cuts: Cut[] = [];
  const appended: Uint8Array[] = [];
  for (const [domain, version] of edits.addOpsets ?? []) {
    if (opsets.has(domain)) continue;
    const opset = create(OperatorSetIdProtoSchema, { domain, version: BigInt(version) });
    appended.push(lengthDelimited(OPSET_IMPORT, toBinary(OperatorSetIdProtoSchema, opset)));
  }
  for (const [key, value] of edits.setMetadata ?? []) {
    const entry = create(StringStringEntryProtoSchema, { key, value });
    const field = lengthDelimited(METADATA_PROPS, toBinary(StringStringEntryProtoSchema, entry));
    const old = metadataFields.get(key);
    if (old) cuts.push({ ...old, by: [field], parent });
    else appended.push(field);
  }
  for (const key of edits.dropFunctions ?? []) {
    const one = functions.get(key);
    if (one) cuts.push({ ...one.field, by: [], parent });
  }
  if (appended.length > 0) cuts.push({ start: source.size, end: source.size, by: appended, parent });
  return cuts;
}

/** Tensors that come, and those whose data moves: `outside` takes what is external, with `evictAll` all that can be. */
function tensorCuts(
  { graph, nested }: OnnxModel,
  edits: OnnxEdits,
  outside: ExternalFiles | undefined,
  evictAll: boolean,
): Cut[] {
  const cuts: Cut[] = [];
  const parent = graph.message;
  const added = edits.addTensors ?? [];
  if (outside) {
    const own = [...graph.initializers.values()].filter(
      (tensor) => !edits.dropTensors?.has(tensor) && moves(tensor, evictAll),
    );
    const gone = new Set(
      [edits.dropNodes, edits.replaceNodes, edits.dropTensors].flatMap((all) =>
        [...(all?.keys() ?? [])].map(({ field }) => field.start),
      ),
    );
    const kept = nested.filter(({ message }) => !liesIn(message, gone));
    outside.expect([...own, ...kept.map(({ tensor }) => tensor)]);
    for (const tensor of own)
      cuts.push({ ...tensor.field, by: tensorField(INITIALIZER, [...tensor.header, outside.move(tensor)]), parent });
    for (const { tensor, message } of kept) {
      const by = tensorField(message.number, [...tensor.header, outside.move(tensor)]);
      cuts.push({ ...tensor.field, by, parent: message.parent! });
    }
  }
  const by = added.flatMap((tensor) => tensorField(INITIALIZER, newTensor(tensor, outside)));
  const at = lastEnd([...graph.initializers.values()], parent);
  if (by.length > 0) cuts.push({ start: at, end: at, by, parent });
  return cuts;
}

/** The header of a tensor in the source is ranges of it, so only data in raw_data or a like field can be cut out. */
function moves({ data, byteLength }: OnnxTensor, evictAll: boolean): boolean {
  return data.kind === "external" || (evictAll && data.kind === "inline" && byteLength >= MIN_EXTERNAL);
}

function newTensor({ name, dataType, dims, data }: NewTensor, outside: ExternalFiles | undefined): Piece[] {
  const message = create(TensorProtoSchema, { name, dataType, dims: dims.map(BigInt) });
  const header = toBinary(TensorProtoSchema, message);
  if (outside && data.byteLength >= MIN_EXTERNAL) return [header, outside.add(data)];
  return [header, fieldHeader(RAW_DATA, data.byteLength), data];
}

function tensorField(number: number, pieces: readonly Piece[]): Piece[] {
  return [
    fieldHeader(
      number,
      pieces.reduce((sum, piece) => sum + pieceBytes(piece), 0),
    ),
    ...pieces,
  ];
}

/** True when it, or one of the messages around, begins at one of `starts`. */
function liesIn(message: Message, starts: ReadonlySet<number>): boolean {
  for (let around: Message | undefined = message; around; around = around.parent)
    if (starts.has(around.start)) return true;
  return false;
}

function lastEnd(entries: readonly { field: Span }[], parent: Message): number {
  return entries.length === 0 ? parent.end : entries.reduce((end, { field }) => Math.max(end, field.end), 0);
}
