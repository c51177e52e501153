// What the coordinator and its workers say to each other. Plain messages with transferred buffers: an RPC library would add a
// round trip a call and knows nothing of rows that are asked for, of order, or of stopping.
import type { RowType } from "../../matrix.js";
import {
  AbortedError,
  DisposedError,
  FileError,
  InvalidFormatError,
  InvalidInputError,
  LoewnerError,
  OutOfMemoryError,
  VerificationError,
  type ErrorPlace,
  type LoewnerErrorCode,
} from "../../errors.js";
import type { Subtree } from "../block-sweep.js";
import type { Emitted, Sweep, SweepResult } from "../sweep.js";
import type { StepName } from "./share-steps.js";

export interface RowsShape {
  readonly rows: number;
  readonly cols: number;
  readonly dtype: RowType;
  readonly name?: string;
}

/** Of a memory budget; what is absent is as the worker's options say. */
export interface Limits {
  tileRows?: number;
  residentBytes?: number;
  waitingBytes?: number;
  wasmBytes?: number;
}

/** To a worker. Answers (`bytes`, `taken`) and `stop` are heard at once, the rest is carried out one after the other. */
export type Order =
  /** `like`: the number of open rows that these are too, with other row state; what is kept of them is kept once. */
  | { type: "open"; rows: number; shape: RowsShape; subtrees: Subtree[]; limits: Limits; like?: number }
  | { type: "close"; rows: number }
  /** Row state of the worker's own rows. */
  | { type: "set"; rows: number; name: string; column: Float64Array }
  | { type: "delete"; rows: number; name: string }
  | { type: "get"; rows: number; call: number; name: string }
  | { type: "sweep"; rows: number; call: number; sweep: Sweep; limits: Limits }
  /** Answer to `read`. */
  | { type: "bytes"; call: number; bytes: Uint8Array }
  /** So much of what was emitted has been taken; the memory that it came in, if nobody needs it any more. */
  | { type: "taken"; call: number; bytes: number; buffer?: ArrayBuffer }
  | { type: "stop"; call: number }
  | CallOrder
  /** Part of a dense step (share-steps.ts). */
  | { type: "step"; call: number; name: StepName; input: unknown }
  /** Rows that whole calls were about and that are done with. */
  | { type: "release"; opened: number };

/** A whole call, driver and all, which needs nothing of this thread but to be started. */
export interface CallOrder {
  readonly type: "call";
  readonly call: number;
  readonly primitive: string;
  /** All rows of its matrix; absent where the worker has them already, under the number `opened`. */
  readonly rows?: SentRows;
  /** The rows stay until they are released. */
  readonly opened?: number;
  readonly options: Readonly<Record<string, unknown>>;
  /** Somebody listens to its progress. */
  readonly progress: boolean;
}

/** A whole matrix as it is sent. */
export interface SentRows extends RowsShape {
  readonly bytes: Uint8Array;
}

/** From a worker, and only when it was asked: Deno may lose what a worker says before anyone listens. */
export type Report =
  | { type: "read"; call: number; start: number; count: number }
  | { type: "rows"; call: number; count: number }
  | { type: "emit"; call: number; name: string; start: number; block: Emitted }
  | { type: "column"; call: number; column?: Float64Array }
  | { type: "done"; call: number; results: SweepResult[] }
  | { type: "progress"; call: number; stage: string; done: number; total: number }
  | { type: "result"; call: number; result: unknown }
  | { type: "step"; call: number; output: unknown }
  | { type: "failed"; call: number; error: SentError };

/** One end of a channel, in a page and in Node alike. */
export interface Port<Out, In> {
  send(message: Out, transfer?: ArrayBuffer[]): void;
  listen(take: (message: In) => void): void;
}

/** A worker as the coordinator sees it. */
export interface Member extends Port<Order, Report> {
  /** It failed, or ended. */
  onEnd(take: (cause: Error) => void): void;
  /** Whether the process stays for its sake. */
  ref(): void;
  unref(): void;
  end(): void;
}

export interface SentError {
  code?: LoewnerErrorCode;
  name: string;
  message: string;
  place?: ErrorPlace;
  stack?: string;
}

export function toSent(error: unknown): SentError {
  const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
  return error instanceof LoewnerError
    ? { name, message, stack, code: error.code, place: error.place }
    : { name, message, stack };
}

const classes: Partial<Record<LoewnerErrorCode, new (message: string, place?: ErrorPlace) => LoewnerError>> = {
  INVALID_INPUT: InvalidInputError,
  INVALID_FORMAT: InvalidFormatError,
  FILE: FileError,
  OUT_OF_MEMORY: OutOfMemoryError,
  VERIFICATION_FAILED: VerificationError,
};

/** The same tagged class with the same fields. */
export function fromSent({ code, name, message, place, stack }: SentError): Error {
  if (code === "ABORTED") return new AbortedError();
  if (code === "DISPOSED") return new DisposedError();
  const known = code && classes[code];
  const error = known ? new known(message, place) : code ? new LoewnerError(code, message, place) : new Error(message);
  if (!known) error.name = name;
  if (stack) error.stack = stack;
  return error;
}
