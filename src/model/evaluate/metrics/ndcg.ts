import { bestRows } from "./best-rows.js";

/**
 * Normalised discounted cumulative gain (Järvelin and Kekäläinen 2002) of the k passages of the highest scores: the sum of
 * grade / log2(1 + place) over that of the best order, as trec_eval's ndcg_cut_k and sklearn.metrics.ndcg_score; 0 without relevant ones.
 * @param scores of all passages; equal ones in order of their index (`bestRows`)
 * @param relevance grade of each passage that has one, by index; grades of 0 and below gain nothing
 * Cost: as bestRows.
 */
export function ndcgAtK(scores: ArrayLike<number>, relevance: ReadonlyMap<number, number>, k: number): number {
  const gain = (grade: number | undefined) => Math.max(0, grade ?? 0);
  const discounted = (gains: readonly number[]) => gains.reduce((sum, each, i) => sum + each / Math.log2(i + 2), 0);
  const ideal = discounted(
    [...relevance.values()]
      .map(gain)
      .sort((a, b) => b - a)
      .slice(0, k),
  );
  if (ideal === 0) return 0;
  return discounted(bestRows(scores, k).map((row) => gain(relevance.get(row)))) / ideal;
}
