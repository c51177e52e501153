// The ellipsoid {x : |Mx|_2 <= 1}, M = W^(1/2-1/p) A, of Lewis weights that are good enough for a certificate.
//
// Up to p = 2 the start w_i = |a_i|^p with equilibrated columns is within a few percent already; one or two sweeps certify it to 1 %.
import type { EngineRows } from "../engine/sweep.js";
import type { SandwichCertificate } from "../types/index.js";
import { idealDistortion, sandwich } from "./certificate.js";
import { johnWeights } from "./john-weights.js";
import { raiseFewRows } from "./lewis-raise.js";
import { Chebyshev, LewisSweeps, unscale, type Terms } from "./lewis-sweeps.js";
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

/** Weights under trial: what they make of A's own columns. */
export interface Trial {
  /** M'M times unit^2, d x d, summed in f64. */
  gram: Float64Array;
  whitening: Whitening;
}

export interface EllipsoidOptions {
  p: number;
  tolerance: number;
  maxIterations: number;
  /**
   * Computes the certificate's terms in a sweep that does something else besides, with each row's as row state rowDistortion; or
   * nothing, where it cannot: then they take a sweep of their own.
   */
  prove?: (trial: Trial) => Promise<Terms | undefined>;
  /** Gram matrix of the start, where `profiledStart` made it. */
  start?: Float64Array;
}

/**
 * For low rank: stops as soon as the certified distortion upper / lower is within `tolerance` of the ideal. Steps that
 * prove nothing run in f32 where that is safe; the Gram matrix and the sweep that certify run in f64.
 */
export async function lewisEllipsoid(
  run: Run,
  rows: EngineRows,
  profile: Profile,
  { p, tolerance, maxIterations, prove, start }: EllipsoidOptions,
): Promise<LewisEllipsoid> {
  // upper / lower is the root of the largest q: twice the tolerance does.
  if (p === Infinity) return johnWeights(run, rows, profile, { tolerance: 2 * tolerance, maxIterations });
  const { columnScale, unit } = profile;
  const { source } = rows;
  const { cols: d, rows: n, dtype } = source;
  const sweeps = new LewisSweeps(run, rows, p, columnScale);
  const white = (gram: Float64Array) => whiten(run.engine, gram, d, n, dtype);
  const schedule = new Chebyshev(p);
  // A step shrinks the excess about this much (seen: 12 to 70-fold at p = 1), and raising a few rows' weights halves what is
  // left: then a sweep that certifies is worth its time.
  const gain = p < 2 ? 60 : 4;
  let wide = dtype === "f64";
  let gram = start ?? (await sweeps.start(wide));
  let whitening = await white(gram);
  const isSafe = () => isNarrowSafe(whitening);
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
      const own = unscale(gram, columnScale, unit);
      const terms =
        (await prove?.({ gram: own, whitening })) ?? (await certify(sweeps, whitening, { d, wide, tolerance, p }));
      const proofOf = (distortion: number) =>
        sandwich(run, p, terms.total, distortion, whitening.condition, dtype === "f64");
      let certificate = await proofOf(terms.distortion);
      const excessOf = ({ upper, lower }: SandwichCertificate) => upper / lower / ideal - 1;
      excess = excessOf(certificate);
      if (excess > tolerance && p < 2) {
        const raised = await proofOf(await raiseFewRows(run, rows, whitening, columnScale, p));
        if (excessOf(raised) < excess) certificate = raised;
        excess = excessOf(certificate);
      }
      rows.state.delete("rowDistortion");
      if (excess <= tolerance || last) {
        return {
          gram: own,
          rank: whitening.rank,
          certificate,
          residual: terms.residual,
          iterations,
          converged: excess <= tolerance,
        };
      }
    }
    // Up to p = 2 one step is enough for trained tables, so its Gram matrix is summed in f64 at once.
    const wideGram = wide || p < 2 || iterations > 0;
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

/** The certificate's terms in a sweep of their own, in f32 where that proves no less to speak of. */
function certify(
  sweeps: LewisSweeps,
  whitening: Whitening,
  { d, wide, tolerance, p }: { d: number; wide: boolean; tolerance: number; p: number },
): Promise<Terms> {
  const inflation = wide ? 0 : productError(d, squares(whitening.transform));
  const narrow = !wide && isNarrowEnough(d, whitening.condition, tolerance);
  return sweeps.step(whitening, { ...(narrow && { wide: false, inflation }), keep: p < 2 });
}

/** f32 sums err by 1e-6 of the largest eigenvalue: below this they leave q good to a percent. */
const safeCondition = 1e4;

/** Whether steps towards the weights may be summed in f32. */
export function isNarrowSafe({ triangular, condition }: Whitening): boolean {
  return triangular && condition <= safeCondition;
}

/**
 * Error of y = x T as computed in f32, beside |x|, for T of d rows: sums are 256 deep, then added up, and |x|_l |T_lj| summed over
 * l is at most |x| |T_j| (Higham, Accuracy and stability of numerical algorithms, 3.1).
 * @param size |T|_F^2
 */
export function productError(d: number, size: number): number {
  return 1.01 * (Math.min(d, 256) + Math.ceil(d / 256) + 2) * 2 ** -24 * Math.sqrt(size);
}

/** Whether what such an error adds to a certificate is little beside the tolerance. */
export function isNarrowEnough(d: number, condition: number, tolerance: number): boolean {
  return productError(d, condition) < 0.3 * tolerance;
}

function squares(x: Float64Array): number {
  let sum = 0;
  for (const v of x) sum += v * v;
  return sum;
}
