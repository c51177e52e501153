import type { Matrix, MatrixLike } from "./matrix.js";

/** Shared by every primitive. */
export interface RunOptions {
  /** Called as work advances. Never called after the promise has settled. */
  onProgress?: (progress: Progress) => void;
  /** Stops the work between two tiles; the promise then rejects with AbortedError. */
  signal?: AbortSignal;
}

/** One progress report: `done` of `total` units of estimated work (multiply-adds), monotone within a call. */
export interface Progress {
  /** What is being done now: "profile", "Lewis weights", "factors", ... */
  stage: string;
  done: number;
  total: number;
}

/** How an iteration ended. Not converging is a result, never silence. */
export interface Convergence {
  /** Sweeps that changed the answer. */
  iterations: number;
  /** Of the defining property, e.g. max |tau_i / w_i - 1|; 0 for direct methods. */
  residual: number;
  converged: boolean;
  /** Wall-clock seconds. */
  seconds: number;
}

/**
 * lower * |Mx|_2 <= |Ax|_p <= upper * |Mx|_2 for every x, up to the relative `slack`, where gram = M'M.
 * With row weights s, |Ax|_p means (sum_i s_i |a_i x|^p)^(1/p).
 */
export interface SandwichCertificate {
  lower: number;
  upper: number;
  slack: number;
}

/** A proven statement about a low-rank approximation. */
export interface LowRankCertificate extends SandwichCertificate {
  /** sigma_{k+1}(M), 0 when the rank kept is at least the rank of A. */
  sigmaNext: number;
  /** |(A - A_k) x|_p <= bound * |x|_2 for every x, where A_k is the exact projection onto the right factor's rows. */
  bound: number;
  /** What storing and computing the factors in their dtype can add to `bound`, worst case. */
  rounding: number;
}

/** Error of an approximation, residual R = A - left * right. Row weights s_i multiply |r_i|^p in every norm. */
export interface Objective {
  /** sum_ij |r_ij|^p for the p of the call. */
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

export type Method = "auto" | "lewis" | "svd";
export type ObjectiveName = "lp" | "l21" | "l2" | "operator";
/** How factors are stored, and rounded before the report is computed. */
export type FactorType = "f16" | "bf16" | "f32" | "f64";

/** A numeric array with one finite number >= 0 for each row of A. */
export type RowWeights = Float32Array | Float64Array | readonly number[];

export interface WeightedOptions extends RunOptions {
  /** s_i >= 0, one a row; |row i|^p counts s_i times in every norm. Default: 1 each. */
  rowWeights?: RowWeights;
}

/** Result of `leverageScores`: scores[i] = a_i' (A'A)^+ a_i in [0, 1]; they sum to the rank. */
export interface LeverageResult extends Convergence {
  /** rows of them, f64. */
  scores: Float64Array;
  rank: number;
}

export interface LewisOptions extends WeightedOptions {
  /** 0 < p < 4. Default 1. */
  p?: number;
  /** Stop when max_i |tau_i / w_i - 1| is at most this. Default 1e-6. */
  tolerance?: number;
  /** Default 200. Reaching it is a result with converged: false. */
  maxIterations?: number;
}

/** Result of `lewisWeights`. */
export interface LewisResult extends Convergence {
  /** rows of them, f64; they sum to the rank; zero rows weigh 0. */
  weights: Float64Array;
  /** M'M, cols x cols, f64, for the certificate. */
  gram: Matrix<Float64Array>;
  rank: number;
  certificate: SandwichCertificate;
}

export interface LowRankOptions extends WeightedOptions {
  /** Exactly one of rank, keep, energy. rank: 1 ... min(rows, cols). */
  rank?: number;
  /** 0 < keep <= 1: share of the element count, rank = floor(keep n d / (n + d) + 1e-9). */
  keep?: number;
  /** 0 < energy <= 1: the smallest rank whose singular values hold this share of the sum of squares. */
  energy?: number;
  /** 0 < p < 4. Default 1. */
  p?: number;
  /** Default "auto": the better of "lewis" and "svd" in `objective`. */
  method?: Method;
  /** What auto minimises. Default "lp". */
  objective?: ObjectiveName;
  /** Certified distortion upper / lower within this of d^|1/p - 1/2|. Default 0.01. */
  tolerance?: number;
  /** Default 0. No method of today draws random numbers; recorded in the report. */
  seed?: number;
  /** Also score SVD at the same rank, and list it among report.candidates. Default false (auto always does). */
  compareSvd?: boolean;
  /** Factors are rounded to this and the report is of the rounded ones. Default: the type of A. f16 and bf16 factors come back as Float32Array whose values that type holds exactly. */
  factorType?: FactorType;
}

/** One method that was tried. */
export interface Candidate {
  method: "lewis" | "svd";
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

/** A ~ left * right. */
export interface LowRankResult extends Convergence {
  /** rows x rank; equals A right' up to rounding. */
  left: Matrix;
  /** rank x cols, orthonormal rows; the largest entry of each is positive. */
  right: Matrix;
  rank: number;
  p: number;
  /** The method that won. */
  method: "lewis" | "svd";
  certificate: LowRankCertificate;
  report: LowRankReport;
}

export interface FactorPair {
  /** rows x rank */
  left: MatrixLike;
  /** rank x cols */
  right: Matrix;
}

export interface CertifyOptions extends WeightedOptions {
  p?: number;
  tolerance?: number;
}

/** What `createLoewner()` resolves to. Calls on one instance queue up; `dispose()` frees its memory. */
export interface Loewner {
  leverageScores(a: MatrixLike, options?: WeightedOptions): Promise<LeverageResult>;
  lewisWeights(a: MatrixLike, options?: LewisOptions): Promise<LewisResult>;
  lowRank(a: MatrixLike, options: LowRankOptions): Promise<LowRankResult>;
  /** Singular values of diag(s)^(1/2) A, descending, cols of them. */
  singularValues(a: MatrixLike, options?: WeightedOptions): Promise<Float64Array>;
  /** Error of any factor pair; left may be a row source. */
  residual(a: MatrixLike, factors: FactorPair, options?: WeightedOptions & { p?: number }): Promise<Objective>;
  /** Certificate for any right factor with orthonormal rows: bound = upper * sigma_1(M (I - right' right)). */
  certify(a: MatrixLike, right: Matrix, options?: CertifyOptions): Promise<LowRankCertificate>;
  /** left * right, handed to `sink` in row order a tile at a time; the tile is only valid during the call. */
  multiply(
    factors: FactorPair,
    sink: (start: number, rows: Float32Array | Float64Array) => void | Promise<void>,
    options?: RunOptions,
  ): Promise<void>;
  dispose(): void;
}
