// From a Gram matrix to the transform T with T T' = G^+, so that |a T|_2^2 is a' G^+ a: by Cholesky where G is safely of
// full rank, by eigenvectors where it is not.
import type { Engine } from "../../engine/engine.js";
import type { MatrixShape } from "../../matrix.js";
import { dot, scaleRows, sumOfSquares, timesVector } from "./small-dense.js";

export interface Whitening {
  /** d x m f64, row-major; upper triangular when `triangular`. */
  transform: Float64Array;
  /** Columns of the transform: the rank of G. */
  rank: number;
  triangular: boolean;
  /** Condition number of the column-equilibrated G on its row space, estimated from above. */
  condition: number;
}

const epsilon = 2 ** -52;

/**
 * Rank rule: eigenvalues of the column-equilibrated G above n * epsilon of the largest count. f32 data is only exact to
 * 2^-24, which leaves eigenvalues of about 5e-15 in a matrix that is rank-deficient but for rounding: n counts as 64 at least.
 * @param G d x d, symmetric positive semidefinite
 */
export async function whiten(
  engine: Engine,
  G: Float64Array,
  { rows: n, cols: d, dtype }: MatrixShape,
): Promise<Whitening> {
  const threshold = Math.max(n, d, dtype === "f64" ? 1 : 64) * epsilon;
  const scale = new Float64Array(d);
  let zero = false;
  for (let i = 0; i < d; ++i) {
    const g = G[i * d + i];
    if (g > 0) scale[i] = 1 / Math.sqrt(g);
    else zero = true;
  }
  const equilibrated = new Float64Array(d * d);
  for (let i = 0; i < d; ++i) for (let j = 0; j < d; ++j) equilibrated[i * d + j] = G[i * d + j] * scale[i] * scale[j];

  if (!zero) {
    const factor = await engine.dense("inverseCholesky", { matrix: equilibrated, n: d, tolerance: threshold });
    if ("inverse" in factor) {
      const { inverse } = factor;
      const trace = sumOfSquares(inverse);
      const condition =
        largestEigenvalue(d, d, (x) => timesVector(equilibrated, x)) *
        largestEigenvalue(d, trace, (x) => timesUpper(inverse, d, timesUpperTransposed(inverse, d, x)));
      // 1 / |T|_F^2 is below the smallest eigenvalue, and d is above the largest: surely of full rank.
      if (trace * d * threshold < 1 || condition * threshold * 4 < 1) {
        return { transform: scaleRows(inverse, scale), rank: d, triangular: true, condition };
      }
    }
  }
  const { values, vectors } = await engine.dense("eigen", { matrix: equilibrated, n: d });
  let rank = 0;
  while (rank < d && values[rank] > threshold * values[0]) ++rank;
  const transform = new Float64Array(d * rank);
  for (let k = 0; k < rank; ++k) {
    const size = 1 / Math.sqrt(values[k]);
    for (let j = 0; j < d; ++j) transform[j * rank + k] = vectors[k * d + j] * size;
  }
  return {
    transform: scaleRows(transform, scale),
    rank,
    triangular: false,
    condition: rank ? values[0] / values[rank - 1] : 1,
  };
}

/**
 * Estimate of the largest eigenvalue of a symmetric positive semidefinite matrix, given as x -> G x: twice what eight steps
 * of the power method reach, but no more than the trace.
 */
function largestEigenvalue(d: number, trace: number, multiply: (x: Float64Array) => Float64Array): number {
  let x: Float64Array = new Float64Array(d);
  for (let i = 0; i < d; ++i) x[i] = 1 + (i % 7) / 8;
  let size = 0;
  for (let step = 0; step < 8; ++step) {
    const y = multiply(x);
    size = Math.sqrt(sumOfSquares(y) / sumOfSquares(x));
    if (!(size > 0)) return trace;
    const scale = 1 / Math.sqrt(sumOfSquares(y));
    x = y.map((v) => v * scale);
  }
  return Math.min(trace, 2 * size);
}

/** T x for T d x d, upper triangular. */
function timesUpper(matrix: Float64Array, d: number, x: Float64Array): Float64Array {
  const y = new Float64Array(d);
  for (let i = 0; i < d; ++i) y[i] = dot(matrix, i * d + i, x, i, d - i);
  return y;
}

/** T' x for T d x d, upper triangular. */
function timesUpperTransposed(matrix: Float64Array, d: number, x: Float64Array): Float64Array {
  const y = new Float64Array(d);
  for (let i = 0; i < d; ++i) {
    const factor = x[i];
    for (let j = i, k = i * d + i; j < d; ++j, ++k) y[j] += matrix[k] * factor;
  }
  return y;
}
