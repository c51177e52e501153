/**
 * The ONNX format, reading (https://onnx.ai, IR specification; the schema is onnx.proto). A model is one protocol buffer;
 * all that is small in it is decoded here, its tensors stay where they are and are read by ranges when asked for.
 */
import { fromBinary } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import { FileError, InvalidFormatError, isLoewnerError, type LoewnerError } from "../../errors.js";
import type { ByteSource } from "../bytes.js";
import { quote } from "../json.js";
import { type LimitOptions, limitsOf, overLimit } from "../limits.js";
import { sniff, sniffedBytes, standIn } from "../sniff.js";
import { Cursor, type Field, type Message } from "./cursor.js";
import { type NodeProto, NodeProtoSchema, OperatorSetIdProtoSchema, StringStringEntryProtoSchema } from "./onnx_pb.js";
import { distinctBytes } from "./external-ranges.js";
import { externalLocations } from "./location.js";
import { checkOrder } from "./order.js";
import { decode, domainOf, nothingInside, type Scan, scanAttribute, scanGraph, scanNode } from "./scan-graph.js";
import type { ExternalResolver, OnnxFunction, OnnxGraph, OnnxModel, OnnxNode, OnnxTensor, Span } from "./types.js";
import { checkOptions, type Names } from "../../option-names.js";

/** Field numbers of FunctionProto. */
const [NAME, DOMAIN, OVERLOAD] = [1, 10, 13];

const openOnnxNames: Names<OpenOnnxOptions> = { external: 1, limits: 1 };

/** How a model is opened. */
export interface OpenOnnxOptions extends LimitOptions {
  /** Where external data comes from; without it a model that has such data opens, but its data cannot be read. */
  external?: ExternalResolver;
}

/** Fields of ModelProto while they are gathered. */
interface Parts {
  irVersion: number;
  producer: string;
  graph?: OnnxGraph;
  readonly opsets: Map<string, number>;
  readonly metadata: Map<string, string>;
  readonly metadataFields: Map<string, Span>;
  readonly functions: Map<string, OnnxFunction>;
}

/**
 * Opens a model.
 *
 * Cost: one pass over everything but the numbers of tensors. Memory: the names in it, some 500 bytes a node; never weights.
 * @throws {InvalidFormatError} when the file is no ONNX model or breaks the format, with the byte; when tensor data does
 *   not fit shape and type, or external data is too short; when names are defined twice or nodes are out of order.
 * @throws {LimitError} when the model holds more than may be read of it: `tensors`, `files`, `textBytes`, `graph...` of the limits.
 * @throws {FileError} from `external`, for a file that is missing or may not be read.
 */
export async function openOnnx(source: ByteSource, options: OpenOnnxOptions = {}): Promise<OnnxModel> {
  checkOptions("openOnnx", options, openOnnxNames);
  const limits = limitsOf(options);
  const file = source.name;
  if (source.size === 0)
    throw new InvalidFormatError(`${file}: the file is empty (0 bytes); an ONNX model was expected.`, {
      file,
      offset: 0,
    });
  const cursor = new Cursor(source, limits);
  const scan: Scan = { cursor, names: new Set(), operators: new Map(), nested: [] };
  const parts: Parts = {
    irVersion: 0,
    producer: "",
    opsets: new Map(),
    metadata: new Map(),
    metadataFields: new Map(),
    functions: new Map(),
  };
  try {
    await scanModel(scan, source, parts);
  } catch (error) {
    const isOfBytes = isLoewnerError(error, "INVALID_FORMAT") || isLoewnerError(error, "LIMIT");
    throw isOfBytes ? await recognise(error, source, parts.irVersion > 0) : error;
  }
  const graph = parts.graph!;
  checkOrder(graph, file);
  const tensors = externalTensors(graph, scan);
  const locations = externalLocations({ graph, nested: scan.nested }).size;
  if (locations > limits.files)
    throw overLimit(limits, "files", `its external data lies in ${locations} files`, locations, { file });
  const files = new ExternalFiles(file, options.external);
  if (options.external) for (const tensor of tensors) await files.check(tensor);
  const { irVersion, producer, opsets, metadata, metadataFields, functions } = parts;
  return {
    source,
    irVersion,
    producer,
    opsets,
    graph,
    metadata,
    metadataFields,
    functions,
    nested: scan.nested,
    hasExternalData: tensors.length > 0,
    byteLength: source.size + distinctBytes(tensors),
    external: (location) => files.open(location),
  };
}

/**
 * A node with all its attributes.
 *
 * Memory: the node, tensors and subgraphs in it included.
 * @throws {InvalidFormatError} when it cannot be decoded.
 */
export async function readNode(model: OnnxModel, { span, name }: OnnxNode): Promise<NodeProto> {
  const bytes = await model.source.slice(span.start, span.end);
  try {
    return fromBinary(NodeProtoSchema, bytes);
  } catch (cause) {
    const file = model.source.name;
    throw new InvalidFormatError(
      `${file}: node ${quote(name)} at byte ${span.start} cannot be decoded: ${(cause as Error).message}. Get or save the file again.`,
      { file, offset: span.start },
      { cause },
    );
  }
}

async function scanModel(scan: Scan, source: ByteSource, parts: Parts): Promise<void> {
  const { cursor } = scan;
  const end = source.size;
  const model: Message = { what: "model", number: 0, start: 0, body: 0, end, parent: undefined, depth: 0 };
  for (let at = 0; at < end;) {
    const field = cursor.field(at, model) ?? (await cursor.loadField(at, model));
    at = field.end;
    await takeField(scan, model, field, parts);
  }
  const lacks = (what: string) =>
    new InvalidFormatError(
      `${source.name}: it has no ${what}, which every ONNX model has. Copy, download or export it again.`,
      { file: source.name, offset: end },
    );
  if (parts.irVersion === 0) throw lacks("ir_version");
  if (!parts.graph) throw lacks("graph");
  if (parts.irVersion >= 3 && parts.opsets.size === 0) throw lacks("opset_import");
}

async function takeField(scan: Scan, model: Message, field: Field, parts: Parts): Promise<void> {
  const { cursor } = scan;
  switch (field.number) {
    case 1:
      cursor.expect(field, WireType.Varint, model);
      if (field.value < 1 || !Number.isSafeInteger(field.value))
        throw cursor.fault(`an ir_version of ${field.value}; versions begin at 1`, field.start);
      parts.irVersion = field.value;
      return;
    case 2:
      parts.producer = cursor.text(field, model) ?? (await cursor.loadText(field, model));
      return;
    case 7: {
      if (parts.graph) throw cursor.fault("a second graph; a model has one", field.start);
      parts.graph = await scanGraph(scan, cursor.enter(field, model, "graph"));
      return;
    }
    case 8: {
      const { domain, version } = await decode(cursor, OperatorSetIdProtoSchema, field, model);
      parts.opsets.set(domainOf(domain), Number(version));
      return;
    }
    case 14: {
      const { key, value } = await decode(cursor, StringStringEntryProtoSchema, field, model);
      if (parts.metadata.has(key)) throw cursor.fault(`the metadata ${quote(key)} stands twice`, field.start);
      parts.metadata.set(key, value);
      parts.metadataFields.set(key, { start: field.start, end: field.end });
      return;
    }
    case 20:
      return scanTraining(scan, cursor.enter(field, model, "training_info"));
    case 25: {
      const { key, ...found } = await scanFunction(scan, cursor.enter(field, model, "function"));
      parts.functions.set(key, found);
      return;
    }
  }
}

/** A function under its key. */
async function scanFunction(scan: Scan, message: Message): Promise<OnnxFunction & { key: string }> {
  const { cursor } = scan;
  const texts = new Map<number, string>();
  const nodes: OnnxNode[] = [];
  for (let at = message.body; at < message.end;) {
    const field = cursor.field(at, message) ?? (await cursor.loadField(at, message));
    at = field.end;
    if ([NAME, DOMAIN, OVERLOAD].includes(field.number))
      texts.set(field.number, cursor.text(field, message) ?? (await cursor.loadText(field, message)));
    else if (field.number === 7) nodes.push(await scanNode(scan, cursor.enter(field, message, "node")));
    else if (field.number === 11) {
      await scanAttribute(scan, cursor.enter(field, message, "attribute"), nothingInside());
    }
  }
  const [name = "", domain = "", overload] = [NAME, DOMAIN, OVERLOAD].map((number) => texts.get(number));
  return {
    key: functionKey(domainOf(domain), name, overload),
    ...{ nodes, constants: tensorsIn(nodes) },
    span: { start: message.body, end: message.end },
    field: { start: message.start, end: message.end },
  };
}

/** What a function is called in `OnnxModel.functions`. */
export const functionKey = (domain: string, name: string, overload?: string) =>
  `${domain}:${name}${overload ? `:${overload}` : ""}`;

function tensorsIn(nodes: readonly OnnxNode[]): OnnxTensor[] {
  return nodes.flatMap(({ tensors, subgraphs }) => [
    ...tensors.values(),
    ...subgraphs.flatMap(({ graph }) => [...graph.initializers.values(), ...tensorsIn(graph.nodes)]),
  ]);
}

/** The graphs of training_info, again for their external data. */
async function scanTraining(scan: Scan, message: Message): Promise<void> {
  const { cursor } = scan;
  for (let at = message.body; at < message.end;) {
    const field = cursor.field(at, message) ?? (await cursor.loadField(at, message));
    at = field.end;
    if (field.number === 1 || field.number === 2) await scanGraph(scan, cursor.enter(field, message, "graph"));
  }
}

function externalTensors(graph: OnnxGraph, { nested }: Scan): OnnxTensor[] {
  const initializers = [...graph.initializers.values()].filter(({ data }) => data.kind === "external");
  return [...initializers, ...nested.map(({ tensor }) => tensor)];
}

/** The external files of a model, each opened once. */
class ExternalFiles {
  private readonly opened = new Map<string, Promise<ByteSource>>();
  private readonly starts = new Map<string, Promise<Uint8Array>>();

  constructor(
    private readonly model: string,
    private readonly resolve: ExternalResolver | undefined,
  ) {}

  open(location: string): Promise<ByteSource> {
    let source = this.opened.get(location);
    if (!source) {
      source = this.ask(location);
      this.opened.set(location, source);
    }
    return source;
  }

  /** @throws {InvalidFormatError} when the file ends before the tensor does. */
  async check({ name, data }: OnnxTensor): Promise<void> {
    if (data.kind !== "external") return;
    let source: ByteSource;
    try {
      source = await this.open(data.location);
    } catch (cause) {
      if (!isLoewnerError(cause, "FILE")) throw cause;
      throw new FileError(
        `${this.model}: the external data of tensor ${quote(name)} cannot be read. ${cause.message}`,
        { file: this.model, tensor: name },
        { cause },
      );
    }
    const end = data.offset + data.length;
    const { size } = source;
    if (end <= size) return this.checkStart(name, data.location, source);
    const what =
      sniff(await source.slice(0, Math.min(sniffedBytes, size))) ||
      " It is truncated, or belongs to another model: get it again.";
    throw new InvalidFormatError(
      `${this.model}: tensor ${quote(name)} ends at byte ${end} of its external data ${quote(data.location)}, but that file has ${size} bytes.${what}`,
      { file: this.model, tensor: name, offset: size },
    );
  }

  /** @throws {InvalidFormatError} for what stands in place of a file that was not fetched: its bytes would be read as numbers */
  private async checkStart(tensor: string, location: string, source: ByteSource): Promise<void> {
    let start = this.starts.get(location);
    if (!start) {
      start = Promise.resolve(source.slice(0, Math.min(sniffedBytes, source.size)));
      this.starts.set(location, start);
    }
    const what = standIn(await start);
    if (what === "") return;
    throw new InvalidFormatError(
      `${this.model}: the external data ${quote(location)} of tensor ${quote(tensor)} is not what it should be.${what}`,
      { file: this.model, tensor, offset: 0 },
    );
  }

  private async ask(location: string): Promise<ByteSource> {
    if (this.resolve) return this.resolve(location);
    throw new FileError(
      `${this.model} keeps tensors in the file ${quote(location)} beside it, and only the model file was given. Give both.`,
      { file: this.model },
    );
  }
}

/** Says what the file probably is instead, and before its ir_version was read, that it may be no model at all. */
async function recognise(error: LoewnerError, source: ByteSource, isModel: boolean): Promise<LoewnerError> {
  const file = source.name;
  const hint = sniff(await source.slice(0, Math.min(sniffedBytes, source.size)));
  if (hint !== "") {
    return new InvalidFormatError(`${file}: not an ONNX model.${hint}`, { file, offset: 0 }, { cause: error });
  }
  if (isModel) return error;
  const rest = error.message.slice(`${file}: `.length);
  return new InvalidFormatError(`${file}: not an ONNX model, or a damaged one: ${rest}`, error.place, { cause: error });
}
