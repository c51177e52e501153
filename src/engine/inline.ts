// The inline engine: one wasm instance in this thread. Rows stay with their source and stream through memory tile by tile;
// between tiles the event loop gets its turn.
import { DisposedError, InvalidInputError, throwIfAborted } from "../errors.js";
import { withFrameAsync, type Frame } from "../kernel/frame.js";
import { Kernel } from "../kernel/load.js";
import { rowTypeBytes, type RowSource } from "../matrix.js";
import { runDense } from "./dense.js";
import type { BlockRunner } from "./job.js";
import { operations } from "./operations.js";
import {
  blockRows,
  type DenseStep,
  type Engine,
  type EngineRows,
  type Sweep,
  type SweepHooks,
  type SweepResult,
} from "./sweep.js";
import { Maximum, SumTree, Worst } from "./tree.js";

/** Bytes of rows that are in wasm memory at a time, unless `tileRows` says otherwise. */
const tileBytes = 4 << 20;
/** The event loop waits no longer than this for its turn, one tile excepted. */
const patienceMs = 12;

export interface InlineOptions {
  /** Rows a tile, a multiple of 256. Never changes the answer. Default: about 4 MiB of them. */
  tileRows?: number;
}

export class InlineEngine implements Engine {
  private disposed = false;
  private lastTurn = 0;

  private constructor(
    private readonly kernel: Kernel,
    private readonly options: InlineOptions,
  ) {}

  static async create(options: InlineOptions = {}): Promise<InlineEngine> {
    const { tileRows } = options;
    if (tileRows !== undefined && !(tileRows > 0 && tileRows % blockRows === 0)) {
      throw new InvalidInputError(`tileRows must be a positive multiple of ${blockRows}; got ${tileRows}.`);
    }
    return new InlineEngine(await Kernel.load(), options);
  }

  open(source: RowSource): EngineRows {
    return { source, state: new Map() };
  }

  async dense(step: DenseStep) {
    if (this.disposed) throw new DisposedError();
    return runDense(this.kernel, step);
  }

  dispose(): void {
    this.disposed = true;
  }

  async sweep(rows: EngineRows, sweep: Sweep, hooks: SweepHooks = {}): Promise<SweepResult> {
    if (this.disposed) throw new DisposedError();
    throwIfAborted(hooks.signal);
    return withFrameAsync(this.kernel, async (frame) => {
      const { source } = rows;
      const runner = operations[sweep.op]({
        frame,
        sweep,
        rows: source.rows,
        cols: source.cols,
        dtype: source.dtype,
      });
      const reducers = new Map(
        Object.entries(sweep.reduce)
          .filter(([, how]) => how !== "concat")
          .map(([name, how]) => [name, how === "sum" ? new SumTree() : how === "max" ? new Maximum() : new Worst()]),
      );
      const state = new BlockState(frame, rows, sweep);
      const tile = new Tile(frame, source, this.options.tileRows);
      for (let start = 0; start < source.rows; start += tile.capacity) {
        throwIfAborted(hooks.signal);
        const count = Math.min(tile.capacity, source.rows - start);
        await tile.load(start, count);
        for (let first = start; first < start + count; first += blockRows) {
          const size = Math.min(blockRows, start + count - first);
          const pointers = state.load(first, size);
          const pointer = tile.pointer + (first - start) * tile.rowBytes;
          const partials = runner.run({ number: first / blockRows, first, rows: size, pointer, state: pointers });
          state.save(first, size);
          await this.reduce(partials, reducers, sweep, first, hooks);
        }
        hooks.onRows?.(count);
        await this.takeTurn();
      }
      const result: SweepResult = runner.finish(Math.ceil(source.rows / blockRows));
      for (const [name, reducer] of reducers) result[name] ??= reducer.finish();
      return result;
    });
  }

  private async reduce(
    partials: ReturnType<BlockRunner["run"]>,
    reducers: Map<string, SumTree | Maximum | Worst>,
    sweep: Sweep,
    first: number,
    { emit, emitBytes }: SweepHooks,
  ): Promise<void> {
    const { kernel } = this;
    for (const [name, { pointer, count, type }] of Object.entries(partials)) {
      if (sweep.reduce[name] !== "concat") {
        reducers.get(name)?.add(kernel.f64(pointer, count));
        continue;
      }
      const waiting =
        type === "bytes"
          ? emitBytes?.(name, first, kernel.bytes(pointer, count))
          : emit?.(name, first, kernel[type ?? "f64"](pointer, count));
      if (waiting) await waiting;
    }
  }

  /** Lets the event loop run, when it has waited long enough. The clock decides when, never what. */
  private async takeTurn(): Promise<void> {
    if (performance.now() - this.lastTurn < patienceMs) return;
    await macrotask();
    this.lastTurn = performance.now();
  }
}

const macrotask: () => Promise<void> =
  typeof setImmediate === "function"
    ? () => new Promise((resolve) => setImmediate(resolve))
    : () => new Promise((resolve) => setTimeout(resolve, 0));

/** The rows that are in wasm memory now, as f32 or f64. */
class Tile {
  readonly capacity: number;
  readonly pointer: number;
  readonly rowBytes: number;
  /** f16 and bf16 rows land here before they are widened. */
  private readonly narrow: number;

  constructor(
    private readonly frame: Frame,
    private readonly source: RowSource,
    tileRows?: number,
  ) {
    const { rows, cols, dtype } = source;
    this.rowBytes = cols * (dtype === "f64" ? 8 : 4);
    const wanted = tileRows ?? Math.max(1, Math.floor(tileBytes / this.rowBytes / blockRows)) * blockRows;
    this.capacity = Math.min(wanted, Math.ceil(rows / blockRows) * blockRows);
    this.pointer = frame.bytes(this.capacity * this.rowBytes);
    this.narrow = rowTypeBytes[dtype] === 2 ? frame.bytes(this.capacity * cols * 2) : 0;
  }

  async load(start: number, count: number): Promise<void> {
    const { source, frame } = this;
    const reading = source.read(start, count);
    const bytes = reading instanceof Uint8Array ? reading : await reading;
    const expected = count * source.cols * rowTypeBytes[source.dtype];
    if (bytes.byteLength !== expected) {
      throw new InvalidInputError(
        `${source.name ?? "The row source"} gave ${bytes.byteLength} bytes for rows ${start} to ${start + count - 1}, expected ${expected}; its read() must return whole rows.`,
        { tensor: source.name, row: start },
      );
    }
    const { call } = frame.kernel;
    frame.kernel.bytes(this.narrow || this.pointer, expected).set(bytes);
    if (source.dtype === "f16") call.widenF16(this.pointer, this.narrow, count * source.cols);
    if (source.dtype === "bf16") call.widenBF16(this.pointer, this.narrow, count * source.cols);
  }
}

/** Row state of one block, copied in before the kernels and out after them. */
class BlockState {
  private readonly pointers: Record<string, number> = {};
  private readonly columns = new Map<string, { array: Float64Array; width: number; written: boolean }>();

  constructor(
    private readonly frame: Frame,
    rows: EngineRows,
    sweep: Sweep,
  ) {
    for (const name of sweep.writes.state) {
      if (!rows.state.has(name)) rows.state.set(name, new Float64Array(rows.source.rows));
    }
    for (const name of new Set([...sweep.reads.state, ...sweep.writes.state])) {
      const array = rows.state.get(name);
      this.pointers[name] = 0;
      if (!array) continue;
      const width = array.length / rows.source.rows;
      this.pointers[name] = frame.f64(blockRows * width);
      this.columns.set(name, { array, width, written: sweep.writes.state.includes(name) });
    }
  }

  load(first: number, count: number): Readonly<Record<string, number>> {
    for (const [name, { array, width }] of this.columns) {
      this.frame.kernel
        .f64(this.pointers[name], count * width)
        .set(array.subarray(first * width, (first + count) * width));
    }
    return this.pointers;
  }

  save(first: number, count: number): void {
    for (const [name, { array, width, written }] of this.columns) {
      if (written) array.set(this.frame.kernel.f64(this.pointers[name], count * width), first * width);
    }
  }
}
