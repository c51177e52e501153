/**
 * Share of rows whose prediction is their label, as sklearn.metrics.accuracy_score. NaN without rows.
 * @param rows rows that count, each as often as it stands there; default: each once. All metrics of this folder take them.
 * Cost: one pass.
 */
export function accuracy(predictions: ArrayLike<number>, labels: ArrayLike<number>, rows?: ArrayLike<number>): number {
  const count = rows?.length ?? labels.length;
  let right = 0;
  for (let i = 0; i < count; ++i) {
    const row = rows ? rows[i] : i;
    if (predictions[row] === labels[row]) ++right;
  }
  return right / count;
}
