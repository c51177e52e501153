// A sweep over the rows of A is data, not a closure: it can cross to a worker or to a queue. What runs it is an engine.

/** Rows of a block: the unit of every sum, the same on every engine. */
export const blockRows = 256;

/**
 * How the partial results of the blocks become one. `sum`: along the fixed binary tree over block numbers. `max`:
 * elementwise; the lowest block of equals wins. `worst`: [value, row] pairs, each the largest value, the lowest row of equals.
 * `concat`: handed on block by block, in row order.
 */
export type Reduction = "sum" | "max" | "worst" | "concat";

/** What `sweepOf` (operations/index.ts) makes of an operation's declaration. */
export interface Sweep {
  /** What the blocks run, by name. */
  readonly op: string;
  /** Scalars. */
  readonly params: Readonly<Record<string, number>>;
  readonly reads: {
    /** Small arrays that every block sees. */
    readonly shared: Readonly<Record<string, Float64Array>>;
    /** Row state: n x 1 columns of f64 that live where the rows live. One that was never written reads as absent. */
    readonly state: readonly string[];
  };
  readonly writes: { readonly state: readonly string[] };
  /** Each partial result, and how it is reduced. */
  readonly reduce: Readonly<Record<string, Reduction>>;
}

/** What a block hands on of a `concat` result. */
export type Emitted = Float32Array | Float64Array | Uint8Array;

export type SweepResult = Record<string, Float64Array>;
