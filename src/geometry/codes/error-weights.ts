// What errors along the axes of a matrix count for, by what its rows are for: docs/measure.md says how that was found.
//
// Rounding along an axis counts by the variance there. What rows are compared with varies as they do, so that inner products err by that; and
// where rows are read, the widest axes are those that a model has learnt to use. An axis that nothing is kept of is missed by every row that
// needs it, often the most frequent ones, which lie where others do not: to readers it counts at least twice its square.
import type { Aim } from "../../types/index.js";

/** One number an axis. */
export interface ErrorWeights {
  /** Of errors along an axis that is stored: 1 on average. */
  readonly noise: Float64Array;
  /** Of errors along one that is not. */
  readonly lost: Float64Array;
}

const lostToReaders = 2;

/** @returns undefined where all errors count alike */
export function errorWeights(variances: Float64Array, aim: Aim): ErrorWeights | undefined {
  const mean = variances.reduce((sum, x) => sum + x, 0) / variances.length;
  if (aim === "error" || !(mean > 0)) return undefined;
  const noise = variances.map((x) => x / mean);
  return { noise, lost: aim === "comparing" ? noise : noise.map((x) => Math.max(lostToReaders, x)) };
}
