// Robust low-rank approximation: the l_p-SVD of Tukan, Maalouf, Weksler, Feldman (arXiv 2009.05647), with its certificate.
//
//   1. an ellipsoid {x : |Mx|_2 <= 1} around the level set {x : |Ax|_p <= 1}            geometry/lewis/ellipsoid.ts
//   2. M = Q D V' : the k right singular vectors with the largest singular values      low-rank/candidates.ts
//   3. left = A V_k, right = V_k'                                                       geometry/basis/factors.ts
//   4. |(A - left right) x|_p <= upper sigma_{k+1}(M) |x|_2 for every x                 low-rank/certificate.ts
//
// "svd" takes M = A in step 2; "auto" tries several methods, and keeps the one with the smallest error in the objective asked for.
import type { EngineRows } from "./engine/engine.js";
import { InvalidInputError } from "./errors.js";
import type { EntrywiseFactors } from "./geometry/entrywise/entrywise.js";
import { factors, factorsAlone, placing, type FactorSink } from "./geometry/basis/factors.js";
import { lewisEllipsoid } from "./geometry/lewis/ellipsoid.js";
import { profiledStart } from "./geometry/lewis/start.js";
import { setWeights, type Run } from "./geometry/run.js";
import { profiledGram, spectrum } from "./geometry/basis/spectrum.js";
import { candidatesOf, fitters, vectorsWanted, type Fit } from "./low-rank/candidates.js";
import { certificateOf, residualCertificate } from "./low-rank/certificate.js";
import { canProveWhileProjecting, ProvingProjection } from "./low-rank/proving-projection.js";
import type { Task } from "./low-rank/task.js";
import type { RowSource } from "./matrix.js";
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

export function checkLowRank(options: LowRankOptions | LowRankFactorOptions, source: RowSource): void {
  const {
    p = 1,
    tolerance = 0.01,
    method = "auto",
    objective = "lp",
    factorType = source.dtype,
    maxWork = 0,
    report = true,
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
  if (!report && candidatesOf(options, source).methods.length > 1) {
    throw new InvalidInputError(
      `report: false takes one method; ${method === "auto" ? '"auto"' : "compareSvd"} compares the errors of several. Name one, such as "lewis".`,
    );
  }
  if (!(maxWork >= 0)) throw new InvalidInputError(`maxWork must be a number of at least 0; got ${maxWork}.`);
  checkOneOf("objective", objective, ["lp", "l21", "l2", "operator"]);
  checkOneOf("factorType", factorType, ["f64", "f32", "f16", "bf16"]);
}

export async function lowRank(
  run: Run,
  source: RowSource,
  options: LowRankOptions | LowRankFactorOptions,
): Promise<LowRankFactors | LowRankResult> {
  const { p = 1, tolerance = 0.01, seed = 0, factorType = source.dtype, rowWeights } = options;
  const { methods, work } = candidatesOf(options, source);
  run.expect(work);
  const rows = run.open(source);
  setWeights(rows, options);

  const { rows: n, cols: d } = source;
  const most = Math.min(n, d);
  let rank = options.rank ?? (options.keep !== undefined ? rankForKeep(options.keep, n, d) : 0);
  const wantsVectors = methods.some((method) => fitters[method].needsSpectrum);
  const needsSpectrum = wantsVectors || rank === 0;
  const vectors = vectorsWanted(run, methods, rank, d);
  const { scales, gram } = needsSpectrum ? await profiledGram(run, rows) : await profiledStart(run, rows, p);
  const plain = needsSpectrum
    ? await spectrum(run, rows, scales, {
        cut: cutOf(rank, options, most),
        vectors: wantsVectors ? vectors : 0,
        first: gram,
        cache: run.cache,
      })
    : undefined;
  rank ||= rankForEnergy(options.energy!, plain!.singularValues, most);

  const left = new Left(options.left, n, rank, factorType);
  const proving = canProveWhileProjecting(options, methods[0])
    ? new ProvingProjection(run, rows, scales, { rank, p, factorType, tolerance }, left.keep)
    : undefined;
  const start = needsSpectrum ? undefined : gram;
  const request = { p, tolerance, start, prove: proving?.prove, cache: run.cache };
  const ellipsoid = p === 2 ? undefined : await lewisEllipsoid(run, rows, scales, request);
  const task: Task = {
    run,
    rows,
    profile: scales,
    p,
    rank,
    factorType,
    rowWeights,
    tolerance,
    seed,
    spectrum: plain,
    ellipsoid,
    vectors,
    projected: proving?.projected,
  };
  if (options.report === false) return factorsOf(task, methods[0], left);
  return keepBest(task, methods, options, left);
}

/** The eigenvalue that the rank asked for is read off at. */
function cutOf(rank: number, { energy }: Pick<LowRankOptions, "energy">, most: number) {
  const singular = (values: Float64Array) => values.map((x) => Math.sqrt(Math.max(0, x)));
  return (values: Float64Array) => rank || rankForEnergy(energy!, singular(values), most);
}

/** Where the left factor goes. */
class Left {
  /** Empty when it goes elsewhere or nowhere. */
  readonly data: Float64Array | Float32Array;
  /** What is made by the way is kept here. */
  readonly keep: FactorSink | undefined;
  readonly sink: FactorSink | undefined;

  constructor(wanted: LowRankOptions["left"], n: number, rank: number, factorType: LowRankOptions["factorType"]) {
    const length = wanted === undefined ? n * rank : 0;
    const data = factorType === "f64" ? new Float64Array(length) : new Float32Array(length);
    this.data = data;
    this.sink = wanted ? { emit: wanted } : undefined;
    this.keep = wanted === undefined ? placing(data, rank) : undefined;
  }
}

/** One method's factors and certificate, without a sweep for their error. */
async function factorsOf(task: Task, method: ChosenMethod, left: Left): Promise<LowRankFactors> {
  const { run, rows, rank, p, factorType } = task;
  const fit = await fitters[method].fit(task);
  const sink = left.sink ?? left.keep;
  dropState(rows);
  let right = fit.pair?.right;
  if (fit.pair && left.sink) await handOver(fit.pair, left.sink, rank);
  right ??= await factorsAlone(run, rows, task.profile, { basis: fit.basis, rank, p, factorType, sink });
  const certificate = await certified(task, fit, right);
  run.finish();
  return resultOf(task, method, fit, right, certificate, left);
}

/** Fits by every method and scores what would be stored; the factors of the first, which mostly wins, are kept as they are made. */
async function keepBest(
  task: Task,
  methods: ChosenMethod[],
  { method = "auto", objective: by = "lp" }: Pick<LowRankOptions, "method" | "objective">,
  left: Left,
): Promise<LowRankResult> {
  const { run, rows, rank, factorType } = task;
  /** A projection, where its left factor goes, and what it errs by. */
  const project = ({ basis }: Fit, sink?: FactorSink) =>
    factors(run, rows, task.profile, { basis, rank, p: task.p, factorType, sink });

  const onlyOne = methods.length === 1;
  const tried: { candidate: Candidate; fit: Fit; right: Float64Array }[] = [];
  for (const name of methods) {
    const fit = await fitters[name].fit(task);
    dropState(rows);
    const sink = tried.length > 0 ? undefined : onlyOne ? (left.sink ?? left.keep) : left.keep;
    const { right, objective } = fit.pair ?? fit.projected ?? (await project(fit, sink));
    tried.push({ candidate: { method: name, objective, certificate: await certified(task, fit, right) }, fit, right });
    if (!fit.pair && objective.lp < (task.best?.lp ?? Infinity)) task.best = { basis: fit.basis, lp: objective.lp };
  }
  let winner = tried[0];
  if (method === "auto") {
    for (const other of tried) if (score(other.candidate, by) < score(winner.candidate, by)) winner = other;
  }
  const { candidate, right, fit } = winner;
  if (left.sink && fit.pair) await handOver(fit.pair, left.sink, rank);
  else if (left.sink && !onlyOne) await project(fit, left.sink);
  else if (left.keep && winner !== tried[0] && !fit.pair) await project(fit, left.keep);
  run.finish();

  const { certificate, objective } = candidate;
  const others = tried.filter((x) => x !== winner).map((x) => x.candidate);
  return {
    ...resultOf(task, candidate.method, fit, right, certificate, left),
    report: { objective, certificate, candidates: [candidate, ...others], seed: task.seed },
  };
}

function resultOf(
  { run, rows, rank, p, factorType }: Task,
  method: ChosenMethod,
  fit: Fit,
  right: Float64Array,
  certificate: LowRankCertificate,
  left: Left,
): LowRankFactors {
  const { rows: n, cols: d } = rows.source;
  return {
    left: { data: (left.keep && fit.pair?.left) || left.data, rows: n, cols: rank },
    right: { data: factorType === "f64" ? right : Float32Array.from(right), rows: rank, cols: d },
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
async function certified(task: Task, fit: Fit, right: Float64Array): Promise<LowRankCertificate> {
  const { rows, rank } = task;
  const { rows: n, cols: d } = rows.source;
  if (!fit.pair) return certificateOf(task, fit.basis.subarray(0, rank * d), right, fit);
  const left = { data: fit.pair.left, rows: n, cols: rank };
  return residualCertificate(task, left, { data: fit.pair.right, rows: rank, cols: d });
}

/** A left factor, block by block. */
async function handOver({ left }: EntrywiseFactors, { emit }: FactorSink, rank: number): Promise<void> {
  for (let at = 0; at < left.length; at += 256 * rank) await emit(at / rank, left.subarray(at, at + 256 * rank));
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
