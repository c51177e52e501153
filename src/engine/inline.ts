// The inline engine: one wasm instance in this thread. Rows stay with their source, row state with them.
import { DisposedError, InvalidInputError } from "../errors.js";
import { Kernel } from "../kernel/load.js";
import type { RowSource } from "../matrix.js";
import { sweepBlocks } from "./block-sweep.js";
import { runDense } from "./dense.js";
import {
  blockRows,
  type DenseStep,
  type Engine,
  type EngineRows,
  type RowState,
  type Sweep,
  type SweepHooks,
  type SweepResult,
} from "./sweep.js";

export interface InlineOptions {
  /** Rows a tile, a multiple of 256. Never changes the answer. Default: about 4 MiB of them. */
  tileRows?: number;
}

class InlineState implements RowState {
  readonly columns = new Map<string, Float64Array>();

  async get(name: string) {
    return this.columns.get(name);
  }

  set(name: string, column: Float64Array): void {
    this.columns.set(name, column);
  }

  delete(name: string): void {
    this.columns.delete(name);
  }

  names() {
    return [...this.columns.keys()];
  }
}

class InlineRows implements EngineRows {
  readonly state = new InlineState();

  constructor(readonly source: RowSource) {}
}

export class InlineEngine implements Engine {
  private disposed = false;

  private constructor(
    private readonly kernel: Kernel,
    private readonly options: InlineOptions,
  ) {}

  static async create(options: InlineOptions = {}): Promise<InlineEngine> {
    const { tileRows } = options;
    if (tileRows !== undefined && !(tileRows > 0 && tileRows % blockRows === 0)) {
      throw new InvalidInputError(`tileRows must be a positive multiple of ${blockRows}; got ${tileRows}.`);
    }
    return InlineEngine.on(await Kernel.load(), options);
  }

  /** On a kernel that nothing else uses meanwhile. */
  static on(kernel: Kernel, options: InlineOptions = {}): InlineEngine {
    return new InlineEngine(kernel, options);
  }

  open(source: RowSource): EngineRows {
    return new InlineRows(source);
  }

  /** Nothing is kept but what the rows hold themselves. */
  close(): void {}

  async dense(step: DenseStep) {
    if (this.disposed) throw new DisposedError();
    return runDense(this.kernel, step);
  }

  dispose(): void {
    this.disposed = true;
  }

  async sweep(rows: EngineRows, sweep: Sweep, hooks: SweepHooks = {}): Promise<SweepResult> {
    if (this.disposed) throw new DisposedError();
    const { source, state } = rows as InlineRows;
    const all = { first: 0, blocks: Math.ceil(source.rows / blockRows) };
    const local = { source, first: 0, count: source.rows, state: state.columns, subtrees: [all] };
    const [result] = await sweepBlocks(this.kernel, local, sweep, { ...hooks, tileRows: this.options.tileRows });
    return result;
  }
}
