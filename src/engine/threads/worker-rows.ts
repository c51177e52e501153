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

export class WorkerRows implements LocalRows {
  readonly source: RowSource;
  readonly first: number;
  readonly count: number;
  readonly state = new Map<string, Float64Array>();
  private readonly kept = new Map<number, Uint8Array>();
  private readonly reader: ReadAhead;

  constructor(
    shape: RowsShape,
    readonly subtrees: readonly Subtree[],
    private readonly budget: Budget,
    ask: Read,
    /** Rows of a tile. */
    readonly tileRows: number | undefined,
  ) {
    this.reader = new ReadAhead(ask);
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
    if (this.budget.take(bytes.byteLength)) this.kept.set(start, bytes);
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
    for (const bytes of this.kept.values()) this.budget.give(bytes.byteLength);
    this.kept.clear();
    this.state.clear();
  }
}
