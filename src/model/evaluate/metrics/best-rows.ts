/**
 * Indices of the k largest scores, largest first; of equal ones the smaller index comes first, and NaN after all else. (trec_eval takes
 * equal scores in descending order of the documents' names instead, and sklearn.ndcg_score the mean over their orders.)
 * Cost: one pass and k steps for each score that is among the best so far; memory k.
 */
export function bestRows(scores: ArrayLike<number>, k: number): number[] {
  const best: number[] = [];
  const scoreOf = (row: number) => (Number.isNaN(scores[row]) ? -Infinity : scores[row]);
  const isBehind = (row: number, other: number) =>
    scoreOf(row) < scoreOf(other) ||
    (scoreOf(row) === scoreOf(other) && Number.isNaN(scores[row]) && !Number.isNaN(scores[other]));
  for (let row = 0; row < scores.length; ++row) {
    if (best.length === k && !isBehind(best[k - 1], row)) continue;
    if (best.length === k) best.pop();
    let at = best.length;
    while (at > 0 && isBehind(best[at - 1], row)) --at;
    best.splice(at, 0, row);
  }
  return best;
}
