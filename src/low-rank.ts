// Robust low-rank approximation: the l_p-SVD of Tukan, Maalouf, Weksler, Feldman (arXiv 2009.05647), with its certificate.
//
//   1. an ellipsoid {x : |Mx|_2 <= 1} around the level set {x : |Ax|_p <= 1}            geometry/lewis-ellipsoid.ts
//   2. M = Q D V' : the k right singular vectors with the largest singular values      low-rank/candidates.ts
//   3. left = A V_k, right = V_k'                                                       geometry/factors.ts
//   4. |(A - left right) x|_p <= upper sigma_{k+1}(M) |x|_2 for every x                 low-rank/certificate.ts
//
// "svd" takes M = A in step 2; "auto" tries several methods, and keeps the one with the smallest error in the objective asked for.
import type { EngineRows } from "./engine/sweep.js";
import { InvalidInputError } from "./errors.js";
import type { EntrywiseFactors } from "./geometry/entrywise.js";
import { factors } from "./geometry/factors.js";
import { profile } from "./geometry/profile.js";
import type { Run } from "./geometry/run.js";
import { spectrum } from "./geometry/spectrum.js";
import { candidatesOf, fitters, type Fit } from "./low-rank/candidates.js";
import { certificateOf, residualCertificate } from "./low-rank/certificate.js";
import { ellipsoidOf, setWeights, type Task } from "./low-rank/task.js";
import type { Matrix, RowSource } from "./matrix.js";
import {
  checkOneOf,
  checkP,
  checkSeed,
  checkSize,
  checkTolerance,
  describeRange,
  isInRange,
  rankForEnergy,
  rankForKeep,
} from "./options.js";
import type { Candidate, ChosenMethod, LeftSink, LowRankOptions, LowRankResult, ObjectiveName } from "./types/index.js";

export function checkLowRank(options: LowRankOptions, source: RowSource): void {
  const {
    p = 1,
    tolerance = 0.01,
    method = "auto",
    objective = "lp",
    factorType = source.dtype,
    maxWork = 0,
  } = options;
  checkSize(options, source);
  checkP(p, { above: 0, to: Infinity });
  checkTolerance(tolerance);
  checkSeed(options.seed ?? 0);
  checkOneOf("method", method, ["auto", ...(Object.keys(fitters) as ChosenMethod[])]);
  if (method !== "auto" && !isInRange(p, fitters[method].range)) {
    throw new InvalidInputError(
      `method "${method}" does not take p = ${p}; it takes ${describeRange(fitters[method].range)}. "auto" and "lewis" take every p.`,
    );
  }
  if (!(maxWork >= 0)) throw new InvalidInputError(`maxWork must be a number of at least 0; got ${maxWork}.`);
  checkOneOf("objective", objective, ["lp", "l21", "l2", "operator"]);
  checkOneOf("factorType", factorType, ["f64", "f32", "f16", "bf16"]);
}

export async function lowRank(run: Run, source: RowSource, options: LowRankOptions): Promise<LowRankResult> {
  const { p = 1, tolerance = 0.01, seed = 0, factorType = source.dtype, rowWeights } = options;
  const { methods, work } = candidatesOf(options, source);
  run.expect(work);
  const rows = run.open(source);
  const facts = await run.facts.once("profile", () => profile(run, rows));
  setWeights(rows, options);

  const { rows: n, cols: d } = source;
  const most = Math.min(n, d);
  let rank = options.rank ?? (options.keep !== undefined ? rankForKeep(options.keep, n, d) : 0);
  const vectors = methods.some((method) => fitters[method].needsSpectrum);
  const plain =
    vectors || rank === 0
      ? await spectrum(run, rows, facts, { cut: cutOf(rank, options, most), vectors, known: run.facts })
      : undefined;
  rank ||= rankForEnergy(options.energy!, plain!.singularValues, most);

  const ellipsoid = p === 2 ? undefined : await ellipsoidOf(run, rows, facts, { p, tolerance, known: run.facts });
  const task: Task = {
    ...{ run, rows, profile: facts, p, rank, factorType, rowWeights, tolerance, seed },
    ...{ spectrum: plain, ellipsoid },
  };
  return keepBest(task, methods, options);
}

/** The eigenvalue that the rank asked for is read off at. */
function cutOf(rank: number, { energy }: LowRankOptions, most: number) {
  const singular = (values: Float64Array) => values.map((x) => Math.sqrt(Math.max(0, x)));
  return (values: Float64Array) => rank || rankForEnergy(energy!, singular(values), most);
}

/** Fits by every method and scores what would be stored; the factors of the first, which mostly wins, are kept as they are made. */
async function keepBest(task: Task, methods: ChosenMethod[], options: LowRankOptions): Promise<LowRankResult> {
  const { method = "auto", objective: by = "lp", left: wanted } = options;
  const { run, rows, rank, factorType } = task;
  const { rows: n, cols: d } = rows.source;
  const length = wanted === undefined ? n * rank : 0;
  const space = factorType === "f64" ? new Float64Array(length) : new Float32Array(length);
  const keep: LeftSink = (start, block) => space.set(block, start * rank);
  /** A projection, where its left factor goes, and what it errs by. */
  const project = ({ basis }: Fit, emit?: LeftSink) =>
    factors(run, rows, task.profile, { basis, rank, p: task.p, factorType, emit });

  const tried: { candidate: Candidate; fit: Fit; right: Float64Array }[] = [];
  for (const name of methods) {
    const fit = await fitters[name].fit(task);
    dropState(rows);
    const { right, objective } =
      fit.pair ?? (await project(fit, tried.length === 0 && wanted === undefined ? keep : undefined));
    const certificate = fit.pair
      ? await residualCertificate(task, ...matrices(fit.pair, n, rank, d))
      : await certificateOf(task, fit.basis.subarray(0, rank * d), right, fit);
    tried.push({ candidate: { method: name, objective, certificate }, fit, right });
    if (!fit.pair && objective.lp < (task.best?.lp ?? Infinity)) task.best = { basis: fit.basis, lp: objective.lp };
  }
  let winner = tried[0];
  if (method === "auto") {
    for (const other of tried) if (score(other.candidate, by) < score(winner.candidate, by)) winner = other;
  }
  if (wanted) await handOver(winner.fit, wanted, project, rank);
  else if (wanted === undefined && winner !== tried[0] && !winner.fit.pair) await project(winner.fit, keep);
  run.finish();

  const { candidate, right, fit } = winner;
  const { certificate } = candidate;
  const others = tried.filter((x) => x !== winner).map((x) => x.candidate);
  return {
    left: { data: (wanted === undefined && fit.pair?.left) || space, rows: n, cols: rank },
    right: { data: factorType === "f64" ? right : Float32Array.from(right), rows: rank, cols: d },
    rank,
    p: task.p,
    method: candidate.method,
    certificate,
    report: { objective: candidate.objective, certificate, candidates: [candidate, ...others], seed: task.seed },
    ...{ iterations: fit.iterations, residual: fit.residual, converged: fit.converged },
    seconds: run.seconds,
  };
}

/** The winner's left factor, block by block. */
async function handOver(
  fit: Fit,
  sink: LeftSink,
  project: (fit: Fit, emit: LeftSink) => Promise<unknown>,
  rank: number,
): Promise<void> {
  const left = fit.pair?.left;
  if (!left) await project(fit, sink);
  else for (let at = 0; at < left.length; at += 256 * rank) await sink(at / rank, left.subarray(at, at + 256 * rank));
}

function matrices({ left, right }: EntrywiseFactors, n: number, rank: number, d: number): [Matrix, Matrix] {
  return [
    { data: left, rows: n, cols: rank },
    { data: right, rows: rank, cols: d },
  ];
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
