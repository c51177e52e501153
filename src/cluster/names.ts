// Names of keys and queues in Redis. All begin with the prefix, so that several clusters, and others, may share a server.
import { release } from "./release.js";

/** Whole layers, and matrices whose shares are all done. */
export const layerQueue = "layers";
/** Rows of a matrix that several workers hold. */
export const shareQueue = "shares";

export class Names {
  constructor(readonly prefix: string) {}

  /** Of BullMQ's keys: jobs of another release are other queues. */
  get queues(): string {
    return `${this.prefix}:q:${release}`;
  }

  /** Set of the ids of all workers; each has a key that expires. */
  get workers(): string {
    return `${this.prefix}:workers`;
  }
  worker(id: string): string {
    return `${this.prefix}:worker:${id}`;
  }

  /** Hash: matrix -> coordinator that asked for it. */
  get matrices(): string {
    return `${this.prefix}:matrices`;
  }
  /** Hash of counters over all workers that ever were. */
  get totals(): string {
    return `${this.prefix}:totals`;
  }

  /** Lives as long as the coordinator says so. */
  coordinator(id: string): string {
    return `${this.prefix}:coordinator:${id}`;
  }
  /** Stream: what workers report to a coordinator. */
  replies(id: string): string {
    return `${this.prefix}:replies:${id}`;
  }

  /** Everything about one matrix, by name. */
  matrix(id: string): MatrixNames {
    return new MatrixNames(`${this.prefix}:matrix:${id}`);
  }
}

export class MatrixNames {
  constructor(private readonly base: string) {}

  /** Stream of orders, `<number>-<repeat>`. */
  get orders(): string {
    return `${this.base}:orders`;
  }
  /** Number of the last order that every share has carried out. */
  get done(): string {
    return `${this.base}:done`;
  }
  /** Number of the last order that is no longer wanted. */
  get stopped(): string {
    return `${this.base}:stopped`;
  }
  /** Hash: `<order>:<share>` -> row before which everything emitted has been taken. */
  get taken(): string {
    return `${this.base}:taken`;
  }
  /** Set of the keys of values, for whoever cleans up. */
  get values(): string {
    return `${this.base}:values`;
  }

  /** Row state that an order brings to a share. */
  columns(order: number, share: number): string {
    return `${this.base}:columns:${order}:${share}`;
  }
  /** All row state of a share, as it is after an order. */
  checkpoint(order: number, share: number): string {
    return `${this.base}:checkpoint:${order}:${share}`;
  }
  /** What was emitted for the rows from `row` on. */
  emitted(order: number, share: number, row: number): string {
    return `${this.base}:emitted:${order}:${share}:${row}`;
  }

  /** All but the values. */
  get own(): string[] {
    return [this.orders, this.done, this.stopped, this.taken, this.values];
  }
}
