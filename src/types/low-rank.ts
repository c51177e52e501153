import type { Floats, Matrix, MatrixLike, RowSource } from "../matrix.js";
import type { Convergence, SandwichCertificate, WeightedOptions } from "./common.js";

/** A proven statement about a low-rank approximation. */
export interface LowRankCertificate extends SandwichCertificate {
  /** sigma_1(M (I - V V')) for the V of right: sigma_{k+1}(M) where V is M's own, 0 when the rank kept is that of A. entrywise: sigma_1(M). */
  sigmaNext: number;
  /**
   * upper * sigmaNext: |(A - A_k) x|_p <= bound * |x|_2 for every x, where A_k is the exact projection onto the right factor's rows.
   * entrywise does not project: there M is that of A - left right, the matrix of which lower and upper speak.
   */
  bound: number;
  /**
   * What can add to `bound`, worst case: storing and computing the factors in their dtype, and what a Gram matrix cannot see of sigmaNext
   * beyond `slack` (1e-7 of M's Frobenius norm at most; docs/numbers.md).
   */
  rounding: number;
}

/** Error of an approximation, residual R = A - left * right. Row weights s_i multiply |r_i|^p in every norm. */
export interface Objective {
  /** sum_ij |r_ij|^p for the p of the call; at p = Infinity the largest |r_ij| (of rows with s_i > 0). */
  lp: number;
  /** sum_ij |r_ij| */
  l1: number;
  /** sum_i |r_i|_2 */
  l21: number;
  /** Frobenius norm. */
  l2: number;
  /** The row with the largest |r_i|_2 (unweighted; the lowest row of equals). */
  worstRow: { row: number; norm: number };
}

/** A method that ran. */
export type ChosenMethod = "lewis" | "svd" | "level-set" | "subspace" | "entrywise" | "clusters";
export type Method = "auto" | ChosenMethod;
export type ObjectiveName = "lp" | "l21" | "l2" | "operator";
/** How factors are stored, and rounded before the report is computed. */
export type FactorType = "f16" | "bf16" | "f32" | "f64";

/** Takes rows of the left factor from row `start` on, in row order; the array is only valid during the call. */
export type LeftSink = (start: number, rows: Float32Array | Float64Array) => void | Promise<void>;

export interface LowRankOptions extends WeightedOptions {
  /** Exactly one of rank, keep, energy. rank: 1 ... min(rows, cols). */
  rank?: number;
  /** 0 < keep <= 1: share of the element count, rank = floor(keep n d / (n + d) + 1e-9). */
  keep?: number;
  /** 0 < energy <= 1: the smallest rank whose singular values hold this share of the sum of squares. */
  energy?: number;
  /** 0 < p <= Infinity. Default 1. */
  p?: number;
  /**
   * Default "auto": the best in `objective` of lewis, svd and, as far as `maxWork` goes, the others that make one pair of factors. subspace
   * and clusters take p <= 2, entrywise p < 4, level-set p >= 1.
   */
  method?: Method;
  /**
   * Of method clusters: groups of rows, each with a right factor of its own, 1 ... 256. Default 4. One is method subspace. `keep` counts
   * the elements of all right factors; group numbers, a byte a row, come on top.
   */
  groups?: number;
  /**
   * Floating-point operations, about, that `auto` may spend on methods beyond lewis and svd. Default 2e11: five seconds or so on
   * one thread. A number of operations and not of seconds, so that the answer does not depend on the machine.
   */
  maxWork?: number;
  /** What auto minimises. Default "lp". */
  objective?: ObjectiveName;
  /** Certified distortion upper / lower within this of d^|1/p - 1/2|. Default 0.01. */
  tolerance?: number;
  /** 0 ... 2^53 - 1, for methods that draw random numbers; recorded in the report. Default 0. */
  seed?: number;
  /** Also score SVD at the same rank, and list it among report.candidates. Default false (auto always does). */
  compareSvd?: boolean;
  /**
   * Default: left is returned. A function takes it instead, so that it need not fit into memory; false: it is not made. In both
   * cases result.left.data is empty.
   */
  left?: LeftSink | false;
  /** Factors are rounded to this and the report is of the rounded ones. Default: the type of A. f16 and bf16 factors come back as Float32Array whose values that type holds exactly. */
  factorType?: FactorType;
  /** `false` is for LowRankFactorOptions. */
  report?: true;
}

/** The factors and their certificate alone, without a report of their error, which takes about half of the time. */
export interface LowRankFactorOptions extends Omit<LowRankOptions, "report"> {
  /** For one method ("auto" compares errors), or p = 2. */
  report: false;
}

/** One method that was tried. */
export interface Candidate {
  method: ChosenMethod;
  objective: Objective;
  certificate: LowRankCertificate;
}

export interface LowRankReport {
  objective: Objective;
  certificate: LowRankCertificate;
  /** Every method tried, the chosen one first. */
  candidates: Candidate[];
  seed: number;
}

/** A ~ left * right, both of the type of A unless `factorType` says another. */
export interface LowRankFactors<T extends Floats = Floats> extends Convergence {
  /** rows x rank; equals A right' up to rounding, but for method entrywise. Without data where options.left says so. */
  left: Matrix<T>;
  /**
   * rank x cols, orthonormal rows; the largest entry of each is positive. Of method clusters: those of all groups below each other,
   * groups rank x cols; row i of A is left_i times the rank rows from groups[i] rank on.
   */
  right: Matrix<T>;
  /** Of method clusters with more than one group: that of each row. */
  groups?: Uint8Array;
  rank: number;
  p: number;
  /** The method that won. */
  method: ChosenMethod;
  certificate: LowRankCertificate;
}

/** The same with what it errs by. */
export interface LowRankResult<T extends Floats = Floats> extends LowRankFactors<T> {
  report: LowRankReport;
}

export interface FactorPair {
  /** rows x rank */
  left: MatrixLike;
  /** rank x cols */
  right: Matrix;
}

/** A place for rows outside of memory, such as a file. */
export interface RowStore {
  /** Takes whole rows, one behind another. */
  write(rows: Float32Array | Float64Array): Promise<void>;
  /** What was written, once all is. */
  finish(): Promise<RowSource>;
}

export interface CertifyOptions extends WeightedOptions {
  /** The left factor: certifies A - left right itself, whatever pair it is. Without it, the exact projection onto right's rows. */
  left?: MatrixLike;
  /**
   * With left. "residual" (the default): by an ellipsoid of A - left right, which is kept in memory, n d numbers. "projection": by that of A,
   * for a left that is nearly A right': what it is off by is measured, and is in `rounding`. Costs n d k multiply-adds, and no memory.
   */
  by?: "residual" | "projection";
  /** With left, by "residual": opens a place for A - left right in place of memory. f64 of an f64 A, else f32; each sweep reads it once. */
  residualStore?: () => Promise<RowStore>;
  /**
   * Without left: factors that project are rounded to this, left and right, and `rounding` is the most that it can cost. Default: the
   * type of right, which is taken as it is.
   */
  factorType?: FactorType;
  /** What proves it: Lewis weights (the default), or the Loewner ellipsoid of the level set, found by seed. */
  ellipsoid?: "lewis" | "level-set";
  seed?: number;
  p?: number;
  tolerance?: number;
}
