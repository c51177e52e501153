// Large rank, where a k x k solve a row is too dear: the splitting A = L + S by alternating directions
// (assembly/entrywise-split.ts), one sweep a step, 2 n d min(k, d - k) + n d^2 / 2 multiply-adds.
//
// At p = 1 the clip's level starts at 1.2 of each row's mean |residual| and shrinks geometrically to 0.3 in 20 steps, less in
// more (tried, from 0.9 to 2 and from 0.05 to 0.5): 20 steps then reach what 20 to 50 of reweighting do. A soft threshold without
// the dual variable, a majorised Huber loss, gets half as far in as many steps, and two thirds with momentum (tried).
import type { EngineRows } from "../../engine/engine.js";
import type { FactorType, Objective } from "../../types/index.js";
import { anyObjective, basisSize, ofOwnScale, placing, roundCode, roundTo } from "../basis/factors.js";
import { areRootScalesNarrow } from "../basis/narrow.js";
import { orient } from "../basis/orthonormal.js";
import type { Profile } from "../profile.js";
import type { Ending, Run } from "../run.js";
import { transpose } from "../basis/small-dense.js";

export interface SplitRequest {
  /** Orthonormal rows, f64: cols x cols, of which the first `rank` are the start; or just those. */
  basis: Float64Array;
  rank: number;
  p: number;
  factorType: FactorType;
  /** Mean |residual| of the start's projection, times unit. */
  size: number;
  tolerance: number;
  maxIterations: number;
}

export interface SplitResult extends Ending {
  left: Float32Array | Float64Array;
  /** Orthonormal rows, rounded to the factor type. */
  right: Float64Array;
  objective: Objective;
}

/** First level and last, tried for each range of p; more than 20 steps go lower for p <= 2. */
function levels(p: number, steps: number): [first: number, last: number] {
  if (p > 2) return [16, 4];
  const more = Math.min(1, 20 / Math.max(1, steps));
  return p < 1 ? [1, 0.15 * more] : [1.2, 0.3 * more];
}

/**
 * f32 sums err by about 2^-24 of the largest eigenvalue. That may turn the subspace a little (the next step mends it), as long as
 * the last eigenvalue kept is well above it.
 */
const narrowLimit = 300 * 2 ** -24;
/** Steps of the final refit of left. */
const refitSteps = 8;
/** Rows whose mean residual is below this share of the typical one are clipped as if it were that. */
const lowestBase = 1e-3;

export async function split(
  run: Run,
  rows: EngineRows,
  { unit }: Profile,
  request: SplitRequest,
): Promise<SplitResult> {
  const { rank: k, p, factorType, size, tolerance, maxIterations } = request;
  const { rows: n, cols: d, dtype } = rows.source;
  // v is of the rows' own type: two f32 to a column of row state, which no one reads as numbers.
  rows.state.set("entrywiseDual", new Float64Array(n * (dtype === "f64" ? d : Math.ceil(d / 2))));
  const [first, last] = levels(p, maxIterations);
  const shrink = await run.power(last / first, 1 / Math.max(1, maxIterations - 1));
  const keep = await run.power(shrink, 2 - p);
  let wide = dtype === "f64" || unit !== 1 || !(await areRootScalesNarrow(rows, size));
  let basis = request.basis;
  let level = first;

  const step = async (fresh: boolean, next: number) => {
    const outside = isOutside(basis, k, d);
    const params = { p, unit, wide, outside, fresh, level, next, keep, floor: lowestBase * size, size };
    const { gram, objective } = await run.sweep("entrywiseSplit", rows, "splitting", params, sides(basis, k, d));
    const axes = await run.engine.dense("eigen", { matrix: gram, n: d, count: basisSize(k, d) });
    return { value: objective[0], ...axes };
  };

  let best = { value: Infinity, basis };
  let residual = 1;
  let still = 0;
  let iterations = 1;
  let now = await step(true, level);
  const isSafe = () => now.values[k - 1] > narrowLimit * now.values[0];
  if (!wide && !isSafe()) {
    wide = true;
    now = await step(true, level);
  }
  basis = now.vectors;
  let previous = now.value;
  for (; iterations < maxIterations && still < 3; ++iterations) {
    now = await step(false, level * shrink);
    level *= shrink;
    if (now.value < best.value) best = { value: now.value, basis };
    residual = now.value > 0 ? Math.abs(previous - now.value) / now.value : 0;
    still = residual <= tolerance ? still + 1 : 0;
    previous = now.value;
    basis = now.vectors;
    wide ||= !isSafe();
  }

  const refit = async (from: Float64Array) => {
    orient(from.subarray(0, k * d), d);
    const left = factorType === "f64" ? new Float64Array(n * k) : new Float32Array(n * k);
    const right = await roundTo(run, from.slice(0, k * d), factorType);
    const outside = isOutside(from, k, d);
    const result = await run.sweep(
      "entrywiseRefit",
      rows,
      "refit",
      { p, unit, wide, outside, level, rank: k, steps: refitSteps, round: roundCode[factorType] },
      { ...sides(from, k, d), basis: transpose(from.subarray(0, k * d), k, d), right },
      placing(left, k),
    );
    return { left, right, objective: await anyObjective(run, result, p, unit) };
  };
  let result = await refit(basis);
  // Rarely, an earlier subspace was better than the last.
  const scaled = await ofOwnScale(run, best.value, unit, p);
  if (scaled < result.objective.lp) {
    const other = await refit(best.basis);
    if (other.objective.lp < result.objective.lp) result = other;
  }
  rows.state.delete("entrywiseDual");
  rows.state.delete("entrywiseBase");
  return { ...result, iterations, residual, converged: still >= 3 };
}

/** Work through the complement where it is known and smaller. */
function isOutside(basis: Float64Array, k: number, d: number): boolean {
  return basis.length === d * d && d - k < k;
}

/** What the products of a step are made with: V_perp or V, and its transpose. */
function sides(basis: Float64Array, k: number, d: number): { inner: Float64Array; innerRight: Float64Array } {
  const innerRight = isOutside(basis, k, d) ? basis.slice(k * d) : basis.slice(0, k * d);
  return { inner: transpose(innerRight, innerRight.length / d, d), innerRight };
}
