// What codes, scales and zero points stand for, in the two layouts that operators have: one scale for all, for each step along a dimension
// or for blocks along it (DequantizeLinear), and rows in blocks (MatMulNBits, GatherBlockQuantized).
import type { OnnxTensor } from "../../../formats/onnx/types.js";
import type { RowType } from "../../../matrix.js";
import type { Constant } from "./constants.js";
import type { Codes, Scaling } from "./dequantise.js";

/** A float weight, and the constants that hold it. */
export interface CodedWeight {
  readonly weight: Codes;
  readonly dims: readonly number[];
  readonly codes: Constant;
  readonly stored: readonly Constant[];
}

/** Codes with what belongs to them; `zero` is null where an operator has one that is no constant. */
export interface CodeParts {
  readonly codes: Constant;
  readonly scale: Constant | undefined;
  readonly zero: Constant | undefined | null;
}

const integers: ReadonlyMap<number, { bits: number; signed: boolean }> = new Map([
  [2, { bits: 8, signed: false }],
  [3, { bits: 8, signed: true }],
  [4, { bits: 16, signed: false }],
  [5, { bits: 16, signed: true }],
  [21, { bits: 4, signed: false }],
  [22, { bits: 4, signed: true }],
  [25, { bits: 2, signed: false }],
  [26, { bits: 2, signed: true }],
]);
const floats: ReadonlyMap<number, RowType> = new Map([
  [1, "f32"],
  [10, "f16"],
  [16, "bf16"],
]);

const sizeOf = (dims: readonly number[]) => dims.reduce((all, n) => all * n, 1);
const entriesOf = ({ dims }: OnnxTensor) => sizeOf(dims);

/**
 * As DequantizeLinear reads it.
 * @param to TensorProto.DataType of what it puts out; 0: that of its scales
 * @returns undefined for what it does not read, and for codes that are floats
 */
export function alongAxis(
  { codes, scale, zero }: CodeParts,
  { axis: given, block, to = 0 }: { axis: number; block: number; to?: number },
): CodedWeight | undefined {
  const { dims, dataType } = codes.tensor;
  const integer = integers.get(dataType);
  const type = scale && floats.get(to || scale.tensor.dataType);
  if (!integer || !type || zero === null || zero?.tensor.rowType) return undefined;
  const axis = given < 0 ? given + dims.length : given;
  const count = entriesOf(scale.tensor);
  const [size, inner] = [dims[axis] ?? 0, sizeOf(dims.slice(axis + 1))];
  let scaling: Scaling | undefined;
  if (block > 0) {
    const blocked = dims.map((n, i) => (i === axis ? Math.ceil(n / block) : n));
    if (blocked.join() !== scale.tensor.dims.join()) return undefined;
    scaling = { size, inner, block };
  } else if (count > 1) {
    if (count !== size || scale.tensor.dims.length !== 1) return undefined;
    scaling = { size, inner };
  }
  if (zero && entriesOf(zero.tensor) !== count) return undefined;
  const all = sizeOf(dims);
  const layout = { width: all, stride: all, ...(scaling && { scaling }) };
  return coded({ codes, scale, zero }, dims, { ...integer, ...layout, type, zeros: zero?.tensor ?? 0 });
}

/**
 * Rows of `cols` numbers in blocks, filled up to whole ones.
 * @param zeroCode the zero point where there are none
 */
export function inBlocks(
  { codes, scale, zero }: CodeParts,
  { rows, cols, bits, block, zeroCode }: { rows: number; cols: number; bits: number; block: number; zeroCode: number },
): CodedWeight | undefined {
  const type = scale && floats.get(scale.tensor.dataType);
  const integer = integers.get(codes.tensor.dataType);
  if (!integer || !type || zero === null || ![2, 4, 8].includes(bits) || !(block > 0)) return undefined;
  const groups = Math.ceil(cols / block);
  const stride = (codes.tensor.byteLength * 8) / bits / rows;
  const isWhole = Number.isSafeInteger(stride) && stride >= cols && stride <= groups * block;
  if (!isWhole || entriesOf(scale.tensor) !== rows * groups) return undefined;
  const zeroBytes = zero?.tensor.rowType ? undefined : zero && rows * Math.ceil((groups * bits) / 8);
  const zeroCount = zero?.tensor.rowType && rows * groups;
  if (zero && (zeroCount ? entriesOf(zero.tensor) !== zeroCount : zero.tensor.byteLength !== zeroBytes))
    return undefined;
  return coded({ codes, scale, zero }, [rows, cols], {
    ...{ bits, signed: integer.signed, width: cols, stride, type },
    ...{ scaling: { size: cols, inner: 1, block }, zeros: zero?.tensor ?? zeroCode, zeroRow: groups },
  });
}

function coded(
  { codes, scale, zero }: CodeParts,
  dims: readonly number[],
  rest: Omit<Codes, "codes" | "scales">,
): CodedWeight {
  const stored = [codes, scale!, ...(zero ? [zero] : [])];
  return { codes, dims, stored, weight: { codes: codes.tensor, scales: scale!.tensor, ...rest } };
}
