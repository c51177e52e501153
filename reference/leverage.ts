// Leverage scores, tau_i = a_i' (A'A)^+ a_i: squared row norms of an orthonormal basis of A's column space.
// Drineas, Mahoney, Muthukrishnan, Woodruff 2012 (arXiv 1109.3843), definition 1.
//
// Shapes   A n x d; scores n, they sum to the rank; basis n x rank
// Rank     singular values of the column-equilibrated A whose square is above n * epsilon of the largest square
// Cost     one singular value decomposition
import { jacobiSvd } from "./jacobi-svd.js";
import { type Dense, equilibrateColumns, fill, scaleRows } from "./matrix.js";
import { type RowWeights, weightOf } from "./objective.js";

export interface ColumnSpace {
  /** n x rank, orthonormal columns. */
  basis: Dense;
  rank: number;
  /** Largest over smallest kept singular value of the column-equilibrated A: what a Gram matrix loses twice. */
  condition: number;
}

export function columnSpace(a: Dense): ColumnSpace {
  const { U, sigma } = jacobiSvd(equilibrateColumns(a));
  const smallest = a.rows * Number.EPSILON * sigma[0] ** 2;
  const rank = sigma.filter((s) => s * s > smallest).length;
  return {
    basis: fill(a.rows, rank, (i, j) => U.data[i * a.cols + j]),
    rank,
    condition: rank > 0 ? sigma[0] / sigma[rank - 1] : 1,
  };
}

/** Scores of diag(s)^(1/2) A. */
export function leverageScores(a: Dense, s?: RowWeights): ColumnSpace & { scores: Float64Array } {
  const rootS = Float64Array.from({ length: a.rows }, (_, i) => Math.sqrt(weightOf(s, i)));
  const space = columnSpace(scaleRows(a, rootS));
  const scores = new Float64Array(a.rows);
  space.basis.data.forEach((u, at) => (scores[Math.floor(at / space.rank)] += u * u));
  return { ...space, scores };
}
