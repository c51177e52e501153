// A layer whose rows are in groups as tensors of a safetensors file.
import type { StoredClusters, StoredLayer } from "../stored.js";
import { partOf, type PlacedTensors } from "./pair-tensors.js";

/** Rows of X, or of its transpose where that was fitted: left and groups have one for each. */
export function clustersTensors({ name }: StoredLayer, { count, groups, left, right }: StoredClusters): PlacedTensors {
  const one = partOf(`${name}.left`, left, false);
  const other = partOf(`${name}.right`, right, false);
  const numbers = {
    ...{ name: `${name}.groups`, dtype: "U8" as const, shape: [groups.length], byteLength: groups.byteLength },
    chunks: () => [groups],
  };
  return {
    description: { clusters: { count, groups: numbers.name, left: one.part, right: other.part } },
    tensors: [numbers, ...one.tensors, ...other.tensors],
  };
}
