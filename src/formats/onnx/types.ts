// An ONNX model as it lies in its file: what is small is decoded, what is large is a range of bytes.
import type { ByteSource } from "../bytes.js";
import type { Message } from "./cursor.js";
import type { RowType } from "../../matrix.js";

/** A range of bytes of the model file. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Where the numbers of a tensor lie. */
export type TensorData =
  /** `raw_data`, or a typed field whose bytes are the numbers themselves (packed float_data, double_data): little endian. */
  | { readonly kind: "inline"; readonly span: Span }
  /** External data; `length` is what the shape and type make, or what the file says. */
  | { readonly kind: "external"; readonly location: string; readonly offset: number; readonly length: number }
  /** int32_data, int64_data, unpacked float_data ...: the TensorProto must be decoded whole. */
  | { readonly kind: "typed" }
  /** No numbers: a dimension is 0, or nothing was stored. */
  | { readonly kind: "none" };

export interface OnnxTensor {
  readonly name: string;
  /** TensorProto.DataType: 1 float, 10 float16, 11 double, 16 bfloat16, 3 int8, 2 uint8, 7 int64, ... */
  readonly dataType: number;
  readonly dims: readonly number[];
  /** The TensorProto message, without tag and length. */
  readonly span: Span;
  /** The whole field, with tag and length, in its parent message. */
  readonly field: Span;
  readonly data: TensorData;
  /** Its other fields (dims, data_type, name, doc_string, what is not known), with tag and length. */
  readonly header: readonly Span[];
  /** Bytes that its numbers take. */
  readonly byteLength: number;
  /** Set for the four float types: how rows of it are read. */
  readonly rowType?: RowType;
}

export interface OnnxNode {
  readonly opType: string;
  /** "" for ai.onnx. */
  readonly domain: string;
  readonly name: string;
  /** "" for an input that is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** The NodeProto message, without tag and length. */
  readonly span: Span;
  /** The whole field, with tag and length. */
  readonly field: Span;
  /** Names that its subgraphs (If, Loop, Scan; any depth) read from outside themselves. Empty for nodes without subgraphs. */
  readonly captured: readonly string[];
  /** Tensors in its attributes ("value" of a Constant, for one), by the attribute's name. */
  readonly tensors: ReadonlyMap<string, OnnxTensor>;
  /** Its subgraphs, in the order of the file. */
  readonly subgraphs: readonly Subgraph[];
}

/** A graph that is an attribute of a node: a branch of If, the body of Loop or Scan. */
export interface Subgraph {
  /** The attribute's name. */
  readonly attribute: string;
  readonly graph: OnnxGraph;
}

export interface OnnxValue {
  readonly name: string;
  /** TensorProto.DataType; 0 when it is no tensor, or is not given. */
  readonly elemType: number;
  /** A number, a symbol, or "" for a dimension that is not given; undefined: the rank is not known. */
  readonly dims?: readonly (number | string)[];
  readonly field: Span;
}

export interface OnnxGraph {
  readonly name: string;
  /** The GraphProto message, with those around it. */
  readonly message: Message;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: ReadonlyMap<string, OnnxTensor>;
  /** Names of sparse initializers. */
  readonly sparse: ReadonlySet<string>;
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  readonly valueInfo: ReadonlyMap<string, OnnxValue>;
  /** value_info entries of a name that has one already. */
  readonly repeatedValueInfo: readonly OnnxValue[];
  /** Tensors named in quantization_annotation. */
  readonly annotated: ReadonlySet<string>;
  /** Every name that stands anywhere in the graph or its subgraphs: values, nodes. A fresh name must be none of these. */
  readonly names: ReadonlySet<string>;
}

/** A function of the model's own. */
export interface OnnxFunction {
  readonly nodes: readonly OnnxNode[];
  /** Tensors in its nodes, at any depth. */
  readonly constants: readonly OnnxTensor[];
  /** The FunctionProto message, without tag and length. */
  readonly span: Span;
  /** The whole field, with tag and length. */
  readonly field: Span;
}

/** A tensor with external data that is no initializer of the main graph: it may lie in a node, a subgraph, a function. */
export interface NestedTensor {
  readonly tensor: OnnxTensor;
  /** The TensorProto, with the messages around it. */
  readonly message: Message;
}

export interface OnnxModel {
  readonly source: ByteSource;
  readonly irVersion: number;
  readonly producer: string;
  /** Version by domain; "" is ai.onnx. */
  readonly opsets: ReadonlyMap<string, number>;
  readonly graph: OnnxGraph;
  readonly metadata: ReadonlyMap<string, string>;
  /** The metadata_props fields, with tag and length, by key. */
  readonly metadataFields: ReadonlyMap<string, Span>;
  /** The model's own functions, by "domain:name"; "domain:name:overload" where there are several of a name. */
  readonly functions: ReadonlyMap<string, OnnxFunction>;
  /** Tensors with external data other than initializers of the main graph, in the order of the file. */
  readonly nested: readonly NestedTensor[];
  /** True when any tensor lies outside the file. */
  readonly hasExternalData: boolean;
  /** Bytes of the model: the file itself and the external data that its tensors use. */
  readonly byteLength: number;
  /** The bytes of an external file, opened once. @throws when the location leaves the model's folder, is missing or too short */
  external(location: string): Promise<ByteSource>;
}

/** Turns the location of external data (relative to the model, with /) into its bytes. */
export type ExternalResolver = (location: string) => ByteSource | Promise<ByteSource>;

/** Bytes to be written, produced when their turn comes. */
export interface StreamedBytes {
  readonly byteLength: number;
  chunks(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/** A tensor to be added to the graph's initializers. */
export interface NewTensor {
  readonly name: string;
  readonly dataType: number;
  readonly dims: readonly number[];
  /** Little endian, row-major. */
  readonly data: StreamedBytes;
}

/** Changes to a model; everything that is not named stays byte for byte. Nodes and tensors may lie in subgraphs. */
export interface OnnxEdits {
  /** Nodes that go. */
  readonly dropNodes?: ReadonlySet<OnnxNode>;
  /** NodeProto messages (encoded, without tag and length) put in the place of a node, which goes; keeps the topological order. */
  readonly replaceNodes?: ReadonlyMap<OnnxNode, readonly Uint8Array[]>;
  /** NodeProto messages put before a node, which may stay. */
  readonly insertNodes?: ReadonlyMap<OnnxNode, readonly Uint8Array[]>;
  /** Initializers that go, with their value_info and, where they are listed as one (IR < 4), their graph input. */
  readonly dropTensors?: ReadonlySet<OnnxTensor>;
  /** The model's own functions that go, by their keys. */
  readonly dropFunctions?: ReadonlySet<string>;
  /** Added to the initializers of the main graph; where IR < 4, also to its inputs. */
  readonly addTensors?: readonly NewTensor[];
  /** value_info entries that go, in every graph: values that no longer exist. */
  readonly dropValueInfo?: ReadonlySet<string>;
  /** ValueInfoProto messages to add to the main graph. */
  readonly addValueInfo?: readonly Uint8Array[];
  /** Set (or replaced) in metadata_props. */
  readonly setMetadata?: ReadonlyMap<string, string>;
  /** Opset imports to add where the domain is not imported yet. */
  readonly addOpsets?: ReadonlyMap<string, number>;
}
