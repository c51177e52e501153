// Entrywise l_p low rank by plain alternating reweighted least squares: least sum_ij s_i |A - left right|_ij^p.
// w = s (r^2 + eps^2)^(p/2-1), eps = 0.5 * 0.9^t mean s |A|; each row of left, then each column of right, solves its k x k system.
//
// Shapes   A n x d; left n x k; right k x d (the start; SVD's, say)
// Cost     of a step: n d k^2 multiply-adds twice, and n + d eliminations
import { type Dense, multiply, subtract, transpose } from "./matrix.js";
import { type RowWeights, objective, weightOf } from "./objective.js";

export interface Entrywise {
  left: Dense;
  right: Dense;
  /** sum s |r|^p of these. */
  lp: number;
}

/** One factor's rows, each by weighted least squares against `other` (k x m): x_i minimises sum_j w_ij (a_ij - x_i other_j)^2. */
function regress(x: Dense, other: Dense, target: Dense, weight: Dense, damping: number): Dense {
  const k = other.rows;
  const residual = subtract(target, multiply(x, other));
  const result = { ...x, data: x.data.slice() };
  for (let i = 0; i < x.rows; ++i) {
    const system = Array.from({ length: k }, () => new Float64Array(k + 1));
    for (let j = 0; j < other.cols; ++j) {
      const w = weight.data[i * other.cols + j];
      for (let a = 0; a < k; ++a) {
        const left = w * other.data[a * other.cols + j];
        for (let b = 0; b < k; ++b) system[a][b] += left * other.data[b * other.cols + j];
        system[a][k] += left * residual.data[i * other.cols + j];
      }
    }
    const step = eliminate(system);
    for (let a = 0; a < k; ++a) result.data[i * k + a] += damping * step[a];
  }
  return result;
}

/** Gaussian elimination with complete pivoting; what is not determined is left at 0. */
function eliminate(system: Float64Array[]): Float64Array {
  const k = system.length;
  const solution = new Float64Array(k);
  const rows = system.map((_, i) => i);
  const columns = [...rows];
  let top = 0;
  let rank = 0;
  for (; rank < k; ++rank) {
    let [r, c] = [rank, rank];
    for (let i = rank; i < k; ++i)
      for (let j = rank; j < k; ++j)
        if (Math.abs(system[rows[i]][columns[j]]) > Math.abs(system[rows[r]][columns[c]])) [r, c] = [i, j];
    const pivot = Math.abs(system[rows[r]][columns[c]]);
    if (rank === 0) top = pivot;
    if (!(pivot > 1e-13 * top)) break;
    [rows[rank], rows[r]] = [rows[r], rows[rank]];
    [columns[rank], columns[c]] = [columns[c], columns[rank]];
    const from = system[rows[rank]];
    for (let i = rank + 1; i < k; ++i) {
      const row = system[rows[i]];
      const factor = row[columns[rank]] / from[columns[rank]];
      for (let j = 0; j <= k; ++j) row[j] -= factor * from[j];
    }
  }
  for (let i = rank - 1; i >= 0; --i) {
    const row = system[rows[i]];
    let sum = row[k];
    for (let j = i + 1; j < rank; ++j) sum -= row[columns[j]] * solution[columns[j]];
    solution[columns[i]] = sum / row[columns[i]];
  }
  return solution;
}

export function entrywise(
  a: Dense,
  start: { left: Dense; right: Dense },
  p: number,
  steps: number,
  s?: RowWeights,
): Entrywise {
  let { left, right } = start;
  let best: Entrywise = { left, right, lp: objective(a, left, right, p, s).lp };
  let [sum, count] = [0, 0];
  for (let i = 0; i < a.rows; ++i) {
    count += weightOf(s, i) * a.cols;
    for (let j = 0; j < a.cols; ++j) sum += weightOf(s, i) * Math.abs(a.data[i * a.cols + j]);
  }
  const mean = sum / count;
  const damping = p > 2 ? 1 / (p - 1) : 1;
  for (let t = 0; t < steps; ++t) {
    const eps = Math.max(0.5 * 0.9 ** t, 1e-9) * mean;
    const weights = (): Dense => {
      const r = subtract(a, multiply(left, right));
      return {
        ...r,
        data: r.data.map((x, i) => weightOf(s, Math.floor(i / a.cols)) * (x * x + eps * eps) ** (p / 2 - 1)),
      };
    };
    left = regress(left, right, a, weights(), damping);
    const { lp } = objective(a, left, right, p, s);
    if (lp < best.lp) best = { left, right, lp };
    right = transpose(regress(transpose(right), transpose(left), transpose(a), transpose(weights()), damping));
  }
  return best;
}
