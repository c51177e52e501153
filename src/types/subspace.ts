import type { Matrix } from "../matrix.js";
import type { Convergence, WeightedOptions } from "./common.js";

export interface SubspaceOptions extends WeightedOptions {
  /** Dimension of the subspace, 1 ... min(rows, cols). */
  rank: number;
  /** 0 < p <= 2; at 2 the answer is PCA's (without centring). Default 1. */
  p?: number;
  /** Further starts beside PCA's: random subspaces and spans of `rank` random rows, in turn. Default 0. */
  restarts?: number;
  /** 0 ... 2^53 - 1; what the restarts are drawn by. Default 0. */
  seed?: number;
  /** A descent ends when a sweep lowers the (smoothed) sum by at most this share. Default 1e-6; 1e-3 is quick. */
  tolerance?: number;
  /** Sweeps of each descent, at most. Default 300. Reaching it is a result with converged: false. */
  maxIterations?: number;
}

/** Result of `robustSubspace`. `residual`: the share by which the last sweep lowered the sum; `iterations`: sweeps, those of all starts together. */
export interface SubspaceResult extends Convergence {
  /** cols x rank, f64, orthonormal columns; the largest entry of each is positive. */
  basis: Matrix<Float64Array>;
  /** sum_i s_i distances[i]^p, measured in f64; never above that of PCA. */
  objective: number;
  /** rows of them, f64: |a_i - V V' a_i|_2. */
  distances: Float64Array;
}
