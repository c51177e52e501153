// The l_p-SVD's ellipsoid as its paper makes it (Tukan, Maalouf, Weksler, Feldman, arXiv 2009.05647): the shallow-cut ellipsoid
// method of Groetschel, Lovasz, Schrijver, Geometric algorithms and combinatorial optimization (1988), section 4.6. Slow and
// plain: the baseline that level-set.ts of the library is measured against.
//
// E = {x : x' P^-1 x <= 1} always holds L = {x : |Ax|_p <= 1}. When the ends of its axes, shrunk by sqrt(d), all lie in L, so does
// their convex hull, which holds E / d: the sandwich is proved, with distortion d. When one does not, the gradient g of the norm
// there gives a slab |g'x| <= 1 that holds L but not that point, and E becomes the smallest ellipsoid that holds E and the slab.
//
// Shapes   A n x d of rank d; P d x d, positive definite
// Start    the ball of radius 1 / (the least of |Ax|_p at |x|_2 = 1, from below): n^min(0, 1/p - 1/2) sigma_d
// Gradient `difference`: central differences, 2 d norms a cut, as the authors' program takes it; `exact`: sum |a x|^(p-1) sign a
// Cost     a cut: an eigen-decomposition of P, up to d norms of n d each, and the gradient
import { jacobiEigen } from "./jacobi-eigen.js";
import { jacobiSvd } from "./jacobi-svd.js";
import { levelSetNorm } from "./level-set.js";
import { type Dense, fill } from "./matrix.js";

export interface ShallowCut {
  /** E = {x : x' P^-1 x <= 1}. */
  P: Dense;
  logDetH: number;
  cuts: number;
  /** Every axis end, shrunk by sqrt(d), lies in L: E / d in L in E. */
  converged: boolean;
}

export function shallowCut(
  a: Dense,
  p = 1,
  { gradient = "difference" as "difference" | "exact", maxCuts = 100_000 } = {},
): ShallowCut {
  const d = a.cols;
  const sigma = jacobiSvd(a).sigma;
  const least = sigma[d - 1] * a.rows ** Math.min(0, 1 / p - 1 / 2);
  let P = fill(d, d, (i, j) => (i === j ? 1 / least ** 2 : 0));
  for (let cuts = 0; ; ++cuts) {
    const { values, vectors } = jacobiEigen(P);
    const outside = cuts < maxCuts ? axisOutside(a, p, values, vectors) : undefined;
    if (!outside) {
      const converged = cuts < maxCuts || !axisOutside(a, p, values, vectors);
      return { P, logDetH: values.reduce((sum, v) => sum - Math.log(v), 0), cuts, converged };
    }
    const g = gradient === "exact" ? exactGradient(a, p, outside) : differences(a, p, outside);
    P = slab(P, g);
  }
}

/** An axis end of E / sqrt(d) outside L: the one farthest out. */
function axisOutside(a: Dense, p: number, values: ArrayLike<number>, vectors: Dense): Float64Array | undefined {
  const d = a.cols;
  let worst = 1;
  let outside: Float64Array | undefined;
  for (let k = 0; k < d; ++k) {
    const size = Math.sqrt(values[k] / d);
    const x = Float64Array.from({ length: d }, (_, j) => size * vectors.data[j * d + k]);
    const norm = levelSetNorm(a, x, p);
    if (norm > worst) [worst, outside] = [norm, x];
  }
  return outside;
}

function differences(a: Dense, p: number, x: Float64Array): Float64Array {
  const step = 1e-6 * Math.sqrt(x.reduce((sum, v) => sum + v * v, 0));
  return x.map((_, j) => {
    const at = (t: number) =>
      levelSetNorm(
        a,
        x.map((v, k) => (k === j ? v + t : v)),
        p,
      );
    return (at(step) - at(-step)) / (2 * step);
  });
}

function exactGradient(a: Dense, p: number, x: Float64Array): Float64Array {
  const g = new Float64Array(a.cols);
  const norm = levelSetNorm(a, x, p);
  for (let i = 0; i < a.rows; ++i) {
    let v = 0;
    for (let j = 0; j < a.cols; ++j) v += a.data[i * a.cols + j] * x[j];
    const slope = Math.sign(v) * (Math.abs(v) / norm) ** (p - 1);
    for (let j = 0; j < a.cols; ++j) g[j] += slope * a.data[i * a.cols + j];
  }
  return g;
}

/** The smallest ellipsoid that holds {x' P^-1 x <= 1} cut to |g'x| <= 1, where 1 / (g'Pg) < 1 / d. */
function slab(P: Dense, g: Float64Array): Dense {
  const d = P.cols;
  const Pg = Float64Array.from(g, (_, i) => g.reduce((sum, x, j) => sum + P.data[i * d + j] * x, 0));
  const square = Pg.reduce((sum, x, i) => sum + x * g[i], 0);
  const gamma = 1 / square;
  if (d === 1) return fill(1, 1, () => P.data[0] * gamma);
  const grow = (d * (1 - gamma)) / (d - 1);
  const shrink = (1 - d * gamma) / (1 - gamma);
  return fill(d, d, (i, j) => grow * (P.data[i * d + j] - (shrink * Pg[i] * Pg[j]) / square));
}
