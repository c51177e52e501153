/** Element types of the safetensors format, in the order of the reference implementation's enum (by rising alignment). */
import type { RowType } from "../matrix.js";

const bits = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
} as const;

/** An element type of the safetensors format. */
export type SafetensorsDtype = keyof typeof bits;

/** Every element type that is known, by rising alignment. */
export const safetensorsDtypes = Object.keys(bits) as SafetensorsDtype[];

const ranks = new Map(safetensorsDtypes.map((dtype, rank) => [dtype, rank]));

/** Place in the reference implementation's order; files hold the highest first. */
export function dtypeRank(dtype: SafetensorsDtype): number {
  return ranks.get(dtype)!;
}

/** True when `name` is an element type of the format. */
export function isSafetensorsDtype(name: unknown): name is SafetensorsDtype {
  return typeof name === "string" && ranks.has(name as SafetensorsDtype);
}

/** Bits of one element. */
export function dtypeBits(dtype: SafetensorsDtype): number {
  return bits[dtype];
}

/**
 * Bytes of a tensor, or what is wrong: "overflow" (more than 2^53) or "fraction" (sub-byte elements that do not fill
 * their last byte).
 */
export function tensorBytes(dtype: SafetensorsDtype, shape: readonly number[]): number | "overflow" | "fraction" {
  let elements = 1;
  for (const n of shape) {
    elements *= n;
    if (!Number.isSafeInteger(elements)) return "overflow";
  }
  const total = elements * bits[dtype];
  if (!Number.isSafeInteger(total)) return "overflow";
  return total % 8 === 0 ? total / 8 : "fraction";
}

const rowTypes: Partial<Record<SafetensorsDtype, RowType>> = { F16: "f16", BF16: "bf16", F32: "f32", F64: "f64" };

/** The row type of a float tensor that can be computed with, undefined for every other dtype. */
export function rowTypeOf(dtype: SafetensorsDtype): RowType | undefined {
  return rowTypes[dtype];
}

/** The safetensors dtype of a row type. */
export function dtypeOf(rowType: RowType): "F16" | "BF16" | "F32" | "F64" {
  return ({ f16: "F16", bf16: "BF16", f32: "F32", f64: "F64" } as const)[rowType];
}
