// Robust subspace: the S of dimension k through 0 with the least sum_i s_i dist(a_i, S)^p, 0 < p <= 2.
//
// Lerman, Maunu, Fast, robust and non-convex subspace recovery (arXiv 1406.6145): iteratively reweighted PCA without their
// normalising of rows. Weights s_i max(dist_i, floor)^(p-2), then the top k eigenvectors of the weighted Gram matrix, lower
// the sum smoothed below the floor in every sweep. The problem is not convex, and the floor decides which minimum is met: one
// descent from PCA keeps a small floor, another starts with a large one that shrinks, and the lower of the two goes on,
// with ever smaller floors where rows lie below the last. Restarts are further descents from random subspaces.
import type { EngineRows } from "../../engine/engine.js";
import { InvalidInputError } from "../../errors.js";
import type { RowSource } from "../../matrix.js";
import { checkMaxIterations, checkP, checkRank, checkSeed, checkTolerance } from "../../options.js";
import type { SubspaceOptions, SubspaceResult } from "../../types/index.js";
import { ofOwnScale } from "../basis/factors.js";
import type { Profile } from "../profile.js";
import { setWeights, type Run, type Ending } from "../run.js";
import { transpose } from "../basis/small-dense.js";
import { profiledGram, spectrum } from "../basis/spectrum.js";
import { randomStart } from "./starts.js";
import { SubspaceSweeps } from "./sweeps.js";

/** The fixed floor, beside the mean distance from PCA's subspace: below it f32 is not to be trusted with weights. */
const fixedFloor = 1e-3;
/** The last floor there is, in f64. */
const lastFloor = 1e-10;
/** Restarts end early; the best of them is then taken to the tolerance. */
const restartTolerance = 1e-4;
/** Sums in f32 are good for comparing subspaces to this. */
const narrowComparison = 1e-3;

/** A subspace that a descent found. */
interface Found {
  /** Orthonormal rows: d of them, or `rank` where no complement is used. */
  basis: Float64Array;
  objective: number;
  residual: number;
  converged: boolean;
  /** Where the floor stood, and by how much it raises the sum. */
  floor: number;
  gap: number;
  /** The largest share by which a floor raised the sum on the way. */
  smoothed: number;
}

/** Floors go from `from` to `to`, times `factor` after every sweep (`each`) or whenever the sum has settled. */
interface Floors {
  from: number;
  to: number;
  factor: number;
  each: boolean;
}

export type BasisOptions = Pick<SubspaceOptions, "rank" | "p" | "restarts" | "seed" | "tolerance" | "maxIterations"> & {
  /** PCA's basis: right singular vectors of diag(s)^(1/2) A as rows, d x d. */
  start: Float64Array;
};

export interface SubspaceBasis extends Ending {
  /** Orthonormal rows, f64: the first `rank` span the subspace, the others, where there are any, its complement. */
  basis: Float64Array;
  /** sum_i s_i dist_i^p and the distances, in f64, of A's own scale. */
  objective: number;
  distances: Float64Array;
}

export function checkSubspace(options: SubspaceOptions, source: RowSource): void {
  const { rank, p = 1, restarts = 0, seed = 0, tolerance = 1e-6, maxIterations = 300 } = options;
  checkRank(rank, source);
  checkP(p, { above: 0, to: 2 });
  if (!(Number.isSafeInteger(restarts) && restarts >= 0)) {
    throw new InvalidInputError(`restarts must be a whole number of at least 0; got ${restarts}.`);
  }
  checkSeed(seed);
  checkTolerance(tolerance);
  checkMaxIterations(maxIterations);
}

export async function robustSubspace(run: Run, source: RowSource, options: SubspaceOptions): Promise<SubspaceResult> {
  const { rank, restarts = 0, p = 1 } = options;
  const { rows: n, cols: d, dtype } = source;
  const rows = run.open(source);
  const sweep = (dtype === "f64" ? 2 : 1) * d * (d + 2 * Math.min(d - rank, 2 * rank));
  run.expect(n * (2 * d + 2 * d * d + (p === 2 ? 1 : 24 + 8 * restarts) * sweep));
  setWeights(rows, options);
  const { scales, gram } = await profiledGram(run, rows);
  const { vectors: start } = await spectrum(run, rows, scales, {
    cut: () => rank,
    vectors: d,
    first: gram,
    cache: run.cache,
  });
  const { basis, ...found } = await subspaceBasis(run, rows, scales, { ...options, start });
  run.finish();
  const data = orientColumns(transpose(basis.subarray(0, rank * d), rank, d), rank);
  return { ...found, basis: { data, rows: d, cols: rank }, seconds: run.seconds };
}

/**
 * The same with the complement, for whoever projects onto it. Row state "weights" (s) and "scale" (its square root), where
 * there are weights, are the caller's to set.
 */
export async function subspaceBasis(
  run: Run,
  rows: EngineRows,
  scales: Profile,
  options: BasisOptions,
): Promise<SubspaceBasis> {
  const { rank, p = 1, restarts = 0, seed = 0, tolerance = 1e-6, maxIterations = 300, start } = options;
  const sweeps = await SubspaceSweeps.create(run, rows, scales, { rank, p, tolerance });
  const first = await sweeps.measure(start);
  const pca = { basis: start, objective: first.objective, residual: 0, converged: true, floor: 0, gap: 0, smoothed: 0 };
  const pcaWide = sweeps.wide;
  let best: Found = pca;
  if (p !== 2 && !first.exact && rank < rows.source.cols) {
    const { mean } = first;
    sweeps.size = mean;
    const fixed = { from: fixedFloor * mean, to: fixedFloor * mean, factor: 1, each: false };
    const shrinking = { from: mean / 2, to: fixedFloor * mean, factor: 0.5, each: true };
    const limits = { tolerance, maxIterations };
    best = await descend(sweeps, start, shrinking, limits);
    // Where no floor mattered, the other descent would be the same one.
    if (best.smoothed > tolerance) best = lower(await descend(sweeps, start, fixed, limits), best);
    if (restarts > 0) {
      const loose = { tolerance: Math.max(tolerance, restartTolerance), maxIterations };
      let top: Found | undefined;
      for (let index = 0; index < restarts; ++index) {
        const from = await randomStart(run, rows.source, rank, seed, index);
        const found = await descend(sweeps, from, fixed, loose);
        top = top ? lower(top, found) : found;
      }
      best = lower(best, lower(top!, await descend(sweeps, top!.basis, fixed, limits)));
    }
    // Rows below the floor still count for more than they should: on with smaller floors, in f64.
    if (best.gap > tolerance * best.objective) {
      sweeps.wide = true;
      const floors = { from: best.floor / 10, to: lastFloor * mean, factor: 0.1, each: false };
      best = lower(best, await descend(sweeps, best.basis, floors, limits));
    }
  }
  sweeps.wide = true;
  let { objective } = await sweeps.measure(best.basis, true);
  // What was compared in f32 is compared again where it matters.
  if (!pcaWide && best.basis !== start && objective > (1 - narrowComparison) * pca.objective) {
    const exact = await sweeps.measure(start);
    if (exact.objective < objective) {
      best = { ...best, basis: start };
      objective = (await sweeps.measure(start, true)).objective;
    }
  }
  const { unit } = scales;
  const distances = (await rows.state.get("distance"))!.slice();
  rows.state.delete("distance");
  const sum = await ofOwnScale(run, objective, unit, p);
  if (unit !== 1) for (let i = 0; i < distances.length; ++i) distances[i] /= unit;
  if (!(sum < Infinity && distances.every((x) => x < Infinity))) {
    throw new InvalidInputError(
      `A distance, or their sum at p = ${p}, is above 1.8e308, the largest f64: multiply A (or rowWeights) by a smaller power of two.`,
    );
  }
  return {
    basis: best.basis,
    objective: sum,
    distances,
    iterations: sweeps.count,
    residual: best.residual,
    converged: best.converged,
  };
}

/** Reweights from `start` until a sweep gains no more than the tolerance and the floor hardly matters; the best met. */
async function descend(
  sweeps: SubspaceSweeps,
  start: Float64Array,
  { from, to, factor, each }: Floors,
  { tolerance, maxIterations }: { tolerance: number; maxIterations: number },
): Promise<Found> {
  let best = { basis: start, objective: Infinity };
  let basis = start;
  let floor = from;
  let before = Infinity;
  let smoothed = 0;
  for (let i = 0; ; ++i) {
    const { objective, smooth, exact, next } = await sweeps.step(basis, floor);
    if (objective < best.objective) best = { basis, objective };
    // A smaller floor lowers the smoothed sum too, so the share is never understated.
    const residual = exact ? 0 : Math.max(0, before / smooth - 1);
    const gap = smooth - objective;
    smoothed = Math.max(smoothed, gap / objective);
    const settled = residual <= tolerance;
    const converged = exact || (settled && (floor <= to || gap <= tolerance * objective));
    if (converged && !exact && sweeps.isCoarse && !sweeps.wide) {
      sweeps.wide = true;
      before = smooth;
      basis = best.basis === basis ? next : best.basis;
      continue;
    }
    if (converged || i >= maxIterations) return { ...best, residual, converged, floor, gap, smoothed };
    if (floor > to && (each || settled)) floor = Math.max(to, floor * factor);
    before = smooth;
    basis = next;
  }
}

/** The first where they are equal. */
function lower(a: Found, b: Found): Found {
  return b.objective < a.objective ? b : a;
}

/** Each column's largest entry (the first of equals) becomes positive. */
function orientColumns(matrix: Float64Array, cols: number): Float64Array {
  for (let j = 0; j < cols; ++j) {
    let at = j;
    for (let i = j; i < matrix.length; i += cols) if (Math.abs(matrix[i]) > Math.abs(matrix[at])) at = i;
    if (matrix[at] < 0) for (let i = j; i < matrix.length; i += cols) matrix[i] = -matrix[i];
  }
  return matrix;
}
