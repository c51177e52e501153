/** Where external data lies: beside the model or in folders under its own (inner-path.ts), and nowhere else. */
import type { OnnxModel } from "./types.js";

/** The files of external data that tensors of a model lie in, relative to its folder. */
export function externalLocations({ graph, nested }: Pick<OnnxModel, "graph" | "nested">): Set<string> {
  const tensors = [...graph.initializers.values(), ...nested.map(({ tensor }) => tensor)];
  return new Set(tensors.flatMap(({ data }) => (data.kind === "external" ? [data.location] : [])));
}
