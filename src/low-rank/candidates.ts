// The methods: each gives an orthonormal basis of the row space, of which the first `rank` vectors are projected on; or, where
// it does not project, the pair of factors itself.
import type { Eigen } from "../engine/dense.js";
import { entrywiseWork } from "../geometry/entrywise/work.js";
import { basisSize } from "../geometry/basis/factors.js";
import { noCache } from "../geometry/matrix-cache.js";
import type { LewisEllipsoid } from "../geometry/lewis/ellipsoid.js";
import { orient } from "../geometry/basis/orthonormal.js";
import type { Ending, Run } from "../geometry/run.js";
import type { RowSource } from "../matrix.js";
import { isInRange, type PRange } from "../options.js";
import type { ChosenMethod, LowRankOptions, Objective, ObjectiveName } from "../types/index.js";
import { axesOf, type Projected } from "./proving-projection.js";
import type { LowRankProblem } from "./problem.js";
import { askedRank, groupsOf } from "./rank.js";

export interface Fit extends Ending {
  /** Orthonormal rows, f64, `rank` of them or cols; the first `rank` are what is projected on. */
  basis: Float64Array;
  /** sigma_1(M (I - V V')), known where V holds M's own singular vectors. */
  sigmaNext?: number;
  /** What it is certified by, where that is not the ellipsoid that all share. */
  ellipsoid?: LewisEllipsoid;
  /** Factors that are no projection on one basis. */
  pair?: FittedPair;
  /** A projection that has been made. */
  projected?: Projected;
}

export interface FittedPair {
  /** rows x rank: Float64Array for f64, else Float32Array. */
  left: Float32Array | Float64Array;
  /** f64, rounded to the factor type: rank x cols, or of so many groups below each other. */
  right: Float64Array;
  groups?: { of: Uint8Array; count: number };
  /** Of these factors. */
  objective: Objective;
}

interface Size {
  n: number;
  d: number;
  k: number;
  /** 2 in f64. */
  slow: number;
  groups: number;
}

interface Fitter {
  fit(problem: LowRankProblem): Promise<Fit>;
  /** Wants the right singular vectors of A. */
  needsSpectrum: boolean;
  /** The p it takes. */
  range: PRange;
  /** Floating-point operations beyond what all candidates share, about. */
  work(size: Size): number;
}

const everyP = { above: 0, to: Infinity };

export const fitters: Record<ChosenMethod, Fitter> = {
  svd: {
    fit: async (problem) => {
      const { rank, rows, p } = problem;
      const d = rows.source.cols;
      const { singularValues, vectors } = problem.spectrum!;
      // At p = 2 M is A. Else its certificate comes from the ellipsoid, and so does its convergence.
      const sigmaNext = p === 2 ? (rank < d ? singularValues[rank] : 0) : undefined;
      return { basis: oriented(vectors, d), sigmaNext, ...convergenceOf(problem.ellipsoid) };
    },
    needsSpectrum: true,
    range: everyP,
    work: ({ n, d, k, slow }) => n * slow * (d * d + 2 * d * k),
  },
  lewis: {
    fit: async (problem) => ({
      ...(await byEllipsoid(problem, problem.ellipsoid!, problem.projected?.axes)),
      projected: problem.projected,
    }),
    needsSpectrum: false,
    range: everyP,
    work: ({ n, d, k, slow }) => n * slow * 2 * d * k,
  },
  "level-set": {
    async fit(problem) {
      const { run, rows, profile, p, seed, tolerance } = problem;
      const { levelSetGram } = await import("../geometry/level-set/level-set.js");
      const ellipsoid = await levelSetGram(run, rows, profile, { p, seed, tolerance });
      return { ...(await byEllipsoid(problem, ellipsoid)), ellipsoid };
    },
    needsSpectrum: false,
    range: { from: 1, to: Infinity },
    work: ({ n, d, k, slow }) => 1e5 * n * d * d + n * slow * 2 * d * k,
  },
  subspace: {
    async fit({ run, rows, profile, rank, p, seed, spectrum }) {
      const { subspaceBasis } = await import("../geometry/subspace/subspace.js");
      const start = spectrum!.vectors.slice();
      const found = await subspaceBasis(run, rows, profile, { rank, p, seed, start, tolerance: subspaceTolerance });
      const { iterations, residual, converged } = found;
      return { basis: oriented(found.basis, rows.source.cols), iterations, residual, converged };
    },
    needsSpectrum: true,
    range: { above: 0, to: 2 },
    work: ({ n, d, k, slow }) => 40 * n * slow * d * (d + 2 * Math.min(d - k, 2 * k)) + n * slow * 2 * d * k,
  },
  entrywise: {
    async fit(problem) {
      const { run, rows, profile, rank, p, factorType } = problem;
      const basis = (problem.best ?? (p === 2 ? await fitters.svd.fit(problem) : await fitters.lewis.fit(problem)))
        .basis;
      const { entrywiseFactors } = await import("../geometry/entrywise/entrywise.js");
      const pair = await entrywiseFactors(run, rows, profile, { basis: basis.slice(), rank, p, factorType });
      const { iterations, residual, converged } = pair;
      return { basis, pair, iterations, residual, converged };
    },
    needsSpectrum: false,
    range: { above: 0, below: 4 },
    work: ({ n, d, k, slow }) => slow * 2 * entrywiseWork(n, d, k),
  },
  clusters: {
    async fit({ run, rows, rank, p, seed, factorType, rowWeights, groups }) {
      const { rowClusters, clusterFactors } = await import("../geometry/subspace/clusters.js");
      const found = await rowClusters(run, rows.source, { rank, p, seed, rowWeights, groups });
      const pair = await clusterFactors(run, rows.source, found, { rank, p, factorType, rowWeights });
      const { iterations, residual, converged, bases } = found;
      return {
        ...{ basis: bases[0], iterations, residual, converged },
        pair: { ...pair, groups: { of: found.groups, count: bases.length } },
      };
    },
    needsSpectrum: false,
    range: { above: 0, to: 2 },
    work: ({ n, d, k, slow, groups }) => 40 * n * slow * d * (d + groups * Math.min(d - k, 2 * k)),
  },
};

/** Of the sum's relative decrease a sweep: what is left is far below what methods differ by. */
const subspaceTolerance = 1e-4;

const defaultMaxWork = 2e11;

/** What `auto` tries beyond lewis and svd, in this order, for each objective: what might win. */
const further: Record<ObjectiveName, ChosenMethod[]> = {
  lp: ["entrywise", "subspace"],
  l21: ["subspace"],
  l2: [],
  operator: ["level-set"],
};

/** The methods to try, and the work of it all: the ellipsoid that proves them, then each one. */
export function candidatesOf(
  options: Omit<LowRankOptions, "report">,
  { rows: n, cols: d, dtype }: RowSource,
): { methods: ChosenMethod[]; work: number } {
  const { p = 1, compareSvd = false, objective = "lp", maxWork } = options;
  const groups = groupsOf(options);
  const method = options.method === "clusters" && groups === 1 ? "subspace" : (options.method ?? "auto");
  const k = askedRank(options, n, d) || Math.ceil(d / 2);
  const size = { n, d, k, slow: dtype === "f64" ? 2 : 1, groups };
  let methods: ChosenMethod[];
  // At p = 2 SVD is all of those that make one pair.
  if (p === 2 && method !== "clusters") methods = ["svd"];
  else if (method === "auto") {
    methods = ["lewis", "svd"];
    let left = maxWork ?? defaultMaxWork;
    for (const name of further[objective]) {
      left -= fitters[name].work(size);
      if (left >= 0 && isInRange(p, fitters[name].range)) methods.push(name);
    }
  } else methods = compareSvd && method !== "svd" ? [method, "svd"] : [method];
  const shared = n * (2 * d + (p === 2 ? 0 : 8 * d * d));
  return { methods, work: methods.reduce((sum, name) => sum + fitters[name].work(size), shared) };
}

/**
 * Eigenvectors that a call has a use for, of cols: methods that go on from a basis want all of it, and so do calls on rows held
 * open, of which the next may want more.
 */
export function vectorsWanted(run: Run, methods: readonly ChosenMethod[], rank: number, cols: number): number {
  const projectsOnly = methods.every((method) => method === "svd" || method === "lewis");
  return projectsOnly && rank > 0 && run.cache === noCache ? basisSize(rank, cols) : cols;
}

async function byEllipsoid(
  { run, rows, rank, profile, vectors }: LowRankProblem,
  ellipsoid: LewisEllipsoid,
  axes?: Eigen,
): Promise<Fit> {
  const n = rows.source.cols;
  const { values, vectors: basis } = axes ?? (await axesOf(run, ellipsoid, n, vectors));
  return {
    basis: oriented(basis, n),
    sigmaNext: rank < n ? Math.sqrt(Math.max(0, values[rank])) / profile.unit : 0,
    ...convergenceOf(ellipsoid),
  };
}

/** Each vector's largest entry becomes positive. */
function oriented(vectors: Float64Array, d: number): Float64Array {
  orient(vectors, d);
  return vectors;
}

function convergenceOf(of?: LewisEllipsoid): Ending {
  return { iterations: of?.iterations ?? 1, residual: of?.residual ?? 0, converged: of?.converged ?? true };
}
