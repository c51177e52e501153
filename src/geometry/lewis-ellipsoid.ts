// The ellipsoid {x : |Mx|_2 <= 1}, M = W^(1/2-1/p) A, of Lewis weights that are good enough for a certificate.
//
// Up to p = 2 the start w_i = |a_i|^p with equilibrated columns is within a few percent already; one or two sweeps certify it to 1 %.
import type { EngineRows } from "../engine/sweep.js";
import type { SandwichCertificate } from "../types/index.js";
import { idealDistortion, sandwich } from "./certificate.js";
import { johnWeights } from "./john-weights.js";
import { Chebyshev, LewisSweeps, unscale } from "./lewis-sweeps.js";
import type { Profile } from "./profile.js";
import type { Run } from "./run.js";
import { whiten, type Whitening } from "./whiten.js";

/** Weights (as row state logWeight) with their Gram matrix and what they prove. */
export interface LewisEllipsoid {
  /** M'M of A's own columns times unit^2 of the profile, d x d: squares of 1e200 would overflow. */
  gram: Float64Array;
  rank: number;
  certificate: SandwichCertificate;
  /** max |tau_i / w_i - 1| of the weights returned. */
  residual: number;
  iterations: number;
  converged: boolean;
}

/**
 * For low rank: stops as soon as the certified distortion upper / lower is within `tolerance` of the ideal. Steps that
 * prove nothing run in f32 where that is safe; the Gram matrix and the sweep that certify run in f64.
 */
export async function lewisEllipsoid(
  run: Run,
  rows: EngineRows,
  profile: Profile,
  { p, tolerance, maxIterations }: { p: number; tolerance: number; maxIterations: number },
): Promise<LewisEllipsoid> {
  // upper / lower is the root of the largest q: twice the tolerance does.
  if (p === Infinity) return johnWeights(run, rows, profile, { tolerance: 2 * tolerance, maxIterations });
  const { columnScale, unit } = profile;
  const { source } = rows;
  const { cols: d, rows: n, dtype } = source;
  const sweeps = new LewisSweeps(run, rows, p, columnScale);
  const white = (gram: Float64Array) => whiten(run.engine, gram, d, n, dtype);
  const schedule = new Chebyshev(p);
  // A step shrinks the excess about this much (seen: 15 to 30-fold at p = 1): then a certifying sweep is worth its time.
  const gain = p < 2 ? 25 : 4;
  let wide = dtype === "f64";
  let gram = await sweeps.start(wide);
  let whitening = await white(gram);
  const isSafe = () => whitening.triangular && whitening.condition <= safeCondition;
  if (!wide && !isSafe()) {
    wide = true;
    gram = await sweeps.start(wide);
    whitening = await white(gram);
  }
  /** The Gram matrix of the present weights is summed in f64. */
  let exact = wide;
  let excess = Infinity;
  for (let iterations = 0; ;) {
    const ideal = await idealDistortion(run, p, whitening.rank);
    const last = iterations >= maxIterations;
    if (excess < gain * tolerance || last) {
      if (!exact) {
        gram = await sweeps.gram();
        whitening = await white(gram);
        exact = true;
      }
      const inflation = wide ? 0 : productError(whitening, d);
      const narrow =
        !wide && inflation * Math.sqrt(whitening.condition) < tolerance * Math.sqrt(squares(whitening.transform)) * 0.3;
      const terms = await sweeps.step(whitening, narrow ? { wide: false, inflation } : {});
      const certificate = await sandwich(run, p, terms.total, terms.distortion, whitening.condition, dtype === "f64");
      excess = certificate.upper / certificate.lower / ideal - 1;
      if (excess <= tolerance || last) {
        return {
          gram: unscale(gram, columnScale, unit),
          rank: whitening.rank,
          certificate,
          residual: terms.residual,
          iterations,
          converged: excess <= tolerance,
        };
      }
    }
    // The first step's Gram matrix proves nothing yet, as a rule: trained tables take two.
    const wideGram = wide || iterations > 0;
    const terms = await sweeps.step(whitening, { ...(p > 2 ? schedule.step : { omega: 1 }), wide, wideGram });
    const { lower, upper } = await sandwich(run, p, terms.total, terms.distortion, 1, true);
    excess = upper / lower / ideal - 1;
    schedule.saw(terms.residual);
    gram = terms.gram;
    whitening = await white(gram);
    exact = wideGram;
    if (!isSafe()) wide = true;
    ++iterations;
  }
}

/** f32 sums err by 1e-6 of the largest eigenvalue: below this they leave q good to a percent. */
const safeCondition = 1e4;

/**
 * Error of y = x T as computed in f32, beside |x|: sums are 256 deep, then added up, and |x|_l |T_lj| summed over l is at
 * most |x| |T_j| (Higham, Accuracy and stability of numerical algorithms, 3.1).
 */
function productError({ transform }: Whitening, d: number): number {
  return 1.01 * (Math.min(d, 256) + Math.ceil(d / 256) + 2) * 2 ** -24 * Math.sqrt(squares(transform));
}

function squares(x: Float64Array): number {
  let sum = 0;
  for (const v of x) sum += v * v;
  return sum;
}
