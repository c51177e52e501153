import type { Floats, Matrix } from "../matrix.js";
import type { Convergence, WeightedOptions } from "./common.js";
import type { Objective } from "./low-rank.js";

export interface EntrywiseOptions extends WeightedOptions {
  /** 1 ... min(rows, cols). */
  rank: number;
  /** 0 < p < 4, default 1. Best understood for 1 <= p <= 2; below 1 and above 2 the same steps, with less to promise. */
  p?: number;
  /**
   * How a start is refined. Default "auto": reweighting while 100 of its steps take at most 3e10 multiply-adds, else splitting.
   * reweighting: n (d k^2 + 6 d k + k^3 / 6) a step; splitting: n d (2 min(k, d - k) + d / 2).
   */
  method?: "auto" | "reweighting" | "splitting";
  /**
   * Steps from each start, and from each hop: at most 50 times as many in all by reweighting (SVD, Lewis weights, 8 random starts, 40 hops), 3
   * times by splitting; 2 + `starts` times, or 1 + `starts`, where these are given. `report.starts` has what each took. Default: 200 by
   * reweighting; 20 to 100 by splitting, the more the smaller A is.
   */
  maxIterations?: number;
  /** Stop when a step lowers the error by less than this share, three times in a row. Default 1e-8. */
  tolerance?: number;
  /**
   * Random starts besides the projections by SVD and by Lewis weights (splitting takes the better of these two), and nothing beside them.
   * Default: up to 8 by reweighting, up to 2 by splitting, as far as they cost little; and by reweighting up to 40 hops then, each a start
   * near the best pair so far.
   */
  starts?: number;
  /** Of the random starts and hops. Default 0. */
  seed?: number;
}

/** One start, and what became of it. */
export interface EntrywiseStart {
  start: "svd" | "lewis" | "random" | "hop";
  /** sum_ij s_i |r_ij|^p of the projection A right' right. */
  projection: number;
  /** The same after refining; absent where this start was not refined. */
  refined?: number;
  iterations: number;
}

export interface EntrywiseReport {
  /** projection: nothing beat it, or nothing can (p = 2, an exact fit). */
  method: "projection" | "reweighting" | "splitting";
  starts: EntrywiseStart[];
  seed: number;
}

/** Result of `entrywiseLowRank`: A ~ left * right. `residual` is the share by which the last step lowered the error. */
export interface EntrywiseResult<T extends Floats = Floats> extends Convergence {
  /** rows x rank, of A's type (f16 and bf16: f32). */
  left: Matrix<T>;
  /** rank x cols, orthonormal rows; the largest entry of each is positive. */
  right: Matrix<T>;
  rank: number;
  p: number;
  /** Of the factors as handed out, summed in f64. */
  objective: Objective;
  report: EntrywiseReport;
}
