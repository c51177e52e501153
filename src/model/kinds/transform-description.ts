// What a file says of a layer in transform codes: where its parts lie, and whether they can be what it says.
import { levelsOf } from "../../code-levels.js";
import { powerOfTwoBelow } from "../../geometry/profile.js";
import type { CodeBand, TransformCode } from "../../types/index.js";
import { type ShapeOf, type Sizes, unknownIn } from "./kind.js";
import { isPart, isRoomy, tensorsOfPart, unknownInPart, type PartDescription } from "./pair-description.js";

/** Where a layer in transform codes lies: `TransformCode` in types/ says what the parts mean. */
export interface TransformDescription {
  readonly code: {
    readonly windowBits: TransformCode["windowBits"];
    readonly bands: readonly Pick<CodeBand, "bits" | "cols">[];
    /** uint8 [rows, bytes of a row]: a tensor for each band, or one that has those of all bands side by side. */
    readonly codes: readonly string[];
    /** Right factors of the bands, below each other; those of some in a row may lie in one part. */
    readonly right: readonly { readonly components: number; readonly part: PartDescription }[];
    /** f16 [2^(windowBits - 1)], for each band: values of the windows that begin with 0. Shared by all layers of a file. */
    readonly tables: readonly string[];
    /** f32 [cols] */
    readonly centre: string;
    /** uint8 [rows] or [rows, 1] */
    readonly scales: string;
    /** f32 [at most 256] */
    readonly scaleLevels: string;
    readonly exact?: {
      /** int32 [exact rows] */
      readonly rows: string;
      /** exact rows x cols */
      readonly residual: PartDescription;
    };
  };
}

type Code = TransformDescription["code"];

const isText = (x: unknown) => typeof x === "string";
const isNumber = (x: unknown) => typeof x === "number";
const all = (list: unknown, is: (each: unknown) => boolean) => Array.isArray(list) && list.every(is);
const isObject = (x: unknown): x is Record<string, unknown> => typeof x === "object" && x !== null;
/** In few bits: floating-point parts are of pairs alone. */
const isCodes = (part: unknown) => isPart(part) && typeof part !== "string" && "codes" in part;

/** Whether all is said, in the right types. */
export function isTransform(layer: object): layer is TransformDescription {
  const { code } = layer as { code?: unknown };
  if (!isObject(code)) return false;
  const { windowBits, bands, codes, right, tables, centre, scales, scaleLevels, exact } = code;
  return (
    isNumber(windowBits) &&
    all(bands, (band) => isObject(band) && isNumber(band.bits) && isNumber(band.cols)) &&
    all(codes, isText) &&
    all(right, (each) => isObject(each) && isNumber(each.components) && isCodes(each.part)) &&
    all(tables, isText) &&
    [centre, scales, scaleLevels].every(isText) &&
    (exact === undefined || (isObject(exact) && isText(exact.rows) && isCodes(exact.residual)))
  );
}

/** Tensors of this layer alone. */
export function ownTensors({ codes, right, centre, scales, scaleLevels, exact }: Code): string[] {
  const more = exact ? [exact.rows, ...tensorsOfPart(exact.residual)] : [];
  return [...codes, ...right.flatMap(({ part }) => tensorsOfPart(part)), centre, scales, scaleLevels, ...more];
}

const fields = ["windowBits", "bands", "codes", "right", "tables", "centre", "scales", "scaleLevels", "exact"];

export function unknownInTransform(code: Code): string | undefined {
  const { bands, right, exact } = code;
  return [
    unknownIn(code, fields),
    ...bands.map((band) => unknownIn(band, ["bits", "cols"])),
    ...right.map((each) => unknownIn(each, ["components", "part"]) ?? unknownInPart(each.part)),
    ...(exact ? [unknownIn(exact, ["rows", "residual"]), unknownInPart(exact.residual)] : []),
  ].find((field) => field !== undefined);
}

export const bytesOfRow = ({ bits, cols }: Pick<CodeBand, "bits" | "cols">) => (cols * bits) / 8;

/** What tensors of these shapes cannot be; text that goes on after the layer's name. */
export function faultInTransform(code: Code, { rows, cols, rank }: Sizes, shapeOf: ShapeOf): string | undefined {
  const { windowBits, bands, codes, tables, exact } = code;
  if (windowBits !== 10 && windowBits !== 12) return `has windows of ${String(windowBits)} bits; they have 10 or 12`;
  for (const { bits, cols: width } of bands) {
    if (!(Number.isInteger(bits) && bits >= 1 && bits <= 8)) return `has a band of ${String(bits)} bits, not 1 to 8`;
    if (!(Number.isSafeInteger(width) && width >= 8 && width % 8 === 0))
      return `has a band of ${width} components, which is no multiple of 8`;
  }
  const components = bands.reduce((sum, band) => sum + band.cols, 0);
  if (components !== rank) return `is of rank ${rank}, but its bands have ${components} components`;
  if (codes.length !== bands.length && !(codes.length === 1 && bands.length > 0))
    return `has ${codes.length} tensors of codes for ${bands.length} bands`;
  if (tables.length !== bands.length) return `has ${tables.length} tables for ${bands.length} bands`;
  const parts = [...code.right.map(({ part }) => part), ...(exact ? [exact.residual] : [])];
  if (!parts.every(hasLevels)) return "has levels that are not those of transform codes";
  return (
    faultInShapes(code, { rows, cols, rank }, shapeOf) ??
    faultInRight(code, cols, shapeOf) ??
    (exact && !isRoomy(exact.residual, shapeOf(exact.rows)![0], cols, shapeOf)
      ? `has another residual than that of ${shapeOf(exact.rows)![0]} exact rows of ${cols} columns`
      : undefined)
  );
}

function faultInShapes(
  { windowBits, bands, codes, tables, centre, scales, scaleLevels, exact }: Code,
  { rows, cols }: Sizes,
  shapeOf: ShapeOf,
): string | undefined {
  const wanted: [string, string, readonly number[]][] = [
    ...codesOf(bands, codes.length).map(([what, bytes], i): [string, string, number[]] => [
      codes[i],
      `the codes of ${what}`,
      [rows, bytes],
    ]),
    ...tables.map((name): [string, string, number[]] => [name, "a table", [2 ** (windowBits - 1)]]),
    [centre, "the centre", [cols]],
    [scales, "the scales", shapeOf(scales)!.length === 1 ? [rows] : [rows, 1]],
  ];
  for (const [name, what, shape] of wanted) {
    const found = shapeOf(name)!;
    if (found.length !== shape.length || found.some((size, i) => size !== shape[i]))
      return `keeps ${what} in "${name}" of shape [${found.join(", ")}], not [${shape.join(", ")}]`;
  }
  const counts: [string, string, number][] = [[scaleLevels, "levels of scales", 256]];
  if (exact) counts.push([exact.rows, "exact rows", rows]);
  for (const [name, what, most] of counts) {
    const found = shapeOf(name)!;
    if (found.length !== 1 || !(found[0] >= 1 && found[0] <= most))
      return `keeps its ${what} in "${name}" of shape [${found.join(", ")}]; 1 to ${most} of them were expected`;
  }
  return undefined;
}

/** What each tensor of codes holds, and bytes of a row of it. */
export function codesOf(bands: Code["bands"], count: number): [string, number][] {
  if (count === bands.length) {
    return bands.map((band, b) => [`band ${b} (${band.bits} bits of ${band.cols} components)`, bytesOfRow(band)]);
  }
  return [[`${bands.length} bands`, bands.reduce((sum, band) => sum + bytesOfRow(band), 0)]];
}

function faultInRight({ bands, right }: Code, cols: number, shapeOf: ShapeOf): string | undefined {
  const counts = right.map(({ components }) => components);
  const [ends, partEnds] = [bands.map((band) => band.cols), counts].map(endsOf);
  const isWhole = partEnds.at(-1) === ends.at(-1) && counts.every((count) => count > 0);
  if (!isWhole || partEnds.some((end) => !ends.includes(end)))
    return `has right factors of ${counts.join(" + ")} components, which are not those of its bands`;
  const wrong = right.find(({ components, part }) => !isRoomy(part, components, cols, shapeOf));
  return wrong && `has a right factor that is not ${wrong.components} x ${cols}`;
}

/** Even steps in 8 bits; in fewer those for normally distributed entries, times a power of two. */
function hasLevels(part: PartDescription): boolean {
  if (typeof part === "string" || "tensor" in part) return false;
  const { bits, levels } = part;
  if (typeof levels === "number") return bits === 8 && levels > 0;
  const { values } = levelsOf(bits, "normal");
  const unit = levels[0] / values[0];
  return unit === powerOfTwoBelow(unit) && levels.every((level, i) => level === values[i] * unit);
}

/** Sums up to each. */
export function endsOf(counts: readonly number[]): number[] {
  let sum = 0;
  return counts.map((count) => (sum += count));
}
