// What every primitive shares.
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

/** A numeric array with one finite number >= 0 for each row of A; positive ones within 2^1022 of the largest. */
export type RowWeights = Float32Array | Float64Array | readonly number[];

export interface WeightedOptions extends RunOptions {
  /** s_i >= 0, one a row; |row i|^p counts s_i times in every norm. Default: 1 each. */
  rowWeights?: RowWeights;
}

export interface GramOptions extends WeightedOptions {
  /** Of products, and of sums over 256 rows; larger sums are f64's. "f32" takes a third of the time. Default "f64". */
  precision?: "f64" | "f32";
}

export interface SingularValuesOptions extends WeightedOptions {
  /** Of the rows less their weighted mean, rows of zeros left as they are: a sweep of rows * cols^2 multiply-adds more. Default false. */
  centred?: boolean;
}
