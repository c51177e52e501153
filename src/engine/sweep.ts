// A sweep over the rows of A is data, not a closure: it can cross to a worker or to a queue. What runs it is an engine.
import type { RowSource } from "../matrix.js";
import type { Held } from "./memory.js";

/** Rows of a block: the unit of every sum, the same on every engine. */
export const blockRows = 256;

/**
 * How the partial results of the blocks become one. `sum`: along the fixed binary tree over block numbers. `max`:
 * elementwise; the lowest block of equals wins. `worst`: [value, row] pairs, each the largest value, the lowest row of equals.
 * `concat`: handed on block by block, in row order.
 */
export type Reduction = "sum" | "max" | "worst" | "concat";

/** What the blocks run; operations.ts says what each reads and writes. */
export type OperationName =
  | "profile"
  | "gram"
  | "lewisStart"
  | "leverage"
  | "lewisStep"
  | "project"
  | "residual"
  | "quantise"
  | "multiply"
  | "subspace"
  | "entrywiseReweight"
  | "entrywiseSplit"
  | "entrywiseRefit"
  | "lewisScale"
  | "sensitivity"
  | "norms"
  | "levelSetSlopes"
  | "levelSetMoves"
  | "levelSetGram";

export interface Sweep {
  readonly op: OperationName;
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

export type SweepResult = Record<string, Float64Array>;

export interface SweepHooks {
  signal?: AbortSignal;
  /** Called after each tile with the rows done since the last call. */
  onRows?: (rows: number) => void;
  /** Takes what `concat` results are made of; the array is only valid during the call. */
  emit?: (name: string, start: number, block: Float32Array | Float64Array) => void | Promise<void>;
  /** The same for those that are bytes. */
  emitBytes?: (name: string, start: number, block: Uint8Array) => void | Promise<void>;
  /** Blocks may come in any order: an engine that has some of them early hands them on. */
  anyOrder?: boolean;
}

/**
 * Row state: named columns of f64, one number a row or several (as many for each), which live where the rows live. What is set
 * belongs to the rows from then on, and what is got may be the rows' own: copy what is to outlast the next sweep.
 */
export interface RowState {
  get(name: string): Promise<Float64Array | undefined>;
  set(name: string, column: Float64Array): void;
  delete(name: string): void;
  names(): string[];
}

/** Rows that an engine has taken charge of, with their row state. */
export interface EngineRows {
  readonly source: RowSource;
  readonly state: RowState;
}

/** Small dense steps, on d x d matrices in f64. */
export type DenseStep =
  | {
      readonly op: "eigen";
      readonly matrix: Float64Array;
      readonly n: number;
      readonly vectors: boolean;
      /** How many vectors, those of the largest eigenvalues first; all `n` by default. Fewer cost less. */
      readonly count?: number;
    }
  | { readonly op: "inverseCholesky"; readonly matrix: Float64Array; readonly n: number; readonly tolerance: number }
  | {
      readonly op: "multiply";
      readonly left: Float64Array;
      readonly right: Float64Array;
      readonly rows: number;
      readonly inner: number;
      readonly cols: number;
    }
  | { readonly op: "round"; readonly matrix: Float64Array; readonly to: number }
  | { readonly op: "exp"; readonly values: Float64Array }
  | { readonly op: "log"; readonly values: Float64Array }
  | { readonly op: "power"; readonly base: number; readonly exponent: number }
  | { readonly op: "powers"; readonly values: Float64Array; readonly exponent: number }
  | {
      readonly op: "random";
      readonly kind: "uniform" | "normal";
      /** 0 ... 2^53 - 1 */
      readonly seed: number;
      /** One a purpose, so that no two purposes share numbers. */
      readonly stream: number;
      readonly first: number;
      readonly count: number;
    }
  | {
      readonly op: "solve";
      /** `count` symmetric systems of `n` unknowns: packed lower triangles, and right-hand sides. */
      readonly systems: Float64Array;
      readonly sides: Float64Array;
      readonly count: number;
      readonly n: number;
    };

/**
 * eigen: `values` descending, row j of `matrix` the vector of values[j] (`count` x n; empty without vectors). Values and vectors have the same bits whatever is asked for.
 * inverseCholesky: `matrix` = L^-T (upper triangular) of G = L L', or `pivot` >= 0, the first that failed.
 * multiply: `matrix` = left right. round: `matrix` rounded to f32 (1), f16 (2) or bf16 (3). exp: e^values[i]; log: its inverse. power: values[0] = base^exponent. powers: values[i]^exponent.
 * solve: row i of `matrix` (count x n) solves system i, 0 where that is not positive definite. random: values[i] belongs to index first + i (assembly/random.ts).
 */
export interface DenseResult {
  values: Float64Array;
  matrix: Float64Array;
  pivot: number;
}

/** Says where blocks live and who runs the kernel. Drivers never know which engine they have. */
export interface Engine {
  /**
   * Says which matrix the call is about and what it holds beside it, before anything is opened: where there is a memory budget, the rest
   * of it is shared out. Until close().
   * @throws {OutOfMemoryError} when the budget is too small; the message says the smallest that works
   */
  plan(source: RowSource, held: Held): void;
  open(source: RowSource): EngineRows;
  sweep(rows: EngineRows, sweep: Sweep, hooks?: SweepHooks): Promise<SweepResult>;
  /** These rows are done with; without any, all that were opened are. */
  close(rows?: EngineRows): void;
  dense(step: DenseStep): Promise<DenseResult>;
  dispose(): void;
}
