// What a layer is by its name and shape, where nothing else tells.
import { roleOf, type WeightRole } from "./safetensors/architectures.js";
import type { LayerKind } from "./model.js";

/** A table of words or tokens, or another matrix of at least 8 times as many rows as columns: compressed unless others are asked for. */
export function isTable(name: string, shape: readonly number[]): boolean {
  const role = roleOf(name, shape);
  return role === "embedding" || (role !== "position" && role !== "other" && shape[0] >= 8 * shape[1]);
}

export function kindOf(name: string, shape: readonly number[]): LayerKind {
  const kinds: Record<WeightRole, LayerKind> = {
    ...{ embedding: "embedding", head: "head", linear: "linear", position: "position" },
    other: "linear",
  };
  return kinds[roleOf(name, shape)];
}
