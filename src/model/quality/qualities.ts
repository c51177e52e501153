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
