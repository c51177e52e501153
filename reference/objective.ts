// Errors of an approximation: norms of the residual R = A - left * right (DESIGN, the report).
// With row weights s, s_i multiplies |r_i|^p in every norm: sum s|r|^p, sum s|r|, sum s|r_i|_2, sqrt(sum s|r_i|_2^2).
//
// Shapes   A n x d, left n x k, right k x d, s n
// Cost     n d k multiply-adds
import { type Dense, multiply, norm2, subtract } from "./matrix.js";

export type RowWeights = ArrayLike<number>;

/** s_i; 1 where no weights are given. */
export function weightOf(s: RowWeights | undefined, i: number): number {
  return s === undefined ? 1 : s[i];
}

export interface Objective {
  lp: number;
  l1: number;
  l21: number;
  l2: number;
  worstRow: { row: number; norm: number };
}

/** (sum_ij s_i |a_ij|^p)^(1/p) of a column, |Ax|_p in the certificates. */
export function weightedNorm(v: ArrayLike<number>, p: number, s?: RowWeights): number {
  let sum = 0;
  for (let i = 0; i < v.length; ++i) sum += weightOf(s, i) * Math.abs(v[i]) ** p;
  return sum ** (1 / p);
}

export function objective(a: Dense, left: Dense, right: Dense, p: number, s?: RowWeights): Objective {
  const residual = subtract(a, multiply(left, right));
  const result: Objective = { lp: 0, l1: 0, l21: 0, l2: 0, worstRow: { row: 0, norm: -1 } };
  let squares = 0;
  for (let i = 0; i < a.rows; ++i) {
    const weight = weightOf(s, i);
    const row = residual.data.subarray(i * a.cols, (i + 1) * a.cols);
    const norm = norm2(row);
    for (const r of row) {
      if (p < Infinity) result.lp += weight * Math.abs(r) ** p;
      else if (weight > 0) result.lp = Math.max(result.lp, Math.abs(r));
      result.l1 += weight * Math.abs(r);
    }
    result.l21 += weight * norm;
    squares += weight * norm * norm;
    if (norm > result.worstRow.norm) result.worstRow = { row: i, norm };
  }
  result.l2 = Math.sqrt(squares);
  return result;
}
