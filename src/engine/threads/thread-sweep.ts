// One sweep over rows that workers hold: hands out the rows they ask for, hands on what they emit in row order, adds up.
import { rowsRead } from "../../matrix.js";
import type { SweepHooks } from "../engine.js";
import { Outcome } from "../outcome.js";
import type { Sweep, SweepResult } from "../sweep.js";
import type { Listener, Pool } from "./pool.js";
import { fromSent, type Report } from "./protocol.js";
import { combine } from "./shares.js";
import type { ThreadRows } from "./thread-rows.js";

type Emitted = Extract<Report, { type: "emit" }>;
type Asked = Extract<Report, { type: "read" }>;

export function sweepThreads(pool: Pool, rows: ThreadRows, sweep: Sweep, hooks: SweepHooks): Promise<SweepResult> {
  return new ThreadSweep(pool, rows, sweep, hooks).outcome.result;
}

class ThreadSweep implements Listener {
  readonly outcome: Outcome<SweepResult>;
  private readonly call: number;
  private readonly results: (SweepResult[] | undefined)[];
  /** What each worker emitted and nobody has taken; the lowest that is not done comes first. */
  private readonly emitted: Emitted[][];
  private emitting = false;
  /** Rows are read one range at a time: a source's next read may reuse the buffer of the last. */
  private reading: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly pool: Pool,
    private readonly rows: ThreadRows,
    private readonly sweep: Sweep,
    private readonly hooks: SweepHooks,
  ) {
    this.results = rows.shares.map(() => undefined);
    this.emitted = rows.shares.map(() => []);
    this.call = pool.join(this);
    this.outcome = new Outcome(hooks.signal, (error) => this.stop(error));
    try {
      rows.prepare(sweep);
      const { id, limits } = rows;
      const order = { type: "sweep", rows: id, call: this.call, sweep, limits } as const;
      rows.shares.forEach((_, worker) => pool.send(worker, order));
    } catch (error) {
      this.stop(error);
    }
  }

  take(report: Report, worker: number): void {
    switch (report.type) {
      case "read":
        this.reading = this.reading.then(() => this.read(report, worker)).catch((error: unknown) => this.stop(error));
        return;
      case "rows":
        try {
          this.hooks.onRows?.(report.count);
        } catch (error) {
          this.stop(error);
        }
        return;
      case "emit":
        this.emitted[worker].push(report);
        return void this.emitAll();
      case "done":
        this.results[worker] = report.results;
        return void this.emitAll();
      case "failed":
        return this.stop(fromSent(report.error));
    }
  }

  fail(error: Error): void {
    this.pool.leave(this.call);
    this.outcome.reject(error);
  }

  /** The workers stop after the tile in hand; what they still report is not heard. */
  private stop(error: unknown): void {
    if (this.outcome.isSettled) return;
    this.rows.shares.forEach((_, worker) => this.pool.send(worker, { type: "stop", call: this.call }));
    this.fail(error instanceof Error ? error : new Error(String(error)));
  }

  private async read({ start, count }: Asked, worker: number): Promise<void> {
    if (this.outcome.isSettled) return;
    const { source } = this.rows;
    const found = await rowsRead(source, start, count);
    if (this.outcome.isSettled) return;
    const bytes = new Uint8Array(found);
    this.pool.send(worker, { type: "bytes", call: this.call, bytes }, [bytes.buffer]);
  }

  /** Hands on what is next, in row order if need be, until a worker has to be waited for; then, when all are done, the result. */
  private async emitAll(): Promise<void> {
    if (this.emitting) return;
    this.emitting = true;
    try {
      const { emitted, results, hooks } = this;
      for (let first = 0; !this.outcome.isSettled && first < emitted.length;) {
        const early = hooks.anyOrder ? emitted.findIndex((blocks) => blocks.length > 0) : -1;
        const worker = Math.max(first, early);
        const next = emitted[worker].shift();
        if (next) await this.emit(next, worker);
        else if (results[first]) ++first;
        else return;
      }
      if (!this.outcome.isSettled) this.finish();
    } catch (error) {
      this.stop(error);
    } finally {
      this.emitting = false;
    }
  }

  private async emit({ name, start, block }: Emitted, worker: number): Promise<void> {
    const bytes = block.byteLength;
    const waiting = this.hooks.emit?.(start, block, name);
    if (waiting) await waiting;
    if (this.outcome.isSettled) return;
    // The block was only lent: its memory goes back, for another one, unless somebody has sent it elsewhere.
    const buffer = block.byteLength === bytes ? (block.buffer as ArrayBuffer) : undefined;
    this.pool.send(worker, { type: "taken", call: this.call, bytes, buffer }, buffer && [buffer]);
  }

  private finish(): void {
    const results = this.results.flatMap((some) => some!);
    const result = combine(this.sweep, this.rows.shares.flat(), results);
    this.pool.leave(this.call);
    this.outcome.resolve(result);
  }
}
