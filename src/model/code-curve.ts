// Error of transform codes against their bytes, told from the variances of the centred rows for all sizes at once: reverse water-filling
// over the coder's own errors. Which bits a code really gets is decided as it is made (geometry/codes/bands.ts), for its one size.
import { mostEnlarged } from "../engine/operations/transform.js";
import { trellisError } from "../code-trellis.js";
import { codedBytes } from "../codes.js";
import type { ErrorWeights } from "../geometry/codes/error-weights.js";
import type { ExpectedError } from "./measure.js";

export interface CodePoint extends ExpectedError {
  readonly bytes: number;
}

const windowBits = 10;
/** Components go in groups of so many. */
const group = 8;
const bitCounts = [0, 1, 2, 3, 4, 5, 6, 7, 8] as const;
/** A group of components of variances v, coded with error 1 or not at all. */
interface Part {
  /** Sum of v, and of what it counts for: where nothing is stored. */
  readonly lost: ExpectedError;
  /** Errors go with sqrt(v), as in a band. */
  readonly noise: ExpectedError;
}

/**
 * By rising bytes, from centre and scales alone to 8 bits a component.
 * @param variances along the axes of the centred rows, falling, beside the squares of A: their sum is at most 1
 * @param weights what errors along them count for; default 1 each
 * @param unbiased rows are enlarged until inner products are right on average
 * Cost: a sort of cols numbers.
 */
export function codeCurve(
  rows: number,
  cols: number,
  variances: Float64Array,
  { weights, unbiased }: { weights?: ErrorWeights; unbiased?: boolean } = {},
): CodePoint[] {
  const parts = Array.from({ length: Math.ceil(variances.length / group) }, (_, g) =>
    partOf(variances, weights, group * g),
  );
  const sizes = bitCounts.map((bits) => (bits ? (rows * group * bits) / 8 + codedBytes(group, cols, 8) : 0));
  const errors = bitCounts.map((bits) => trellisError(bits, windowBits, cols));
  // What enlarging rows adds, beside the noise of variance 1.
  const added = errors.map((error) => {
    const more = unbiased ? Math.min(mostEnlarged, 1 / (1 - error)) - 1 : 0;
    return (1 - error) * more * more;
  });
  // What a part leaves at so many bits.
  const leftOf = ({ lost, noise }: Part, bits: number, key: keyof ExpectedError) =>
    bits ? (errors[bits] + (key === "measure" ? added[bits] : 0)) * noise[key] : lost[key];
  const steps = parts.flatMap((part, at) => {
    const costs = bitCounts.map((bits) => leftOf(part, bits, "measure"));
    return hullSteps(sizes, costs).map((step) => ({ ...step, at, part }));
  });
  // Slopes never rise along a part's steps, so these stay in order.
  steps.sort((a, b) => b.slope - a.slope || a.at - b.at || a.from - b.from);
  let bytes = leastTransformBytes(rows, cols);
  const left = parts.map(({ lost }) => ({ ...lost }));
  const total = (key: keyof ExpectedError) => left.reduce((sum, one) => sum + one[key], 0);
  let [squared, measure] = [total("squared"), total("measure")];
  const points: CodePoint[] = [{ bytes, squared, measure }];
  for (const { part, at, from, to } of steps) {
    const before = left[at];
    const after = { squared: leftOf(part, to, "squared"), measure: leftOf(part, to, "measure") };
    left[at] = after;
    bytes += sizes[to] - sizes[from];
    squared = Math.max(0, squared - before.squared + after.squared);
    measure = Math.max(0, measure - before.measure + after.measure);
    points.push({ bytes, squared, measure });
  }
  return points;
}

function partOf(variances: Float64Array, weights: ErrorWeights | undefined, first: number): Part {
  const inside = variances.subarray(first, first + group);
  const sum = (of: (v: number, j: number) => number) => inside.reduce((total, v, j) => total + of(v, first + j), 0);
  const mean = sum(Math.sqrt) / inside.length;
  return {
    lost: { squared: sum((v) => v), measure: sum((v, j) => v * (weights?.lost[j] ?? 1)) },
    noise: {
      squared: mean * sum(Math.sqrt),
      measure: mean * sum((v, j) => Math.sqrt(v) * (weights?.noise[j] ?? 1)),
    },
  };
}

/** From bits to bits along the lower convex hull of costs over sizes, as long as they fall. */
function hullSteps(sizes: readonly number[], costs: readonly number[]) {
  const steps: { from: number; to: number; slope: number }[] = [];
  for (let from = 0; from < sizes.length - 1;) {
    let [to, slope] = [0, 0];
    for (let next = from + 1; next < sizes.length; ++next) {
      const fall = (costs[from] - costs[next]) / (sizes[next] - sizes[from]);
      if (fall > slope) [to, slope] = [next, fall];
    }
    if (to === 0) break;
    steps.push({ from, to, slope });
    from = to;
  }
  return steps;
}

/** Of centre and scales, without a single component. */
export function leastTransformBytes(rows: number, cols: number): number {
  return 4 * cols + rows + 4 * Math.max(2, Math.min(256, Math.floor(rows / 8)));
}
