// What a file says of a layer in trellis codes: where its parts lie, and whether they can be what it says.
import { segmentOf } from "../../trellis-codes.js";
import { rotationSizes } from "../../rotation.js";
import type { TrellisCode } from "../../types/index.js";
import { type ShapeOf, type Sizes, unknownIn } from "./kind.js";

/** Where a layer in trellis codes lies: `TrellisCode` in types/ says what the parts mean. */
export interface TrellisDescription {
  readonly trellis: {
    readonly bits: TrellisCode["bits"];
    readonly windowBits: TrellisCode["windowBits"];
    /** uint8 [coordinates * segments, bytes of a circle] */
    readonly codes: string;
    /** uint8 [rows] */
    readonly scales: string;
    /** f32 [at most 256] */
    readonly scaleLevels: string;
    /** f16 [2^(windowBits - 1)]: values of the windows that begin with 0. Shared by all layers of a file, like the rotation. */
    readonly table: string;
    /** f32 [order, order] */
    readonly mixing: string;
    /** int8 [coordinates, 1] or [coordinates] */
    readonly signs: string;
  };
}

type Trellis = TrellisDescription["trellis"];

const names = ["codes", "scales", "scaleLevels", "table", "mixing", "signs"] as const;
const numbers = ["bits", "windowBits"] as const;

/** Whether all is said, in the right types. */
export function isTrellis(layer: object): layer is TrellisDescription {
  const { trellis } = layer as { trellis?: unknown };
  if (typeof trellis !== "object" || trellis === null) return false;
  const of = trellis as Record<string, unknown>;
  return names.every((key) => typeof of[key] === "string") && numbers.every((key) => typeof of[key] === "number");
}

export const unknownInTrellis = (trellis: Trellis) => unknownIn(trellis, [...names, ...numbers]);

/** Coordinates, and how the rows lie in circles. */
export function trellisSizes({ rows, cols }: Pick<Sizes, "rows" | "cols">) {
  const segment = segmentOf(rows);
  return { segment, segments: Math.ceil(rows / segment), ...rotationSizes(cols) };
}

/** What tensors of these shapes cannot be; text that goes on after the layer's name. */
export function faultInTrellis(trellis: Trellis, { rows, cols, rank }: Sizes, shapeOf: ShapeOf): string | undefined {
  const { bits, windowBits } = trellis;
  if (windowBits !== 10 && windowBits !== 12) return `has windows of ${String(windowBits)} bits; they have 10 or 12`;
  if (!(Number.isInteger(bits) && bits >= 1 && bits <= 8)) return `has codes of ${String(bits)} bits, not 1 to 8`;
  if (rank !== cols) return `is of rank ${rank}, but trellis codes hold all of its ${cols} columns`;
  const { segment, segments, size, order } = trellisSizes({ rows, cols });
  const signs = shapeOf(trellis.signs)!;
  const wanted: [string, string, readonly number[]][] = [
    [trellis.codes, "the codes", [size * segments, (segment * bits) / 8]],
    [trellis.scales, "the scales", [rows]],
    [trellis.table, "a table", [2 ** (windowBits - 1)]],
    [trellis.mixing, "the rotation", [order, order]],
    [trellis.signs, "the signs", signs.length === 1 ? [size] : [size, 1]],
  ];
  for (const [name, what, shape] of wanted) {
    const found = shapeOf(name)!;
    if (found.length !== shape.length || found.some((n, i) => n !== shape[i]))
      return `keeps ${what} in "${name}" of shape [${found.join(", ")}], not [${shape.join(", ")}]`;
  }
  const levels = shapeOf(trellis.scaleLevels)!;
  if (levels.length !== 1 || !(levels[0] >= 1 && levels[0] <= 256))
    return `keeps its levels of scales in "${trellis.scaleLevels}" of shape [${levels.join(", ")}]; 1 to 256 of them were expected`;
  return undefined;
}
