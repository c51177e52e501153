// What a way to store a layer costs a model's answers, told from the directions that its errors lie in. How that was found: docs/measure.md.
import type { Layer } from "./model.js";

/** Expected squared errors beside the layer's squares. */
export interface ExpectedError {
  /** All of it. */
  readonly squared: number;
  /** Of directions that nothing is kept of. */
  readonly lost: number;
  /** Each direction's error times its variance beside the mean one. */
  readonly byVariance: number;
}

/**
 * How a layer's rows are used: "read" one by one, or "compared" with a vector, as those of a head are.
 */
export type RowUse = "read" | "compared";

export function useOf({ kind }: Pick<Layer, "kind">): RowUse {
  return kind === "tied" || kind === "head" ? "compared" : "read";
}

/**
 * The measure that ways to store a layer are compared by. Rounding is noise that averages out over a text; a direction that is lost is missed
 * by every row that needs it, often the most frequent ones: it counts twice. Inner products err by what lies along the vectors that rows are
 * compared with, and these vary as the rows do.
 */
export function measureOf({ squared, lost, byVariance }: ExpectedError, use: RowUse): number {
  return use === "read" ? squared + lost : byVariance;
}

/** The measure of a way beside its squared error: what its error counts for, once that is known. */
export function costOf(expected: ExpectedError, use: RowUse): number {
  return expected.squared > 0 ? measureOf(expected, use) / expected.squared : 1;
}
