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
/** Levels of the rows' scales. */
const levelBytes = 1024;

interface Step {
  readonly group: number;
  readonly slope: number;
  readonly bytes: number;
  /** Share of the group's variance that is left before, and after. */
  readonly from: number;
  readonly to: number;
}

/**
 * By rising bytes, from centre and scales alone to 8 bits a component.
 * @param singularValues of A, descending: errors are beside the sum of their squares
 * @param centred those of the centred rows, as many
 * Cost: a sort of cols numbers.
 */
export function codeCurve(
  rows: number,
  cols: number,
  singularValues: Float64Array,
  centred: Float64Array,
): CodePoint[] {
  const top = singularValues[0] || 1; // squares of what is beside it neither overflow nor vanish
  const squares = (values: Float64Array) => values.reduce((sum, x) => sum + (x / top) * (x / top), 0);
  const total = squares(singularValues) || 1;
  const parts = Array.from(
    { length: Math.ceil(cols / group) },
    (_, g) => squares(centred.subarray(group * g, group * (g + 1))) / total,
  );
  const rungs = ladder(rows, cols);
  const steps = parts.flatMap((part, g) =>
    rungs.map((rung): Step => ({ ...rung, group: g, slope: (part * (rung.from - rung.to)) / rung.bytes })),
  );
  // Slopes never rise along a group's steps, so these stay in order.
  steps.sort((a, b) => b.slope - a.slope || a.group - b.group || b.from - a.from);
  let bytes = 4 * cols + rows + levelBytes;
  let noise = 0;
  let lost = parts.reduce((sum, part) => sum + part, 0);
  const points: CodePoint[] = [{ bytes, noise, lost }];
  for (const step of steps) {
    const part = parts[step.group];
    bytes += step.bytes;
    if (step.from === 1) lost = Math.max(0, lost - part);
    noise += part * (step.to - (step.from === 1 ? 0 : step.from));
    points.push({ bytes, noise: Math.max(0, noise), lost });
  }
  return points;
}

/** Numbers of bits that lie on the lower convex hull of error over bytes, each with what it takes more than the one before. */
function ladder(rows: number, cols: number): Omit<Step, "group" | "slope">[] {
  const bytes = (bits: number) => (bits ? (rows * group * bits) / 8 + codedBytes(group, cols, 8) : 0);
  const error = (bits: number) => trellisError(bits as TrellisBits | 0, windowBits, cols);
  const steps: Omit<Step, "group" | "slope">[] = [];
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
