// The sandwich lower |Mx|_2 <= |Ax|_p <= upper |Mx|_2 with M = W^(1/2-1/p) A, for any positive weights w, converged or
// not (ALGORITHMS section 2, derived there). S = sum w, q_i = a_i' (M'M)^+ a_i:
//   p <= 2: lower = alpha^(-(2-p)/p^2), alpha = max q^(p/2) / w;  upper = S^(1/p-1/2)
//   p >= 2: lower = S^(1/p-1/2);  upper = beta^(1/p), beta = max q^((p-2)/2) w^(2/p-1)
//
// Shapes   A n x d, w n; with row weights s, row i is s_i^(1/p) a_i throughout
// Cost     one singular value decomposition of M
import { jacobiSvd } from "./jacobi-svd.js";
import { leverageScores } from "./leverage.js";
import { absorbRowWeights, rowScales } from "./lewis.js";
import { type Dense, multiply, scaleRows, subtract, transpose } from "./matrix.js";
import type { RowWeights } from "./objective.js";

export interface Sandwich {
  lower: number;
  upper: number;
}

/** M = W^(1/2-1/p) diag(s)^(1/p) A. */
export function ellipsoidMatrix(a: Dense, weights: ArrayLike<number>, p: number, s?: RowWeights): Dense {
  return scaleRows(absorbRowWeights(a, p, s), rowScales(weights, p));
}

export function certificate(a: Dense, weights: ArrayLike<number>, p: number, s?: RowWeights): Sandwich {
  const { scores } = leverageScores(ellipsoidMatrix(a, weights, p, s));
  let sum = 0;
  let extreme = 0;
  for (let i = 0; i < a.rows; ++i) {
    const w = weights[i];
    if (!(w > 0)) continue;
    sum += w;
    const q = scores[i] * w ** (2 / p - 1); // tau_i = w_i^(1-2/p) q_i
    extreme = Math.max(extreme, p <= 2 ? q ** (p / 2) / w : q ** ((p - 2) / 2) * w ** (2 / p - 1));
  }
  if (sum === 0) return { lower: 1, upper: 1 };
  return p <= 2
    ? { lower: extreme ** (-(2 - p) / (p * p)), upper: sum ** (1 / p - 1 / 2) }
    : { lower: sum ** (1 / p - 1 / 2), upper: extreme ** (1 / p) };
}

/** sigma_1(M (I - right' right)): how much of the ellipsoid a right factor with orthonormal rows leaves out. */
export function leftOut(m: Dense, right: Dense): number {
  return jacobiSvd(subtract(m, multiply(multiply(m, transpose(right)), right))).sigma[0];
}
