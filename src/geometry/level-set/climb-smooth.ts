// Climbing y'Hy over a level set with 1 < p < Infinity, many points a sweep. Each step maximises the linear c = Hy of the
// point it stands on, which raises y'Hy, y'Hy being convex, by one step of reweighted least squares: with the weighted Gram
// matrix G = B' diag(s |b y|^(p-2)) B the next point lies along G^-1 c, which climbs by itself for p <= 2 and is Newton's
// direction of that for every p (1 / (p - 1) of it the full step). Near a top Newton's method for y'Hy itself takes over. A
// search along every step makes it safe.
//
// Cost     three sweeps a step; n r^2 / 2 multiply-adds a point for the Gram matrices
import { scale, type LevelSetSpace } from "./space.js";
import { choleskyInPlace, dot, solveInPlace, timesVector } from "../basis/small-dense.js";

export interface SmoothOptions {
  maxSteps: number;
  /** Relative, of y'Hy. */
  tolerance: number;
  /** Without them the steps follow the gradient, which is far less work a step where r is large. Default true. */
  useGrams?: boolean;
}

/** Moves every point, in place, until a step promises less than `tolerance` or `maxSteps`. */
export async function climbSmooth(
  space: LevelSetSpace,
  H: Float64Array,
  all: Float64Array[],
  { maxSteps, tolerance, useGrams = true }: SmoothOptions,
): Promise<void> {
  const { p, rank: r } = space;
  let active = all;
  for (let step = 0; step < maxSteps && active.length; ++step) {
    const { tops, gradients } = await space.slopes(active);
    const floors = p < 2 ? tops.map((x) => x * smallest) : new Float64Array(active.length);
    const grams = useGrams ? await space.grams(active, floors) : [];
    const moves = active
      .map((y, j) => ({
        y,
        ...(useGrams ? ascent(p, H, y, gradients[j], grams[j], tolerance) : steepest(H, y, gradients[j], tolerance)),
      }))
      .filter((move) => move.direction);
    if (moves.length === 0) return;
    const trials = moves.map(({ full }) => parts.map((x) => x * full!));
    const steps = Float64Array.from(trials.flat());
    const sums = await space.trials(
      moves.map(({ y }) => y),
      moves.map(({ direction }) => direction!),
      steps,
    );
    const squares = await space.powers(sums, 2 / p);
    active = [];
    moves.forEach(({ y, direction, value }, j) => {
      // y'Hy beside |By|^2 along y + t direction: a parabola in t over what the sweep found.
      const along = dot(direction!, 0, timesVector(H, y), 0, r);
      const curve = dot(direction!, 0, timesVector(H, direction!), 0, r);
      let best = -1;
      let height = value * (1 + 1e-15);
      trials[j].forEach((t, k) => {
        const here = (value + 2 * t * along + t * t * curve) / squares[j * parts.length + k];
        if (here > height) [best, height] = [k, here];
      });
      if (best < 0) return;
      for (let i = 0; i < r; ++i) y[i] += trials[j][best] * direction![i];
      if (height > value * (1 + tolerance)) active.push(y);
    });
    // Points that stop here still have to be brought back to norm 1.
    const stopped = moves.map(({ y }) => y).filter((y) => !active.includes(y));
    if (stopped.length) await space.slopes(stopped);
  }
  if (active.length) await space.slopes(active);
}

/** Products below this part of the largest get no larger weight: p < 2. */
const smallest = 1e-8;
/** Added to the Gram matrix beside its trace over r: where high powers see nothing. */
const ridge = 1e-12;

/** Steps that are tried, beside the full one. */
const parts = [1 / 64, 1 / 16, 1 / 4, 1 / 2, 3 / 4, 1, 1.5, 2, 4];

interface Ascent {
  /** y'Hy */
  value: number;
  direction?: Float64Array;
  /** The length of the step that is right where the second order is all there is. */
  full?: number;
}

/**
 * Newton's direction for y'Hy on the surface |By|_p = 1, where its second-order condition holds: Hessian H - q (p - 1) G on the
 * tangent space g'x = 0, q = y'Hy. Elsewhere from y towards the least y'Gy with c'y kept. None where that gains less than
 * `tolerance`. G is overwritten.
 */
function ascent(
  p: number,
  H: Float64Array,
  y: Float64Array,
  gradient: Float64Array,
  G: Float64Array,
  tolerance: number,
): Ascent {
  const r = y.length;
  const c = timesVector(H, y);
  const value = dot(c, 0, y, 0, r);
  const energy = dot(timesVector(G, y), 0, y, 0, r);
  const rest = c.map((x, i) => x - value * gradient[i]);
  if (p > 1) {
    const N = new Float64Array(r * r);
    for (let i = 0; i < r; ++i) {
      for (let j = 0; j <= i; ++j) {
        N[i * r + j] = value * ((p - 1) * G[i * r + j] + 2 * gradient[i] * gradient[j]) - H[i * r + j];
      }
    }
    if (choleskyInPlace(N, r, 1e-10) < 0) {
      solveInPlace(N, r, rest);
      const gain = dot(rest, 0, c, 0, r) - value * dot(rest, 0, gradient, 0, r);
      return gain > (tolerance / 4) * value ? { value, direction: rest, full: 1 } : { value };
    }
  }
  let trace = 0;
  for (let i = 0; i < r; ++i) trace += G[i * r + i];
  for (let i = 0; i < r; ++i) G[i * r + i] += (ridge * trace) / r;
  if (choleskyInPlace(G, r) >= 0) return { value };
  const z = c.slice();
  solveInPlace(G, r, z);
  const reach = dot(c, 0, z, 0, r);
  // Cauchy-Schwarz: 0 exactly where y lies along z.
  if (!((reach * energy) / (value * value) - 1 > tolerance / 4)) return { value };
  scale(z, value / reach);
  return { value, direction: z.map((x, i) => x - y[i]), full: Math.min(8, 1 / (p - 1)) };
}

/** Along the gradient of log y'Hy / 2 - log |By|_p, as long as y: L is round in these coordinates, up to its corners. */
function steepest(H: Float64Array, y: Float64Array, gradient: Float64Array, tolerance: number): Ascent {
  const r = y.length;
  const c = timesVector(H, y);
  const value = dot(c, 0, y, 0, r);
  const direction = c.map((x, i) => x / value - gradient[i]);
  const size = Math.sqrt(dot(direction, 0, direction, 0, r));
  const length = Math.sqrt(dot(y, 0, y, 0, r));
  if (!(size * length > Math.sqrt(tolerance))) return { value };
  scale(direction, length / size);
  return { value, direction, full: 1 };
}
