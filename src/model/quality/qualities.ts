// What is promised of a model's answers, and what errors of its layers usually cost them.
import type { Layer } from "../model.js";

export const qualityNames = ["lossless", "high", "small"] as const;
export type Quality = (typeof qualityNames)[number];

export interface QualityOptions {
  /** Default "high". */
  quality?: Quality;
  /** The same as a number below 1: mean cosine between the answers and the original's. */
  cosine?: number;
}

const cosines: Record<Quality, number> = { lossless: 0.999, high: 0.99, small: 0.96 };

/** Answers that are asked no more of than this have room for halves of what is no layer. */
export const allowsHalves = (asked: number) => asked <= cosines.small;

export function cosineOf({ quality = "high", cosine = cosines[quality] }: QualityOptions): number {
  return cosine;
}

/**
 * Of layers that nothing has been measured of: error of the answers, 1 - cosine, by the layer's own. Of fully connected layers and tables of
 * encoders 0.05 to 0.4 were seen; what stands for the vocabulary in a head is compared with thousands of others.
 */
export function usualSensitivity({ kind }: Pick<Layer, "kind">): number {
  return kind === "tied" || kind === "head" ? 5 : 0.4;
}

/** The least cosine that a cost is told by: below it answers have nothing to do with the original's. */
const leastCosine = 0.05;

/**
 * What adds up over layers: half the squared error beside the answers' own squares, of errors at right angles to them. 1 - cosine where that
 * is small; a cosine itself falls ever more slowly.
 */
export function costAt(cosine: number): number {
  const known = Math.max(leastCosine, cosine);
  return (1 / (known * known) - 1) / 2;
}

/** The cosine at that cost. */
export const cosineAt = (cost: number) => 1 / Math.sqrt(1 + 2 * cost);
