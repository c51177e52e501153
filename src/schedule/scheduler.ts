// Decides what runs where. Matrices much taller than they are wide are shared by all threads, one call at a time. For others the
// dense steps, which one thread runs, are most of the work: several such calls run side by side, each as a whole in a worker of its
// own. A call that has nothing beside it takes what there is.
//
// Sizes and estimates decide, never the clock, and no bit of an answer depends on it.
import type { InlineEngine } from "../engine/inline.js";
import { Outcome } from "../engine/outcome.js";
import { defaultResidentBytes, ThreadsEngine, type ThreadOptions } from "../engine/threads/engine.js";
import type { WorkerScript } from "../engine/threads/spawn.js";
import { DisposedError, InvalidInputError, throwIfAborted } from "../errors.js";
import type { MemoryNeeds } from "../engine/memory.js";
import { defaultNeeds } from "./memory-needs.js";
import type { MatrixShape, RowSource } from "../matrix.js";
import type { OpenMatrix, WeightedOptions } from "../types/index.js";
import { bytesToSend, serialReads } from "./transfer.js";
import { runPrimitive } from "./far-scales.js";
import { OpenRows } from "./open-rows.js";
import { primitiveNamed, type OptionsOf, type PrimitiveName, type ResultOf } from "./primitives/index.js";
import { Queue, type Place, type Task } from "./queue.js";
import { RemoteCall } from "./remote-call.js";

export interface SchedulerOptions extends ThreadOptions {
  /**
   * Multiply-adds, about, that are worth a thread: a smaller call stays in the calling thread, whatever else runs. Never changes the
   * answer. Default: 1e8, some ten milliseconds.
   */
  threadWork?: number;
}

/** Dense steps for each sweep, in multiply-adds at a sweep's speed over cols^3. */
const denseWork = 16;
/** Rows for each column and thread from which on dense steps are a small part of what threads share. */
const tallness = 5;
/** Wasm memory of dense steps, in bytes over cols^2, and how much of it each worker may take. */
const denseBytes = 40;
const mostDenseBytes = 256 << 20;

interface ScheduledCall {
  readonly name: PrimitiveName;
  readonly source: RowSource;
  /** The rows, where they were opened here. */
  readonly opened?: OpenRows;
  readonly options: WeightedOptions & Readonly<Record<string, unknown>>;
}

/** A task that runs: `released` resolves when what it runs on is free again. */
interface Started<Result> {
  readonly result: Promise<Result>;
  readonly released: Promise<void>;
}

export class Scheduler {
  /** Calls that may run at a time. */
  readonly threads: number;
  private readonly queue: Queue;
  private readonly opened = new Set<OpenRows>();
  private readonly underWay = new Set<Pick<Outcome<unknown>, "reject">>();
  private ids = 0;
  private disposed = false;

  private constructor(
    readonly engine: InlineEngine | ThreadsEngine,
    private readonly threadWork: number,
    private readonly residentBytes: number,
    /** There is a memory budget, which is that of one call at a time. */
    private readonly isBounded: boolean,
  ) {
    this.threads = engine instanceof ThreadsEngine ? engine.pool.size : 1;
    const keptBy = (worker: number) => [...this.opened].filter((rows) => rows.worker === worker).length;
    this.queue = new Queue(this.threads, keptBy);
  }

  /** @throws {InvalidInputError} when an option is out of range */
  static async create(
    kernel: WebAssembly.Module,
    options: SchedulerOptions,
    workerScript: WorkerScript,
  ): Promise<Scheduler> {
    const { threadWork = 1e8, residentBytes = defaultResidentBytes } = options;
    if (!(threadWork >= 0)) {
      throw new InvalidInputError(`threadWork must be a number of multiply-adds of at least 0; got ${threadWork}.`);
    }
    return new Scheduler(
      await ThreadsEngine.create(kernel, options, workerScript),
      threadWork,
      residentBytes,
      options.memory !== undefined,
    );
  }

  /**
   * Runs a primitive when its turn comes.
   * @param checked resolves when the primitive is loaded and its options are checked; rows that are closed meanwhile are still this call's
   */
  async run<Name extends PrimitiveName>(
    name: Name,
    source: RowSource,
    options: OptionsOf<Name> & WeightedOptions,
    checked: Promise<void>,
  ): Promise<ResultOf<Name>> {
    this.check();
    const call = this.callOf(name, source, { ...options });
    call.opened?.enter();
    try {
      await checked;
      this.check();
      const wants = (alone: boolean) => this.placeOf(call, alone);
      const start = (place: Place) => (typeof place === "number" ? this.inWorker(call, place) : this.here(call, place));
      return (await this.enqueue(wants, start, options.signal)) as ResultOf<Name>;
    } finally {
      call.opened?.leave();
    }
  }

  /** Runs what is no primitive, on `engine`, with nothing beside it. */
  exclusively<Result>(body: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    this.check();
    const place = this.engine instanceof ThreadsEngine ? "all" : "here";
    return this.enqueue(
      () => place,
      () => started(this.guarded(body)),
      signal,
    );
  }

  /** All threads that are of use, whatever else there is to do, where it is tall or too large to transfer; else 1. */
  threadsFor(shape: MatrixShape): number {
    const { threads } = this;
    const sharers = this.sharers(shape);
    const isTall = sharers === threads && shape.rows >= tallness * threads * shape.cols;
    return isTall || !this.isTransferable(shape) ? Math.max(1, sharers) : 1;
  }

  /** Rows that several calls will be about. Nothing is read before the first of them. */
  open(source: RowSource): OpenMatrix {
    this.check();
    const opened = new OpenRows(source, this.threadsFor(source), this.ids++, this, (rows) => this.release(rows));
    this.opened.add(opened);
    return opened;
  }

  /** @throws {DisposedError} */
  check(): void {
    if (this.disposed) throw new DisposedError();
  }

  /** Ends all that runs or waits. */
  dispose(): void {
    this.disposed = true;
    this.queue.end(new DisposedError());
    // At once: one may wait for a read that never comes.
    for (const outcome of this.underWay) outcome.reject(new DisposedError());
    this.engine.dispose();
  }

  private callOf(name: PrimitiveName, source: RowSource, options: ScheduledCall["options"]): ScheduledCall {
    const opened = source instanceof OpenRows && source.owner === this ? source : undefined;
    return { name, source: opened?.source ?? source, opened, options };
  }

  private placeOf({ name, source, opened, options }: ScheduledCall, alone: boolean): Place | "any" {
    if (this.threads === 1) return "here";
    const near = this.sharers(source) > 1 ? "all" : "here";
    if (!this.isTransferable(source, options)) return near;
    if (opened?.worker !== undefined) return opened.worker;
    if (alone && this.opened.size === (opened ? 1 : 0)) return near;
    if (this.threadsFor(source) > 1) return "all";
    const { rows, cols } = source;
    const work = primitiveNamed(name).sweeps * cols * cols * (rows + denseWork * cols); // multiply-adds, about
    return work < this.threadWork ? "here" : "any";
  }

  private sharers(source: MatrixShape): number {
    return this.engine instanceof ThreadsEngine ? this.engine.sharers(source) : 1;
  }

  /** Small enough for a worker to take, and made of nothing but values. */
  private isTransferable(source: MatrixShape, options: Readonly<Record<string, unknown>> = {}): boolean {
    if (this.isBounded) return false;
    const dense = denseBytes * source.cols * source.cols;
    return bytesToSend(source, options) <= this.residentBytes && dense <= mostDenseBytes;
  }

  private here({ name, source, opened, options }: ScheduledCall, place: "here" | "all"): Started<unknown> {
    const { engine } = this;
    const isShared = engine instanceof ThreadsEngine;
    const own = isShared && place === "here" ? engine.inline : engine;
    const cache = opened?.cache.with(options.rowWeights);
    // Others may read the same source meanwhile.
    const ended = new AbortController();
    const rows = own === engine ? source : serialReads(source, ended.signal);
    return started(
      this.guarded(async () => {
        if (isShared) engine.pool.check();
        own.plan(rows, needsOf(name, options, source));
        return runPrimitive(name, { engine: own, source: rows, options, hooks: options, cache });
      }, own).finally(() => ended.abort()),
    );
  }

  private inWorker({ name, source, opened, options }: ScheduledCall, worker: number): Started<unknown> {
    const { pool } = this.engine as ThreadsEngine;
    if (opened) opened.worker = worker;
    return new RemoteCall({
      pool,
      worker,
      options,
      primitive: name,
      opened: opened?.id,
      source: opened?.isSent ? undefined : source,
      onSent: () => {
        if (opened) opened.isSent = true;
      },
    });
  }

  private release(rows: OpenRows): void {
    this.opened.delete(rows);
    if (!rows.isSent || this.disposed) return;
    (this.engine as ThreadsEngine).pool.send(rows.worker!, { type: "release", opened: rows.id });
  }

  /** What was opened in the engine ends with the call. */
  private async guarded<Result>(body: () => Promise<Result>, engine = this.engine): Promise<Result> {
    this.check();
    try {
      return await body();
    } finally {
      engine.close();
    }
  }

  private enqueue<Result>(
    wants: Task["wants"],
    start: (place: Place) => Started<Result>,
    signal?: AbortSignal,
  ): Promise<Result> {
    throwIfAborted(signal);
    const outcome = new Outcome<Result>(signal, (error) => {
      if (this.queue.remove(task)) outcome.reject(error);
    });
    const task: Task = {
      wants,
      start: (place) => {
        const { result, released } = start(place);
        this.underWay.add(outcome);
        result.then(outcome.resolve, outcome.reject).finally(() => this.underWay.delete(outcome));
        return released;
      },
      drop: outcome.reject,
    };
    this.queue.add(task);
    return outcome.result;
  }
}

/** Row weights are row state in two forms, here and with the workers. */
function needsOf(
  name: PrimitiveName,
  options: WeightedOptions & Readonly<Record<string, unknown>>,
  source: RowSource,
): MemoryNeeds {
  const needs = primitiveNamed(name).needs?.(options, source) ?? defaultNeeds;
  return options.rowWeights ? { ...needs, columns: needs.columns + 4 } : needs;
}

/** What runs in this thread is over when its result is there. */
function started<Result>(result: Promise<Result>): Started<Result> {
  const released = result.then(
    () => undefined,
    () => undefined,
  );
  return { result, released };
}
