// What reads a weight, and how: by operators whose work is done with what is stored in its place, or as a whole.
import type { RowType } from "../../matrix.js";
import type { OnnxModel, OnnxNode } from "../../formats/onnx/types.js";
import type { Attributes } from "./attributes.js";
import type { Attribute } from "./builder.js";
import type { Scope } from "./values.js";

/** Where a weight W is read. */
interface Reading {
  readonly node: OnnxNode;
  readonly scope: Scope;
  /** What is read is W'. */
  readonly transposed: boolean;
  /** Of the numbers that are read: casts may lie between. */
  readonly type: RowType;
  /** What is read is W times or through these, in turn. */
  readonly scales?: readonly Scale[];
}

/** A product with, or a quotient by, a constant of one number. */
export interface Scale {
  readonly op: "Mul" | "Div";
  /** The value that holds it. */
  readonly number: string;
}

/** What onnxruntime's Attention does with a product: its columns are queries, keys and values. */
export interface Attending {
  readonly queries: number;
  readonly keys: number;
  readonly values: number;
  /** Those that MultiHeadAttention has too. */
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** One operator that takes rows of what it reads, or multiplies with it: it is rewritten. */
export type Use =
  | (Reading & { readonly op: "gather" })
  /** `attending`: the product is what Attention begins with. */
  | (Reading & { readonly op: "matmul"; readonly side: "left" | "right"; readonly attending?: Attending })
  /** `transposed`: with the operator's own flag. */
  | (Reading & { readonly op: "gemm"; readonly side: "left" | "right"; readonly attributes: Attributes });

const quantisers =
  /^(De)?(Dynamic)?[Qq]uantize|^QLinear|Integer$|^MatMulNBits|^MatMulBnb4|BlockQuantized|^QOrdered|^QAttention/;

/** It takes part in quantising, or in what was quantised. */
export function isQuantiser({ opType }: OnnxNode): boolean {
  return quantisers.test(opType);
}

const dequantisable = new Set([
  ...["DequantizeLinear", "MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul"],
  ...["MatMulNBits", "GatherBlockQuantized"],
]);

/** Weights that it reads can be read as floats (quantised/patterns.ts), in their usual forms. */
export function isDequantisable({ opType }: OnnxNode): boolean {
  return dequantisable.has(opType);
}

/** Version of the standard operators that a model imports. */
export function opsetOf({ opsets }: OnnxModel): number {
  return opsets.get("") ?? 0;
}

/** A node in messages: its operator, and its name where it has one. */
export function called({ opType, domain, name }: OnnxNode): string {
  return `${domain ? `${domain}.` : ""}${opType}${name ? ` "${name}"` : ""}`;
}

/** Fewest and most inputs of the operators that are followed or rewritten; each has one output. */
const arity: ReadonlyMap<string, readonly [number, number]> = new Map([
  ["Identity", [1, 1]],
  ["Cast", [1, 1]],
  ["Transpose", [1, 1]],
  ["Gather", [2, 2]],
  ["MatMul", [2, 2]],
  ["Gemm", [2, 3]],
]);

/** Has the inputs and the output that its operator has, where that is known here. */
export function isComplete({ opType, domain, inputs, outputs }: OnnxNode): boolean {
  const counts = domain === "" ? arity.get(opType) : undefined;
  if (!counts) return true;
  const [fewest, most] = counts;
  const named = inputs.slice(0, fewest).every((name) => name !== "");
  return named && inputs.length >= fewest && inputs.length <= most && outputs.length === 1 && outputs[0] !== "";
}

const types: ReadonlyMap<number | undefined, RowType> = new Map([
  [1, "f32"],
  [10, "f16"],
  [11, "f64"],
  [16, "bf16"],
]);

/** The float type that Cast makes; undefined for any other. */
export const castTo = ({ int }: Attributes): RowType | undefined => types.get(int.get("to"));

/** Undefined for an operator that must have the whole. */
export function useOf(input: number, attributes: Attributes, reading: Reading): Use | undefined {
  const side = input === 0 ? "left" : "right";
  const { opType, domain } = reading.node;
  if (domain !== "") return undefined;
  switch (opType) {
    case "Gather": {
      const axis = attributes.int.get("axis") ?? 0;
      return input === 0 && (axis === 0 || axis === -2) ? { ...reading, op: "gather" } : undefined;
    }
    case "MatMul":
      return { ...reading, op: "matmul", side };
    case "Gemm": {
      // What is added is not scaled.
      if (input === 2 || reading.scales?.length) return undefined;
      const flag = attributes.int.get(input === 0 ? "transA" : "transB") === 1;
      return { ...reading, op: "gemm", side, attributes, transposed: reading.transposed !== flag };
    }
    default:
      return undefined;
  }
}
