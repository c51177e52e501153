// Bits for the components of a transform code: reverse water-filling over the coder's own errors (Shannon 1959; Fox, Discrete
// optimization via marginal analysis, 1966), with what the right factor costs.
//
// A component of variance v with b bits leaves v (error(b) + loss), where `loss` is what the right factor's own rounding costs, and takes
// b bits a row and a row of the right factor. Components go in groups of 8, as bytes hold their codes.
//
// Loss     an axis that is rounded sends a share r of its component astray, evenly over all directions. What goes along a stored component
//          of error e can be taken back there, but then is coded with it: e / (1 + e) of it stays (band-factors.ts). All of it stays
//          where nothing is stored
import { codedBytes, quantisationError } from "../../codes.js";
import { trellisError } from "../../code-trellis.js";
import type { TrellisBits, WindowBits } from "../../types/index.js";

export interface BandPlan {
  bits: TrellisBits;
  /** Components: a multiple of 8. Past the last column they are of variance 0. */
  cols: number;
  rightBits: 8 | 4;
}

export interface BitPlan {
  /** By falling bits. */
  bands: BandPlan[];
  /** Sum over the components of what is left of their variances, expected. */
  error: number;
  /** Of codes and right factors. */
  bytes: number;
}

export interface Spectrum {
  /** Variances along the axes, falling. */
  values: Float64Array;
  rows: number;
  windowBits: WindowBits;
}

const allBits = [1, 2, 3, 4, 5, 6, 7, 8] as const;

/** The best plan of at most `bytes`. */
export function planBits(spectrum: Spectrum, bytes: number): BitPlan {
  let best: BitPlan | undefined;
  let astray = 1;
  for (let lowest = 0; lowest <= 8; ++lowest) {
    let plan = planWith(spectrum, bytes, lowest, astray);
    astray = astrayOf(plan, spectrum);
    plan = planWith(spectrum, bytes, lowest, astray);
    if (!best || plan.error < best.error || (plan.error === best.error && plan.bytes < best.bytes)) best = plan;
  }
  return best!;
}

/** Of what a rounded axis sends astray, the share that stays. */
function astrayOf({ bands }: BitPlan, { values, windowBits }: Spectrum): number {
  const stays = bands.reduce(
    (sum, { cols, bits }) => sum - cols / (1 + trellisError(bits, windowBits, cols)),
    values.length,
  );
  return Math.max(0, stays) / values.length;
}

/** With right factors in 4 bits for bands of up to `lowest` bits. */
function planWith({ values, rows, windowBits }: Spectrum, most: number, lowest: number, astray: number): BitPlan {
  const cols = values.length;
  const rightOf = (bits: number) => (bits <= lowest ? 4 : 8);
  const groups = Float64Array.from({ length: Math.ceil(cols / 8) }, (_, g) => sum(values.subarray(8 * g, 8 * g + 8)));
  const costs = [0, ...allBits.map((bits) => rows * bits + codedBytes(8, cols, rightOf(bits)))];
  const errors = [
    1,
    ...allBits.map((bits) => trellisError(bits, windowBits) + astray * quantisationError(rightOf(bits), cols)),
  ];
  const steps = convexSteps(costs, errors);
  // Groups that took each step. Larger ones took it first, so the next group is always the one of that number.
  const taken = steps.map(() => 0);
  let bytes = 0;
  for (;;) {
    let best = -1;
    let fall = 0;
    steps.forEach((step, k) => {
      const group = taken[k];
      if (group >= (k ? taken[k - 1] : groups.length) || bytes + step.bytes > most) return;
      if (groups[group] * step.slope > fall) [best, fall] = [k, groups[group] * step.slope];
    });
    if (best < 0) break;
    bytes += steps[best].bytes;
    ++taken[best];
  }
  const bands: BandPlan[] = [];
  let error = sum(values);
  let first = 0;
  for (let k = steps.length - 1; k >= 0; --k) {
    const { bits } = steps[k];
    const count = 8 * (taken[k] - (taken[k + 1] ?? 0));
    if (count === 0) continue;
    const inside = sum(values.subarray(first, first + count));
    bands.push({ bits, cols: count, rightBits: rightOf(bits) });
    error -= inside * (1 - trellisError(bits, windowBits, count) - astray * quantisationError(rightOf(bits), cols));
    first += count;
  }
  return { bands, error, bytes };
}

interface Step {
  /** That it leads to. */
  bits: TrellisBits;
  bytes: number;
  /** Fall of the error for a byte. */
  slope: number;
}

/** From 0 bits up, along the lower convex hull of errors over costs. */
function convexSteps(costs: readonly number[], errors: readonly number[]): Step[] {
  const steps: Step[] = [];
  for (let at = 0; at < 8;) {
    let [next, slope] = [0, 0];
    for (let to = at + 1; to <= 8; ++to) {
      const found = (errors[at] - errors[to]) / (costs[to] - costs[at]);
      if (found > slope) [next, slope] = [to, found];
    }
    if (next === 0) break;
    steps.push({ bits: next as TrellisBits, bytes: costs[next] - costs[at], slope });
    at = next;
  }
  return steps;
}

const sum = (x: Float64Array) => x.reduce((total, value) => total + value, 0);
