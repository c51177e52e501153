// What a way to store a layer costs a model's answers, as far as its errors tell: docs/compress.md says how that was found.
import type { Layer } from "./model.js";

/** Expected squared errors beside the layer's squares. */
export interface ExpectedError {
  /** Of rounding, in what is kept. */
  readonly noise: number;
  /** Of directions that nothing is kept of. */
  readonly lost: number;
}

/**
 * What a lost direction costs beside noise of the same square. Of a table that is read it is missed by the few rows that need it, often the
 * most frequent ones, while noise averages out over a text; a head's logits all get noise of their own, and compare.
 */
export function lostFactor({ kind }: Pick<Layer, "kind">): number {
  return kind === "tied" || kind === "head" ? 1 / 3 : 2;
}

/** The measure that ways to store a layer are compared by: 0 for the layer as it is. */
export function measureOf({ noise, lost }: ExpectedError, factor: number): number {
  return noise + factor * lost;
}

/** The measure of a way beside its squared error: what its error counts for, once that is known. */
export function costOf(expected: ExpectedError, factor: number): number {
  const { noise, lost } = expected;
  return noise + lost > 0 ? measureOf(expected, factor) / (noise + lost) : 1;
}
