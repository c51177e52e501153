// One whole call in a worker, as the thread that asked for it sees it.
import type { Listener, Pool } from "../engine/threads/pool.js";
import { fromSent, type CallOrder, type Report } from "../engine/threads/protocol.js";
import { Outcome } from "../engine/outcome.js";
import type { RowSource } from "../matrix.js";
import type { RunOptions } from "../types/index.js";
import { buffersIn, sendOptions, sendRows } from "./transfer.js";

export interface RemoteCallOptions {
  pool: Pool;
  worker: number;
  primitive: string;
  /** To be read and sent; absent where the worker has the rows under the number `opened`. */
  source?: RowSource;
  opened?: number;
  options: RunOptions & Readonly<Record<string, unknown>>;
  /** Called once the order with its rows is on its way. */
  onSent?: () => void;
}

export class RemoteCall<Result> implements Listener {
  readonly result: Promise<Result>;
  private readonly outcome: Outcome<Result>;
  /** When the worker is free again. An abort ends `result` at once, the worker's step in hand only when it is done. */
  readonly released: Promise<void>;
  private leave!: () => void;
  private call: number | undefined;
  private sent = false;

  constructor(private readonly of: RemoteCallOptions) {
    this.outcome = new Outcome(of.options.signal, (error) => this.stop(error));
    this.result = this.outcome.result;
    this.released = new Promise((resolve) => (this.leave = resolve));
    void this.start();
  }

  private async start(): Promise<void> {
    const { pool, worker, primitive, source, opened, onSent } = this.of;
    const { onProgress } = this.of.options;
    const { settled } = this.outcome;
    try {
      await pool.start();
      if (this.outcome.isSettled) return;
      const call = (this.call = pool.join(this));
      const rows = source && (await sendRows(source, settled));
      const own = await sendOptions(this.of.options, settled);
      if (this.outcome.isSettled) return;
      const order: CallOrder = {
        type: "call",
        call,
        primitive,
        rows,
        opened,
        options: own,
        progress: onProgress !== undefined,
      };
      pool.send(worker, order, [...buffersIn(order)]);
      this.sent = true;
      onSent?.();
    } catch (error) {
      this.fail(error);
    }
  }

  take(report: Report): void {
    switch (report.type) {
      case "progress":
        if (this.outcome.isSettled) return;
        try {
          const { stage, done, total } = report;
          this.of.options.onProgress?.({ stage, done, total });
        } catch (error) {
          this.stop(error);
        }
        return;
      case "result":
        this.outcome.resolve(report.result as Result);
        return this.end();
      case "failed":
        return this.fail(fromSent(report.error));
    }
  }

  /** Nothing more comes from the worker. */
  fail(error: unknown): void {
    this.outcome.reject(error);
    this.end();
  }

  private stop(error: unknown): void {
    if (!this.sent) return this.fail(error);
    this.of.pool.send(this.of.worker, { type: "stop", call: this.call! });
    this.outcome.reject(error);
  }

  private end(): void {
    if (this.call !== undefined) this.of.pool.leave(this.call);
    this.leave();
  }
}
