/** Element types of the ONNX format (TensorProto.DataType) and the typed field that each is kept in when not in raw_data. */
import { WireType } from "@bufbuild/protobuf/wire";
import type { RowType } from "../../matrix.js";

/** Fields of TensorProto that hold numbers one by one. */
export type TypedField = "float_data" | "int32_data" | "string_data" | "int64_data" | "double_data" | "uint64_data";

/** What is known of an element type. */
export interface OnnxDtype {
  readonly name: string;
  /** Bits of one element, packed without gaps; 0 when it has no fixed size. */
  readonly bits: number;
  readonly field: TypedField;
}

/** Their numbers. */
export const fieldNumbers: Record<TypedField, number> = {
  float_data: 4,
  int32_data: 5,
  string_data: 6,
  int64_data: 7,
  double_data: 10,
  uint64_data: 11,
};

/** Wire type of one entry that is not packed. */
export const looseWire: Record<TypedField, WireType> = {
  float_data: WireType.Bit32,
  double_data: WireType.Bit64,
  string_data: WireType.LengthDelimited,
  int32_data: WireType.Varint,
  int64_data: WireType.Varint,
  uint64_data: WireType.Varint,
};

const dtype = (name: string, bits: number, field: TypedField): OnnxDtype => ({ name, bits, field });

/** By number. The names are those of safetensors where it has the type. */
const dtypes: ReadonlyMap<number, OnnxDtype> = new Map([
  [1, dtype("F32", 32, "float_data")],
  [2, dtype("U8", 8, "int32_data")],
  [3, dtype("I8", 8, "int32_data")],
  [4, dtype("U16", 16, "int32_data")],
  [5, dtype("I16", 16, "int32_data")],
  [6, dtype("I32", 32, "int32_data")],
  [7, dtype("I64", 64, "int64_data")],
  [8, dtype("STRING", 0, "string_data")],
  [9, dtype("BOOL", 8, "int32_data")],
  [10, dtype("F16", 16, "int32_data")],
  [11, dtype("F64", 64, "double_data")],
  [12, dtype("U32", 32, "uint64_data")],
  [13, dtype("U64", 64, "uint64_data")],
  [14, dtype("C64", 64, "float_data")],
  [15, dtype("C128", 128, "double_data")],
  [16, dtype("BF16", 16, "int32_data")],
  [17, dtype("F8_E4M3", 8, "int32_data")],
  [18, dtype("F8_E4M3FNUZ", 8, "int32_data")],
  [19, dtype("F8_E5M2", 8, "int32_data")],
  [20, dtype("F8_E5M2FNUZ", 8, "int32_data")],
  [21, dtype("U4", 4, "int32_data")],
  [22, dtype("I4", 4, "int32_data")],
  [23, dtype("F4", 4, "int32_data")],
  [24, dtype("F8_E8M0", 8, "int32_data")],
  [25, dtype("U2", 2, "int32_data")],
  [26, dtype("I2", 2, "int32_data")],
]);

const rowTypes: ReadonlyMap<number, RowType> = new Map([
  [1, "f32"],
  [10, "f16"],
  [11, "f64"],
  [16, "bf16"],
]);

/** What is known of a TensorProto.DataType; undefined for a type that this version does not know. */
export function onnxDtype(dataType: number): OnnxDtype | undefined {
  return dtypes.get(dataType);
}

/** "F32", "F16", "BF16", "I8" ... as safetensors spells them; "TYPE_99" for a type that is not known. */
export function onnxDtypeName(dataType: number): string {
  return dtypes.get(dataType)?.name ?? `TYPE_${dataType}`;
}

/** Row type of the four float types that can be computed with; undefined for every other. */
export function onnxRowType(dataType: number): RowType | undefined {
  return rowTypes.get(dataType);
}

/**
 * Bytes that a tensor of that type and shape takes; elements of 2 and 4 bits are packed, the last byte filled up.
 * @returns undefined when the type has no fixed size (strings) or is not known; "overflow" past 2^53.
 */
export function onnxTensorBytes(dataType: number, dims: readonly number[]): number | undefined | "overflow" {
  const bits = dtypes.get(dataType)?.bits ?? 0;
  const elements = onnxElements(dims);
  if (elements === "overflow" || !Number.isSafeInteger(elements * bits)) return "overflow";
  return bits === 0 ? undefined : Math.ceil((elements * bits) / 8);
}

/** Number of elements, or "overflow" past 2^53. */
export function onnxElements(dims: readonly number[]): number | "overflow" {
  if (dims.includes(0)) return 0;
  const elements = dims.reduce((product, n) => product * n, 1);
  return Number.isSafeInteger(elements) ? elements : "overflow";
}

/** Bytes of raw_data that one entry of a typed field stands for. */
export function entryBytes(bits: number, field: TypedField): number {
  if (field === "float_data") return 4;
  if (field === "double_data") return 8;
  return Math.max(1, bits / 8); // two numbers of 4 bits, or four of 2, share an entry
}
