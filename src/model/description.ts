// What a compressed file says of its layers: JSON under the metadata key "loewner". Every word of it is one that verify checks.
import { infinityAsText, textAsInfinity } from "./json.js";
import { InvalidFormatError } from "../errors.js";
import { quote, shownJson } from "../formats/json.js";
import { rowTypeOf, type SafetensorsDtype } from "../formats/index.js";
import type { LowRankCertificate } from "../types/index.js";
import {
  allTensorsOf,
  faultInValue,
  hasValue,
  isValue,
  sharedTensorsOf,
  tensorsOf,
  unknownInValue,
  valueFields,
  type ValueDescription,
} from "./kinds/index.js";
import { unknownIn } from "./kinds/kind.js";
import type { LayerDescription } from "./layer-description.js";
import { matrixShape } from "./matrix-shape.js";
import { ofVersion3 } from "./short-description.js";
import { storedTypes, type StoredLayer } from "./stored.js";

export type { LayerClaim, LayerDescription } from "./layer-description.js";

export const metadataKey = "loewner";

export interface Description {
  version: 2;
  layers: Record<string, LayerDescription>;
}

/**
 * @param tensor type and, unless whoever reads the file is not to know, dimensions of what is replaced
 * @param place where its value lies
 */
export function describeLayer(
  layer: StoredLayer,
  { dtype, shape }: { readonly dtype: string; readonly shape?: readonly number[] },
  place: ValueDescription,
): LayerDescription {
  const { rows, cols, transposed, rank, type, p, objective, certificate, rowWeights, rowWeightsPower } = layer;
  return {
    ...place,
    ...{ rows, cols, ...(transposed && { transposed: true as const }) },
    ...(shape && shape.length !== 2 && { shape }),
    ...{ rank, dtype, type },
    ...{ p, objective, bound: boundOf(certificate), rowWeights, rowWeightsPower },
  };
}

/** All that a certificate allows for. */
export function boundOf({ bound, slack, rounding }: LowRankCertificate): number {
  return bound * (1 + slack) + rounding;
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
  if (!description || (version !== 1 && version !== 2 && version !== 3))
    throw broken(`has version ${shownJson(version)}, not 1, 2 or 3`);
  if (typeof description.layers !== "object" || description.layers === null || Array.isArray(description.layers))
    throw broken("lists no layers");
  const more = version === 1 ? undefined : unknownIn(description, ["version", "layers"]);
  if (more !== undefined) throw broken(`says ${quote(more)}, which version ${version} does not`);
  for (const [name, written] of Object.entries(description.layers)) {
    const layer =
      version === 1 ? ofVersion1(written) : version === 3 ? (ofVersion3(written) as LayerDescription | null) : written;
    if (!isDescribed(layer)) throw broken(`lacks the bound or the error of "${name}"`);
    const { rows, cols, rank } = layer;
    if (!isValue(layer)) throw broken(`does not say where the factors of "${name}" lie`);
    if (!hasTypes(layer))
      throw broken(`says that "${name}" is of type ${word(layer.dtype)}, stored as ${word(layer.type)}`);
    const unknown = version === 1 ? undefined : unknownOf(layer);
    if (unknown !== undefined) throw broken(`says ${quote(unknown)} of "${name}", which version ${version} does not`);
    if (allTensorsOf(layer).some((tensor) => shapeOf(tensor) === undefined))
      throw broken(`names factors of "${name}" that are not in the file`);
    const isMatrix = [rows, cols, rank].every(Number.isSafeInteger) && rows >= 1 && cols >= 1 && rank >= 0;
    if (isMatrix && !isShaped(layer))
      throw broken(`says that "${name}" is ${shownJson(layer.shape)}, not ${rows} x ${cols}`);
    const fault = isMatrix ? faultInValue(layer, shapeOf) : `is ${rows} x ${cols} of rank ${rank}`;
    if (fault !== undefined) throw broken(`says that "${name}" ${fault}`);
    for (const tensor of tensorsOf(layer)) {
      const other = owners.get(tensor);
      if (other !== undefined)
        throw broken(`has ${quote(tensor)} as a part of ${quote(other)} and again of ${quote(name)}`);
      owners.set(tensor, name);
    }
    layers.set(name, layer);
  }
  for (const [name, layer] of layers) {
    const tensor = sharedTensorsOf(layer).find((each) => owners.has(each));
    if (tensor !== undefined)
      throw broken(`has ${quote(tensor)} as a table of ${quote(name)} and as a part of ${quote(owners.get(tensor)!)}`);
  }
  return layers;
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
  ...valueFields,
  ...["rows", "cols", "transposed", "shape", "rank", "dtype", "type"],
  ...["p", "objective", "bound", "rowWeights", "rowWeightsPower"],
];

/** The first field that a description has no place for. */
function unknownOf(layer: LayerDescription): string | undefined {
  const { objective } = layer;
  return (
    unknownIn(layer, layerFields) ??
    unknownIn(objective, ["lp", "l1", "l21", "l2", "worstRow"]) ??
    unknownIn(objective.worstRow, ["row", "norm"]) ??
    unknownInValue(layer)
  );
}

/** But for where its value lies, of which only something need be said. */
function isDescribed(layer: LayerDescription | null): layer is LayerDescription {
  if (typeof layer !== "object" || layer === null || !hasValue(layer)) return false;
  const { p, rows, cols, rank, objective, bound, rowWeights, rowWeightsPower, transposed } = layer;
  const { lp, l1, l21, l2, worstRow } = objective ?? {};
  const numbers = [p, rows, cols, rank, lp, l1, l21, l2, worstRow?.row, worstRow?.norm, bound, rowWeightsPower ?? 0];
  const isWhole = numbers.every((x) => typeof x === "number") && typeof rowWeights === "boolean";
  return isWhole && isTrueOrAbsent(transposed) && (rowWeights || rowWeightsPower === undefined);
}

/** Its dimensions make the matrix that is described. */
function isShaped({ shape, rows, cols, transposed }: LayerDescription): boolean {
  if (shape === undefined) return true;
  if (!Array.isArray(shape) || shape.length < 3 || !shape.every((n) => Number.isSafeInteger(n) && n >= 1)) return false;
  return matrixShape(shape).join() === (transposed ? [cols, rows] : [rows, cols]).join();
}

/** What is only ever written where it is so. */
const isTrueOrAbsent = (flag: unknown) => flag === undefined || flag === true;

const word = (value: unknown) => (typeof value === "string" ? value : shownJson(value));

function hasTypes({ dtype, type }: LayerDescription): boolean {
  return typeof dtype === "string" && rowTypeOf(dtype as SafetensorsDtype) !== undefined && storedTypes.includes(type);
}
