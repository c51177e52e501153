/**
 * Matthews correlation coefficient of any number of classes (Gorodkin, "Comparing two K-category assignments by a K-category correlation
 * coefficient", 2004), from -1 to 1, as sklearn.metrics.matthews_corrcoef: 0 where all predictions, or all labels, are the same.
 * Cost: one pass.
 */
export function matthews(predictions: ArrayLike<number>, labels: ArrayLike<number>, rows?: ArrayLike<number>): number {
  const count = rows?.length ?? labels.length;
  // Class -> how often it is predicted, and how often it is the label.
  const classes = new Map<number, { predicted: number; actual: number }>();
  const of = (name: number) => {
    let found = classes.get(name);
    if (!found) classes.set(name, (found = { predicted: 0, actual: 0 }));
    return found;
  };
  let right = 0;
  for (let i = 0; i < count; ++i) {
    const row = rows ? rows[i] : i;
    if (predictions[row] === labels[row]) ++right;
    of(predictions[row]).predicted++;
    of(labels[row]).actual++;
  }
  let covariance = right * count;
  let ofPredictions = count * count;
  let ofLabels = count * count;
  for (const { predicted, actual } of classes.values()) {
    covariance -= predicted * actual;
    ofPredictions -= predicted * predicted;
    ofLabels -= actual * actual;
  }
  if (ofPredictions === 0 || ofLabels === 0) return 0;
  return covariance / Math.sqrt(ofPredictions) / Math.sqrt(ofLabels);
}
