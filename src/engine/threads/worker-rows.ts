// The rows of one worker: asked for once, kept as they are stored while they fit, else asked for in every sweep.
import type { RowSource } from "../../matrix.js";
import { blockRows } from "../sweep.js";
import type { LocalRows, Subtree } from "../block-sweep.js";
import { ReadAhead, type Read } from "../read-ahead.js";
import type { RowsShape } from "./protocol.js";

/** Bytes that all rows of a worker may take, beside its wasm memory. */
export class Budget {
  constructor(private left: number) {}

  take(bytes: number): boolean {
    if (bytes > this.left) return false;
    this.left -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.left += bytes;
  }
}

/** Rows as they are stored, by the first of each tile: of all that opened them. */
export class KeptRows {
  private readonly tiles = new Map<number, Uint8Array>();
  private users = 0;

  constructor(private readonly budget: Budget) {}

  enter(): void {
    ++this.users;
  }

  leave(): void {
    if (--this.users > 0) return;
    for (const bytes of this.tiles.values()) this.budget.give(bytes.byteLength);
    this.tiles.clear();
  }

  has(start: number): boolean {
    return this.tiles.has(start);
  }

  get(start: number): Uint8Array | undefined {
    return this.tiles.get(start);
  }

  keep(start: number, bytes: Uint8Array): void {
    if (this.budget.take(bytes.byteLength)) this.tiles.set(start, bytes);
  }
}

export class WorkerRows implements LocalRows {
  readonly source: RowSource;
  readonly first: number;
  readonly count: number;
  readonly state = new Map<string, Float64Array>();
  private readonly reader: ReadAhead;

  constructor(
    shape: RowsShape,
    readonly subtrees: readonly Subtree[],
    readonly kept: KeptRows,
    ask: Read,
    /** Rows of a tile. */
    readonly tileRows: number | undefined,
  ) {
    this.reader = new ReadAhead(ask);
    kept.enter();
    this.source = { ...shape, read: (start, count) => this.read(start, count) };
    const last = subtrees[subtrees.length - 1];
    this.first = subtrees[0].first * blockRows;
    this.count = Math.min(shape.rows, (last.first + last.blocks) * blockRows) - this.first;
  }

  /** Tiles are cut alike in every sweep, so that where one begins says which it is. */
  private read(start: number, count: number): Uint8Array | Promise<Uint8Array> {
    return this.kept.get(start) ?? this.fetch(start, count);
  }

  private async fetch(start: number, count: number): Promise<Uint8Array> {
    const bytes = await this.reader.read(start, count);
    this.kept.keep(start, bytes);
    return bytes;
  }

  ahead(start: number, count: number): void {
    if (!this.kept.has(start)) this.reader.ahead(start, count);
  }

  /** A sweep has ended, well or not: what was asked for ahead is of no more use. */
  settle(): void {
    this.reader.settle();
  }

  close(): void {
    this.kept.leave();
    this.state.clear();
  }
}
