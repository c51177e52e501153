// Rows of one share, in a thread of this process: they are read when the thread asks for them, and kept there.
import type { Subtree } from "../engine/block-sweep.js";
import { Outcome } from "../engine/outcome.js";
import type { Sweep, SweepResult } from "../engine/sweep.js";
import type { Listener, Pool } from "../engine/threads/pool.js";
import { fromSent, type Report } from "../engine/threads/protocol.js";
import { askColumn } from "../engine/threads/thread-rows.js";
import { AbortedError } from "../errors.js";
import { rowsRead, type RowSource } from "../matrix.js";
import type { Emitted } from "./messages.js";

export interface ShareHooks {
  signal: AbortSignal;
  onRows?: (rows: number) => void;
  /** Takes what is emitted, in row order; the thread waits while much of it has not been taken. */
  emit?: (emitted: Emitted) => Promise<void>;
}

let ids = 0;

export class ShareRows {
  private readonly id = ids++;
  private readonly names = new Set<string>();

  constructor(
    private readonly pool: Pool,
    readonly thread: number,
    private readonly source: RowSource,
    subtrees: readonly Subtree[],
    /** Open rows that these are too. */
    like?: ShareRows,
  ) {
    const { rows, cols, dtype, name } = source;
    pool.send(thread, {
      type: "open",
      rows: this.id,
      shape: { rows, cols, dtype, name },
      subtrees: [...subtrees],
      limits: {},
      like: like?.id,
    });
  }

  close(): void {
    this.pool.send(this.thread, { type: "close", rows: this.id });
  }

  set(name: string, column: Float64Array): void {
    this.names.add(name);
    this.pool.send(this.thread, { type: "set", rows: this.id, name, column }, [column.buffer as ArrayBuffer]);
  }

  delete(name: string): void {
    this.names.delete(name);
    this.pool.send(this.thread, { type: "delete", rows: this.id, name });
  }

  get(name: string): Promise<Float64Array | undefined> {
    return askColumn(this.pool, this.thread, this.id, name);
  }

  /** All row state, by name. */
  async columns(): Promise<Record<string, Float64Array>> {
    const columns: Record<string, Float64Array> = {};
    for (const name of this.names) columns[name] = (await this.get(name))!;
    return columns;
  }

  /** The results of each subtree. Resolves or rejects when the thread is done with it, also after an abort. */
  sweep(sweep: Sweep, hooks: ShareHooks): Promise<SweepResult[]> {
    for (const name of sweep.writes.state) this.names.add(name);
    return new ShareSweep(this.pool, this.thread, this.id, this.source, hooks).run(sweep);
  }
}

class ShareSweep implements Listener {
  private readonly outcome: Outcome<SweepResult[]>;
  private readonly call: number;
  private failure: unknown;
  /** What is read or handed on, one after the other. */
  private reading: Promise<unknown> = Promise.resolve();
  private emitting: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly pool: Pool,
    private readonly thread: number,
    private readonly rows: number,
    private readonly source: RowSource,
    private readonly hooks: ShareHooks,
  ) {
    this.call = pool.join(this);
    this.outcome = new Outcome(hooks.signal, (error) => this.stop(error));
  }

  run(sweep: Sweep): Promise<SweepResult[]> {
    const { signal } = this.hooks;
    this.pool.send(this.thread, { type: "sweep", rows: this.rows, call: this.call, sweep, limits: {} });
    if (signal.aborted) this.stop(new AbortedError(signal.reason));
    return this.outcome.result;
  }

  take(report: Report): void {
    switch (report.type) {
      case "read":
        this.reading = this.reading.then(() => this.read(report.start, report.count)).catch(this.stop);
        return;
      case "rows":
        return this.hooks.onRows?.(report.count);
      case "emit":
        this.emitting = this.emitting.then(() => this.emit(report)).catch(this.stop);
        return;
      case "done":
        void this.emitting.then(() => this.end(() => this.outcome.resolve(report.results)));
        return;
      case "failed":
        void this.emitting.then(() => this.end(() => this.outcome.reject(fromSent(report.error))));
    }
  }

  /** The thread is gone. */
  fail(error: Error): void {
    this.failure ??= error;
    this.end(() => undefined);
  }

  /** The thread reports the end of the tile in hand. */
  private readonly stop = (error: unknown) => {
    this.failure ??= error;
    this.pool.send(this.thread, { type: "stop", call: this.call });
  };

  private end(settle: () => void): void {
    this.pool.leave(this.call);
    if (this.failure) this.outcome.reject(this.failure);
    else settle();
  }

  private async read(start: number, count: number): Promise<void> {
    if (this.failure) return;
    const read = await rowsRead(this.source, start, count);
    // Handed over; what the source still has a part in is copied first.
    const bytes = read.byteLength === read.buffer.byteLength ? read : new Uint8Array(read);
    this.pool.send(this.thread, { type: "bytes", call: this.call, bytes }, [bytes.buffer as ArrayBuffer]);
  }

  private async emit({ name, start, block }: Emitted): Promise<void> {
    if (this.failure) return;
    await this.hooks.emit?.({ name, start, block });
    this.pool.send(this.thread, { type: "taken", call: this.call, bytes: block.byteLength });
  }
}
