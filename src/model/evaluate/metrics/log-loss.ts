import { mean } from "./mean.js";

/**
 * Cross entropy of each row in nats: the logarithm of the sum of e^logit less the label's own logit. NaN where the label is no class.
 * Sums are f64, and the largest logit is taken out first, so that none is too large for e^x.
 * @param logits rows x classes, row by row
 * @param labels class of each row, from 0
 * @returns one a row; their mean is what is reported, and `mean` of rows drawn anew what an interval takes
 * Cost: one e^x a logit.
 */
export function logLosses(logits: Float32Array, classes: number, labels: ArrayLike<number>): Float64Array {
  const losses = new Float64Array(labels.length);
  for (let row = 0; row < labels.length; ++row) {
    const own = logits.subarray(row * classes, (row + 1) * classes);
    let most = -Infinity;
    for (let i = 0; i < classes; ++i) if (own[i] > most) most = own[i];
    let sum = 0;
    for (let i = 0; i < classes; ++i) sum += Math.exp(own[i] - most);
    losses[row] = Math.log(sum) + (most - own[labels[row]]);
  }
  return losses;
}

/** Mean cross entropy in nats, as sklearn.metrics.log_loss of the softmax. See `logLosses`. */
export function meanLogLoss(logits: Float32Array, classes: number, labels: ArrayLike<number>): number {
  return mean(logLosses(logits, classes, labels));
}
