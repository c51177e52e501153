// Robust low-rank approximation: the l_p-SVD of Tukan, Maalouf, Weksler, Feldman (arXiv 2009.05647), with its certificate.
//
//   1. an ellipsoid {x : |Mx|_2 <= 1} around the level set {x : |Ax|_p <= 1}            geometry/lewis/ellipsoid.ts
//   2. M = Q D V' : the k right singular vectors with the largest singular values      low-rank/candidates.ts
//   3. left = A V_k, right = V_k'                                                       geometry/basis/factors.ts
//   4. |(A - left right) x|_p <= upper sigma_{k+1}(M) |x|_2 for every x                 low-rank/certificate.ts
//
// "svd" takes M = A in step 2, "clusters" a subspace for each group of rows; "auto" tries several methods, and keeps the one with the smallest error in the objective asked for.
import type { EngineRows } from "./engine/engine.js";
import { factors, factorsAlone, type FactorSink } from "./geometry/basis/factors.js";
import { lewisEllipsoid } from "./geometry/lewis/ellipsoid.js";
import type { Run } from "./geometry/run.js";
import { candidatesOf, fitters, type Fit } from "./low-rank/candidates.js";
import { certificateOf, residualCertificate } from "./low-rank/certificate.js";
import { handOver } from "./low-rank/left.js";
import { openProblem } from "./low-rank/opening.js";
import { canProveWhileProjecting, ProvingProjection } from "./low-rank/proving-projection.js";
import type { LowRankProblem } from "./low-rank/problem.js";
import { spreadRows } from "./geometry/subspace/row-groups.js";
import { toRowSource, type RowSource } from "./matrix.js";
import type {
  Candidate,
  ChosenMethod,
  LowRankCertificate,
  LowRankFactorOptions,
  LowRankFactors,
  LowRankOptions,
  LowRankResult,
  ObjectiveName,
} from "./types/index.js";

export { checkLowRank } from "./low-rank/check.js";

export async function lowRank(
  run: Run,
  source: RowSource,
  options: LowRankOptions | LowRankFactorOptions,
): Promise<LowRankFactors | LowRankResult> {
  const { methods, work } = candidatesOf(options, source);
  run.expect(work);
  const problem = await openProblem(run, source, options, methods);
  if (problem.p !== 2 && methods.some((name) => name !== "clusters"))
    await setEllipsoid(problem, canProveWhileProjecting(options, methods[0]));
  return options.report === false ? factorsOf(problem, methods[0]) : keepBest(problem, methods, options);
}

/** Step 1, for all methods. Where the rank is high and lewis comes first, the sweep that proves the ellipsoid does its step 3 too. */
async function setEllipsoid(problem: LowRankProblem, mayProject: boolean): Promise<void> {
  const { run, rows, profile, rank, p, factorType, tolerance, left, start } = problem;
  const request = { rank, p, factorType, tolerance };
  const proving = mayProject ? new ProvingProjection(run, rows, profile, request, left.keep) : undefined;
  const { cache } = run;
  problem.ellipsoid = await lewisEllipsoid(run, rows, profile, { p, tolerance, start, prove: proving?.prove, cache });
  problem.projected = proving?.projected;
  problem.start = undefined;
}

/** One method's factors and certificate, without a sweep for their error. */
async function factorsOf(problem: LowRankProblem, method: ChosenMethod): Promise<LowRankFactors> {
  const { run, rows, rank, p, factorType, left } = problem;
  const fit = await fitters[method].fit(problem);
  const sink = left.sink ?? left.keep;
  dropState(rows);
  let right = fit.pair?.right;
  if (fit.pair && left.sink) await handOver(fit.pair.left, left.sink, rank);
  right ??= await factorsAlone(run, rows, problem.profile, { basis: fit.basis, rank, p, factorType, sink });
  const certificate = await certified(problem, fit, right);
  run.finish();
  return resultOf(problem, method, fit, right, certificate);
}

/** Fits by every method and scores what would be stored; the factors of the first, which mostly wins, are kept as they are made. */
async function keepBest(
  problem: LowRankProblem,
  methods: ChosenMethod[],
  { method = "auto", objective: by = "lp" }: Pick<LowRankOptions, "method" | "objective">,
): Promise<LowRankResult> {
  const { run, rows, rank, factorType, left } = problem;
  /** A projection, where its left factor goes, and what it errs by. */
  const project = ({ basis }: Fit, sink?: FactorSink) =>
    factors(run, rows, problem.profile, { basis, rank, p: problem.p, factorType, sink });

  const onlyOne = methods.length === 1;
  const tried: { candidate: Candidate; fit: Fit; right: Float64Array }[] = [];
  for (const name of methods) {
    const fit = await fitters[name].fit(problem);
    dropState(rows);
    const sink = tried.length > 0 ? undefined : onlyOne ? (left.sink ?? left.keep) : left.keep;
    const { right, objective } = fit.pair ?? fit.projected ?? (await project(fit, sink));
    tried.push({
      candidate: { method: name, objective, certificate: await certified(problem, fit, right) },
      fit,
      right,
    });
    if (!fit.pair && objective.lp < (problem.best?.lp ?? Infinity))
      problem.best = { basis: fit.basis, lp: objective.lp };
  }
  let winner = tried[0];
  if (method === "auto") {
    for (const other of tried) if (score(other.candidate, by) < score(winner.candidate, by)) winner = other;
  }
  const { candidate, right, fit } = winner;
  if (left.sink && fit.pair) await handOver(fit.pair.left, left.sink, rank);
  else if (left.sink && !onlyOne) await project(fit, left.sink);
  else if (left.keep && winner !== tried[0] && !fit.pair) await project(fit, left.keep);
  run.finish();

  const { certificate, objective } = candidate;
  const others = tried.filter((x) => x !== winner).map((x) => x.candidate);
  return {
    ...resultOf(problem, candidate.method, fit, right, certificate),
    report: { objective, certificate, candidates: [candidate, ...others], seed: problem.seed },
  };
}

function resultOf(
  { run, rows, rank, p, factorType, left }: LowRankProblem,
  method: ChosenMethod,
  fit: Fit,
  right: Float64Array,
  certificate: LowRankCertificate,
): LowRankFactors {
  const { rows: n, cols: d } = rows.source;
  return {
    left: { data: (left.keep && fit.pair?.left) || left.data, rows: n, cols: rank },
    right: { data: factorType === "f64" ? right : Float32Array.from(right), rows: right.length / d, cols: d },
    ...(fit.pair?.groups && { groups: fit.pair.groups.of }),
    rank,
    p,
    method,
    certificate,
    iterations: fit.iterations,
    residual: fit.residual,
    converged: fit.converged,
    seconds: run.seconds,
  };
}

/** What is proved of a projection, or of a pair. */
async function certified(problem: LowRankProblem, fit: Fit, right: Float64Array): Promise<LowRankCertificate> {
  const { rows, rank } = problem;
  const { rows: n, cols: d } = rows.source;
  if (!fit.pair) return certificateOf(problem, fit.basis.subarray(0, rank * d), right, fit);
  const { left: data, right: rightData, groups } = fit.pair;
  const own = { data, rows: n, cols: rank };
  const left = groups ? spreadRows(toRowSource(own), groups.of, groups.count) : own;
  return residualCertificate(problem, left, { data: rightData, rows: rightData.length / d, cols: d });
}

/** What a method left in the rows' state is of no use to the next. */
function dropState(rows: EngineRows): void {
  for (const name of rows.state.names()) if (name !== "weights" && name !== "scale") rows.state.delete(name);
}

/** What `auto` compares: the objective asked for, or the certified bound, which only then has to be known. */
export function score(
  { objective, certificate }: Pick<Candidate, "objective"> & Partial<Pick<Candidate, "certificate">>,
  by: ObjectiveName,
): number {
  return by === "operator" ? certificate!.bound : objective[by];
}
