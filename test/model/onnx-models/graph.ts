// ONNX graphs written out in a test: nodes, tensors, values, whole models.
import { create, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import {
  AttributeProto_AttributeType as Kind,
  AttributeProtoSchema,
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  TensorProto_DataLocation,
  type TensorProto,
  TensorProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from "../../../src/formats/onnx/onnx_pb.js";

/** TensorProto.DataType */
export const Type = { float: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9, float16: 10, double: 11, bfloat16: 16 };

type Attribute = number | string | { float: number } | readonly number[] | TensorProto | GraphProto;

export interface NodeOptions {
  name?: string;
  domain?: string;
  docString?: string;
  attributes?: Readonly<Record<string, Attribute>>;
}

export function node(
  opType: string,
  input: readonly string[],
  output: readonly string[],
  { name, domain, docString, attributes = {} }: NodeOptions = {},
): NodeProto {
  return create(NodeProtoSchema, {
    ...{ opType, input: [...input], output: [...output], name, domain, docString },
    attribute: Object.entries(attributes).map(([key, value]) => attribute(key, value)),
  });
}

function attribute(name: string, value: Attribute) {
  if (typeof value === "number") return create(AttributeProtoSchema, { name, type: Kind.INT, i: BigInt(value) });
  if (typeof value === "string")
    return create(AttributeProtoSchema, { name, type: Kind.STRING, s: new TextEncoder().encode(value) });
  if ("float" in value) return create(AttributeProtoSchema, { name, type: Kind.FLOAT, f: value.float });
  if (!("$typeName" in value)) return create(AttributeProtoSchema, { name, type: Kind.INTS, ints: value.map(BigInt) });
  return value.$typeName === "onnx.TensorProto"
    ? create(AttributeProtoSchema, { name, type: Kind.TENSOR, t: value })
    : create(AttributeProtoSchema, { name, type: Kind.GRAPH, g: value });
}

/** A tensor whose numbers lie in raw_data. */
export function tensor(name: string, dataType: number, dims: readonly number[], data: ArrayBufferView): TensorProto {
  const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
  return create(TensorProtoSchema, { name, dataType, dims: dims.map(BigInt), rawData });
}

export const floats = (name: string, dims: readonly number[], data: Float32Array): TensorProto =>
  tensor(name, Type.float, dims, data);

/** A tensor whose numbers lie in a file beside the model. */
export function externalTensor(
  name: string,
  dims: readonly number[],
  { location, offset, length }: { location: string; offset: number; length: number },
): TensorProto {
  const entries = { location, offset: String(offset), length: String(length) };
  return create(TensorProtoSchema, {
    ...{ name, dataType: Type.float, dims: dims.map(BigInt), dataLocation: TensorProto_DataLocation.EXTERNAL },
    externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
  });
}

/** A symbol for a dimension of any size; no `dims` at all: of any rank. */
export function value(name: string, elemType: number, dims?: readonly (number | string)[]): ValueInfoProto {
  const dim = dims?.map((size) => (typeof size === "number" ? { dimValue: BigInt(size) } : { dimParam: size }));
  return create(ValueInfoProtoSchema, { name, type: { tensorType: { elemType, shape: dim && { dim } } } });
}

export interface GraphParts {
  nodes: NodeProto[];
  initializers?: TensorProto[];
  inputs?: ValueInfoProto[];
  outputs: ValueInfoProto[];
  valueInfo?: ValueInfoProto[];
  docString?: string;
}

export function graph({ nodes, initializers, inputs, outputs, valueInfo, docString }: GraphParts): GraphProto {
  return create(GraphProtoSchema, {
    ...{ name: "graph", node: nodes, initializer: initializers, input: inputs, output: outputs, valueInfo, docString },
  });
}

export interface ModelParts extends GraphParts {
  opset?: number;
  irVersion?: number;
  domains?: Readonly<Record<string, number>>;
  metadata?: Readonly<Record<string, string>>;
}

export function model({ opset = 17, irVersion = 8, domains = {}, metadata = {}, ...parts }: ModelParts): Uint8Array {
  const imports = Object.entries({ "": opset, ...domains });
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      ...{ irVersion: BigInt(irVersion), producerName: "loewner-test", graph: graph(parts) },
      opsetImport: imports.map(([domain, version]) => ({ domain, version: BigInt(version) })),
      metadataProps: Object.entries(metadata).map(([key, text]) => ({ key, value: text })),
    }),
  );
}

/** The `functions` field of a ModelProto with one function in it, to be put after a model's bytes (the schema has only its name). */
export function functionField(
  { domain, name }: { domain: string; name: string },
  inputs: readonly string[],
  outputs: readonly string[],
  nodes: readonly NodeProto[],
): Uint8Array {
  const message = new BinaryWriter();
  message.tag(1, WireType.LengthDelimited).string(name);
  inputs.forEach((input) => message.tag(4, WireType.LengthDelimited).string(input));
  outputs.forEach((output) => message.tag(5, WireType.LengthDelimited).string(output));
  nodes.forEach((one) => message.tag(7, WireType.LengthDelimited).bytes(toBinary(NodeProtoSchema, one)));
  message.tag(9, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited).string("");
  message.tag(2, WireType.Varint).int64(17).join();
  message.tag(10, WireType.LengthDelimited).string(domain);
  return new BinaryWriter().tag(25, WireType.LengthDelimited).bytes(message.finish()).finish();
}
