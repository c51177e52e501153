// The builders of test/formats/onnx as the cases want them: types before shapes, one opset, doc strings, functions.
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type AttributeProto_AttributeType,
  AttributeProtoSchema,
  FunctionProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  type TensorProto,
} from "../../../src/formats/onnx/onnx_pb.js";
import * as build from "../../formats/onnx/build.js";

/** TensorProto.DataType */
export const Type = { float: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9, float16: 10, double: 11, bfloat16: 16 };

export interface NodeOptions {
  name?: string;
  domain?: string;
  docString?: string;
  attributes?: Record<string, build.AttributeValue>;
}

export function node(
  opType: string,
  inputs: string[],
  outputs: string[],
  { attributes, docString, ...options }: NodeOptions = {},
): NodeProto {
  const made = build.node(opType, inputs, outputs, attributes, options);
  if (docString !== undefined) made.docString = docString;
  return made;
}

/** A tensor whose numbers lie in raw_data. */
export const tensor = (name: string, dataType: number, dims: number[], data: ArrayBufferView): TensorProto =>
  build.tensor(name, dims, data, dataType);

export const floats = (name: string, dims: number[], data: Float32Array): TensorProto =>
  build.tensor(name, dims, data, Type.float);

/** A symbol for a dimension of any size; no `dims` at all: of any rank. */
export const value = (name: string, elemType: number, dims?: (number | string)[]) =>
  build.valueInfo(name, dims, elemType);

export { graph } from "../../formats/onnx/build.js";

export interface ModelParts extends build.GraphParts {
  opset?: number;
  irVersion?: number;
  domains?: Record<string, number>;
  metadata?: Record<string, string>;
  /** Of the graph. */
  docString?: string;
}

export function model({ opset = 17, domains, docString, ...parts }: ModelParts): Uint8Array {
  const bytes = build.model({ opsets: { "": opset, ...domains }, ...parts });
  if (docString === undefined) return bytes;
  const message = fromBinary(ModelProtoSchema, bytes);
  message.graph!.docString = docString;
  return toBinary(ModelProtoSchema, message);
}

export interface FunctionOptions {
  /** Names without a default. */
  attributes?: string[];
  defaults?: Record<string, build.AttributeValue>;
  /** By domain. Default: 17 of ai.onnx. */
  opsets?: Record<string, number>;
}

/** The `functions` field of a ModelProto with one function in it, to be put after a model's bytes. */
export function functionField(
  { domain, name }: { domain: string; name: string },
  input: string[],
  output: string[],
  node: NodeProto[],
  { attributes = [], defaults = {}, opsets = { "": 17 } }: FunctionOptions = {},
): Uint8Array {
  const made = create(FunctionProtoSchema, {
    ...{ domain, name, input, output, node, attribute: attributes },
    attributeProto: build.node("", [], [], defaults).attribute,
    opsetImport: Object.entries(opsets).map(([domain, version]) => ({ domain, version: BigInt(version) })),
  });
  return build.message(25, toBinary(FunctionProtoSchema, made));
}

/** An attribute of a function's node that the call has, or the function by default. */
export function referring(node: NodeProto, name: string, to: string, type: AttributeProto_AttributeType): NodeProto {
  node.attribute.push(create(AttributeProtoSchema, { name, refAttrName: to, type }));
  return node;
}
