// What weights prove, converged or not: lower |Mx|_2 <= |Ax|_p <= upper |Mx|_2 with M = W^(1/2-1/p) A.
//
// With q_i = a_i' (M'M)^-1 a_i and S = sum w:
//   p <= 2   |a_i x| <= q_i^(1/2) |Mx|, so |Mx|^2 = sum w_i^(1-2/p) |a_i x|^(2-p) |a_i x|^p <= alpha^((2-p)/p) |Mx|^(2-p) |Ax|_p^p
//            with alpha = max q_i^(p/2) / w_i: lower = alpha^(-(2-p)/p^2); and by Hoelder upper = S^(1/p-1/2)
//   p >= 2   Hoelder the other way: lower = S^(1/p-1/2); upper = beta^(1/p), beta = max q_i^((p-2)/2) w_i^(2/p-1)
//            (p = Infinity: upper = max q_i^(1/2))
import { InvalidInputError } from "../errors.js";
import type { SandwichCertificate } from "../types/index.js";
import type { Run } from "./run.js";

/** What a sweep over weighted rows finds. */
export interface Terms {
  /** S, the sum of the weights that M was made with. */
  total: number;
  /** log alpha (p < 2) or log upper (p >= 2). */
  distortion: number;
  /** max |q_i / w_i - 1| */
  residual: number;
}

export function termsOf({ total, distortion, residual }: Record<keyof Terms, Float64Array>): Terms {
  return { total: total[0], distortion: distortion[0], residual: residual[0] };
}

/** 2^-52 times this and the condition number bounds the relative error of q as computed in f64 (tried: 0.1 is seen). */
const safety = 4;

/**
 * @throws {InvalidInputError} when there are weights, but M has vanished: what it would prove is not so
 */
export async function sandwich(
  run: Run,
  p: number,
  { total, distortion }: Pick<Terms, "total" | "distortion">,
  condition: number,
  f64: boolean,
): Promise<SandwichCertificate> {
  const slack = slackOf(condition, f64);
  if (!(total < Infinity) || Number.isNaN(distortion)) {
    throw new InvalidInputError(
      `Nothing can be proved for p = ${p}: leverages left the range of f64. Bring the columns of A (and rowWeights) nearer to each other in scale.`,
    );
  }
  // A zero matrix: |Ax| = |Mx| = 0.
  if (total === 0) return { lower: 1, upper: 1, slack };
  if (distortion === -Infinity) {
    throw new InvalidInputError(
      `Nothing can be proved for p = ${p}: rows have weight, but their Gram matrix vanishes in f64. Scale rowWeights so that the largest is 1, or take a larger p.`,
    );
  }
  const bySum = await run.power(total, 1 / p - 1 / 2);
  if (p < 2) return { lower: await run.power(Math.E, (-distortion * (2 - p)) / (p * p)), upper: bySum, slack };
  return { lower: bySum, upper: await run.power(Math.E, distortion), slack };
}

/** What rounding can do to a certificate, beside it. */
export function slackOf(condition: number, f64: boolean): number {
  return Math.max(f64 ? 1e-12 : 1e-6, safety * condition * 2 ** -52);
}

/** upper / lower of converged weights: rank^|1/p - 1/2|. */
export function idealDistortion(run: Run, p: number, rank: number): Promise<number> {
  return run.power(Math.max(1, rank), Math.abs(1 / p - 1 / 2));
}
