// The inline engine: one wasm instance in this thread. Rows stay with their source, row state with them.
import { DisposedError, InvalidInputError } from "../errors.js";
import { Kernel, maximumBytes } from "../kernel/load.js";
import type { RowSource } from "../matrix.js";
import { sweepBlocks } from "./block-sweep.js";
import { runDense, type DenseInput, type DenseName } from "./dense.js";
import type { Engine, EngineRows, RowState, SweepHooks } from "./engine.js";
import { planMemory, rowsOfTile, type MemoryNeeds, type MemoryPlan } from "./memory.js";
import { ReadAhead } from "./read-ahead.js";
import { blockRows, type Sweep, type SweepResult } from "./sweep.js";

export interface InlineOptions {
  /** Rows a tile, a multiple of 256. Never changes the answer. Default: about 4 MiB of them. */
  tileRows?: number;
  /**
   * Bytes that the instance may hold at most during a call: rows, tiles, row state, d x d matrices, results on their way, and all of
   * wasm memory, in this thread and its workers. Smaller tiles are taken for it, less is kept, and if need be fewer threads; the answer
   * never changes. Not counted: the runtime itself (Node: 60 MB or so, and 15 MB a worker), the caller's own matrix and row weights, results
   * that are returned. Default: no limit but the other options.
   */
  memory?: number;
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
  /** Of the call under way, where there is a budget. */
  private planned: MemoryPlan | undefined;

  private constructor(
    /** Dense steps run in it. */
    readonly kernel: Kernel,
    private readonly options: InlineOptions,
  ) {}

  static async create(kernel: WebAssembly.Module, options: InlineOptions = {}): Promise<InlineEngine> {
    const { tileRows, memory } = options;
    if (tileRows !== undefined && !(tileRows > 0 && tileRows % blockRows === 0)) {
      throw new InvalidInputError(`tileRows must be a positive multiple of ${blockRows}; got ${tileRows}.`);
    }
    if (memory !== undefined && !(memory > 0)) {
      throw new InvalidInputError(`memory must be a number of bytes above 0; got ${memory}.`);
    }
    return InlineEngine.on(await Kernel.load(kernel), options);
  }

  /** On a kernel that nothing else uses meanwhile. */
  static on(kernel: Kernel, options: InlineOptions = {}): InlineEngine {
    return new InlineEngine(kernel, options);
  }

  plan(source: RowSource, needs: MemoryNeeds, threads = 1): MemoryPlan | undefined {
    const { memory } = this.options;
    if (memory === undefined) return undefined;
    this.planned = planMemory(this.kernel.call, source, { memory, threads, needs });
    this.kernel.limit = this.planned.wasmBytes;
    return this.planned;
  }

  /** Rows of a tile of this matrix: what was asked for, or less where the plan has less. */
  tileRows(source: RowSource): number | undefined {
    const { planned, options } = this;
    if (!planned) return options.tileRows;
    return Math.min(options.tileRows ?? Infinity, rowsOfTile(source, planned.tileBytes));
  }

  open(source: RowSource): EngineRows {
    return new InlineRows(source);
  }

  /** Nothing is kept but what the rows hold themselves. */
  close(rows?: EngineRows): void {
    if (rows) return;
    this.planned = undefined;
    this.kernel.limit = maximumBytes;
  }

  async dense<Name extends DenseName>(name: Name, input: DenseInput<Name>) {
    if (this.disposed) throw new DisposedError();
    return runDense(this.kernel, name, input);
  }

  dispose(): void {
    this.disposed = true;
  }

  async sweep(rows: EngineRows, sweep: Sweep, hooks: SweepHooks = {}): Promise<SweepResult> {
    if (this.disposed) throw new DisposedError();
    const { source, state } = rows as InlineRows;
    const all = { first: 0, blocks: Math.ceil(source.rows / blockRows) };
    const reader = new ReadAhead((start, count) => source.read(start, count));
    const { rows: count, cols, dtype, name } = source;
    const local = {
      source: { rows: count, cols, dtype, name, read: (start: number, n: number) => reader.read(start, n) },
      first: 0,
      count,
      state: state.columns,
      subtrees: [all],
      ahead: (start: number, n: number) => reader.ahead(start, n),
    };
    const [result] = await sweepBlocks(this.kernel, local, sweep, { ...hooks, tileRows: this.tileRows(source) });
    return result;
  }
}
