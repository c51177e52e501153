// New nodes and tensors of a graph under fresh names.
import { create, toBinary } from "@bufbuild/protobuf";
import {
  AttributeProto_AttributeType as Kind,
  AttributeProtoSchema,
  NodeProtoSchema,
  ValueInfoProtoSchema,
} from "../../formats/onnx/onnx_pb.js";
import type { NewTensor, OnnxGraph, StreamedBytes } from "../../formats/onnx/types.js";

/** TensorProto.DataType of what is written. */
export const DataType = { f32: 1, uint8: 2, int8: 3, int32: 6, int64: 7, f16: 10, f64: 11, bf16: 16 } as const;

/** Begins the names of tables and vectors that belong to no layer. */
export const helperPrefix = "loewner/";
/** The same where names are short. */
export const shortPrefix = "~";
export const isHelper = (name: string) => name.startsWith(helperPrefix) || name.startsWith(shortPrefix);

export type Attribute = number | { readonly float: number } | readonly number[];

/** Sizes of a value: numbers, symbols, or "" where nothing is known. */
export type Dims = readonly (number | string)[];

/** NodeProto messages. */
export interface WrittenNodes {
  /** Those that read constants alone: they go before the node of the main graph that the others are for, or are in. */
  readonly constant: readonly Uint8Array[];
  readonly others: readonly Uint8Array[];
}

export class Builder {
  readonly tensors: NewTensor[] = [];
  /** Domains other than ai.onnx that a node was written in. */
  readonly domains = new Set<string>();
  /** ValueInfoProto messages by the name of the value. */
  readonly values = new Map<string, Uint8Array>();
  private readonly taken: Set<string>;
  /** By what was wanted, the last number that was put to it. */
  private readonly numbers = new Map<string, number>();
  private readonly nodeNames = new Set<string>();
  private readonly stored = new Set<string>();
  /** Names of what was written once, by its key. */
  private readonly helpers = new Map<string, string>();
  /** Nodes of constants alone, which come before all others. */
  readonly prelude: Uint8Array[] = [];
  /** New tensors, and what is made of them alone. */
  private readonly constants = new Set<string>();
  private constant: Uint8Array[] = [];
  private others: Uint8Array[] = [];

  constructor(graph: OnnxGraph) {
    this.taken = new Set(graph.names);
  }

  /** A name that nothing else has: `wanted`, or `wanted_2`, `wanted_3`, ... */
  fresh(wanted: string): string {
    let name = wanted;
    for (let i = this.numbers.get(wanted) ?? 2; this.taken.has(name); ++i) {
      name = `${wanted}_${i}`;
      this.numbers.set(wanted, i + 1);
    }
    this.taken.add(name);
    return name;
  }

  /** The nodes written since the last call. */
  take(): WrittenNodes {
    const { constant, others } = this;
    [this.constant, this.others] = [[], []];
    return { constant, others };
  }

  /**
   * A node; gives its output's name: a fresh one after the last part of `name`, unless `output` says what it must be; of several, the
   * first's. Names are most of what a small model takes: a node has one of its own where it puts out a value of the original, or reads what is stored,
   * so that other tools can be told of it.
   */
  node(
    opType: string,
    inputs: readonly string[],
    {
      name,
      output,
      further = [],
      attributes = {},
      domain = "",
    }: {
      name: string;
      output?: string;
      /** Outputs after the first. */
      further?: readonly string[];
      attributes?: Readonly<Record<string, Attribute>>;
      domain?: string;
    },
  ): string {
    const made = output ?? this.fresh(name.slice(name.lastIndexOf("/") + 1));
    const isTold = inputs.some((input) => this.stored.has(input));
    const own = output !== undefined ? this.nodeName(name) : isTold ? made : undefined;
    if (domain) this.domains.add(domain);
    const node = create(NodeProtoSchema, {
      ...{
        opType,
        input: [...inputs],
        output: [made, ...further],
        ...(own && { name: own }),
        ...(domain && { domain }),
      },
      attribute: Object.entries(attributes).map(([key, value]) => attributeOf(key, value)),
    });
    const isConstant = inputs.every((input) => input === "" || this.constants.has(input));
    if (isConstant && output === undefined) this.constants.add(made);
    (isConstant ? this.constant : this.others).push(toBinary(NodeProtoSchema, node));
    return made;
  }

  private nodeName(wanted: string): string {
    const name = this.nodeNames.has(wanted) ? this.fresh(wanted) : wanted;
    this.nodeNames.add(name);
    return name;
  }

  /** Writes down a value's shape: of what operators put out that shape inference does not know. */
  value(name: string, elemType: number, dims: Dims): void {
    const dim = dims.map((size) =>
      typeof size === "number" ? { dimValue: BigInt(size) } : size === "" ? {} : { dimParam: size },
    );
    const value = create(ValueInfoProtoSchema, { name, type: { tensorType: { elemType, shape: { dim } } } });
    this.values.set(name, toBinary(ValueInfoProtoSchema, value));
  }

  tensor(wanted: string, dataType: number, dims: readonly number[], data: StreamedBytes | Uint8Array): string {
    const name = this.fresh(wanted);
    const streamed = data instanceof Uint8Array ? { byteLength: data.byteLength, chunks: () => [data] } : data;
    this.tensors.push({ name, dataType, dims, data: streamed });
    this.stored.add(name);
    this.constants.add(name);
    return name;
  }

  /** A vector of int64, written once however often it is asked for. */
  vector(values: readonly number[]): string {
    return this.shared(`vector ${values.join()}`, values.join("_"), () => ({
      ...{ dataType: DataType.int64, dims: [values.length] },
      data: new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
    }));
  }

  /** A number of int64 without dimensions. */
  scalar(value: number): string {
    return this.shared(`scalar ${value}`, `scalar_${value}`, () => ({
      ...{ dataType: DataType.int64, dims: [], data: new Uint8Array(BigInt64Array.of(BigInt(value)).buffer) },
    }));
  }

  /** The value that `write` makes of constants alone, once for each `key`. */
  once(key: string, write: () => string): string {
    const known = this.helpers.get(key);
    if (known !== undefined) return known;
    const { constant } = this;
    this.constant = this.prelude;
    try {
      const value = write();
      this.helpers.set(key, value);
      return value;
    } finally {
      this.constant = constant;
    }
  }

  /** A number without dimensions. */
  number(value: number, type: "f32" | "int32"): string {
    const data = type === "f32" ? Float32Array.of(value) : Int32Array.of(value);
    return this.shared(`${type} ${value}`, `${type}_${value}`, () => ({
      ...{ dataType: DataType[type], dims: [], data: new Uint8Array(data.buffer) },
    }));
  }

  /** A table of numbers, written once for each `key`. */
  shared(key: string, wanted: string, make: () => { dataType: number; dims: number[]; data: Uint8Array }): string {
    let name = this.helpers.get(key);
    if (!name) {
      const { dataType, dims, data } = make();
      name = this.tensor(`${helperPrefix}${wanted}`, dataType, dims, data);
      this.helpers.set(key, name);
    }
    return name;
  }
}

function attributeOf(name: string, value: Attribute) {
  if (typeof value === "number") return create(AttributeProtoSchema, { name, type: Kind.INT, i: BigInt(value) });
  if ("float" in value) return create(AttributeProtoSchema, { name, type: Kind.FLOAT, f: value.float });
  return create(AttributeProtoSchema, { name, type: Kind.INTS, ints: value.map(BigInt) });
}
