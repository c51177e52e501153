// One kernel instance sweeps over rows that it can reach: what the inline engine does with all of them, and a worker with its
// own. Rows stream through wasm memory tile by tile; between tiles the event loop gets its turn.
import { throwIfAborted } from "../errors.js";
import type { SweepHooks } from "./engine.js";
import { withFrameAsync, type Frame } from "../kernel/frame.js";
import type { Kernel } from "../kernel/load.js";
import { rowsRead, rowTypeBytes, type RowSource } from "../matrix.js";
import { rowsOfTile, tileBytes } from "./memory.js";
import { loadOperation, operationNamed } from "./operations/index.js";
import type { PartialResults } from "./operations/operation.js";
import { untilAborted } from "./read-ahead.js";
import { blockRows, type Sweep, type SweepResult } from "./sweep.js";
import { Maximum, SumTree, Worst } from "./tree.js";
import { takeTurn } from "./turn.js";

/** Blocks that are summed by themselves: a subtree of the tree over all block numbers, the last of which may be incomplete. */
export interface Subtree {
  /** Number of the first block. */
  readonly first: number;
  readonly blocks: number;
}

/** Rows that one kernel sweeps over. */
export interface LocalRows {
  /** Of all rows: row numbers are those of the whole matrix. */
  readonly source: RowSource;
  /** The rows that are here, from row `first` on, and their state. */
  readonly first: number;
  readonly count: number;
  readonly state: Map<string, Float64Array>;
  /** In row order, without gaps. */
  readonly subtrees: readonly Subtree[];
  /** Told which rows will be read next. */
  ahead?(start: number, count: number): void;
}

/** The results of each subtree. */
export async function sweepBlocks(
  kernel: Kernel,
  local: LocalRows,
  sweep: Sweep,
  hooks: SweepHooks & { tileRows?: number },
): Promise<SweepResult[]> {
  throwIfAborted(hooks.signal);
  await loadOperation(sweep.op);
  return withFrameAsync(kernel, async (frame) => {
    const { source, subtrees } = local;
    const { cols, dtype } = source;
    const job = { frame, rows: local.count, cols, dtype };
    const prepared = operationNamed(sweep.op).prepare(job, sweep.params, sweep.reads.shared);
    const { run, finish } = typeof prepared === "function" ? { run: prepared, finish: undefined } : prepared;
    const state = new BlockState(frame, local, sweep);
    const tile = new Tile(frame, source, local.count, hooks.tileRows);
    const tiles = subtrees.map((subtree) => tilesOf(subtree, source.rows, tile.capacity));
    const order = tiles.flat();
    const results: SweepResult[] = [];
    for (const [index, { first: from, blocks }] of subtrees.entries()) {
      const reducers = reducersOf(sweep);
      for (const { start, count } of tiles[index]) {
        throwIfAborted(hooks.signal);
        await tile.load(start, count, hooks.signal);
        order.shift();
        if (order.length) local.ahead?.(order[0].start, order[0].count);
        for (let first = start; first < start + count; first += blockRows) {
          const size = Math.min(blockRows, start + count - first);
          const pointers = state.load(first, size);
          const pointer = tile.pointer + (first - start) * tile.rowBytes;
          const number = first / blockRows - from;
          const partials = run({ number, first, rows: size, pointer, state: pointers });
          state.save(first, size);
          if (partials) await reduce(kernel, partials, reducers, sweep, first, hooks);
        }
        hooks.onRows?.(count);
        await takeTurn();
      }
      const result = finish?.(blocks) ?? {};
      for (const [name, reducer] of reducers) result[name] ??= reducer.finish();
      results.push(result);
    }
    return results;
  });
}

export function reducersOf(sweep: Sweep): Map<string, SumTree | Maximum | Worst> {
  return new Map(
    Object.entries(sweep.reduce)
      .filter(([, how]) => how !== "concat")
      .map(([name, how]) => [name, how === "sum" ? new SumTree() : how === "max" ? new Maximum() : new Worst()]),
  );
}

function tilesOf({ first, blocks }: Subtree, rows: number, capacity: number): { start: number; count: number }[] {
  const end = Math.min(rows, (first + blocks) * blockRows);
  const tiles = [];
  for (let start = first * blockRows; start < end; start += capacity) {
    tiles.push({ start, count: Math.min(capacity, end - start) });
  }
  return tiles;
}

async function reduce(
  kernel: Kernel,
  partials: PartialResults,
  reducers: Map<string, SumTree | Maximum | Worst>,
  sweep: Sweep,
  first: number,
  hooks: SweepHooks,
): Promise<void> {
  for (const [name, { pointer, count, type = "f64" }] of Object.entries(partials)) {
    if (sweep.reduce[name] !== "concat") {
      reducers.get(name)?.add(kernel.f64(pointer, count));
      continue;
    }
    const waiting = hooks.emit?.(first, kernel[type](pointer, count), name);
    if (waiting) await waiting;
  }
}

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
    rows: number,
    tileRows?: number,
  ) {
    const { cols, dtype } = source;
    this.rowBytes = cols * (dtype === "f64" ? 8 : 4);
    const wanted = tileRows ?? rowsOfTile(source, tileBytes);
    this.capacity = Math.min(wanted, Math.ceil(rows / blockRows) * blockRows);
    this.pointer = frame.bytes(this.capacity * this.rowBytes);
    this.narrow = rowTypeBytes[dtype] === 2 ? frame.bytes(this.capacity * cols * 2) : 0;
  }

  async load(start: number, count: number, signal?: AbortSignal): Promise<void> {
    const { source, frame } = this;
    const reading = rowsRead(source, start, count);
    const bytes = reading instanceof Uint8Array ? reading : await untilAborted(reading, signal);
    const { call } = frame.kernel;
    frame.kernel.bytes(this.narrow || this.pointer, bytes.byteLength).set(bytes);
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
    private readonly local: LocalRows,
    sweep: Sweep,
  ) {
    const { state, count } = local;
    for (const name of sweep.writes.state) {
      if (!state.has(name)) state.set(name, new Float64Array(count));
    }
    for (const name of new Set([...sweep.reads.state, ...sweep.writes.state])) {
      const array = state.get(name);
      this.pointers[name] = 0;
      if (!array) continue;
      const width = array.length / count;
      this.pointers[name] = frame.f64(blockRows * width);
      this.columns.set(name, { array, width, written: sweep.writes.state.includes(name) });
    }
  }

  load(first: number, count: number): Readonly<Record<string, number>> {
    const at = first - this.local.first;
    for (const [name, { array, width }] of this.columns) {
      this.frame.kernel.f64(this.pointers[name], count * width).set(array.subarray(at * width, (at + count) * width));
    }
    return this.pointers;
  }

  save(first: number, count: number): void {
    const at = first - this.local.first;
    for (const [name, { array, width, written }] of this.columns) {
      if (written) array.set(this.frame.kernel.f64(this.pointers[name], count * width), at * width);
    }
  }
}
