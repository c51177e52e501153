// The threads engine: workers hold the rows in contiguous shares, each with a kernel of its own, and only partial results
// cross. No SharedArrayBuffer, so a page needs no special headers. Small matrices stay with the inline engine, and so do small dense
// steps.
//
// A share is a union of subtrees of the fixed summing tree over block numbers, and the coordinator makes the additions above
// them: the answer's bytes do not depend on the number of threads.
import { throwIfAborted } from "../../errors.js";
import { bytesOf, type MatrixShape, type RowSource } from "../../matrix.js";
import { checkBytes } from "../../options.js";
import { isWorthSharing, type DenseInput, type DenseName, type DenseResult } from "../dense.js";
import type { Engine, EngineRows, SweepHooks } from "../engine.js";
import { InlineEngine, type InlineOptions } from "../inline.js";
import type { MemoryNeeds, MemoryPlan } from "../memory.js";
import { blockRows, type Sweep } from "../sweep.js";
import { Pool } from "./pool.js";
import type { Limits } from "./protocol.js";
import type { WorkerOptions } from "./serve.js";
import { shares } from "./shares.js";
import { ThreadRows } from "./thread-rows.js";
import { sweepThreads } from "./thread-sweep.js";
import { threadCount, type WorkerScript } from "./spawn.js";

export interface ThreadOptions extends InlineOptions {
  /**
   * Workers that share the rows; "auto": as many as there are cores, 1 where there are no workers. Never changes the answer.
   * Default: 1, which works in this thread.
   */
  threads?: number | "auto";
  /** Bytes of rows that are worth a thread; smaller matrices stay in this one. Default: 4 MiB. */
  threadBytes?: number;
  /**
   * Bytes of rows that each worker keeps between sweeps; the rest is sent again in every one. And of results that wait for those
   * of earlier rows. Default: 512 MiB. With `memory`, that decides instead.
   */
  residentBytes?: number;
}

/** Default of `residentBytes`. */
export const defaultResidentBytes = 512 << 20;

export class ThreadsEngine implements Engine {
  readonly pool: Pool;
  private readonly opened = new Set<ThreadRows>();
  private ids = 0;
  /** Where there is a memory budget: that of the call under way, and its matrix. */
  private planned: { plan: MemoryPlan; source: RowSource } | undefined;

  private constructor(
    /** For what is too small to share. It has the kernel that the dense steps run in. */
    readonly inline: InlineEngine,
    private readonly threads: number,
    private readonly threadBytes: number,
    options: WorkerOptions,
    script: WorkerScript,
  ) {
    this.pool = new Pool(threads, options, script);
  }

  /** The inline engine where one thread is all there is. */
  static async create(
    kernel: WebAssembly.Module,
    options: ThreadOptions,
    script: WorkerScript,
  ): Promise<InlineEngine | ThreadsEngine> {
    const { threads = 1, threadBytes = 4 << 20, residentBytes = defaultResidentBytes, tileRows } = options;
    checkBytes({ threadBytes, residentBytes });
    const count = await threadCount(threads);
    const inline = await InlineEngine.create(kernel, options);
    if (count === 1) return inline;
    return new ThreadsEngine(inline, count, threadBytes, { kernel, tileRows, residentBytes }, script);
  }

  /** Threads that would share these rows; fewer than two: they stay in this one. */
  sharers(shape: MatrixShape): number {
    const worth = Math.floor(bytesOf(shape) / Math.max(1, this.threadBytes));
    return Math.min(this.threads, worth, Math.ceil(shape.rows / blockRows));
  }

  plan(source: RowSource, needs: MemoryNeeds): void {
    const plan = this.inline.plan(source, needs, Math.max(1, this.sharers(source)));
    this.planned = plan && { plan, source };
  }

  open(source: RowSource): EngineRows {
    const workers = Math.min(this.sharers(source), this.planned?.plan.threads ?? Infinity);
    if (workers < 2) return this.inline.open(source);
    const parts = shares(Math.ceil(source.rows / blockRows), workers);
    const opened = new ThreadRows(source, this.ids++, parts, this.pool, this.limits(source));
    this.opened.add(opened);
    return opened;
  }

  /** The matrix of the call is kept as far as the budget goes; others that the call opens are read once or twice. */
  private limits(source: RowSource): Limits {
    if (!this.planned) return {};
    const { waitingBytes, workerBytes: wasmBytes, residentBytes } = this.planned.plan;
    const isMain = source === this.planned.source;
    return {
      waitingBytes,
      wasmBytes,
      residentBytes: isMain ? residentBytes : 0,
      tileRows: this.inline.tileRows(source),
    };
  }

  async sweep(rows: EngineRows, sweep: Sweep, hooks: SweepHooks = {}) {
    this.pool.check();
    if (!(rows instanceof ThreadRows)) return this.inline.sweep(rows, sweep, hooks);
    throwIfAborted(hooks.signal);
    await this.pool.start();
    throwIfAborted(hooks.signal);
    return sweepThreads(this.pool, rows, sweep, hooks);
  }

  close(rows?: EngineRows): void {
    for (const each of rows ? [rows] : this.opened) {
      if (!(each instanceof ThreadRows)) continue;
      this.opened.delete(each);
      each.close();
    }
    if (!rows) this.planned = undefined;
    this.inline.close(rows);
  }

  /** Within a memory budget the workers have no room for more than rows. */
  async dense<Name extends DenseName>(name: Name, input: DenseInput<Name>): Promise<DenseResult<Name>> {
    this.pool.check();
    if (this.planned || !isWorthSharing(name, input)) return this.inline.dense(name, input);
    const { threadDense } = await import("./thread-dense.js");
    return threadDense(this.inline.kernel, this.pool, name, input);
  }

  dispose(): void {
    this.pool.end();
    this.inline.dispose();
  }
}
