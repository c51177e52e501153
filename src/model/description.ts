// What a compressed file says of its layers: JSON under the metadata key "loewner". Every word of it is one that verify checks.
import { planeBits } from "../codes.js";
import { infinityAsText, textAsInfinity } from "./json.js";
import { InvalidFormatError } from "../errors.js";
import { quote, shownJson } from "../formats/json.js";
import { rowTypeOf, type SafetensorsDtype } from "../formats/index.js";
import type { RowSource } from "../matrix.js";
import type { CodeBits, CodedMatrix, LowRankCertificate, Objective } from "../types/index.js";
import { storedTypes, type StoredLayer, type StoredMatrix, type StoredType } from "./stored.js";
import { transposedRows } from "../formats/transposed-rows.js";

export const metadataKey = "loewner";

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

/** One tensor X that was replaced: X (or its transpose) ~ left right. */
export interface LayerDescription {
  left: PartDescription;
  /** Absent for a table in few bits of full rank. */
  right?: PartDescription;
  /** Of what was fitted: X, or its transpose. */
  rows: number;
  cols: number;
  transposed?: true;
  rank: number;
  /** The type of X. */
  dtype: string;
  /** How numbers are stored. */
  type: StoredType;
  p: number;
  /** Error of what is stored. */
  objective: Objective;
  /** |(A - left right) x|_p <= bound |x|_2 for every x, left and right as they are stored. */
  bound: number;
  /** Row weights were used: norms are weighted, and checking them takes the same weights. */
  rowWeights: boolean;
  /** Power of the counts that they are, where it is known. */
  rowWeightsPower?: number;
}

export interface Description {
  version: 2;
  layers: Record<string, LayerDescription>;
}

/** Names of the tensors that hold a part. */
export function tensorsOf(part: PartDescription | undefined): string[] {
  if (part === undefined) return [];
  if (typeof part === "string") return [part];
  return "tensor" in part ? [part.tensor] : [...part.codes, part.scales];
}

/** @param parts where left and right lie */
export function describeLayer(
  layer: StoredLayer,
  dtype: string,
  parts: { left: PartDescription; right?: PartDescription },
): LayerDescription {
  const { rows, cols, transposed, rank, type, p, objective, certificate, rowWeights, rowWeightsPower } = layer;
  return {
    ...parts,
    ...{ rows, cols, ...(transposed && { transposed: true as const }), rank, dtype, type },
    ...{ p, objective, bound: boundOf(certificate), rowWeights, rowWeightsPower },
  };
}

/** All that a certificate allows for. */
export function boundOf({ bound, slack, rounding }: LowRankCertificate): number {
  return bound * (1 + slack) + rounding;
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

export function descriptionText(layers: ReadonlyMap<string, LayerDescription>): string {
  return JSON.stringify({ version: 2, layers: Object.fromEntries(layers) } satisfies Description, infinityAsText);
}

/**
 * The layers that a description names, checked; empty without one.
 * @param shapeOf of a tensor of the file
 * @throws {InvalidFormatError} when the description is damaged, or a tensor is not as described
 */
export function readDescription(
  text: string | undefined,
  file: string,
  shapeOf: (tensor: string) => readonly number[] | undefined,
): Map<string, LayerDescription> {
  const layers = new Map<string, LayerDescription>();
  const owners = new Map<string, string>();
  if (text === undefined) return layers;
  const broken = (what: string) =>
    new InvalidFormatError(
      `${file}: metadata "${metadataKey}" ${what}; the file was damaged, or not written by loewner.`,
      { file },
    );
  let description: { version: unknown; layers: Record<string, LayerDescription | null> } | null;
  try {
    description = JSON.parse(text, textAsInfinity) as typeof description;
  } catch {
    throw broken("is not JSON");
  }
  const version = description?.version;
  if (!description || (version !== 1 && version !== 2)) throw broken(`has version ${shownJson(version)}, not 1 or 2`);
  if (typeof description.layers !== "object" || description.layers === null || Array.isArray(description.layers))
    throw broken("lists no layers");
  const more = version === 2 ? unknownIn(description, ["version", "layers"]) : undefined;
  if (more !== undefined) throw broken(`says ${quote(more)}, which version 2 does not`);
  for (const [name, written] of Object.entries(description.layers)) {
    const layer = version === 1 ? ofVersion1(written) : written;
    if (!isDescribed(layer)) throw broken(`lacks the bound or the error of "${name}"`);
    const { left, right, rows, cols, rank } = layer;
    if (!isPart(left) || !(right === undefined || isPart(right)))
      throw broken(`does not say where the factors of "${name}" lie`);
    if (!hasTypes(layer))
      throw broken(`says that "${name}" is of type ${word(layer.dtype)}, stored as ${word(layer.type)}`);
    const unknown = version === 2 ? unknownOf(layer) : undefined;
    if (unknown !== undefined) throw broken(`says ${quote(unknown)} of "${name}", which version 2 does not`);
    const parts = [...tensorsOf(left), ...tensorsOf(right)];
    if (parts.some((tensor) => shapeOf(tensor) === undefined))
      throw broken(`names factors of "${name}" that are not in the file`);
    const sane = [rows, cols, rank].every((size) => Number.isSafeInteger(size) && size >= 1);
    const whole = fits(left, rows, rank, shapeOf) && (right ? fits(right, rank, cols, shapeOf) : rank === cols);
    if (!sane || !whole) {
      throw broken(`says that "${name}" is ${rows} x ${cols} of rank ${rank}, which its factors are not`);
    }
    for (const tensor of parts) {
      const other = owners.get(tensor);
      if (other !== undefined)
        throw broken(`has ${quote(tensor)} as a part of ${quote(other)} and again of ${quote(name)}`);
      owners.set(tensor, name);
    }
    layers.set(name, layer);
  }
  return layers;
}

function fits(
  part: PartDescription,
  rows: number,
  cols: number,
  shapeOf: (tensor: string) => readonly number[] | undefined,
) {
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
 * Version 1 said more, which nothing can check: the method, its seed and tolerance, and the certificate by its parts, M's scale among them.
 * It is left out.
 */
function ofVersion1(layer: unknown): LayerDescription | null {
  if (typeof layer !== "object" || layer === null) return null;
  const { certificate, type = "f32", rowWeights = false, ...rest } = layer as Record<string, unknown>;
  const parts = ["lower", "upper", "slack", "sigmaNext", "bound", "rounding"];
  const isWhole = parts.every((part) => typeof (certificate as Record<string, unknown> | null)?.[part] === "number");
  if (!isWhole) return null;
  const bound = boundOf(certificate as LowRankCertificate);
  const known = Object.fromEntries(Object.entries(rest).filter(([key]) => layerFields.includes(key)));
  return { ...known, type, rowWeights, bound } as unknown as LayerDescription;
}

const layerFields = [
  ...["left", "right", "rows", "cols", "transposed", "rank", "dtype", "type"],
  ...["p", "objective", "bound", "rowWeights", "rowWeightsPower"],
];

/** The first field that a description has no place for. */
function unknownOf(layer: LayerDescription): string | undefined {
  const { left, right, objective } = layer;
  return (
    unknownIn(layer, layerFields) ??
    unknownIn(objective, ["lp", "l1", "l21", "l2", "worstRow"]) ??
    unknownIn(objective.worstRow, ["row", "norm"]) ??
    unknownInPart(left) ??
    (right && unknownInPart(right))
  );
}

function unknownInPart(part: PartDescription): string | undefined {
  if (typeof part === "string") return undefined;
  const fields = ["codes", "scales", "bits", "block", "paddedCols", "levels", "unsigned"];
  return unknownIn(part, "tensor" in part ? ["tensor", "transposed"] : fields);
}

const unknownIn = (of: object, fields: readonly string[]) => Object.keys(of).find((key) => !fields.includes(key));

function isDescribed(layer: LayerDescription | null): layer is LayerDescription {
  const { left, p, rows, cols, rank, objective, bound, rowWeights, rowWeightsPower, transposed } =
    layer ?? ({} as LayerDescription);
  if (left === undefined || left === null) return false;
  const { lp, l1, l21, l2, worstRow } = objective ?? {};
  const numbers = [p, rows, cols, rank, lp, l1, l21, l2, worstRow?.row, worstRow?.norm, bound, rowWeightsPower ?? 0];
  const isWhole = numbers.every((x) => typeof x === "number") && typeof rowWeights === "boolean";
  return isWhole && isTrueOrAbsent(transposed) && (rowWeights || rowWeightsPower === undefined);
}

/** What is only ever written where it is so. */
const isTrueOrAbsent = (flag: unknown) => flag === undefined || flag === true;

function isPart(part: unknown): part is PartDescription {
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
    isTrueOrAbsent(unsigned)
  );
}

const word = (value: unknown) => (typeof value === "string" ? value : shownJson(value));

function hasTypes({ dtype, type }: LayerDescription): boolean {
  return typeof dtype === "string" && rowTypeOf(dtype as SafetensorsDtype) !== undefined && storedTypes.includes(type);
}

/** Where a description's tensors are found: a model. */
interface Tensors {
  readonly name: string;
  rows(name: string): RowSource;
  bytes(name: string): Promise<Uint8Array>;
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
