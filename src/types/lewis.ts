import type { Matrix } from "../matrix.js";
import type { Convergence, SandwichCertificate, WeightedOptions } from "./common.js";

/** Result of `leverageScores`: scores[i] = a_i' (A'A)^+ a_i in [0, 1]; they sum to the rank. */
export interface LeverageResult extends Convergence {
  /** rows of them, f64. */
  scores: Float64Array;
  rank: number;
}

export interface LewisOptions extends WeightedOptions {
  /** 0 < p <= Infinity. Default 1. Infinity: the weights of the John ellipsoid of {x : |Ax|_inf <= 1}. */
  p?: number;
  /** Stop when max_i |tau_i / w_i - 1| is at most this. Default 1e-6. */
  tolerance?: number;
  /** Default 200 + 25 sqrt(p) up to p = 10^6, three times what 1e-8 takes. Reaching it is a result with converged: false. */
  maxIterations?: number;
}

/** Result of `lewisWeights`. */
export interface LewisResult extends Convergence {
  /** rows of them, f64; they sum to the rank; zero rows weigh 0. */
  weights: Float64Array;
  /**
   * M'M, cols x cols, f64, for the certificate. Where squares of A's entries or row weights leave the range of f64 it is that of A and s
   * times powers of two, and the certificate's lower and upper allow for it.
   */
  gram: Matrix<Float64Array>;
  rank: number;
  certificate: SandwichCertificate;
}
