/**
 * F1 of one class against all others, 2 TP / (2 TP + FP + FN), as sklearn.metrics.f1_score with zero_division 0: 0 where neither a
 * prediction nor a label is of that class.
 * @param positive the class. Default 1.
 * Cost: one pass.
 */
export function f1(
  predictions: ArrayLike<number>,
  labels: ArrayLike<number>,
  rows?: ArrayLike<number>,
  positive = 1,
): number {
  const count = rows?.length ?? labels.length;
  let both = 0;
  let either = 0;
  for (let i = 0; i < count; ++i) {
    const row = rows ? rows[i] : i;
    const predicted = predictions[row] === positive ? 1 : 0;
    const actual = labels[row] === positive ? 1 : 0;
    both += predicted & actual;
    either += predicted + actual;
  }
  return either === 0 ? 0 : (2 * both) / either;
}
