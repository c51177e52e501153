/** Where external data lies, and where it may: beside the model or in folders under its own, and nowhere else. */
import type { OnnxModel } from "./types.js";

/** The files of external data that tensors of a model lie in, relative to its folder. */
export function externalLocations({ graph, nested }: Pick<OnnxModel, "graph" | "nested">): Set<string> {
  const tensors = [...graph.initializers.values(), ...nested.map(({ tensor }) => tensor)];
  return new Set(tensors.flatMap(({ data }) => (data.kind === "external" ? [data.location] : [])));
}

/**
 * What is wrong with the location of external data, or undefined. ONNX has it relative to the folder of the model, with
 * no way up; a file from a stranger must not reach any other file of the machine.
 */
export function locationFault(location: string): string | undefined {
  if (location === "") return "is empty";
  if (location.includes("\0")) return "holds a NUL byte";
  if (location.includes("\\")) return "holds a backslash; folders are separated by /";
  if (location.startsWith("/")) return "is absolute";
  if (/^[a-z]:/i.test(location)) return "names a drive";
  if (location.split("/").includes("..")) return "leads out of the model's folder (..)";
  if (location.endsWith("/")) return "names a folder";
  return undefined;
}
