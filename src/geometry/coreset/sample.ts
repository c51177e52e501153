// Choosing rows: with probabilities pi_i = min(1, m q_i) that sum to a given size, and so that rows which point alike do not come in bunches.
//
// Ordered pivotal sampling (Deville, Tille 1998, Unequal probability sampling without replacement through a splitting method):
// going through the rows in an order, the row that holds its place meets the next one; one of the two hands its probability to
// the other, so that row i is chosen with probability pi_i exactly and the number chosen is the sum of the pi_i up to rounding.
// Shimizu, Cheng, Musco, Weare 2024 (arXiv 2310.04966): matches the bounds of independent sampling, halves the size in practice.
//
// JavaScript with + - * / alone, so the same in every engine. Cost: a few passes over n numbers, and a sort.

/**
 * pi_i = min(1, m q_i) with the m at which they sum to `size`: rows that reach 1 are set aside until none does. Exact but for
 * rounding, in at most `size` passes (seen: below ten).
 * @param q at least 0; more than `size` of them positive
 */
export function inclusionProbabilities(q: Float64Array, size: number): Float64Array {
  const pi = new Float64Array(q.length);
  let certain = 0;
  for (;;) {
    let total = 0;
    for (let i = 0; i < q.length; ++i) if (pi[i] < 1) total += q[i];
    const factor = (size - certain) / total;
    if (factor === Infinity && total > 0) {
      // What is left is so small that its shares leave the range of f64; what was set aside counts no more.
      q = q.map((x, i) => (pi[i] < 1 ? x * 2 ** 600 : x));
      continue;
    }
    let more = 0;
    for (let i = 0; i < q.length; ++i) {
      if (pi[i] >= 1 || !(q[i] > 0)) continue;
      if (q[i] * factor >= 1) {
        pi[i] = 1;
        ++more;
      }
    }
    certain += more;
    if (more > 0 && certain < size) continue;
    // q = 0 first: where nothing but zeros is left the factor is infinite.
    for (let i = 0; i < q.length; ++i) {
      if (pi[i] < 1) pi[i] = certain < size && q[i] > 0 ? Math.min(1, q[i] * factor) : 0;
    }
    return pi;
  }
}

/**
 * The rows chosen, ascending.
 * @param pi n probabilities
 * @param order the rows in the order in which they meet
 * @param uniforms n + 1 numbers in [0, 1): number i decides when row i comes in, number n for the row left over
 */
export function pivotalSample(pi: Float64Array, order: ArrayLike<number>, uniforms: Float64Array): Int32Array {
  const chosen: number[] = [];
  let holder = -1;
  let a = 0;
  for (let k = 0; k < order.length; ++k) {
    const next = order[k];
    const b = pi[next];
    if (b <= 0) continue;
    if (b >= 1) {
      chosen.push(next);
      continue;
    }
    if (holder < 0) {
      holder = next;
      a = b;
      continue;
    }
    const both = a + b;
    if (both < 1) {
      // One of the two goes, the other takes both probabilities.
      if (uniforms[next] * both < b) holder = next;
      a = both;
    } else {
      // One of the two is chosen, the other keeps what is left.
      if (uniforms[next] * (2 - both) < 1 - a) chosen.push(next);
      else {
        chosen.push(holder);
        holder = next;
      }
      a = both - 1;
      if (a <= 0) holder = -1;
    }
  }
  if (holder >= 0 && uniforms[pi.length] < a) chosen.push(holder);
  return Int32Array.from(chosen).sort();
}

/** 0 ... n - 1 by ascending key, equal keys by number. @param keys n whole numbers >= 0 below `end` */
export function orderBy(keys: Float64Array, end: number): Float64Array {
  const n = keys.length;
  // Key and number in one f64, exactly: sorting numbers needs no comparator.
  if (end * n < 2 ** 53)
    return keys
      .map((key, i) => key * n + i)
      .sort()
      .map((x) => x % n);
  return Float64Array.from(keys.keys()).sort((i, j) => keys[i] - keys[j] || i - j);
}
