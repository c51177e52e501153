// All ways to store a layer, behind one set of functions.
import type { ByteSource } from "../../formats/index.js";
import type { StoredType, StoredValue } from "../stored.js";
import type { Factors, JournalPart, ShapeOf, Sizes, StoredKind, Tensors } from "./kind.js";
import { clustersKind, type ClustersDescription } from "./clusters.js";
import { pairKind, type PairDescription } from "./pair.js";
import { transformKind } from "./transform.js";
import type { TransformDescription } from "./transform-description.js";
import { trellisKind } from "./trellis.js";
import type { TrellisDescription } from "./trellis-description.js";

/** Where a layer lies in a file. */
export type ValueDescription = PairDescription | ClustersDescription | TransformDescription | TrellisDescription;

const kinds = {
  pair: pairKind,
  clusters: clustersKind,
  transform: transformKind,
  trellis: trellisKind,
} as unknown as Record<StoredValue["kind"], StoredKind<StoredValue, ValueDescription, object>>;

/** Of what is written of it. */
export function valueBytes(value: StoredValue): number {
  return kinds[value.kind].bytesOf(value);
}

/** As a description names it; undefined for one that compress does not make. */
export function typeOfValue(value: StoredValue): StoredType | undefined {
  return kinds[value.kind].typeOf(value);
}

/** A ~ left right, as both decode; left alone where there is no right. */
export function factorsOf(value: StoredValue): Promise<Factors> {
  return kinds[value.kind].factors(value);
}

/** The kind that a description is of, whole or not. */
function kindOf(described: object) {
  return Object.values(kinds).find((kind) => kind.claims(described));
}

/** Every key that a description may have for where a layer lies. */
export const valueFields = Object.values(kinds).flatMap(({ fields }) => fields);

/** Whether something is said of where a layer lies, whole or not. */
export const hasValue = (layer: object) => kindOf(layer) !== undefined;

/** Whether that is whole. */
export const isValue = (layer: object): layer is ValueDescription => kindOf(layer)!.isDescribed(layer);

/** Names of the tensors that hold a layer, and nothing else. */
export function tensorsOf(described: ValueDescription): string[] {
  return kindOf(described)!.tensors(described);
}

/** Names of tensors that other layers are read by as well. */
export function sharedTensorsOf(described: ValueDescription): string[] {
  return kindOf(described)!.shared(described);
}

/** Names of all that a layer is read from. */
export function allTensorsOf(described: ValueDescription): string[] {
  return [...tensorsOf(described), ...sharedTensorsOf(described)];
}

/** The first field that a description of a layer's place has no room for. */
export function unknownInValue(described: ValueDescription): string | undefined {
  const kind = kindOf(described)!;
  const other = valueFields.find((key) => Object.hasOwn(described, key) && !kind.fields.includes(key));
  return other ?? kind.unknownIn(described);
}

/** Whether tensors of these shapes hold a layer of these sizes. Text: what is not so. */
export function faultInValue(described: ValueDescription & Sizes, shapeOf: ShapeOf): string | undefined {
  return kindOf(described)!.faultIn(described, described, shapeOf);
}

/** What is stored, read from a file. */
export function openValue(model: Tensors, described: ValueDescription & Sizes): Promise<StoredValue> {
  return kindOf(described)!.open(model, described, described);
}

export async function packValue(value: StoredValue): Promise<{ text: object; parts: JournalPart[] }> {
  return kinds[value.kind].pack(value);
}

/** @param text what packValue gave */
export function unpackValue(text: object, parts: readonly ByteSource[], name: string): Promise<StoredValue> {
  return kindOf(text)!.unpack(text, parts.values(), name);
}
