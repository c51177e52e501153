// Smallest centred ellipsoid of the rows +-x_i of a source of any length: the inner solver (enclosing.ts) on a small active
// set in memory, and sweeps that score all rows.
//
// Core sets: Kumar, Yildirim 2005, Minimum-volume enclosing ellipsoids and core sets. A start that spans the space (the
// rows of largest leverage, and the farthest row along every direction that those leave nearly empty), then solve, score,
// add the rows that stick out, until none sticks out by more than the tolerance.
// Inner rows leave the active set by Harman, Pronzato 2007, Improvements on removing nonoptimal support points in D-optimum
// design algorithms: a row whose omega is below a bound that the residual gives is in no optimal design.
import type { EngineRows } from "../../engine/engine.js";
import type { RowSource } from "../../matrix.js";
import { enclose } from "./enclosing.js";
import type { Ending, Run } from "../run.js";
import { dot, product, removeAlong } from "../basis/small-dense.js";

export interface RowEnclosing extends Ending {
  /** Rows of positive weight, ascending, and their weights: on the simplex. */
  contacts: Int32Array;
  weights: Float64Array;
  /** p x D: omega_i = |x_i transform|^2. */
  transform: Float64Array;
  /** Largest omega of all rows; at least D. */
  top: number;
}

/** The inner solver's steps a round. */
const innerSteps = 20_000;

/**
 * @param white p x D: coordinates of the row space, in which the Gram matrix of all rows is the identity
 */
export async function encloseRows(
  run: Run,
  rows: EngineRows,
  white: Float64Array,
  { tolerance, maxIterations }: { tolerance: number; maxIterations: number },
): Promise<RowEnclosing> {
  const { source } = rows;
  const p = source.cols;
  const D = white.length / p;
  const batch = 16 * D + 100;

  let active = await spanningRows(run, rows, white, batch);
  let points = await coordinates(run, source, active, white, D);
  let u: Float64Array | undefined;
  let goal = 0.01;
  for (let iterations = 0; ; ++iterations) {
    const inner = enclose(points, active.length, D, { start: u, tolerance: goal, maxIterations: innerSteps });
    u = inner.u;
    const transform = product(white, inner.transform, p, D, D);
    const omega = await scores(run, rows, transform);
    const top = largest(omega);
    let low = Infinity;
    for (let i = 0; i < active.length; ++i) if (u[i] > 0) low = Math.min(low, inner.omega[i]);
    const residual = Math.max(top / D - 1, 1 - low / D);
    if (residual <= tolerance || iterations >= maxIterations) {
      const support = Array.from(active.keys()).filter((i) => u![i] > 0);
      return {
        contacts: Int32Array.from(support, (i) => active[i]),
        weights: Float64Array.from(support, (i) => u![i]),
        transform,
        top: Math.max(top, D),
        iterations,
        residual,
        converged: residual <= tolerance,
      };
    }
    const gap = top / D - 1;
    const out = topRows(omega, batch, D * (1 + tolerance / 4));
    goal = Math.max(tolerance / 2, Math.min(goal, gap) / 10);
    if (out.length === 0) goal = Math.min(goal, tolerance / 2);
    const bound = harmanPronzato(gap, D);
    const kept = Array.from(active.keys()).filter((i) => u![i] > 0 || inner.omega[i] > D * bound);
    const next = [...new Set([...kept.map((i) => active[i]), ...out])].sort((i, j) => i - j);
    const weightOf = new Map(kept.map((i) => [active[i], u![i]]));
    u = Float64Array.from(next, (i) => weightOf.get(i) ?? 0);
    active = next;
    points = await coordinates(run, source, active, white, D);
  }
}

/** omega below D times this: no optimal design has the row. `gap` = omega_+ / D - 1. */
function harmanPronzato(gap: number, D: number): number {
  if (D === 1) return 1 / (1 + gap);
  return Math.max(0, 1 + gap / 2 - Math.sqrt(gap * (4 + gap - 4 / D)) / 2);
}

/** |x_i T|^2 of every row. */
export async function scores(run: Run, rows: EngineRows, transform: Float64Array): Promise<Float64Array> {
  await run.sweep("leverage", rows, "scores", { wide: true, triangular: false }, { transform });
  return (await rows.state.get("leverage"))!;
}

/** Rows to start with, ascending; they span the row space. */
async function spanningRows(run: Run, rows: EngineRows, white: Float64Array, batch: number): Promise<number[]> {
  const { source } = rows;
  const p = source.cols;
  const D = white.length / p;
  const active = topRows(await scores(run, rows, white), batch, 0);
  // Along a unit direction the squares of all rows sum to 1: the largest is at least 1 / n.
  const enough = 1e-3 / source.rows;
  const chosen: Float64Array[] = [];
  let rest = await coordinates(run, source, active, white, D);
  for (let k = 0; k < D; ++k) {
    let far = 0;
    let size = -1;
    for (let i = 0; i < active.length; ++i) {
      const square = dot(rest, i * D, rest, i * D, D);
      if (square > size) [far, size] = [i, square];
    }
    let direction: Float64Array = rest.slice(far * D, (far + 1) * D);
    if (!(size > enough)) {
      const empty = complement(chosen, D);
      const [found] = topRows(await scores(run, rows, product(white, empty, p, D, 1)), 1, 0);
      active.push(found);
      const added = await coordinates(run, source, [found], white, D);
      for (const unit of chosen) removeAlong(added, unit, 1, D);
      rest = Float64Array.from([...rest, ...added]);
      direction = added;
    }
    const length = Math.sqrt(dot(direction, 0, direction, 0, D));
    const unit = direction.map((x) => x / length);
    chosen.push(unit);
    removeAlong(rest, unit, rest.length / D, D);
  }
  return [...new Set(active)].sort((i, j) => i - j);
}

/** A unit vector orthogonal to the orthonormal ones given, fewer than D of them. */
function complement(units: Float64Array[], D: number): Float64Array {
  let best: Float64Array = new Float64Array(D);
  let size = -1;
  for (let j = 0; j < D; ++j) {
    const x = new Float64Array(D);
    x[j] = 1;
    for (let pass = 0; pass < 2; ++pass) for (const unit of units) removeAlong(x, unit, 1, D);
    const square = dot(x, 0, x, 0, D);
    if (square > size) [best, size] = [x, square];
  }
  return best.map((x) => x / Math.sqrt(size));
}

/** At most `most` rows of score above `above`: the largest, the lowest row of equals; ascending. */
function topRows(score: Float64Array, most: number, above: number): number[] {
  let rows: number[] = [];
  let cut = above;
  const trim = () => {
    rows = rows.sort((i, j) => score[j] - score[i] || i - j).slice(0, most);
    if (rows.length === most) cut = score[rows[most - 1]];
  };
  for (let i = 0; i < score.length; ++i) {
    if (!(score[i] > cut)) continue;
    rows.push(i);
    if (rows.length >= 4 * most + 64) trim();
  }
  trim();
  return rows.sort((i, j) => i - j);
}

export function largest(x: Float64Array): number {
  let top = 0;
  for (const v of x) if (v > top) top = v;
  return top;
}

/** The rows of these numbers times `white`. */
async function coordinates(
  run: Run,
  source: RowSource,
  numbers: number[],
  white: Float64Array,
  D: number,
): Promise<Float64Array> {
  return product(await run.gather(source, numbers), white, numbers.length, source.cols, D);
}
