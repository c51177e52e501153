// The ellipsoid {x : |Mx|_2 <= 1}, M = W^(1/2-1/p) A, of Lewis weights that are good enough for a certificate.
import type { EngineRows } from "../../engine/engine.js";
import type { SandwichCertificate } from "../../types/index.js";
import { idealDistortion, sandwich, type Terms } from "../certificate.js";
import { noCache, type Cache } from "../matrix-cache.js";
import { johnWeights } from "./john.js";
import { raiseFewRows } from "./raise.js";
import type { LewisSweeps } from "./sweeps.js";
import { LewisWalk, type Trial } from "./walk.js";
import type { Profile } from "../profile.js";
import type { Run } from "../run.js";
import { sumOfSquares } from "../basis/small-dense.js";

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
  /** Names the Gram matrix among what is known of the rows. */
  key?: string;
}

/** Weights on trial, and what names them. */
export type NamedTrial = Trial & { key: string };

export interface EllipsoidOptions {
  p: number;
  tolerance: number;
  /** Sweeps after which it takes what it has; the certificate holds all the same. Default 50. */
  maxIterations?: number;
  /**
   * Computes the certificate's terms in a sweep that does something else besides, with each row's as row state rowDistortion; or
   * nothing, where it cannot: then they take a sweep of their own.
   */
  prove?: (trial: NamedTrial) => Promise<Terms | undefined>;
  /** Gram matrix of the start, where `profiledStart` made it. */
  start?: Float64Array;
  /** Of these rows, where other calls may have found it. */
  cache?: Cache;
}

/**
 * For low rank: stops as soon as the certified distortion upper / lower is within `tolerance` of the ideal. The Gram matrix and the
 * sweep that certify run in f64, or in f32 with what that errs by added.
 */
export async function lewisEllipsoid(
  run: Run,
  rows: EngineRows,
  profile: Profile,
  { p, tolerance, maxIterations = 50, prove, start, cache = noCache }: EllipsoidOptions,
): Promise<LewisEllipsoid> {
  if (p === Infinity) {
    // upper / lower is the root of the largest q: twice the tolerance does.
    const john = () => johnWeights(run, rows, profile, { tolerance: 2 * tolerance, maxIterations });
    return cache.once(`ellipsoid ${p} ${tolerance}`, john);
  }
  const { dtype } = rows.source;
  const walk = new LewisWalk(run, rows, profile, { p, tolerance, maxIterations, start, keep: cache !== noCache });
  for (let attempt = 0; ; ++attempt) {
    const key = `weights ${p} ${tolerance} ${start ? "sampled" : "exact"} ${attempt}`;
    const trial = await cache.once(key, () => walk.next());
    walk.resume(trial);
    const { whitening } = trial;
    const proofOf = (terms: Terms) => sandwich(run, p, terms, whitening.condition, dtype === "f64");
    const ideal = await idealDistortion(run, p, whitening.rank);
    const excessOf = ({ upper, lower }: SandwichCertificate) => upper / lower / ideal - 1;
    const certified = async (terms: Terms) => {
      let certificate = await proofOf(terms);
      if (excessOf(certificate) > tolerance && p < 2) {
        const distortion = await raiseFewRows(run, rows, whitening, profile.columnScale, p);
        const raised = await proofOf({ ...terms, distortion });
        if (excessOf(raised) < excessOf(certificate)) certificate = raised;
      }
      rows.state.delete("rowDistortion");
      return { certificate, residual: terms.residual };
    };
    const terms = await prove?.({ ...trial, key });
    const { certificate, residual } = terms
      ? await certified(terms)
      : await cache.once(`proof of ${key}`, async () =>
          certified(await certify(walk.sweeps, trial, { rows, tolerance, p })),
        );
    const converged = excessOf(certificate) <= tolerance;
    if (!converged && !trial.last) continue;
    const { gram, iterations } = trial;
    return { gram, rank: whitening.rank, certificate, residual, iterations, converged, key };
  }
}

/** The certificate's terms in a sweep of their own, in f32 where that proves no less to speak of. */
function certify(
  sweeps: LewisSweeps,
  { whitening, wide }: Trial,
  { rows, tolerance, p }: { rows: EngineRows; tolerance: number; p: number },
): Promise<Terms> {
  const { cols: d } = rows.source;
  const inflation = wide ? 0 : productError(d, sumOfSquares(whitening.transform));
  const narrow = !wide && isNarrowEnough(d, whitening.condition, tolerance);
  return sweeps.step(whitening, { ...(narrow && { wide: false, inflation }), keep: p < 2 });
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
