// The cluster engine: rows that workers hold, on as many machines as there are; all other rows, and the dense steps, are worked on
// here. Drivers do not know.
import { combine, joinColumns } from "../engine/threads/shares.js";
import type { InlineEngine } from "../engine/inline.js";
import type { MemoryNeeds } from "../engine/memory.js";
import { denseWork, type DenseInput, type DenseName } from "../engine/dense.js";
import type { Engine, EngineRows, RowState, SweepHooks } from "../engine/engine.js";
import type { Sweep, SweepResult } from "../engine/sweep.js";
import type { RowSource } from "../matrix.js";
import type { ClusterMatrix } from "./cluster-matrix.js";
import type { Emitted } from "./messages.js";

export interface ClusterLimits {
  /** Of results that wait in Redis, over all shares of a matrix. */
  readonly waitingBytes: number;
  /** Of a log, beyond which it is begun anew when it is more than the row state that it makes. 0: after every order. */
  readonly logBytes: number;
}

/** Multiply-adds, or what is as long, that keep this thread busy for a second or more. */
const longWork = 1e10;

export class ClusterEngine implements Engine {
  private readonly matrices = new Map<RowSource, ClusterMatrix>();
  private readonly opened = new Set<ClusterRows>();
  private ids = 0;

  constructor(
    private readonly inline: InlineEngine,
    private readonly limits: ClusterLimits,
  ) {}

  /** From now on these rows are those of the matrix. */
  share(source: RowSource, matrix: ClusterMatrix): void {
    this.matrices.set(source, matrix);
  }

  plan(source: RowSource, needs: MemoryNeeds): void {
    this.inline.plan(source, needs);
  }

  open(source: RowSource): EngineRows {
    const matrix = this.matrices.get(source);
    if (!matrix) return this.inline.open(source);
    const rows = new ClusterRows(source, matrix, this.ids++, this.limits);
    this.opened.add(rows);
    return rows;
  }

  async sweep(rows: EngineRows, sweep: Sweep, hooks: SweepHooks = {}): Promise<SweepResult> {
    if (!(rows instanceof ClusterRows)) return this.inline.sweep(rows, sweep, hooks);
    await this.endClosed(hooks.signal);
    return rows.sweep(sweep, hooks);
  }

  private readonly closed: ClusterRows[] = [];

  close(rows?: EngineRows): void {
    for (const each of rows ? [rows] : this.opened) {
      if (!(each instanceof ClusterRows)) continue;
      this.opened.delete(each);
      this.closed.push(each);
    }
    if (!rows) this.matrices.clear();
    this.inline.close(rows);
  }

  /** Tells the workers of rows that were closed. */
  async endClosed(signal?: AbortSignal): Promise<void> {
    while (this.closed.length) {
      await this.closed[0].end(signal);
      this.closed.shift();
    }
  }

  async dense<Name extends DenseName>(name: Name, input: DenseInput<Name>) {
    const [matrix] = this.matrices.values();
    if (denseWork(input) >= longWork) await matrix?.coordinator.live(600_000);
    return this.inline.dense(name, input);
  }

  dispose(): void {
    this.inline.dispose();
  }
}

interface Column {
  /** The coordinator's own. */
  here?: Float64Array;
  /** The workers have it too. */
  there: boolean;
  /** Numbers a row, where they were set. */
  width?: number;
}

class ClusterRows implements EngineRows, RowState {
  readonly state: RowState = this;
  private readonly columns = new Map<string, Column>();
  private deletes: string[] = [];
  private isOpen = false;

  constructor(
    readonly source: RowSource,
    private readonly matrix: ClusterMatrix,
    private readonly id: number,
    private readonly limits: ClusterLimits,
  ) {}

  async sweep(sweep: Sweep, { signal, onRows, emit }: SweepHooks): Promise<SweepResult> {
    const { matrix } = this;
    await this.begin(signal);
    const values = this.columnsToSet(sweep);
    const deletes = this.deletes;
    this.deletes = [];
    const take = ({ name, start, block }: Emitted) => emit?.(start, block, name);
    const isEmitting = Object.values(sweep.reduce).includes("concat");
    const results = await matrix.ask(
      {
        type: "sweep",
        rows: this.id,
        sweep,
        deletes,
        sets: values.length > 0,
        window: Math.floor(this.limits.waitingBytes / matrix.size),
      },
      { signal, onRows, emit: isEmitting ? take : undefined },
      values,
    );
    for (const name of sweep.writes.state)
      this.columns.set(name, { there: true, width: this.columns.get(name)?.width });
    const shares = matrix.shares!.flat();
    const result = combine(sweep, shares, (results as SweepResult[][]).flat());
    await this.shorten(signal);
    return result;
  }

  /** What the sweep needs and the workers lack, for each share; nothing where they have all. */
  private columnsToSet(sweep: Sweep): Record<string, Float64Array>[] {
    const wanted = new Set([...sweep.reads.state, ...sweep.writes.state]);
    const missing = [...wanted].filter((name) => {
      const column = this.columns.get(name);
      return column?.here && !column.there;
    });
    if (missing.length === 0) return [];
    const { matrix, source } = this;
    const { bounds } = matrix;
    const values = matrix.shares!.map((_, share) =>
      Object.fromEntries(
        missing.map((name) => {
          const column = this.columns.get(name)!.here!;
          const width = column.length / source.rows;
          return [name, column.subarray(bounds[share] * width, bounds[share + 1] * width)];
        }),
      ),
    );
    for (const name of missing) this.columns.get(name)!.there = true;
    return values;
  }

  private async begin(signal?: AbortSignal): Promise<void> {
    if (this.isOpen) return;
    this.isOpen = true;
    await this.matrix.ask({ type: "open", rows: this.id }, { signal });
  }

  async end(signal?: AbortSignal): Promise<void> {
    if (this.isOpen) await this.matrix.ask({ type: "close", rows: this.id }, { signal });
    this.isOpen = false;
  }

  private async shorten(signal?: AbortSignal): Promise<void> {
    const { logBytes } = this.limits;
    const { keptBytes } = this.matrix;
    const stateBytes = 8 * this.source.rows * [...this.columns.values()].reduce((sum, { width = 1 }) => sum + width, 0);
    const isLong = logBytes === 0 ? keptBytes > 0 : keptBytes > Math.max(logBytes, stateBytes);
    if (isLong) await this.matrix.checkpoint(signal);
  }

  async get(name: string): Promise<Float64Array | undefined> {
    const column = this.columns.get(name);
    if (!column || column.here) return column?.here;
    const shares = (await this.matrix.ask({ type: "get", rows: this.id, name })) as Float64Array[];
    const whole = joinColumns(shares);
    column.width = whole.length / this.source.rows;
    return whole;
  }

  set(name: string, column: Float64Array): void {
    this.columns.set(name, { here: column, there: false, width: column.length / this.source.rows });
  }

  delete(name: string): void {
    if (this.columns.get(name)?.there) this.deletes.push(name);
    this.columns.delete(name);
  }

  names(): string[] {
    return [...this.columns.keys()];
  }
}
