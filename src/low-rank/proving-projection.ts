// The sweep that certifies Lewis weights also projects: the leverages that prove them are had from A V, all of it, for V the
// eigenvectors of M'M, and where the rank is above d / 2 the factors and their error need all of A V anyway.
import type { Eigen } from "../engine/dense.js";
import type { EngineRows } from "../engine/engine.js";
import { factors, isComplementUsed, type FactorRequest, type FactorSink } from "../geometry/basis/factors.js";
import { isNarrowEnough, productError, type NamedTrial } from "../geometry/lewis/ellipsoid.js";
import type { Terms } from "../geometry/certificate.js";
import { orient } from "../geometry/basis/orthonormal.js";
import type { Profile } from "../geometry/profile.js";
import type { Run } from "../geometry/run.js";
import type { LowRankFactorOptions, LowRankOptions, Objective } from "../types/index.js";

/** What the sweep that proved the weights left behind. */
export interface Projected {
  /** Eigenvectors of M'M as rows, cols x cols, and its eigenvalues times unit^2, descending. */
  axes: Eigen;
  right: Float64Array;
  objective: Objective;
}

export class ProvingProjection {
  /** Of the last weights that were tried. */
  projected?: Projected;

  /** @param sink takes left, and all of it again when other weights are tried */
  constructor(
    private readonly run: Run,
    private readonly rows: EngineRows,
    private readonly profile: Profile,
    private readonly request: Omit<FactorRequest, "basis" | "sink" | "proof"> & { tolerance: number },
    private readonly sink: FactorSink | undefined,
  ) {}

  /** The terms of the certificate, or nothing where f32 products do not do, or the rank is too low for it to pay. */
  readonly prove = async (trial: NamedTrial): Promise<Terms | undefined> => {
    const { run, rows, profile, request, sink } = this;
    const { cols: d } = rows.source;
    const { gram, whitening } = trial;
    this.projected = undefined;
    if (profile.unit !== 1 || whitening.rank < d) return undefined;
    if (!isComplementUsed(rows, { ...request, basis: gram })) return undefined;
    const axes = await axesOf(run, trial, d);
    const { values, vectors: basis } = axes;
    if (!(values[d - 1] > 0) || !isNarrowEnough(d, values[0] / values[d - 1], request.tolerance)) return undefined;
    orient(basis, d);
    const inverseRoots = values.map((x) => 1 / Math.sqrt(x));
    const inflation = productError(
      d,
      values.reduce((sum, x) => sum + 1 / x, 0),
    );
    const proof = { inverseRoots, inflation };
    const { right, objective, terms } = await factors(run, rows, profile, { ...request, basis, sink, proof });
    this.projected = { axes, right, objective };
    return terms;
  };
}

/** Eigenvalues of a Gram matrix, descending, and as rows the first `count` eigenvectors; once, where it has a name. */
export function axesOf(
  run: Run,
  { gram, key }: { gram: Float64Array; key?: string },
  n: number,
  count = n,
): Promise<Eigen> {
  const axes = () => run.engine.dense("eigen", { matrix: gram, n, count });
  return key === undefined ? axes() : run.cache.once(`axes of ${key}`, axes);
}

/** Whether the weights of a call may be proved while it projects: the first method is to be theirs, and its factors made at once. */
export function canProveWhileProjecting(
  { left, report = true }: LowRankOptions | LowRankFactorOptions,
  first: string,
): boolean {
  return report && first === "lewis" && typeof left !== "function";
}
