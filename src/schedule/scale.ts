// Powers of two that a call's rows and row weights were multiplied by, and the way back.
import { InvalidInputError } from "../errors.js";
import { timesPowerOfTwo } from "../geometry/coreset/far-weights.js";
import type { Run } from "../geometry/run.js";

/** A number, or all numbers of an array. */
export interface Back {
  (x: number): number;
  <T extends Float64Array | Float32Array>(x: T): T;
}

/** A call ran on 2^entries A with row weights 2^weights s. */
export class Scale {
  constructor(
    private readonly run: Run,
    readonly entries: number,
    readonly weights: number,
    /** Of the call. */
    readonly p: number,
  ) {}

  /** What goes like the entries of A. */
  entry(what: string): Promise<Back> {
    return this.back(this.entries, what);
  }

  /** What goes like |Ax|_p. */
  norm(what: string, p = this.p): Promise<Back> {
    return this.back(this.entries + this.weights / p, what);
  }

  /** What goes like sum_i s_i |a_i x|^p; at p = Infinity like the largest |a_i x|. */
  sum(what: string, p = this.p): Promise<Back> {
    return this.back(p === Infinity ? this.entries : this.entries * p + this.weights, what);
  }

  /** x 2^-exponent, of numbers that the message names `what` where f64 does not reach that far. */
  async back(exponent: number, what: string): Promise<Back> {
    const whole = Math.trunc(exponent);
    const rest = exponent === whole ? 1 : await this.run.power(2, whole - exponent);
    const one = (x: number): number => {
      const result = timesPowerOfTwo(x * rest, -whole);
      if (Number.isFinite(result) || !Number.isFinite(x)) return result;
      throw new InvalidInputError(
        `${what} would be above 1.8e308, the largest f64: it goes with the scale of A and of rowWeights. Multiply one of them by a power of two that is smaller.`,
      );
    };
    return ((x: number | Float64Array) => (typeof x === "number" ? one(x) : x.map(one))) as Back;
  }
}
