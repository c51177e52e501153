// What coordinator and workers say to each other through Redis.
import type { Subtree } from "../engine/block-sweep.js";
import type { Sweep } from "../engine/sweep.js";
import type { RowsShape, SentError } from "../engine/threads/protocol.js";
import type { RowLocation } from "../location.js";

/** Data of a job that a worker holds for as long as the matrix is open: some of its rows, or all for whole calls. */
export interface Claim {
  readonly matrix: string;
  readonly coordinator: string;
  /** Milliseconds without a sign of it after which it is given up. */
  readonly lifeMs: number;
  readonly share: number;
  readonly location: RowLocation;
  /** Digest of samples of the stored bytes. */
  readonly fingerprint: string;
  readonly shape: RowsShape;
  /** Blocks of this share; absent for whole calls. */
  readonly subtrees?: readonly Subtree[];
}

/** Data of the job above the shares: it runs when all of them are done. */
export interface Closing {
  readonly matrix: string;
  readonly closing: true;
}

/**
 * An entry of a matrix's log. Every share carries out all of them, in order; whoever takes a share over carries out again those that
 * make row state.
 */
export type Order =
  /** Rows with row state of their own, under the number `rows`. */
  | { readonly type: "open"; readonly rows: number }
  | { readonly type: "close"; readonly rows: number }
  | SweepOrder
  | { readonly type: "get"; readonly rows: number; readonly name: string }
  /** Row state is saved: the log may begin here. */
  | { readonly type: "checkpoint" }
  | { readonly type: "call"; readonly primitive: string; readonly options: Readonly<Record<string, unknown>> }
  /** The matrix is done with. */
  | { readonly type: "end" };

export interface SweepOrder {
  readonly type: "sweep";
  readonly rows: number;
  readonly sweep: Sweep;
  /** Row state to delete first, and whether there is some to set (a value of its own for each share). */
  readonly deletes: readonly string[];
  readonly sets: boolean;
  /** Bytes of results that may wait in Redis until they are taken. */
  readonly window: number;
}

/** Whether a share's row state depends on it: the log keeps these. */
export function isKept(order: Order): boolean {
  if (order.type === "sweep") return order.sets || order.deletes.length > 0 || order.sweep.writes.state.length > 0;
  return order.type === "open" || order.type === "close" || order.type === "checkpoint" || order.type === "end";
}

/** Some of what a sweep hands on, in the order in which it came. */
export interface Emitted {
  readonly name: string;
  readonly start: number;
  readonly block: Float32Array | Float64Array | Uint8Array;
}

/** From the worker that holds a share. */
export type Reply = { readonly matrix: string; readonly share: number } & (
  | { readonly type: "claimed" }
  /** Rows done so far, of order `order`; also a sign of life. */
  | { readonly type: "rows"; readonly order: number; readonly rows: number }
  | {
      readonly type: "progress";
      readonly order: number;
      readonly stage: string;
      readonly done: number;
      readonly total: number;
    }
  /** A value under `key` holds what rows `from` to `to` - 1 gave. */
  | {
      readonly type: "emitted";
      readonly order: number;
      readonly key: string;
      readonly from: number;
      readonly to: number;
    }
  | {
      readonly type: "done";
      /** That were emitted, those that nobody wanted any more among them. */
      readonly pieces: number;
      readonly order: number;
      readonly result: unknown;
    }
  /** Without `order`: nobody can hold the share. */
  | { readonly type: "failed"; readonly order?: number; readonly error: SentError }
);

/** What a worker says of itself every few seconds. */
export interface WorkerState {
  readonly id: string;
  readonly name: string;
  readonly release: string;
  readonly threads: number;
  /** Jobs that it holds. */
  readonly layers: number;
  readonly shares: number;
  /** Since it began. */
  readonly counters: Counters;
  /** Over the last few seconds. */
  readonly rowsPerSecond: number;
  readonly bytesPerSecond: number;
  readonly residentBytes: number;
}

export interface Counters {
  /** Rows swept, bytes read from storage, bytes of results sent. */
  rows: number;
  bytesRead: number;
  bytesSent: number;
  sweeps: number;
  calls: number;
  /** Shares and layers claimed, and those of them that another worker had lost. */
  claims: number;
  takenOver: number;
  failures: number;
}
