// What a layer is by its name and shape, where nothing else tells.
import type { LayerKind } from "./model.js";

const table = /(^|[._/])(word|token|embed_tokens|wte|shared)/i;
const positions = /(position|token_type|segment|(^|[._/])wpe)/i;

/** A table of words or tokens, or another matrix of many more rows than columns: compressed unless others are asked for. */
export function isTable(name: string, [rows, cols]: readonly number[]): boolean {
  return !positions.test(name) && (table.test(name) || rows >= 8 * cols);
}

export function kindOf(name: string, shape: readonly number[]): LayerKind {
  if (positions.test(name)) return "position";
  return isTable(name, shape) ? "embedding" : "linear";
}
