/** Small ONNX models for tests, and raw protocol-buffer fields for what no library would write. */
import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import {
  bytesSource,
  type ExternalResolver,
  memorySink,
  type NewTensor,
  openOnnx,
  type OnnxModel,
  type OnnxTensor,
  type StreamedBytes,
  writeOnnx,
} from "../../../src/formats/index.js";
import {
  type AttributeProto,
  AttributeProto_AttributeType as Kind,
  AttributeProtoSchema,
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from "../../../src/formats/onnx/onnx_pb.js";
import { concat } from "../fixtures.js";

/** A value that stands for an attribute: whole numbers are ints; wrap a float as { float }. */
export type AttributeValue = number | { float: number } | string | number[] | TensorProto | GraphProto;

export function node(
  opType: string,
  input: string[],
  output: string[],
  attributes: Record<string, AttributeValue> = {},
  options: { name?: string; domain?: string } = {},
): NodeProto {
  const attribute = Object.entries(attributes).map(([name, value]) => toAttribute(name, value));
  return create(NodeProtoSchema, { opType, input, output, attribute, ...options });
}

function toAttribute(name: string, value: AttributeValue): AttributeProto {
  if (typeof value === "number") return create(AttributeProtoSchema, { name, type: Kind.INT, i: BigInt(value) });
  if (typeof value === "string")
    return create(AttributeProtoSchema, { name, type: Kind.STRING, s: new TextEncoder().encode(value) });
  if (Array.isArray(value)) return create(AttributeProtoSchema, { name, type: Kind.INTS, ints: value.map(BigInt) });
  if ("float" in value) return create(AttributeProtoSchema, { name, type: Kind.FLOAT, f: value.float });
  if (value.$typeName === "onnx.TensorProto")
    return create(AttributeProtoSchema, { name, type: Kind.TENSOR, t: value });
  return create(AttributeProtoSchema, { name, type: Kind.GRAPH, g: value });
}

/** A tensor with raw_data: float when given numbers, otherwise of the type that is named. */
export function tensor(name: string, dims: number[], data: ArrayBufferView | number[], dataType?: number): TensorProto {
  const view = Array.isArray(data) ? new Float32Array(data) : data;
  const type = dataType ?? (view instanceof BigInt64Array ? 7 : view instanceof Float64Array ? 11 : 1);
  const rawData = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  return create(TensorProtoSchema, { name, dims: dims.map(BigInt), dataType: type, rawData });
}

/** A tensor with external data. */
export function externalTensor(
  name: string,
  dims: number[],
  entries: Record<string, string>,
  dataType = 1,
): TensorProto {
  return create(TensorProtoSchema, {
    name,
    dims: dims.map(BigInt),
    dataType,
    externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
    dataLocation: TensorProto_DataLocation.EXTERNAL,
  });
}

/** `dims`: numbers, symbols; left out for a value of unknown shape. */
export function valueInfo(name: string, dims?: (number | string)[], elemType = 1): ValueInfoProto {
  const dim = dims?.map((size) => (typeof size === "number" ? { dimValue: BigInt(size) } : { dimParam: size }));
  return create(ValueInfoProtoSchema, { name, type: { tensorType: { elemType, ...(dim && { shape: { dim } }) } } });
}

export interface GraphParts {
  name?: string;
  nodes?: NodeProto[];
  initializers?: TensorProto[];
  inputs?: ValueInfoProto[];
  outputs?: ValueInfoProto[];
  valueInfo?: ValueInfoProto[];
}

export function graph({ name = "g", nodes, initializers, inputs, outputs, valueInfo }: GraphParts): GraphProto {
  return create(GraphProtoSchema, {
    name,
    node: nodes,
    initializer: initializers,
    input: inputs,
    output: outputs,
    valueInfo,
  });
}

export interface ModelParts extends GraphParts {
  irVersion?: number;
  opsets?: Record<string, number>;
  metadata?: Record<string, string>;
}

/** The bytes of a model. */
export function model({ irVersion = 8, opsets = { "": 17 }, metadata = {}, ...parts }: ModelParts): Uint8Array {
  const message = create(ModelProtoSchema, {
    irVersion: BigInt(irVersion),
    producerName: "test",
    graph: graph(parts),
    opsetImport: Object.entries(opsets).map(([domain, version]) => ({ domain, version: BigInt(version) })),
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
  });
  return toBinary(ModelProtoSchema, message);
}

/** Opens bytes as the file m.onnx; `external` by location. */
export function open(bytes: Uint8Array, external?: Record<string, Uint8Array>): Promise<OnnxModel> {
  const resolver: ExternalResolver | undefined =
    external && ((location) => bytesSource(external[location] ?? new Uint8Array(0), location));
  return openOnnx(bytesSource(bytes, "m.onnx"), { external: resolver });
}

/** Initializers of the main graph. */
export const initializersOf = ({ graph }: OnnxModel, ...names: string[]): Set<OnnxTensor> =>
  new Set(names.map((name) => graph.initializers.get(name)!));

/** All bytes of a stream. */
export async function collect(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return concat(...parts);
}

/** Writes what was laid out; the size that was promised must be right. */
export async function written(bytes: StreamedBytes): Promise<Uint8Array> {
  const sink = memorySink();
  const size = await writeOnnx(sink, bytes);
  if (size !== bytes.byteLength || sink.size !== size)
    throw new Error(`${sink.size} bytes were written, ${bytes.byteLength} promised`);
  return sink.bytes();
}

/** A float tensor to be added. */
export const newTensor = (name: string, dims: number[], values: number[]): NewTensor => {
  const data = new Uint8Array(new Float32Array(values).buffer);
  return {
    name,
    dataType: 1,
    dims,
    data: { byteLength: data.length, chunks: () => [data.subarray(0, 1), data.subarray(1)] },
  };
};

/** A length-delimited field. */
export function message(number: number, ...parts: (Uint8Array | string)[]): Uint8Array {
  const payload = concat(...parts.map((part) => (typeof part === "string" ? new TextEncoder().encode(part) : part)));
  return new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(payload).finish();
}

/** A varint field. */
export function varint(number: number, value: number | bigint): Uint8Array {
  return new BinaryWriter().tag(number, WireType.Varint).int64(value).finish();
}
