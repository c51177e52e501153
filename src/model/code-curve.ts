// Error of transform codes against their bytes, told from the variances of the centred rows for all sizes at once: reverse water-filling
// over the coder's own errors. Which bits a code really gets is decided as it is made (geometry/codes/bands.ts), for its one size.
import { trellisError } from "../code-trellis.js";
import { codedBytes } from "../codes.js";
import type { TrellisBits } from "../types/index.js";
import type { ExpectedError } from "./measure.js";

export interface CodePoint extends ExpectedError {
  readonly bytes: number;
}

const windowBits = 10;
/** Components go in groups of so many. */
const group = 8;
/** From some bits a component to more. */
interface Step {
  readonly bytes: number;
  /** Shares of the variance that are left, before and after; 1 before the first bit. */
  readonly from: number;
  readonly to: number;
}

/** Of the variances v of a group of components. */
interface Part {
  /** Sum of v, the error while nothing is stored; and of v^2. */
  readonly variance: number;
  readonly squares: number;
  /** Sums where errors go with sqrt(v), as in a band: of v^(1/2) times the mean of it, and of v^(3/2) times that. */
  readonly shared: number;
  readonly sharedByVariance: number;
}

/**
 * By rising bytes, from centre and scales alone to 8 bits a component.
 * @param variances along the axes of the centred rows, falling, beside the squares of A: their sum is at most 1
 * Cost: a sort of cols numbers.
 */
export function codeCurve(rows: number, cols: number, variances: Float64Array): CodePoint[] {
  const parts = Array.from({ length: Math.ceil(variances.length / group) }, (_, g) =>
    partOf(variances.subarray(group * g, group * (g + 1))),
  );
  const mean = parts.reduce((sum, { variance }) => sum + variance, 0) / variances.length || 1;
  const ladder = ladderOf(rows, cols);
  const steps = parts.flatMap((part, g) =>
    ladder.map((step) => ({ ...step, g, part, slope: (part.shared * (step.from - step.to)) / step.bytes })),
  );
  // Slopes never rise along a group's steps, so these stay in order.
  steps.sort((a, b) => b.slope - a.slope || a.g - b.g || b.from - a.from);
  let bytes = leastTransformBytes(rows, cols);
  let [noise, noiseByVariance] = [0, 0];
  let [lost, lostByVariance] = [0, 0];
  for (const { variance, squares } of parts) {
    lost += variance;
    lostByVariance += squares;
  }
  const point = (): CodePoint => {
    return { bytes, lost, squared: noise + lost, byVariance: (noiseByVariance + lostByVariance) / mean };
  };
  const points = [point()];
  for (const { bytes: more, from, to, part } of steps) {
    bytes += more;
    if (from === 1) {
      lost = Math.max(0, lost - part.variance);
      lostByVariance = Math.max(0, lostByVariance - part.squares);
    }
    const fall = from === 1 ? -to : from - to;
    noise = Math.max(0, noise - fall * part.shared);
    noiseByVariance = Math.max(0, noiseByVariance - fall * part.sharedByVariance);
    points.push(point());
  }
  return points;
}

function partOf(variances: Float64Array): Part {
  let [variance, squares, roots, cubes] = [0, 0, 0, 0];
  for (const v of variances) {
    variance += v;
    squares += v * v;
    roots += Math.sqrt(v);
    cubes += v * Math.sqrt(v);
  }
  const mean = roots / variances.length;
  return { variance, squares, shared: mean * roots, sharedByVariance: mean * cubes };
}

/** Of centre and scales, without a single component. */
export function leastTransformBytes(rows: number, cols: number): number {
  return 4 * cols + rows + 4 * Math.max(2, Math.min(256, Math.floor(rows / 8)));
}

/** Numbers of bits that lie on the lower convex hull of error over bytes, each with what it takes more than the one before. */
function ladderOf(rows: number, cols: number): Step[] {
  const bytes = (bits: number) => (bits ? (rows * group * bits) / 8 + codedBytes(group, cols, 8) : 0);
  const error = (bits: number) => trellisError(bits as TrellisBits | 0, windowBits, cols);
  const steps: Step[] = [];
  for (let at = 0; at < 8;) {
    let [next, slope] = [at + 1, -Infinity];
    for (let to = at + 1; to <= 8; ++to) {
      const found = (error(at) - error(to)) / (bytes(to) - bytes(at));
      if (found > slope) [next, slope] = [to, found];
    }
    steps.push({ bytes: bytes(next) - bytes(at), from: error(at), to: error(next) });
    at = next;
  }
  return steps;
}
