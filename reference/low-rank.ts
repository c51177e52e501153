// The l_p-SVD: Tukan, Maalouf, Weksler, Feldman 2020 (arXiv 2009.05647), with the Lewis ellipsoid for the Loewner one.
// M = W^(1/2-1/p) A = Q D V'; right = the first k rows of V', left = A right'. At p = 2, M = A: the SVD.
//
// Shapes   A n x d; left n x k; right k x d, orthonormal rows, the largest entry of each positive
// Cost     Lewis weights and one singular value decomposition
import { certificate, ellipsoidMatrix, leftOut } from "./certificate.js";
import { jacobiSvd } from "./jacobi-svd.js";
import { lewisWeights } from "./lewis.js";
import { type Dense, fill, multiply, transpose } from "./matrix.js";
import { type Objective, type RowWeights, objective } from "./objective.js";

export interface LowRank {
  left: Dense;
  right: Dense;
  objective: Objective;
  lower: number;
  upper: number;
  /** Singular values of M. */
  sigma: Float64Array;
  /** |(A - left right) x|_p <= bound |x|_2. */
  bound: number;
}

/** First k rows of V', signs fixed. */
export function rightFactor(V: Dense, k: number): Dense {
  return fill(k, V.rows, (i, j) => {
    let largest = 0;
    for (let r = 0; r < V.rows; ++r) {
      const x = V.data[r * V.cols + i];
      if (Math.abs(x) > Math.abs(largest)) largest = x;
    }
    return (largest < 0 ? -1 : 1) * V.data[j * V.cols + i];
  });
}

export function lowRank(a: Dense, k: number, p: number, method: "lewis" | "svd", s?: RowWeights): LowRank {
  const { weights } = lewisWeights(a, p, s);
  const M = ellipsoidMatrix(a, weights, p, s);
  const ofM = jacobiSvd(M);
  const { V } = method === "lewis" ? ofM : jacobiSvd(ellipsoidMatrix(a, new Float64Array(a.rows).fill(1), 2, s));
  const right = rightFactor(V, k);
  const left = multiply(a, transpose(right));
  const sandwich = certificate(a, weights, p, s);
  const out = method === "lewis" ? (ofM.sigma[k] ?? 0) : leftOut(M, right);
  return {
    left,
    right,
    objective: objective(a, left, right, p, s),
    ...sandwich,
    sigma: ofM.sigma,
    bound: sandwich.upper * out,
  };
}

/** k = floor(keep n d / (n + d) + 1e-9). */
export function rankOfKeep(keep: number, n: number, d: number): number {
  return Math.floor((keep * n * d) / (n + d) + 1e-9);
}

/** The smallest rank whose singular values hold `energy` of the sum of squares. */
export function rankOfEnergy(energy: number, sigma: ArrayLike<number>): number {
  const squares = Array.from(sigma, (x) => x * x);
  const total = squares.reduce((sum, x) => sum + x, 0);
  let held = 0;
  for (let k = 0; k < squares.length; ++k) {
    held += squares[k];
    if (held >= energy * total) return k + 1;
  }
  return squares.length;
}
