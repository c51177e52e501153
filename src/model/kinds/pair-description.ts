// What a file says of a matrix in floating point or in few bits: where its parts lie, and how to read them.
import { planeBits } from "../../codes.js";
import { InvalidFormatError } from "../../errors.js";
import { quote } from "../../formats/json.js";
import type { CodeBits, CodedMatrix } from "../../types/index.js";
import type { StoredMatrix } from "../stored.js";
import { transposedRows } from "../transposed-rows.js";
import { type ShapeOf, type Tensors, unknownIn } from "./kind.js";

/** Where a factor lies: the name of a float tensor, one that lies transposed, or the parts of a matrix in few bits. */
export type PartDescription =
  | string
  | { readonly tensor: string; readonly transposed: true }
  | {
      readonly codes: readonly string[];
      readonly scales: string;
      readonly bits: CodeBits;
      readonly block: number;
      readonly paddedCols: number;
      /** Value of each code; a number: that times the code less 2^(bits - 1). */
      readonly levels: readonly number[] | number;
      /** Codes of 8 bits lie as they are, in uint8; else as int8, 128 less. */
      readonly unsigned?: true;
    };

/** Names of the tensors that hold a part. */
export function tensorsOfPart(part: PartDescription | undefined): string[] {
  if (part === undefined) return [];
  if (typeof part === "string") return [part];
  return "tensor" in part ? [part.tensor] : [...part.codes, part.scales];
}

/** A matrix in few bits whose parts lie under these names. */
export function describeCodes(
  { bits, block, paddedCols, levels }: CodedMatrix,
  codes: readonly string[],
  scales: string,
  { unsigned = false }: { unsigned?: boolean } = {},
): PartDescription {
  const kind = unsigned && bits === 8 ? { unsigned: true as const } : {};
  const zero = 2 ** (bits - 1);
  const step = levels[zero + 1];
  const even = levels.every((level, code) => level === Math.fround((code - zero) * step));
  return { codes, scales, bits, block, paddedCols, levels: even ? step : Array.from(levels), ...kind };
}

function levelsFrom(levels: readonly number[] | number, bits: CodeBits): Float32Array {
  if (typeof levels !== "number") return Float32Array.from(levels);
  return Float32Array.from({ length: 2 ** bits }, (_, code) => (code - 2 ** (bits - 1)) * levels);
}

export function isPart(part: unknown): part is PartDescription {
  if (typeof part !== "object" || part === null) return typeof part === "string";
  if ("tensor" in part) return typeof part.tensor === "string" && "transposed" in part && part.transposed === true;
  const { codes, scales, bits, block, paddedCols, levels, unsigned } = part as Record<string, unknown>;
  const all = (list: unknown, type: string) => Array.isArray(list) && list.every((each) => typeof each === type);
  const counts = [block, paddedCols].every((x) => Number.isSafeInteger(x) && (x as number) > 0);
  const hasLevels = typeof levels === "number" || all(levels, "number");
  return (
    all(codes, "string") &&
    typeof scales === "string" &&
    typeof bits === "number" &&
    Object.hasOwn(planeBits, bits) &&
    counts &&
    hasLevels &&
    (unsigned === undefined || unsigned === true)
  );
}

export function unknownInPart(part: PartDescription): string | undefined {
  if (typeof part === "string") return undefined;
  const fields = ["codes", "scales", "bits", "block", "paddedCols", "levels", "unsigned"];
  return unknownIn(part, "tensor" in part ? ["tensor", "transposed"] : fields);
}

/** Whether the tensors of a part have room for so many rows and columns. */
export function isRoomy(part: PartDescription, rows: number, cols: number, shapeOf: ShapeOf): boolean {
  const is = (name: string, a: number, b: number) => {
    const shape = shapeOf(name);
    return shape?.length === 2 && shape[0] === a && shape[1] === b;
  };
  if (typeof part === "string") return is(part, rows, cols);
  if ("tensor" in part) return is(part.tensor, cols, rows);
  const { bits, block, paddedCols, levels, codes, scales } = part;
  const widths = planeBits[bits];
  return (
    widths?.length === codes.length &&
    (typeof levels === "number" || levels?.length === 2 ** bits) &&
    paddedCols >= cols &&
    paddedCols % block === 0 &&
    // A right factor has a row for each padded column of left. A row may lie in several blocks.
    codes.every((name, i) => holds(shapeOf(name)!, rows, (paddedCols * widths[i]) / 8)) &&
    holds(shapeOf(scales)!, rows, paddedCols / block)
  );
}

/** At least so many rows, of so many elements each. */
function holds([stored, ...row]: readonly number[], rows: number, elements: number): boolean {
  return stored >= rows && row.reduce((a, b) => a * b, 1) === elements;
}

/**
 * The numbers of a described factor.
 * @throws {InvalidFormatError} when a tensor of codes or scales is of a type that takes fewer bytes than they do
 */
export async function openPart(
  model: Tensors,
  part: PartDescription,
  rows: number,
  cols: number,
): Promise<StoredMatrix> {
  if (typeof part === "string") return { kind: "float", rows: model.rows(part) };
  if ("tensor" in part) return { kind: "float", rows: transposedRows(model.rows(part.tensor)) };
  const { bits, block, paddedCols, levels, unsigned } = part;
  const planes = await Promise.all(
    part.codes.map(async (name, i) => {
      const bytesPerRow = (paddedCols * planeBits[bits][i]) / 8;
      const bytes = await firstBytes(model, name, rows * bytesPerRow);
      return { bits: planeBits[bits][i], bytesPerRow, bytes: unsigned ? bytes.map((code) => code ^ 0x80) : bytes };
    }),
  );
  const scaleBytes = new Uint8Array(await firstBytes(model, part.scales, (2 * rows * paddedCols) / block));
  const scales = new Uint16Array(scaleBytes.buffer);
  return { kind: "codes", rows, cols, paddedCols, bits, block, levels: levelsFrom(levels, bits), planes, scales };
}

/** A description says how many elements a tensor has, not of what type. */
async function firstBytes(model: Tensors, tensor: string, count: number): Promise<Uint8Array> {
  const bytes = await model.bytes(tensor);
  if (bytes.byteLength >= count) return bytes.subarray(0, count);
  throw new InvalidFormatError(
    `${model.name}: tensor ${quote(tensor)} has ${bytes.byteLength} bytes, but the part of a factor that it should hold takes ${count}; the file was damaged, or not written by loewner.`,
    { file: model.name, tensor },
  );
}
