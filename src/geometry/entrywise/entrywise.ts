// Entrywise l_p low rank: least sum_ij s_i |A - left right|_ij^p over left (n x k) and right (k x d), what the abstract of
// Tukan, Maalouf, Weksler, Feldman (arXiv 2009.05647) states. Not convex, NP-hard for p = 1 (Gillis, Vavasis 2018): a local
// minimum, from several starts, never worse than the projection it started from.
//
// Small rank by alternating reweighted least squares (entrywise-reweight.ts), large rank by splitting (entrywise-split.ts).
// Which of the two follows from an estimate of the multiply-adds, never from the clock.
import type { EngineRows } from "../../engine/engine.js";
import { reweightWork, splitWork } from "../../engine/operations/work.js";
import { toRowSource, type Matrix, type RowSource } from "../../matrix.js";
import {
  checkMaxIterations,
  checkOneOf,
  checkP,
  checkRank,
  checkSeed,
  checkStarts,
  checkTolerance,
} from "../../options.js";
import type { EntrywiseOptions, EntrywiseResult, EntrywiseStart, FactorType, Objective } from "../../types/index.js";
import { hopBasis, hopFloors } from "./hops.js";
import { reweight, type Floors } from "./reweight.js";
import { split } from "./split.js";
import { defaultSteps, hopsFrom, isSmall, randomStarts } from "./work.js";
import { basisSize, factors, placing, residual as residualOf, roundTo, unitRoundoff } from "../basis/factors.js";
import { lewisEllipsoid } from "../lewis/ellipsoid.js";
import { orient, orthonormalise } from "../basis/orthonormal.js";
import { profile, type Profile } from "../profile.js";
import { setWeights, type Run, type Ending } from "../run.js";
import { spectrum } from "../basis/spectrum.js";

const defaultTolerance = 1e-8;
/** Streams of random numbers used here: start number i draws from this one plus i. */
const randomStream = 4096;

export interface EntrywiseRequest {
  /** Orthonormal rows, f64: cols x cols, of which the first `rank` are the start, or just those (the rest saves work). */
  basis: Float64Array;
  rank: number;
  p: number;
  factorType: FactorType;
  tolerance?: number;
  maxIterations?: number;
  method?: EntrywiseOptions["method"];
}

export interface EntrywiseFactors extends Ending {
  /** rows x rank, rounded to the factor type: Float64Array for f64, else Float32Array. */
  left: Float32Array | Float64Array;
  /** rank x cols, f64, rounded alike; orthonormal rows up to that. */
  right: Float64Array;
  /** Of these factors, in f64. */
  objective: Objective;
  /** Of the projection on the basis. */
  projection: Objective;
  method: "projection" | "reweighting" | "splitting";
}

/** What the starts of one call share. */
interface EntrywiseProblem {
  run: Run;
  rows: EngineRows;
  profile: Profile;
  rank: number;
  p: number;
  factorType: FactorType;
  tolerance: number;
  maxIterations: number;
  small: boolean;
  /** Mean s_i |a_ij|; 0 for a zero matrix. */
  mean: number;
  /** Sum of s_i, times d. */
  entries: number;
}

async function problemOf(
  run: Run,
  rows: EngineRows,
  scales: Profile,
  options: Omit<EntrywiseRequest, "basis">,
): Promise<EntrywiseProblem> {
  const { rank, p, factorType, tolerance = defaultTolerance } = options;
  const { rows: n, cols: d } = rows.source;
  const small = isSmall(n, d, options);
  const zeros = toRowSource({ data: new Float64Array(n), rows: n, cols: 1 });
  const nothing = { left: zeros, right: { data: new Float64Array(d), rows: 1, cols: d }, p: 1 };
  const { l1 } = await residualOf(run, rows, scales, nothing);
  const weights = await rows.state.get("weights");
  const entries = d * (weights ? weights.reduce((a, b) => a + b, 0) : n);
  const maxIterations = options.maxIterations ?? defaultSteps(n, d, options);
  const mean = entries > 0 ? l1 / entries : 0;
  return { run, rows, profile: scales, rank, p, factorType, tolerance, maxIterations, small, mean, entries };
}

/** Error of the projection A V V'. */
async function scoreOf(
  { run, rows, profile, p, rank, factorType }: EntrywiseProblem,
  basis: Float64Array,
): Promise<Objective> {
  orient(basis.subarray(0, rank * rows.source.cols), rows.source.cols);
  return (await factors(run, rows, profile, { basis, rank, p, factorType })).objective;
}

/** Its factors: another sweep, which is rarely needed. */
async function project({ run, rows, profile, p, rank, factorType }: EntrywiseProblem, basis: Float64Array) {
  const count = rows.source.rows * rank;
  const left = factorType === "f64" ? new Float64Array(count) : new Float32Array(count);
  const { right, objective } = await factors(run, rows, profile, {
    basis,
    rank,
    p,
    factorType,
    sink: placing(left, rank),
  });
  return { left, right, objective, projection: objective, method: "projection" as const };
}

/** Nothing to gain: p = 2 is solved by SVD, and what is left may be rounding alone. */
function isDone({ p, mean, entries, factorType, rank, rows }: EntrywiseProblem, { l1 }: Objective): boolean {
  const { rows: n, cols: d } = rows.source;
  return p === 2 || rank >= Math.min(n, d) || !(l1 > 4 * unitRoundoff[factorType] * mean * entries);
}

/**
 * From one basis to factors that are no worse than the projection on it. For drivers: `rows` may hold the state weights.
 * Cost: about 1.5 n d k for the projection, then `maxIterations` steps of reweightWork or splitWork.
 */
export async function entrywiseFactors(
  run: Run,
  rows: EngineRows,
  scales: Profile,
  request: EntrywiseRequest,
): Promise<EntrywiseFactors> {
  const problem = await problemOf(run, rows, scales, request);
  return refine(problem, request.basis, await scoreOf(problem, request.basis));
}

async function refine(
  problem: EntrywiseProblem,
  basis: Float64Array,
  projection: Objective,
  floors?: Floors,
): Promise<EntrywiseFactors> {
  const done = isDone(problem, projection);
  if (done || problem.maxIterations === 0) {
    return { ...(await project(problem, basis)), iterations: 0, residual: done ? 0 : 1, converged: done };
  }
  const found = await (problem.small ? refineSmall(problem, basis, floors) : refineLarge(problem, basis, projection));
  const { iterations, residual, converged } = found;
  // Also where the refined pair is no number: an overflow of its type.
  if (!(found.objective.lp < projection.lp))
    return { ...(await project(problem, basis)), iterations, residual, converged };
  return { ...found, projection, method: problem.small ? "reweighting" : "splitting" };
}

async function refineSmall(problem: EntrywiseProblem, basis: Float64Array, floors?: Floors) {
  const { run, rows, profile, rank, p, factorType, tolerance, maxIterations, mean } = problem;
  const { rows: n, cols: d } = rows.source;
  const { unit } = profile;
  const left = new Float64Array(n * rank);
  await factors(run, rows, profile, {
    basis,
    rank,
    p,
    factorType: "f64",
    sink: placing(left, rank),
  });
  for (let i = 0; i < left.length; ++i) left[i] *= unit;
  const request = {
    left,
    right: basis.slice(0, rank * d),
    rank,
    p,
    size: mean * unit,
    tolerance,
    maxIterations,
    floors,
  };
  const pair = await reweight(run, rows, profile, request);
  for (let i = 0; i < left.length; ++i) pair.left[i] /= unit;
  const right = await roundTo(run, pair.right, factorType);
  const rounded = await roundTo(run, pair.left, factorType);
  const stored: Matrix = { data: right, rows: rank, cols: d };
  const leftRows = toRowSource({ data: rounded, rows: n, cols: rank });
  const objective = await residualOf(run, rows, profile, { left: leftRows, right: stored, p, mayOverflow: true });
  const { iterations, residual, converged } = pair;
  const data = factorType === "f64" ? rounded : Float32Array.from(rounded);
  return { left: data, right, objective, iterations, residual, converged };
}

function refineLarge(problem: EntrywiseProblem, basis: Float64Array, { l1 }: Objective) {
  const { run, rows, profile, rank, p, factorType, tolerance, maxIterations, entries } = problem;
  const size = (l1 / entries) * profile.unit;
  return split(run, rows, profile, { basis, rank, p, factorType, size, tolerance, maxIterations });
}

export function checkEntrywise(options: EntrywiseOptions, source: RowSource): void {
  const { rank, p = 1, maxIterations = 20, tolerance = defaultTolerance, starts = 0, seed = 0 } = options;
  const { method = "auto" } = options;
  checkRank(rank, source);
  checkP(p);
  checkMaxIterations(maxIterations);
  checkTolerance(tolerance);
  checkStarts(starts);
  checkSeed(seed);
  checkOneOf("method", method, ["auto", "reweighting", "splitting"]);
}

export async function entrywiseLowRank(
  run: Run,
  source: RowSource,
  options: EntrywiseOptions,
): Promise<EntrywiseResult> {
  const { rank, p = 1, seed = 0 } = options;
  const { rows: n, cols: d, dtype } = source;
  const rows = run.open(source);
  const factorType = dtype === "f64" ? "f64" : "f32";
  const count = p === 2 ? 0 : (options.starts ?? randomStarts(n, d, options));
  const hops = hopsFrom(n, d, options);
  expectWork(run, source, options, count + hops);

  const scales = await profile(run, rows);
  setWeights(rows, options);
  const problem = await problemOf(run, rows, scales, { ...options, p, factorType });
  const { vectors } = await spectrum(run, rows, scales, { cut: () => rank, vectors: source.cols });
  const starts: { start: EntrywiseStart["start"]; basis: Float64Array }[] = [{ start: "svd", basis: vectors }];
  if (p !== 2) starts.push({ start: "lewis", basis: await lewisBasis(problem) });
  for (let i = 0; i < count; ++i) starts.push({ start: "random", basis: await randomBasis(problem, seed, i) });

  let best: EntrywiseFactors | undefined;
  const report: EntrywiseStart[] = [];
  const projections: Objective[] = [];
  for (const { basis } of starts) {
    projections.push(await scoreOf(problem, basis));
    if (isDone(problem, projections.at(-1)!)) break;
  }
  // An exact fit, found last, stands alone. Splitting starts from the better of the projections by SVD and by Lewis weights.
  const exact = isDone(problem, projections.at(-1)!);
  const worse = !problem.small && projections.length > 1 ? Number(projections[0].lp <= projections[1].lp) : -1;
  for (const [at, projection] of projections.entries()) {
    const { start, basis } = starts[at];
    report.push({ start, projection: projection.lp, iterations: 0 });
    if (exact ? at < projections.length - 1 : at === worse) continue;
    const found = await refine(problem, basis, projection);
    report[at] = { ...report[at], refined: found.objective.lp, iterations: found.iterations };
    if (!best || found.objective.lp < best.objective.lp) best = found;
  }
  for (let index = 0; index < hops && !isDone(problem, best!.objective); ++index) {
    const basis = await hopBasis(run, source, best!.right, { rank, seed, index });
    const projection = await scoreOf(problem, basis);
    const found = await refine(problem, basis, projection, hopFloors);
    const { iterations, objective } = found;
    report.push({ start: "hop", projection: projection.lp, refined: objective.lp, iterations });
    if (objective.lp < best!.objective.lp) best = found;
  }
  run.finish();
  const { left, right, objective, method, iterations, residual, converged } = best!;
  return {
    left: { data: left, rows: n, cols: rank },
    right: { data: factorType === "f64" ? right : Float32Array.from(right), rows: rank, cols: d },
    rank,
    p,
    objective,
    report: { method, starts: report, seed },
    iterations,
    residual,
    converged,
    seconds: run.seconds,
  };
}

/** The l_p-SVD's right singular vectors. */
async function lewisBasis({ run, rows, profile, p, rank }: EntrywiseProblem): Promise<Float64Array> {
  // A start need not be exact: weights within a tenth of the ideal distortion will do.
  const { gram } = await lewisEllipsoid(run, rows, profile, { p, tolerance: 0.1 });
  const n = rows.source.cols;
  return (await run.engine.dense("eigen", { matrix: gram, n, count: basisSize(rank, n) })).vectors;
}

async function randomBasis({ run, rows, rank }: EntrywiseProblem, seed: number, number: number): Promise<Float64Array> {
  const d = rows.source.cols;
  const draw = { kind: "normal", seed, stream: randomStream + number, first: 0, count: rank * d } as const;
  const values = await run.engine.dense("random", draw);
  orthonormalise(new Float64Array(), values, 0, rank, d);
  return values;
}

function expectWork(run: Run, source: RowSource, options: EntrywiseOptions, random: number): void {
  const { rank, p = 1, maxIterations } = options;
  const { rows: n, cols: d, dtype } = source;
  const slow = dtype === "f64" ? 2 : 1;
  const steps = maxIterations ?? defaultSteps(n, d, options);
  const fits = isSmall(n, d, options)
    ? (2 + random) * steps * reweightWork(n, d, rank)
    : (1 + random) * slow * steps * splitWork(n, d, rank);
  const starts = n * d * (slow * (p === 2 ? d : 9 * d) + (2 + random) * 4 * slow * rank);
  run.expect(n * d * 2 + starts + (p === 2 ? 0 : fits));
}
