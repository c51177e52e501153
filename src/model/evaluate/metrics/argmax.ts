/** Index of the largest score, of equal ones the first; NaN is never the largest. Cost: one pass. */
export function argmax(scores: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < scores.length; ++i) if (scores[i] > scores[best] || Number.isNaN(scores[best])) best = i;
  return best;
}
