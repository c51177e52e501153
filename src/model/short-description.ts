// A description in few bytes, for files of which it is a large part: keys of a letter, no word for what most layers have, and no more digits
// than verify looks at. Read, it is one of version 2 again.
import { levelsOf } from "../code-levels.js";
import type { CodeBits } from "../types/index.js";
import { infinityAsText } from "./json.js";
import type { LayerDescription } from "./layer-description.js";

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };
type JsonObject = Readonly<Record<string, Json | undefined>>;

/** By key of version 2; the same at every depth. */
const letters: Readonly<Record<string, string>> = {
  ...{ rows: "n", cols: "d", rank: "k", transposed: "t", shape: "S", dtype: "D", type: "y" },
  ...{ p: "p", objective: "o", bound: "q", rowWeights: "W", rowWeightsPower: "P" },
  ...{
    left: "l",
    right: "r",
    tensor: "X",
    codes: "c",
    scales: "s",
    bits: "b",
    block: "B",
    paddedCols: "j",
    levels: "v",
  },
  ...{ unsigned: "u", trellis: "T", windowBits: "w", scaleLevels: "e", table: "a", mixing: "m", signs: "g" },
  ...{ code: "C", bands: "h", components: "i", part: "f", tables: "A", centre: "z", exact: "x", residual: "R" },
  ...{ clusters: "G", count: "N", groups: "H" },
};
const words = new Map(Object.entries(letters).map(([word, letter]) => [letter, word]));

/** verify compares errors to 1e-5 of them. */
const errorDigits = 7;
/** Bounds to 2 %. */
const boundDigits = 5;

/** Text of version 3. @param renamed tensors of the file */
export function shortDescriptionText(
  layers: ReadonlyMap<string, LayerDescription>,
  renamed: (tensor: string) => string,
): string {
  const short = [...layers].map(([name, layer]) => [name, shortLayer(layer, renamed)] as const);
  return JSON.stringify({ version: 3, layers: Object.fromEntries(short) }, infinityAsText);
}

function shortLayer(layer: LayerDescription, renamed: (tensor: string) => string): JsonObject {
  const {
    rows,
    cols,
    rank,
    dtype,
    type,
    p,
    objective,
    bound,
    rowWeights,
    rowWeightsPower,
    transposed,
    shape,
    ...place
  } = layer;
  const { lp, l1, l21, l2, worstRow } = objective;
  const [sum, ...norms] = [lp, l1, l21, l2].map((x) => rounded(x, errorDigits));
  const said = {
    ...{ rows, cols, transposed, shape, type, rowWeightsPower },
    ...(rank !== cols && { rank }),
    ...(dtype !== "F32" && { dtype }),
    ...(p !== 1 && { p }),
    ...(rowWeights && { rowWeights }),
    objective: [...(sum === norms[0] ? [] : [sum]), ...norms, worstRow.row, rounded(worstRow.norm, errorDigits)],
    bound: roundedUp(bound),
  };
  return {
    ...(shortened(place as unknown as Json, renamed) as JsonObject),
    ...(shortened(said, (x) => x) as JsonObject),
  };
}

const rounded = (x: number, digits: number) => Number(x.toPrecision(digits));

/** No less than it was. */
function roundedUp(x: number): number {
  const near = rounded(x, boundDigits);
  return near < x ? rounded(near * 1.0002, boundDigits) : near;
}

function shortened(value: Json | undefined, text: (value: string) => string): Json | undefined {
  if (typeof value === "string") return text(value);
  if (isList(value)) return value.map((each) => shortened(each, text)!);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(isCoded(value) ? withoutUsual(value) : value);
  return Object.fromEntries(entries.map(([key, each]) => [letters[key], shortened(each, text)]));
}

const isList = (value: Json | undefined): value is readonly Json[] => Array.isArray(value);

/** A matrix in few bits. */
const isCoded = (value: JsonObject) => "paddedCols" in value;

function withoutUsual(part: JsonObject): JsonObject {
  const { block, levels, ...rest } = part;
  return {
    ...rest,
    ...(block !== part.paddedCols && { block }),
    ...(JSON.stringify(levels) !== JSON.stringify(usualLevels(part)) && { levels }),
  };
}

const usualLevels = ({ bits }: JsonObject): Json =>
  bits === 2 || bits === 3 || bits === 4 ? Array.from(levelsOf(bits satisfies CodeBits, "normal").values) : null;

/** What version 2 says of a layer that version 3 says this of; nothing that has no meaning is left out. */
export function ofVersion3(layer: unknown): unknown {
  const long = lengthened(layer as Json);
  if (typeof long !== "object" || long === null || isList(long)) return long;
  const { objective } = long;
  if (!isList(objective)) return long;
  const [sum, ...more] = objective.length === 5 ? [objective[0], ...objective] : objective;
  const [l1, l21, l2, row, norm, ...others] = more;
  return {
    ...{ rank: long.cols, dtype: "F32", p: 1, rowWeights: false },
    ...long,
    objective: { lp: sum, l1, l21, l2, worstRow: { row, norm }, ...(others.length > 0 && { others }) },
  };
}

/** Objects in objects of a description, with room to spare: what goes deeper is none, and is left to be found out. */
const deepest = 8;

function lengthened(value: Json | undefined, depth = 0): Json | undefined {
  if (typeof value !== "object" || value === null || depth > deepest) return value;
  if (isList(value)) return value.map((each) => lengthened(each, depth + 1)!);
  const long = Object.fromEntries(
    // A letter without a meaning is found out as a word without one.
    Object.entries(value).map(([key, each]) => [words.get(key) ?? key, lengthened(each, depth + 1)]),
  );
  return isCoded(long) ? { block: long.paddedCols, levels: usualLevels(long), ...long } : long;
}
