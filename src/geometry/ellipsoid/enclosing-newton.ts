// Interior-point Newton for the weights of the smallest enclosing ellipsoid: minimise sum v - log det M(v) over v >= 0,
// where M(v) = sum v_i b_i b_i'. The optimum is v = d u, for its scale takes care of itself.
//
// With K = B M^-1 B', omega = diag K: gradient 1 - omega, Hessian K o K (entrywise square). Primal-dual, z = 1 - omega:
//   (K o K + diag(z / v)) dv = mu / v - (1 - omega),      dz = (1 - omega - z) + (K o K) dv
// with Mehrotra's predictor and corrector. Sun, Freund, Computation of minimum-volume covering ellipsoids (2004) report
// some 15 steps; points whose Hessian is singular (duplicates, more than d (d + 1) / 2 of them) do no harm.
//
// Shapes   B s x d; Hessian s x s         Cost   s^2 (s / 6 + d / 2) multiply-adds a step
import { choleskyInPlace, dot, solveInPlace, solveRowsInPlace, weightedGram } from "../basis/small-dense.js";

/**
 * @param B s x d, spanning R^d
 * @param start s weights on the simplex; `residual` is theirs: how far from the optimum the first step may look
 * @returns s weights on the simplex, 0 where the point ends inside
 */
export function newtonWeights(
  B: Float64Array,
  d: number,
  start: Float64Array,
  residual: number,
  tolerance: number,
  maxIterations: number,
): { weights: Float64Array; iterations: number } {
  const s = start.length;
  const blend = Math.min(0.5, residual);
  let v: Float64Array = start.map((x) => d * ((1 - blend) * x + blend / s));
  let z: Float64Array = new Float64Array(s);
  const factor = new Float64Array(s * s);
  const white = new Float64Array(s * d);
  const omega = new Float64Array(s);
  let iterations = 0;
  for (; iterations < Math.min(60, maxIterations); ++iterations) {
    const L = weightedGram(B, s, d, v);
    if (choleskyInPlace(L, d) >= 0) break;
    white.set(B);
    solveRowsInPlace(L, d, white, s);
    for (let i = 0; i < s; ++i) omega[i] = dot(white, i * d, white, i * d, d);
    if (iterations === 0) z = omega.map((x) => Math.max(1 - x, blend * 0.1));
    const mu = dot(v, 0, z, 0, s) / s;
    // What would be dropped now must weigh nothing, and what stays must be on the boundary.
    let dropped = 0;
    let off = 0;
    for (let i = 0; i < s; ++i) {
      if (isInside(v[i], z[i], tolerance)) dropped += v[i];
      else off = Math.max(off, Math.abs(1 - omega[i]));
    }
    if (dropped < tolerance / 8 && off < tolerance / 4) break;
    for (let i = 0; i < s; ++i) {
      for (let j = 0; j <= i; ++j) {
        const k = dot(white, i * d, white, j * d, d);
        factor[i * s + j] = k * k;
      }
      factor[i * s + i] += z[i] / v[i];
    }
    if (choleskyInPlace(factor, s) >= 0) break;
    const direction = (target: (i: number) => number) => {
      // v_i dz_i + z_i dv_i = target_i - v_i z_i
      const dv = new Float64Array(s);
      for (let i = 0; i < s; ++i) dv[i] = target(i) / v[i] - (1 - omega[i]);
      solveInPlace(factor, s, dv);
      const dz = new Float64Array(s);
      for (let i = 0; i < s; ++i) dz[i] = (target(i) - z[i] * dv[i]) / v[i] - z[i];
      return { dv, dz };
    };
    const affine = direction(() => 0);
    const reach = Math.min(longest(v, affine.dv), longest(z, affine.dz), 1);
    let after = 0;
    for (let i = 0; i < s; ++i) after += (v[i] + reach * affine.dv[i]) * (z[i] + reach * affine.dz[i]);
    const share = after / s / mu;
    const sigma = share * share * share;
    const { dv, dz } = direction((i) => sigma * mu - affine.dv[i] * affine.dz[i]);
    const length = Math.min(1, 0.995 * Math.min(longest(v, dv), longest(z, dz)));
    v = v.map((x, i) => x + length * dv[i]);
    z = z.map((x, i) => x + length * dz[i]);
  }
  for (let i = 0; i < s; ++i) if (isInside(v[i], z[i], tolerance)) v[i] = 0;
  const total = v.reduce((a, b) => a + b, 0);
  return { weights: v.map((x) => x / total), iterations };
}

/** v z = mu: one of the two goes to 0. */
function isInside(v: number, z: number, tolerance: number): boolean {
  return z > tolerance / 4 && v < z;
}

/** The largest t with x + t dx >= 0. */
function longest(x: Float64Array, dx: Float64Array): number {
  let t = Infinity;
  for (let i = 0; i < x.length; ++i) if (dx[i] < 0) t = Math.min(t, -x[i] / dx[i]);
  return t;
}
