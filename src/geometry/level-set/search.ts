// The search for the Loewner ellipsoid of a level set, in its round coordinates: E is the smallest centred ellipsoid of the
// points found on the boundary; climbs of y'Hy look for more that stick out of it, until none is found.
import type { LevelSetOptions } from "../../types/index.js";
import { enclose } from "../ellipsoid/enclosing.js";
import { Climber, Starts, type Contact } from "./climber.js";
import type { LevelSetSpace } from "./space.js";
import { dot } from "../basis/small-dense.js";

export interface Search {
  /** Points that E is the smallest ellipsoid of. */
  contacts: Float64Array[];
  /** r x r: E = {y : y'Hy <= 1}. No point that was found sticks out. */
  H: Float64Array;
  /** E / sqrt(omega) lies in L: max y' (sum u_i y_i y_i')^-1 y over the points. */
  omega: number;
  iterations: number;
  /** The largest y'Hy - 1 that the last round of climbs found. */
  residual: number;
  converged: boolean;
}

/** Enclose what was found, climb from the contacts and from new places, and again. */
export async function search(
  space: LevelSetSpace,
  { tolerance = 1e-7, seed = 0, ...options }: LevelSetOptions,
): Promise<Search> {
  const { rank: r } = space;
  const climber = new Climber(space, tolerance, options);
  const starts = new Starts(space, seed);
  const { directions } = climber;
  let H = Float64Array.from({ length: r * r }, (_, i) => Number(i % (r + 1) === 0));
  // Points of L along the axes span the space, whatever the climbs find.
  const axes = Array.from({ length: r }, (_, j) => H.slice(j * r, (j + 1) * r));
  await space.slopes(axes);
  let contacts: Contact[] = axes.map((y) => ({ y, u: 0 }));
  const first = [...(await starts.rows(Math.min(r, directions))), ...(await starts.random(directions))];
  contacts.push(...distinct(H, await climber.climb(H, [...first, ...axes.slice(0, directions)])));
  let residual = Infinity;
  let quiet = 0;
  for (let iterations = 0; ; ++iterations) {
    const last = iterations >= climber.rounds;
    // E need not be more exact than what the climbs still find; at the end it should be.
    const share = last ? 1 / 64 : 1 / 4;
    const goal = Math.min(last ? 1e-3 : 0.1, Math.max(tolerance / 4, residual * share));
    const enclosing = enclose(flat(contacts, r), contacts.length, r, {
      start: iterations ? Float64Array.from(contacts, (x) => x.u) : undefined,
      tolerance: goal,
    });
    const { u, omega } = enclosing;
    const top = omega.reduce((a, b) => Math.max(a, b), 0);
    H = enclosing.inverse.map((x) => x / top);
    contacts.forEach((x, i) => (x.u = u[i]));
    const end = (converged: boolean): Search => {
      const on = contacts.filter((_, i) => u[i] > 1e-9 / contacts.length && omega[i] > (1 - 4 * goal - 1e-9) * top);
      return { H, omega: top, iterations, residual, converged, contacts: on.map(({ y }) => y) };
    };
    if (last) return end(false);
    const least = 1e-3 / contacts.length;
    const active = contacts.filter((x) => x.u > least);
    // On from the contacts, E having changed under them; from new places when that finds little.
    const warm = await climber.climbOn(H, active);
    let found = sticking(H, warm, tolerance);
    let excess = highest(H, warm) - 1;
    if (excess <= Math.max(tolerance, residual / 4) || iterations < 2) {
      const fresh = await climber.climb(H, await starts.random(directions));
      excess = Math.max(excess, highest(H, fresh) - 1);
      found = distinct(H, [...found, ...sticking(H, fresh, tolerance)]);
    }
    residual = Math.max(0, excess);
    quiet = found.length === 0 && goal <= tolerance / 4 ? quiet + 1 : 0;
    // Twice nothing, from twice as many places.
    if (quiet === 2) return end(true);
    contacts = contacts.filter((_, i) => u[i] > least || omega[i] > 0.99 * top);
    contacts.push(...found);
  }
}

function flat(contacts: Contact[], r: number): Float64Array {
  const points = new Float64Array(contacts.length * r);
  contacts.forEach(({ y }, i) => points.set(y, i * r));
  return points;
}

function heightOf(H: Float64Array, y: Float64Array): number {
  const r = y.length;
  let sum = 0;
  for (let i = 0; i < r; ++i) sum += y[i] * dot(H, i * r, y, 0, r);
  return sum;
}

const highest = (H: Float64Array, points: Contact[]) => points.reduce((top, { y }) => Math.max(top, heightOf(H, y)), 0);

function sticking(H: Float64Array, points: Contact[], tolerance: number): Contact[] {
  return distinct(
    H,
    points.filter(({ y }) => heightOf(H, y) > 1 + tolerance),
  );
}

/** Climbs from different places end at the same one. */
function distinct(H: Float64Array, points: Contact[]): Contact[] {
  const ordered = points.map((x) => ({ x, height: heightOf(H, x.y) })).sort((a, b) => b.height - a.height);
  const kept: typeof ordered = [];
  for (const one of ordered) {
    const { y } = one.x;
    const r = y.length;
    let same = false;
    for (let i = kept.length - 1; i >= 0 && !same && kept[i].height - one.height <= 1e-9 * one.height; --i) {
      const other = kept[i].x.y;
      const along = dot(y, 0, other, 0, r);
      same = along * along >= (1 - 1e-12) * dot(y, 0, y, 0, r) * dot(other, 0, other, 0, r);
    }
    if (!same) kept.push(one);
  }
  return kept.map(({ x }) => x);
}
