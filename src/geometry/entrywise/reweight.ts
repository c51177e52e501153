// Small rank: alternating reweighted least squares (assembly/entrywise-reweight.ts), one sweep a step.
//
// The smoothing starts large and shrinks, eps = 0.5 * 0.9^t mean |A|: from the SVD start alone that beats several starts with
// a fixed small one (tried). Rows are solved in place, columns by d systems of k unknowns summed over all rows: exact steps
// rather than bounds, since rank is small where this is chosen.
import type { EngineRows } from "../../engine/engine.js";
import { orthonormalise } from "../basis/orthonormal.js";
import type { Profile } from "../profile.js";
import type { Ending, Run } from "../run.js";

export interface ReweightRequest {
  /** n x k and k x d, of A times unit; taken over. */
  left: Float64Array;
  right: Float64Array;
  rank: number;
  p: number;
  /** Mean |a_ij| times unit. */
  size: number;
  tolerance: number;
  maxIterations: number;
  floors?: Floors;
}

/** The smoothing, beside mean |A|: where it starts, and what it is multiplied by after each step. */
export interface Floors {
  readonly from: number;
  readonly factor: number;
}

/** What gets past most minima. */
const wide: Floors = { from: 0.5, factor: 0.9 };

/** A pair, right with orthonormal rows, of A times unit. */
export interface ReweightResult extends Ending {
  left: Float64Array;
  right: Float64Array;
}

export async function reweight(
  run: Run,
  rows: EngineRows,
  { unit }: Profile,
  request: ReweightRequest,
): Promise<ReweightResult> {
  const { rank: k, p, size, tolerance, maxIterations, floors = wide } = request;
  const { rows: n, cols: d } = rows.source;
  let { right } = request;
  rows.state.set("left", request.left);
  let best = { value: Infinity, left: request.left, right };
  let previous = 0;
  let residual = 1;
  let still = 0;
  let iterations = 0;
  // Newton's step for p > 2 (the full one overshoots), the exact minimum of a bound for p <= 2.
  const damping = p > 2 ? 1 / (p - 1) : 1;
  let floor = floors.from;
  for (; iterations < maxIterations && still < 3; ++iterations) {
    const eps = Math.max(floor, smallest) * size;
    const before = iterations === 0 ? (await rows.state.get("left"))!.slice() : undefined;
    const params = { rank: k, p, unit, eps, damping };
    const sums = await run.sweep("entrywiseReweight", rows, "reweighting", params, { right });
    if (before) {
      previous = sums.before[0];
      best = { value: previous, left: before, right };
    }
    const value = sums.after[0];
    if (value < best.value) best = { value, left: (await rows.state.get("left"))!.slice(), right };
    // A number is as small as rounding lets it be: nothing left to gain.
    residual = value > 0 ? Math.abs(previous - value) / value : 0;
    still = residual <= tolerance && (eps * n * d <= settled * value || floor <= smallest) ? still + 1 : 0;
    if (value === 0) still = 3;
    previous = value;
    const step = await run.engine.dense("solve", { systems: sums.systems, sides: sums.sides, count: d, n: k });
    right = right.map((x, at) => x + damping * step[(at % d) * k + Math.floor(at / d)]);
    floor *= floors.factor;
  }
  rows.state.delete("left");
  orthonormalise(best.left, best.right, n, k, d);
  return { left: best.left, right: best.right, iterations, residual, converged: still >= 3 };
}

/** The smoothing ends here, beside mean |A|: f64 has digits to spare. */
const smallest = 1e-9;
/** It no longer shows once it is this share of the mean |r|^p. */
const settled = 1e-6;
