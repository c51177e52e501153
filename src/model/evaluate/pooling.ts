// One vector a text out of the hidden states of its tokens.
import type { Answer } from "./task.js";

export const poolings = ["mean", "cls", "max"] as const;
/** "mean" over the tokens, the first token ("cls"), or the largest of each column ("max"). */
export type Pooling = (typeof poolings)[number];

/** @returns one row */
export function pooled({ data, rows, cols }: Answer, pooling: Pooling): Answer {
  if (pooling === "cls" || rows === 1) return { data: data.subarray(0, cols), rows: 1, cols };
  const result = new Float64Array(cols);
  if (pooling === "max") result.fill(-Infinity);
  for (let i = 0, at = 0; i < rows; ++i) {
    for (let j = 0; j < cols; ++j, ++at) {
      if (pooling === "mean") result[j] += data[at];
      // Not Math.max alone: NaN stays.
      else if (!(data[at] <= result[j])) result[j] = data[at];
    }
  }
  if (pooling === "mean") for (let j = 0; j < cols; ++j) result[j] /= rows;
  return { data: Float32Array.from(result), rows: 1, cols };
}
