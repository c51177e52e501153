// One call's input, with what all checks need of it.
import { columnSpace, type ColumnSpace } from "../../reference/leverage.js";
import type { Loewner, MatrixLike, RowType } from "../../src/index.js";
import type { Matrix } from "../../src/matrix.js";
import { directions, logEnergy, logNorm, scaledForm, times, type Scaled } from "./numbers.js";

export interface Situation {
  loewner: Loewner;
  a: MatrixLike;
  /** The same in f64. */
  exact: Matrix<Float64Array>;
  scaled: Scaled;
  dtype: RowType;
  p: number;
  s?: Float64Array;
}

/** What leverages may err by: those of a Gram matrix lose what its condition takes, the square of that of diag(s)^(1/2) A. */
export function leverageError({ scaled, s }: Situation): { error: number; twin: ColumnSpace } {
  const top = s ? s.reduce((a, b) => Math.max(a, b), 0) : 1;
  const weighted = s
    ? scaled.data.map((x, at) => (x * Math.sqrt(s[Math.floor(at / scaled.cols)])) / Math.sqrt(top))
    : scaled.data;
  const twin = columnSpace({ ...scaled, data: top > 0 ? weighted : new Float64Array(scaled.data.length) });
  return { error: 1e-9 + 64 * twin.condition ** 2 * 2 ** -52, twin };
}

/** What is wrong with an answer, in words; nothing when nothing is. */
export type Check = (situation: Situation) => Promise<string[]>;

/** Sorts out numbers that leave their range by more than rounding. */
export const outside = (what: string, values: ArrayLike<number>, low: number, high: number): string[] => {
  const at = Array.from(values).findIndex((x) => !(x >= low && x <= high));
  return at < 0 ? [] : [`${what}[${at}] is ${values[at]}, not in ${low} ... ${high}`];
};

export const sum = (x: ArrayLike<number>) => Array.from(x).reduce((a, b) => a + b, 0);

/** lower |Mx|_2 <= |Ax|_p <= upper |Mx|_2 for many x, G = M'M. */
export function sandwichFaults(
  { scaled, p, s }: Situation,
  gram: Matrix,
  { lower, upper, slack }: { lower: number; upper: number; slack: number },
): string[] {
  const form = scaledForm(gram, scaled.exponents);
  // Denormal bounds have few digits.
  const digits = 2 ** -1074 / Math.min(lower, upper);
  for (const z of directions(scaled, 24)) {
    const norm = logNorm(times(scaled, z), p, s);
    const { log, error } = logEnergy(form, z);
    // Directions that the rank rule calls null are null for both sides, and what cancels in z' G z is the check's own loss.
    if (log === -Infinity) continue;
    const room = Math.log1p(slack) + error + digits + 1e-11;
    const [low, high] = [Math.log(lower) + log / 2, Math.log(upper) + log / 2];
    if (!(norm >= low - room)) return [`|Ax| = e^${norm} is below lower |Mx| = e^${low}`];
    if (!(norm <= high + room)) return [`|Ax| = e^${norm} is above upper |Mx| = e^${high}`];
  }
  return [];
}
