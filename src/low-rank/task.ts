// What all candidates of one call of lowRank share.
import type { EngineRows } from "../engine/engine.js";
import { lewisEllipsoid, type EllipsoidOptions, type LewisEllipsoid } from "../geometry/lewis-ellipsoid.js";
import { levelSetGram } from "../geometry/level-set.js";
import type { Profile } from "../geometry/profile.js";
import type { Run } from "../geometry/run.js";
import type { Spectrum } from "../geometry/spectrum.js";
import type { Projected } from "./proving-projection.js";
import type { FactorType, RowWeights, SandwichCertificate } from "../types/index.js";

export interface Task {
  run: Run;
  rows: EngineRows;
  profile: Profile;
  p: number;
  rank: number;
  factorType: FactorType;
  rowWeights?: RowWeights;
  tolerance: number;
  seed: number;
  /** Of A, with its right singular vectors where a candidate needs them. */
  spectrum?: Spectrum;
  /** Eigenvectors that the candidates have a use for. */
  vectors: number;
  /** The candidate with the least sum |r|^p so far. */
  best?: { basis: Float64Array; lp: number };
  /** None at p = 2, where A itself is M. */
  ellipsoid?: Ellipsoid;
  /** What the sweep that proved the ellipsoid made besides. */
  projected?: Projected;
}

/** {x : |Mx|_2 <= 1} and what it proves. */
export type Ellipsoid = Pick<LewisEllipsoid, "gram" | "iterations" | "residual" | "converged" | "key"> & {
  certificate: SandwichCertificate;
};

/** Sweeps that low rank spends on Lewis weights before it takes what it has; the certificate holds all the same. */
const maxIterations = 50;

/** @param known of these rows, where other calls may have found it */
export function ellipsoidOf(
  run: Run,
  rows: EngineRows,
  profile: Profile,
  options: Omit<EllipsoidOptions, "maxIterations">,
): Promise<LewisEllipsoid> {
  return lewisEllipsoid(run, rows, profile, { ...options, maxIterations });
}

/** The paper's own route: the ellipsoid of the level set itself. */
export function levelSetOf(
  task: Pick<Task, "run" | "rows" | "profile" | "p" | "seed" | "tolerance">,
): Promise<LewisEllipsoid> {
  const { run, rows, profile, p, seed, tolerance } = task;
  return levelSetGram(run, rows, profile, { p, seed, tolerance });
}
