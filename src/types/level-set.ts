import type { Matrix } from "../matrix.js";
import type { Convergence, SandwichCertificate, WeightedOptions } from "./common.js";

export interface LevelSetOptions extends WeightedOptions {
  /** p >= 1, Infinity too. Default 1. */
  p?: number;
  /** Stop when no climb finds x in L with x'Hx above 1 + this. Default 1e-7. */
  tolerance?: number;
  /** Of the random directions that climbs start from: 0 ... 2^53 - 1. Default 0. */
  seed?: number;
  /** Rounds of climbing and enclosing at most. Default 60 up to rank 8, 160 / rank (at least 4) above, fewer where rounds are dear. Reaching it is a result with converged: false. */
  maxIterations?: number;
  /** Climbs that start anew in a round, besides those from contact points. Default max(64, 2 rank), fewer where climbs are dear. */
  directions?: number;
}

/** Result of `levelSetEllipsoid`: E = {x : x'Hx <= 1}, the smallest ellipsoid found for L = {x : |Ax|_p <= 1}. */
export interface LevelSetResult extends Convergence {
  /** cols x cols, f64, symmetric; of the rank of A: where A is rank-deficient L and E are cylinders, endless along A's null space. */
  H: Matrix<Float64Array>;
  /** Natural logarithm of the product of H's nonzero eigenvalues: of det H, where A has full rank. */
  logDet: number;
  /** L is proved to lie in {x : x'Hx <= factor}; 1: in E itself. */
  factor: number;
  /** Points of L's boundary on E, one a row, f64: E is the smallest centred ellipsoid that holds them. */
  contacts: Matrix<Float64Array>;
  /** lower |Mx|_2 <= |Ax|_p <= upper |Mx|_2 for every x, with M'M = H / factor; lower is 1. */
  certificate: SandwichCertificate;
  rank: number;
  /** Only when rank < cols: orthonormal basis of A's row space, cols x rank, f64. */
  basis?: Matrix<Float64Array>;
}
