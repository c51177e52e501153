import { bestRows } from "./best-rows.js";

/**
 * Share of a query's relevant passages that are among the k of the highest scores, as trec_eval's recall_k; 0 without relevant ones.
 * @param scores of all passages; equal ones in order of their index (`bestRows`)
 * @param relevance grade of each passage that has one, by index; those above 0 are relevant, also where no score has that index
 * Cost: as bestRows.
 */
export function recallAtK(scores: ArrayLike<number>, relevance: ReadonlyMap<number, number>, k: number): number {
  let relevant = 0;
  for (const grade of relevance.values()) if (grade > 0) ++relevant;
  if (relevant === 0) return 0;
  return bestRows(scores, k).filter((row) => (relevance.get(row) ?? 0) > 0).length / relevant;
}
