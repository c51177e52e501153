// One call of a primitive: its engine, its signal, its progress. Drivers sweep through it.
import type { Engine, EngineRows, SweepHooks } from "../engine/engine.js";
import {
  loadOperation,
  operationNamed,
  sweepOf,
  type OperationName,
  type ParamsOf,
  type ResultOf,
  type SharedOf,
} from "../engine/operations/index.js";
import { untilAborted } from "../engine/read-ahead.js";
import { gatherRows, type RowSource } from "../matrix.js";
import type { Convergence, RunOptions, WeightedOptions } from "../types/index.js";
import { noCache, type Cache } from "./matrix-cache.js";

/**
 * Ends the first sweep of a call on f64 rows whose squares would vanish; schedule/far-scales.ts runs it again, on larger ones. Nobody
 * else sees it.
 */
export class TooSmall extends Error {
  /** @param top the largest |entry| */
  constructor(readonly top: number) {
    super("The rows are too small for their squares.");
  }
}

/** Row state of a weighted call: s_i for sums over rows, their roots for Gram matrices. */
export function setWeights({ state }: EngineRows, { rowWeights }: WeightedOptions): void {
  if (!rowWeights) return;
  state.set("weights", Float64Array.from(rowWeights));
  state.set("scale", Float64Array.from(rowWeights, Math.sqrt));
}

/** How a loop ended. */
export type Ending = Omit<Convergence, "seconds">;

export class Run {
  private done = 0;
  private total = 0;
  private readonly started = performance.now();

  constructor(
    readonly engine: Engine,
    private readonly options: RunOptions,
    /** Of the matrix that the call is about. */
    readonly cache: Cache = noCache,
    /** Rows that the call can be run again on, times a power of two. */
    readonly scalable?: RowSource,
  ) {}

  get seconds(): number {
    return (performance.now() - this.started) / 1000;
  }

  /** Says how many multiply-adds the whole call will take, as far as can be told beforehand. */
  expect(work: number): void {
    this.total = Math.max(1, Math.round(work));
  }

  /** Runs an operation over the rows, whose progress is reported under the name `stage`. */
  async sweep<Name extends OperationName>(
    name: Name,
    rows: EngineRows,
    stage: string,
    params: ParamsOf<Name>,
    shared: SharedOf<Name>,
    sink?: Pick<SweepHooks, "emit" | "anyOrder">,
  ): Promise<ResultOf<Name>> {
    await loadOperation(name);
    const sweep = sweepOf(name, params, shared);
    const workPerRow = operationNamed(name).work(rows.source.cols, sweep.params, sweep.reads.shared);
    const result = await this.engine.sweep(rows, sweep, {
      signal: this.options.signal,
      ...sink,
      onRows: (count) => {
        // More sweeps than expected: creep towards the end, which only finish() reaches.
        const left = Math.max(0, this.total - 1 - this.done);
        const work = count * workPerRow;
        this.done += work <= left ? work : left / 2;
        this.options.onProgress?.({ stage, done: Math.floor(this.done), total: this.total });
      },
    });
    return result as ResultOf<Name>;
  }

  finish(): void {
    this.options.onProgress?.({ stage: "done", done: this.total, total: this.total });
  }

  /** Some rows as f64, in memory, of a source that may take its time. */
  gather(source: RowSource, indices: ArrayLike<number>): Promise<Float64Array> {
    const { signal } = this.options;
    return untilAborted(gatherRows(source, indices, signal), signal);
  }

  open(source: RowSource): EngineRows {
    return this.engine.open(source);
  }

  /** For rows that are opened many times in a call; all others are closed when it ends. */
  close(rows: EngineRows): void {
    this.engine.close(rows);
  }

  /** base^exponent by the kernel, the same bits in every engine. */
  power(base: number, exponent: number): Promise<number> {
    return this.engine.dense("power", { base, exponent });
  }
}
