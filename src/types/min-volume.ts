import type { Matrix } from "../matrix.js";
import type { Convergence, RunOptions } from "./common.js";

export interface JohnOptions extends RunOptions {
  /** Stop when the residual is at most this. Default 1e-7. */
  tolerance?: number;
  /** Rounds of solving on the active rows and scoring all of them. Default 100; reaching it is a result with converged: false. */
  maxIterations?: number;
}

export interface MinVolumeOptions extends JohnOptions {
  /** Let the centre move: the smallest ellipsoid of the points. Default false: centre 0, so of the points and their negatives. */
  freeCenter?: boolean;
}

/** What both ellipsoids say of how they were found. */
export interface ContactWeights extends Convergence {
  /** The u of the optimum, rows of them, f64, on the simplex: 0 off the boundary. */
  weights: Float64Array;
  /** Rows of positive weight, ascending: they touch the ellipsoid up to the residual. */
  contacts: Int32Array;
  /** Dimension of the points' span, of their affine hull with a free centre. */
  rank: number;
  /**
   * max(omega_+ / D - 1, 1 - omega_- / D) with omega_i = x_i' (sum_j u_j x_j x_j')^-1 x_i: omega_+ the largest of all rows,
   * omega_- the smallest of the contacts. x_i is row i and D the rank; with a free centre x_i is (row i, 1) and D one more.
   */
  residual: number;
}

/** Result of `minVolumeEllipsoid`: {x : (x - center)' H (x - center) <= 1}, or with a basis {center + basis y : y' H y <= 1}. */
export interface MinVolumeResult extends ContactWeights {
  /** rank x rank, symmetric, f64. Scaled so that every point is held: max (x - center)' H (x - center) = 1 up to rounding. */
  H: Matrix<Float64Array>;
  /** cols of them; zeros without a free centre. */
  center: Float64Array;
  /** cols x rank, orthonormal columns, each with its largest entry positive; only where rank < cols: the points span no more. */
  basis?: Matrix<Float64Array>;
  /** log det H. The volume is that of the unit ball of R^rank times exp(-logDet / 2). */
  logDet: number;
}

/** Result of `johnEllipsoid`: {x : x' H x <= 1} lies in {x : |a_i x| <= 1 for every row}, and touches it at the contacts. */
export interface JohnResult extends ContactWeights {
  /** cols x cols, symmetric, f64; singular where rank < cols: the polytope, and the ellipsoid, reach to infinity. */
  H: Matrix<Float64Array>;
  /** log det H; -Infinity where rank < cols. */
  logDet: number;
}
