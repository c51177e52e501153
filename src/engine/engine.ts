// What drivers see of an engine, which says where blocks live and who runs the kernel. They never know which one they have.
import type { RowSource } from "../matrix.js";
import type { DenseInput, DenseName, DenseResult } from "./dense.js";
import type { MemoryNeeds } from "./memory.js";
import type { Emitted, Sweep, SweepResult } from "./sweep.js";

export interface SweepHooks {
  signal?: AbortSignal;
  /** Called after each tile with the rows done since the last call. */
  onRows?: (rows: number) => void;
  /** Takes what `concat` results are made of, from row `start` on; the block is only valid during the call. */
  emit?(start: number, block: Emitted, name: string): void | Promise<void>;
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

export interface Engine {
  /**
   * Says which matrix the call is about and what it holds beside it, before anything is opened: where there is a memory budget, the rest
   * of it is shared out. Until close().
   * @throws {OutOfMemoryError} when the budget is too small; the message says the smallest that works
   */
  plan(source: RowSource, needs: MemoryNeeds): void;
  open(source: RowSource): EngineRows;
  sweep(rows: EngineRows, sweep: Sweep, hooks?: SweepHooks): Promise<SweepResult>;
  /** These rows are done with; without any, all that were opened are. */
  close(rows?: EngineRows): void;
  dense<Name extends DenseName>(name: Name, input: DenseInput<Name>): Promise<DenseResult<Name>>;
  dispose(): void;
}
