// What a way to store a layer costs a model's answers, told from the directions that its errors lie in. How that was found: docs/measure.md.
import type { Aim } from "../types/index.js";
import type { Layer } from "./model.js";

/** Expected squared errors beside the layer's squares. */
export interface ExpectedError {
  readonly squared: number;
  /** `squared`, each direction's error counted by the measure: what ways to store a layer are compared by. */
  readonly measure: number;
}

/** What the bits of a layer are to serve: rows of a table are read one by one, those of a head are compared with a vector. */
export function aimOf({ kind }: Pick<Layer, "kind">): Aim {
  if (kind === "embedding" || kind === "position") return "reading";
  return kind === "tied" || kind === "head" ? "comparing" : "error";
}

/** The measure beside the squared error: what a way's error counts for, once that is known. */
export function costOf({ squared, measure }: ExpectedError): number {
  return squared > 0 ? measure / squared : 1;
}
