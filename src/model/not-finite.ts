// A layer that holds NaN or infinity is no reason to stop: others go on without it.
import { isLoewnerError } from "../errors.js";
import type { Layer } from "./model.js";

/**
 * Why a layer cannot be compressed, from the error that reading its numbers gave.
 * @throws the error, where it is another
 */
export function notFinite(error: unknown, { name }: Pick<Layer, "name">): string {
  if (!isLoewnerError(error, "INVALID_INPUT")) throw error;
  const { tensor, row, column } = error.place;
  if (tensor !== name || row === undefined || !error.message.includes("NaN or infinity")) throw error;
  return `holds NaN or infinity at row ${row}${column === undefined ? "" : `, column ${column}`}; repair that row, or leave the layer out with --exclude ${name}`;
}
