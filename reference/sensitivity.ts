// l_p sensitivity of one row by maximisation: sup_x s_i |a_i x|^p / |Ax|_p^p = s_i / min { |Ax|_p^p : a_i x = 1 }.
//
// Reweighted least squares: x <- G^-1 a_i / (a_i G^-1 a_i), G = A' diag(s |Ax|^(p-2)) A, damped for p > 2. Every x tried bounds
// the sensitivity from below, so the largest value is at most the true one; for p >= 1 the problem is convex and it ends there.
//
// Shapes   A n x d of full rank, s n
// Cost     n d^2 multiply-adds a step
import { cholesky, solveRows } from "./cholesky.js";
import { type Dense, fill, gram, multiply, scaleRows, transpose } from "./matrix.js";
import { type RowWeights, weightOf } from "./objective.js";

export function sensitivity(a: Dense, i: number, p: number, s?: RowWeights, steps = 300): number {
  const row = fill(1, a.cols, (_, j) => a.data[i * a.cols + j]);
  if (row.data.every((x) => x === 0)) return 0;
  let weights = Float64Array.from({ length: a.rows }, (_, k) => weightOf(s, k));
  let y: Float64Array | undefined;
  let best = 0;
  for (let step = 0; step < steps; ++step) {
    const l = cholesky(gram(scaleRows(a, weights.map(Math.sqrt))));
    // L^-1 A' and L^-1 a_i: A G^-1 a_i is their product.
    const solved = multiply(solveRows(l, a), transpose(solveRows(l, row))).data;
    const next = solved.map((x) => x / solved[i]);
    const damping = p > 2 ? 1 / (p - 1) : 1;
    y = y ? y.map((x, k) => x + damping * (next[k] - x)) : next;
    let sum = 0;
    for (let k = 0; k < a.rows; ++k) sum += weightOf(s, k) * Math.abs(y[k]) ** p;
    best = Math.max(best, (weightOf(s, i) * Math.abs(y[i]) ** p) / sum);
    // The floor shrinks: a residual of 0 must not become a weight that G drowns in, or vanishes from it.
    const largest = y.reduce((m, x) => Math.max(m, Math.abs(x)), 0);
    const floor = largest * Math.max(1e-7, 10 ** (-10 / Math.abs(p - 2)), 0.1 * 0.8 ** step);
    const now = y;
    weights = weights.map((_, k) => weightOf(s, k) * Math.max(Math.abs(now[k]), floor) ** (p - 2));
  }
  return best;
}
