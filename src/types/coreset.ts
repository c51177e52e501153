import type { Floats, Matrix, MatrixLike } from "../matrix.js";
import type { Convergence, RowWeights, RunOptions, WeightedOptions } from "./common.js";

export interface SensitivityOptions extends WeightedOptions {
  /** Any finite p that `lewisWeights` takes. Default 1. */
  p?: number;
  /** Of the Lewis weights, max |tau_i / w_i - 1|. Default 1e-6. The bounds hold whether or not it is reached. */
  tolerance?: number;
  /** Of the Lewis weights. Default 200. */
  maxIterations?: number;
}

/** Result of `sensitivities`. The convergence is that of the Lewis weights the bounds were made with. */
export interface SensitivityResult extends Convergence {
  /**
   * rows of them, f64, in [0, 1]: scores[i] >= sup_x s_i |a_i x|^p / |Ax|_p^p, proved up to rounding; at p = 2 equal to it, the
   * leverage score of diag(s)^(1/2) A. 0 for a zero row.
   */
  scores: Float64Array;
  rank: number;
  /** Their sum: at most rank for p <= 2 and rank^(p/2) for p >= 2, for converged weights. */
  total: number;
}

/**
 * What rows are chosen in proportion to. lewis: Lewis weights, best for |Ax|_p^p. leverage: leverage scores of diag(s)^(1/2) A.
 * mixed: leverage / rank + s_i / sum(s), for losses that a norm bounds only in part. uniform: s_i, the control.
 */
export type CoresetScheme = "lewis" | "leverage" | "mixed" | "uniform";

interface CoresetChoice {
  /** Any finite p that `lewisWeights` takes. Default 1. */
  p?: number;
  /** Expected number of rows, a whole number of at least 1. */
  size: number;
  /** 0 ... 2^53 - 1. Default 0. */
  seed?: number;
  /** Default "lewis". */
  scheme?: CoresetScheme;
  /** Of the Lewis weights, max |tau_i / w_i - 1|. Default 0.01: any weights give an unbiased coreset and a proof. */
  tolerance?: number;
}

export interface CoresetOptions extends CoresetChoice, WeightedOptions {
  /**
   * Scores of the rows, one finite number >= 0 each, as `sensitivities`, `lewisWeights` or `leverageScores` gave them: they replace
   * what "lewis" or "leverage" (also within "mixed") would compute, and serve as weights of the certificate.
   */
  scores?: RowWeights;
}

/** lower |Ax|_p <= |Cx|_p <= upper |Ax|_p, where |Cx|_p^p = sum_k weights[k] |rows[k] x|^p is the coreset's estimate. */
export interface Ratios {
  lower: number;
  upper: number;
}

/** The coreset against all rows. */
export interface RealisedError {
  /**
   * The extremes of |Cx|_p / |Ax|_p that were found: over random directions and over directions aimed by gradient ascent, all
   * fixed by the matrix and the choice alone. Some x may be worse; none can be outside `proved`.
   */
  measured: Ratios;
  /**
   * Holds for every x, proved from the Lewis ellipsoids of A and of the coreset. Exact at p = 2, loose elsewhere.
   * 0 and Infinity when `scores` differ by more than f64 can tell apart.
   */
  proved: Ratios;
  /** Directions that were measured. */
  directions: number;
}

/** Result of `coreset`. The convergence is that of the Lewis weights. */
export interface CoresetResult<T extends Floats = Floats> extends Convergence {
  /** Rows chosen, ascending. */
  indices: Int32Array;
  /** s_i / pi_i of each: sum_k weights[k] |rows[k] x|^p estimates |Ax|_p^p without bias, for every x. */
  weights: Float64Array;
  /** The rows chosen, in the type of A (f16 and bf16 widened to f32). */
  rows: Matrix<T>;
  /** pi_i of each: the probability with which it was chosen. */
  probabilities: Float64Array;
  /** Sum of pi_i over all rows: the expected number of rows. */
  expected: number;
  rank: number;
  realised: RealisedError;
}

export interface CoresetStreamOptions extends CoresetChoice, RunOptions {
  /** Columns of every matrix pushed. */
  cols: number;
  /** Rows gathered before they are reduced to 4 * size; at least 8 * size. Default: 8 * size, at least 4096. */
  tileRows?: number;
}

/** Merge and reduce over rows that come in pieces. How they are cut into pieces does not touch the answer. */
export interface CoresetStream {
  /** Takes further rows (copied), in order. Resolves when they are reduced. All matrices of one stream have one type. */
  push(rows: MatrixLike, options?: { rowWeights?: RowWeights }): Promise<void>;
  /** The coreset of all rows pushed. The stream takes no more. */
  finish(): Promise<CoresetStreamResult>;
}

/** Result of a stream. The convergence is the worst of all reductions. */
export interface CoresetStreamResult extends Convergence {
  /** Numbers of the rows chosen, in the order they were pushed, from 0; ascending. */
  indices: Int32Array;
  /** What |row x|^p is multiplied by; includes the row weights. */
  weights: Float64Array;
  /** The rows chosen, in the type that was pushed (f16 and bf16 widened to f32). */
  rows: Matrix;
  /** Rows pushed. */
  count: number;
  /**
   * Against all rows pushed, summed as they passed: over random directions fixed beforehand. Directions cannot be aimed at rows that
   * are gone, so some x may be well outside.
   */
  realised: Omit<RealisedError, "proved">;
}
