// Smallest ellipsoid of points by Khachiyan's method (Rounding of polytopes in the real number model of computation, 1996),
// by its definition: no away steps, no active set, M inverted anew at every step.
//
// maximise log det sum u_i x_i x_i' over the simplex, x_i = a_i (centred on 0) or (1, a_i) (free centre): u moves towards the
// point of largest omega_i = x_i' M^-1 x_i by the step that is best on that line.
//
// Shapes   a n x d, its rows spanning R^d (their affine hull R^d); H d x d; center d; u n
// Cost     n D^2 + D^3 a step, some D / tolerance steps
import { cholesky, solveRows } from "./cholesky.js";
import { type Dense, fill, gram, multiply, scaleRows, transpose } from "./matrix.js";

export interface Ellipsoid {
  /** {x : (x - center)' H (x - center) <= 1} holds every row. */
  H: Dense;
  center: Float64Array;
  u: Float64Array;
  /** log det H; the smallest ellipsoid's is at most D log(1 + gap) above, and not below. */
  logDet: number;
  /** omega_+ / D - 1. */
  gap: number;
}

export function minVolumeEllipsoid(a: Dense, freeCenter = false, tolerance = 1e-3, maxSteps = 200_000): Ellipsoid {
  const x = freeCenter ? fill(a.rows, a.cols + 1, (i, j) => (j === 0 ? 1 : a.data[i * a.cols + j - 1])) : a;
  const D = x.cols;
  let u = new Float64Array(a.rows).fill(1 / a.rows);
  let gap = Infinity;
  for (let step = 0; step < maxSteps; ++step) {
    const omega = forms(x, u);
    const top = omega.indexOf(omega.reduce((most, w) => Math.max(most, w), 0));
    gap = omega[top] / D - 1;
    if (gap <= tolerance) break;
    // D = 1: all the weight at once.
    const share = D === 1 ? 1 : gap / (omega[top] - 1);
    u = u.map((w, i) => (1 - share) * w + (i === top ? share : 0));
  }
  const center = new Float64Array(a.cols);
  if (freeCenter)
    for (let i = 0; i < a.rows; ++i) center.forEach((_, j) => (center[j] += u[i] * a.data[i * a.cols + j]));
  const away = fill(a.rows, a.cols, (i, j) => a.data[i * a.cols + j] - center[j]);
  const factor = cholesky(moment(away, u));
  const most = forms(away, u).reduce((top, w) => Math.max(top, w), 0);
  const inverseFactor = solveRows(
    factor,
    fill(a.cols, a.cols, (i, j) => Number(i === j)),
  );
  const H = multiply(inverseFactor, transpose(inverseFactor));
  let logDet = -a.cols * Math.log(most);
  for (let j = 0; j < a.cols; ++j) logDet -= 2 * Math.log(factor.data[j * a.cols + j]);
  return { H: { ...H, data: H.data.map((h) => h / most) }, center, u, logDet, gap };
}

/** sum u_i x_i x_i' */
function moment(x: Dense, u: Float64Array): Dense {
  return gram(scaleRows(x, u.map(Math.sqrt)));
}

/** omega_i = x_i' M^-1 x_i */
function forms(x: Dense, u: Float64Array): Float64Array {
  const white = solveRows(cholesky(moment(x, u)), x);
  return Float64Array.from({ length: x.rows }, (_, i) =>
    white.data.subarray(i * x.cols, (i + 1) * x.cols).reduce((sum, y) => sum + y * y, 0),
  );
}
