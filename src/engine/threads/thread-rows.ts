// Rows that workers hold in shares, and their row state: a column is here, with the workers, or both.
import type { RowSource } from "../../matrix.js";
import type { Subtree } from "../block-sweep.js";
import type { EngineRows, RowState } from "../engine.js";
import type { Sweep } from "../sweep.js";
import type { Pool } from "./pool.js";
import { fromSent, type Limits } from "./protocol.js";
import { boundsOf, joinColumns } from "./shares.js";

interface Column {
  /** The coordinator's own. */
  here?: Float64Array;
  /** The workers have it too. */
  there: boolean;
}

export class ThreadRows implements EngineRows {
  readonly state: ThreadState;
  /** First row of each worker's share, and the number of rows behind them. */
  readonly bounds: number[];

  constructor(
    readonly source: RowSource,
    readonly id: number,
    /** One list a worker. */
    readonly shares: readonly Subtree[][],
    private readonly pool: Pool,
    readonly limits: Limits = {},
  ) {
    this.bounds = boundsOf(shares, source.rows);
    this.state = new ThreadState(this, pool);
  }

  private opened = false;

  /** Brings the workers what they need for a sweep. */
  prepare(sweep: Sweep): void {
    if (!this.opened) {
      const { rows, cols, dtype, name } = this.source;
      this.shares.forEach((share, worker) => {
        const shape = { rows, cols, dtype, name };
        this.pool.send(worker, { type: "open", rows: this.id, shape, subtrees: share, limits: this.limits });
      });
      this.opened = true;
    }
    this.state.prepare(sweep);
  }

  close(): void {
    if (this.opened) this.shares.forEach((_, worker) => this.pool.send(worker, { type: "close", rows: this.id }));
    this.opened = false;
  }
}

class ThreadState implements RowState {
  private readonly columns = new Map<string, Column>();

  constructor(
    private readonly rows: ThreadRows,
    private readonly pool: Pool,
  ) {}

  async get(name: string): Promise<Float64Array | undefined> {
    const column = this.columns.get(name);
    if (!column || column.here) return column?.here;
    const { rows, pool } = this;
    const shares = rows.shares.map((_, worker) => askColumn(pool, worker, rows.id, name));
    return joinColumns((await Promise.all(shares)) as Float64Array[]);
  }

  set(name: string, column: Float64Array): void {
    this.columns.set(name, { here: column, there: false });
  }

  delete(name: string): void {
    if (this.columns.get(name)?.there) {
      this.rows.shares.forEach((_, worker) => this.pool.send(worker, { type: "delete", rows: this.rows.id, name }));
    }
    this.columns.delete(name);
  }

  names(): string[] {
    return [...this.columns.keys()];
  }

  prepare(sweep: Sweep): void {
    const { rows, pool, columns } = this;
    for (const name of new Set([...sweep.reads.state, ...sweep.writes.state])) {
      const column = columns.get(name);
      if (!column?.here || column.there) continue;
      const { here } = column;
      const width = here.length / rows.source.rows;
      rows.shares.forEach((_, worker) => {
        const share = here.slice(rows.bounds[worker] * width, rows.bounds[worker + 1] * width);
        pool.send(worker, { type: "set", rows: rows.id, name, column: share }, [share.buffer]);
      });
      column.there = true;
    }
    for (const name of sweep.writes.state) columns.set(name, { there: true });
  }
}

/** A worker's part of a column, undefined where it has none. */
export function askColumn(pool: Pool, worker: number, rows: number, name: string): Promise<Float64Array | undefined> {
  return new Promise((resolve, reject) => {
    const call = pool.join({
      take(report) {
        if (report.type !== "column" && report.type !== "failed") return;
        pool.leave(call);
        if (report.type === "failed") reject(fromSent(report.error));
        else resolve(report.column);
      },
      fail: reject,
    });
    pool.send(worker, { type: "get", rows, call, name });
  });
}
