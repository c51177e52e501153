// What all candidates of one call of lowRank share.
import type { EngineRows } from "../engine/engine.js";
import type { LewisEllipsoid } from "../geometry/lewis/ellipsoid.js";
import type { Profile } from "../geometry/profile.js";
import type { Run } from "../geometry/run.js";
import type { Spectrum } from "../geometry/basis/spectrum.js";
import type { Left } from "./left.js";
import type { Projected } from "./proving-projection.js";
import type { FactorType, RowWeights } from "../types/index.js";

export interface LowRankProblem {
  run: Run;
  rows: EngineRows;
  profile: Profile;
  p: number;
  rank: number;
  factorType: FactorType;
  rowWeights?: RowWeights;
  tolerance: number;
  seed: number;
  /** Of method clusters: groups of rows. */
  groups: number;
  /** Of A, with its right singular vectors where a candidate needs them. */
  spectrum?: Spectrum;
  /** Eigenvectors that the candidates have a use for. */
  vectors: number;
  /** The candidate with the least sum |r|^p so far. */
  best?: { basis: Float64Array; lp: number };
  /** None at p = 2, where A itself is M. */
  ellipsoid?: LewisEllipsoid;
  /** Gram matrix that Lewis weights start from, until they have. */
  start?: Float64Array;
  left: Left;
  /** What the sweep that proved the ellipsoid made besides. */
  projected?: Projected;
}
