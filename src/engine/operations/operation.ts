// What an operation declares, once, and what blocks of rows are given to it in.
import type { Form } from "../../kernel/abi.js";
import type { Frame } from "../../kernel/frame.js";
import type { RowType } from "../../matrix.js";
import { blockRows, type Reduction } from "../sweep.js";

/** One block of rows in wasm memory. */
export interface Block<State extends string = never> {
  /** Block number; also names its place in the sum tree. */
  number: number;
  /** First row. */
  first: number;
  rows: number;
  /** The rows, f32 or f64. */
  pointer: number;
  /** Row state of this block, f64; 0 for absent. Written in place. */
  state: Readonly<Record<State, number>>;
}

/** Where an operation runs, and on rows of which shape. */
export interface Job {
  frame: Frame;
  rows: number;
  cols: number;
  dtype: RowType;
}

/** Where a block's partial results lie: `count` numbers, f64 unless `type` says otherwise. Only what is handed on may. */
export type PartialResult = { pointer: number; count: number; type?: "f32" | "bytes" };
export type PartialResults = Record<string, PartialResult>;

/** Runs kernels on a block. What it gives is valid until the next call; a Gram matrix is summed in the kernel and not among it. */
type RunBlock<State extends string> = (block: Block<State>) => PartialResults | void;

export type BlockRunner<State extends string = string> =
  | RunBlock<State>
  /** `finish` gives the Gram matrices, summed over all blocks, of the scaled columns. */
  | { run: RunBlock<State>; finish?(blocks: number): Record<string, Float64Array> };

/** Drivers pass booleans. */
export type Flag = 0 | 1;

export type Reductions = Readonly<Record<string, Reduction | undefined>>;

/** The same whatever it runs on, or not. */
type Given<Value, Params, Shared> = Value | ((params: NoInfer<Params>, shared: NoInfer<Shared>) => Value);

/** `Params` and `Shared` as `prepare` says, `State` as its blocks do, `Results` as `reduce` does. */
export interface Operation<Params, Shared, State extends string, Results> {
  /** Row state that is read, and that is written: columns that are absent are made, of zeros. */
  reads?: Given<readonly State[], Params, Shared>;
  writes?: Given<readonly State[], Params, Shared>;
  /** Partial results, and how each is reduced. */
  reduce?: Given<Results, Params, Shared>;
  /** Multiply-adds a row, about, of rows that are `cols` wide: for progress. */
  work(cols: number, params: NoInfer<Params>, shared: NoInfer<Shared>): number;
  /** Memory for a whole sweep; what comes back runs kernels on one block after the other. */
  prepare(job: Job, params: Params, shared: Shared): BlockRunner<State>;
}

/** Keeps the types of each. */
export const operation = <
  Params,
  Shared,
  State extends string = never,
  Results extends Reductions = Record<never, never>,
>(
  of: Operation<Params, Shared, State, Results>,
) => of;

/** Reductions that there are on a condition. */
export function when<Some extends Reductions>(condition: unknown, reductions: Some): Partial<Some> {
  return condition ? reductions : {};
}

/** 0 for f32 rows and f32 sums, 1 for f32 rows and f64 sums, 2 for f64 rows. */
export function formOf({ dtype }: Pick<Job, "dtype">, wide: Flag): Form {
  return dtype === "f64" ? 2 : wide;
}

/** Packs rows (row-major, `cols` wide) as a product of this form wants them, and says where they are. */
export function packer({ frame }: Job, form: Form, cols: number): (rows: number, count: number) => number {
  const { call } = frame.kernel;
  const pairs = frame.bytes(call.pairBytes(form, blockRows, cols) >>> 0);
  return (rows, count) => {
    call.packPairs(form, pairs, rows, count, cols);
    return pairs;
  };
}

export function panels({ frame }: Job, form: Form, matrix: Float64Array, rows: number, cols: number): number {
  const { call } = frame.kernel;
  frame.kernel.mustFit(2 * (form ? 8 : 4) * rows * cols);
  const packed = frame.bytes(call.panelBytes(form ? 1 : 0, rows, cols) >>> 0);
  const mark = frame.kernel.top;
  const from = frame.copy(matrix);
  call.packPanels(form ? 1 : 0, packed, from, rows, cols);
  frame.kernel.top = mark;
  return packed;
}

/** Products of packed rows, `inner` wide, with a matrix (inner x width): n x width f64, or f32 in form 0. */
export function product(job: Job, form: Form, matrix: Float64Array, inner: number) {
  const { frame } = job;
  const { call } = frame.kernel;
  const width = matrix.length / inner;
  const packed = panels(job, form, matrix, inner, width);
  const strip = frame.bytes(call.stripBytes(blockRows) >>> 0);
  return {
    width,
    run: (to: number, pairs: number, count: number) =>
      call.multiply(form ? 1 : 0, to, pairs, count, inner, packed, width, strip),
  };
}
