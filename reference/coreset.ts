// A coreset by the definition: pi_i = min(1, m q_i) with the sum asked for (m by bisection), ordered pivotal sampling (Deville,
// Tille 1998) in the order of directions, weights s_i / pi_i. Random numbers: philox.ts, stream 16, number i for row i.
//
// Shapes   A n x d of full rank; scores n
// Cost     the Lewis weights
import { cholesky, solveRows } from "./cholesky.js";
import { absorbRowWeights, rowScales } from "./lewis.js";
import { type Dense, gram, scaleRows } from "./matrix.js";
import { type RowWeights, weightOf } from "./objective.js";
import { uniform } from "./philox.js";

export interface Coreset {
  indices: number[];
  weights: number[];
  probabilities: number[];
}

/** The m with sum_i min(1, m q_i) = size, by bisection; then the probabilities. */
export function probabilities(q: ArrayLike<number>, size: number): number[] {
  const at = (m: number) => Array.from(q, (x) => Math.min(1, m * x));
  let low = 0;
  let high = 1;
  const total = (m: number) => at(m).reduce((x, y) => x + y, 0);
  while (total(high) < size && high < Infinity) high *= 2;
  for (let step = 0; step < 200; ++step) {
    const middle = (low + high) / 2;
    if (total(middle) < size) low = middle;
    else high = middle;
  }
  return at(high);
}

/**
 * Rows sorted by the coordinate of the whitened row B^-1 a_i with the largest absolute value, then by the second largest, then by
 * whether the two agree in sign; equals by number. G = A' W^(1-2/p) A = B B', B lower triangular.
 */
export function directionOrder(a: Dense, lewisWeights: ArrayLike<number>, p: number, s?: RowWeights): number[] {
  const m = scaleRows(absorbRowWeights(a, p, s), rowScales(lewisWeights, p));
  const white = solveRows(cholesky(gram(m)), a);
  const keys = Array.from({ length: a.rows }, (_, i) => {
    const y = white.data.subarray(i * a.cols, (i + 1) * a.cols);
    const by = [...y.keys()].sort((j, k) => Math.abs(y[k]) - Math.abs(y[j]) || j - k);
    const second = by.length > 1 && y[by[1]] !== 0 ? by[1] : 0;
    return [by[0], second, by.length > 1 && y[by[0]] * y[by[1]] < 0 ? 1 : 0, i];
  });
  return keys.sort((x, y) => x[0] - y[0] || x[1] - y[1] || x[2] - y[2] || x[3] - y[3]).map((key) => key[3]);
}

/** Each row is chosen with its probability; `draw(i)` is row i's number in [0, 1), draw(n) that of the row left over. */
export function pivotal(pi: readonly number[], order: readonly number[], draw: (i: number) => number): number[] {
  const chosen = order.filter((i) => pi[i] >= 1);
  const waiting = order.filter((i) => pi[i] > 0 && pi[i] < 1);
  let holder: { row: number; share: number } | undefined;
  for (const row of waiting) {
    const next = { row, share: pi[row] };
    if (!holder) {
      holder = next;
      continue;
    }
    const [a, b] = [holder.share, next.share];
    const u = draw(row);
    if (a + b < 1) {
      const winner: number = u * (a + b) < b ? next.row : holder.row;
      holder = { row: winner, share: a + b };
    } else {
      const [winner, loser]: number[] = u * (2 - (a + b)) < 1 - a ? [next.row, holder.row] : [holder.row, next.row];
      chosen.push(winner);
      holder = a + b - 1 > 0 ? { row: loser, share: a + b - 1 } : undefined;
    }
  }
  if (holder && draw(pi.length) < holder.share) chosen.push(holder.row);
  return chosen.sort((x, y) => x - y);
}

export function coreset(
  q: ArrayLike<number>,
  order: readonly number[],
  { size, seed, s }: { size: number; seed: number; s?: RowWeights },
): Coreset {
  const pi = probabilities(q, size);
  const indices = pivotal(pi, order, (i) => uniform(seed, 16, i));
  return {
    indices,
    weights: indices.map((i) => weightOf(s, i) / pi[i]),
    probabilities: indices.map((i) => pi[i]),
  };
}
