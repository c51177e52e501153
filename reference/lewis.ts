// Lewis weights: the w with w_i = tau_i(W^(1/2-1/p) A), equivalently w_i = q_i^(p/2), q_i = a_i' (A' W^(1-2/p) A)^-1 a_i.
// p < 2: Cohen, Peng 2015 (arXiv 1412.0588), w <- q^(p/2); p >= 2: Lee 2016, w <- tau = w^(1-2/p) q. All in logarithms.
//
// Weights do not change when A is multiplied by an invertible matrix on the right, so the loop keeps a basis B of A's
// columns that is orthonormal under the weights of the last sweep: every Gram matrix it factors is near the identity.
//
// Shapes   A n x d; weights n, they sum to the rank; zero rows and rows with s_i = 0 weigh 0
// Cost     n rank^2 multiply-adds a sweep, log(1/tolerance) / log(1/|1 - p/2|) sweeps
import { cholesky, solveRows } from "./cholesky.js";
import { columnSpace } from "./leverage.js";
import { type Dense, gram, scaleRows } from "./matrix.js";
import { type RowWeights, weightOf } from "./objective.js";

export interface LewisWeights {
  weights: Float64Array;
  rank: number;
  /** max |tau_i / w_i - 1| over the rows that weigh anything. */
  residual: number;
  sweeps: number;
}

/** s_i^(1/p) a_i: the matrix whose plain l_p norms are the weighted ones of A. */
export function absorbRowWeights(a: Dense, p: number, s?: RowWeights): Dense {
  return scaleRows(
    a,
    Float64Array.from({ length: a.rows }, (_, i) => weightOf(s, i) ** (1 / p)),
  );
}

/** Row scales of M = W^(1/2-1/p) A; 0 where w is 0. */
export function rowScales(weights: ArrayLike<number>, p: number): Float64Array {
  return Float64Array.from(weights, (w) => (w > 0 ? w ** (1 / 2 - 1 / p) : 0));
}

/** q_i = b_i' (B' W^(1-2/p) B)^-1 b_i, and the basis that is orthonormal under those weights. */
function quadraticForms(basis: Dense, logW: Float64Array, p: number): { basis: Dense; logQ: Float64Array } {
  const scales = logW.map((w) => (w === -Infinity ? 0 : Math.exp((1 / 2 - 1 / p) * w)));
  const next = solveRows(cholesky(gram(scaleRows(basis, scales))), basis);
  const logQ = new Float64Array(basis.rows);
  for (let i = 0; i < basis.rows; ++i) {
    logQ[i] = Math.log(next.data.subarray(i * next.cols, (i + 1) * next.cols).reduce((sum, x) => sum + x * x, 0));
  }
  return { basis: next, logQ };
}

export function lewisWeights(a: Dense, p: number, s?: RowWeights, tolerance = 1e-12, maxSweeps = 2000): LewisWeights {
  const space = columnSpace(absorbRowWeights(a, p, s));
  let basis = space.basis;
  let logW = new Float64Array(a.rows);
  for (let i = 0; i < a.rows; ++i) {
    const zero = basis.data.subarray(i * basis.cols, (i + 1) * basis.cols).every((x) => x === 0);
    logW[i] = zero ? -Infinity : Math.log(Math.max(space.rank, 1) / a.rows);
  }
  let residual = Infinity;
  let sweeps = 0;
  for (; space.rank > 0 && sweeps < maxSweeps; ++sweeps) {
    const { basis: next, logQ } = quadraticForms(basis, logW, p);
    basis = next;
    residual = 0;
    for (let i = 0; i < a.rows; ++i) {
      if (logW[i] > -Infinity) residual = Math.max(residual, Math.abs(Math.expm1(logQ[i] - (2 / p) * logW[i])));
    }
    if (residual <= tolerance) break;
    logW = logW.map((w, i) => (w === -Infinity ? w : p < 2 ? (p / 2) * logQ[i] : (1 - 2 / p) * w + logQ[i]));
  }
  return { weights: logW.map(Math.exp), rank: space.rank, residual: space.rank > 0 ? residual : 0, sweeps };
}
