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
