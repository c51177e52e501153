// Robust subspace: least sum_i s_i dist(a_i, S)^p over k-dimensional S through 0, by plain reweighting (Lerman, Maunu,
// arXiv 1406.6145) from PCA and many random subspaces, each from a large floor that shrinks and with a small one.
//
// Shapes   A n x d; V d x k with orthonormal columns
// Cost     a singular value decomposition a step, hundreds of steps a start
import { jacobiSvd } from "./jacobi-svd.js";
import { type Dense, fill, multiply, rowNorms, scaleRows, subtract, transpose } from "./matrix.js";
import { type RowWeights, weightOf } from "./objective.js";

export interface Subspace {
  V: Dense;
  objective: number;
}

/** Right singular vectors of the k largest singular values. */
export function topVectors(a: Dense, k: number): Dense {
  const { V } = jacobiSvd(a);
  return fill(a.cols, k, (i, j) => V.data[i * a.cols + j]);
}

/** |a_i - V V' a_i|_2 */
export function distances(a: Dense, V: Dense): Float64Array {
  return rowNorms(subtract(a, multiply(multiply(a, V), transpose(V))));
}

export function sumOfPowers(a: Dense, V: Dense, p: number, s?: RowWeights): number {
  return distances(a, V).reduce((sum, x, i) => sum + weightOf(s, i) * x ** p, 0);
}

/** PCA without centring: the start, and the answer at p = 2. */
export function pca(a: Dense, k: number, s?: RowWeights): Dense {
  return topVectors(
    scaleRows(
      a,
      Float64Array.from({ length: a.rows }, (_, i) => Math.sqrt(weightOf(s, i))),
    ),
    k,
  );
}

/**
 * Weights s_i max(dist_i, floor)^(p-2), top k, again; the floor halves from `from` to `to`, and there the descent ends once
 * three steps have gained nothing. The best met.
 */
export function descend(
  a: Dense,
  start: Dense,
  p: number,
  s: RowWeights | undefined,
  from: number,
  to: number,
): Subspace {
  let best: Subspace = { V: start, objective: sumOfPowers(a, start, p, s) };
  let V = start;
  for (let step = 0, calm = 0, floor = from; step < 400 && calm < 3; ++step) {
    const held = distances(a, V).map((x) => Math.max(x, floor));
    V = topVectors(
      scaleRows(
        a,
        held.map((x, i) => Math.sqrt(weightOf(s, i) * (x / to) ** (p - 2))),
      ),
      V.cols,
    );
    const objective = sumOfPowers(a, V, p, s);
    calm = floor > to || objective < best.objective * (1 - 1e-8) ? 0 : calm + 1;
    if (objective < best.objective) best = { V, objective };
    floor = Math.max(to, floor / 2);
  }
  return best;
}

/** The lowest of all descents; `starts`: orthonormal bases beside PCA's. */
export function robustSubspace(
  a: Dense,
  k: number,
  p: number,
  s?: RowWeights,
  starts: readonly Dense[] = [],
): Subspace {
  let best: Subspace | undefined;
  for (const start of [pca(a, k, s), ...starts]) {
    const found: Subspace = { V: start, objective: sumOfPowers(a, start, p, s) };
    const typical = distances(a, start).reduce((sum, x) => sum + x, 0) / a.rows;
    if (!best || found.objective < best.objective) best = found;
    if (typical === 0) return found;
    for (const from of [1, 1e-6]) {
      const next = descend(a, start, p, s, from * typical, 1e-6 * typical);
      if (next.objective < best.objective) best = next;
    }
  }
  return best!;
}
