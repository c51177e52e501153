// What an operation is: it prepares memory once a sweep, then runs kernels on one block of rows after the other.
import type { Frame } from "../kernel/frame.js";
import type { Form } from "../kernel/abi.js";
import type { RowType } from "../matrix.js";
import { blockRows, type Sweep } from "./sweep.js";

/** One block of rows in wasm memory. */
export interface Block {
  /** Block number; also names its place in the sum tree. */
  number: number;
  /** First row. */
  first: number;
  rows: number;
  /** The rows, f32 or f64. */
  pointer: number;
  /** Row state of this block, f64; 0 for absent. Written in place. */
  state: Readonly<Record<string, number>>;
}

export interface Job {
  frame: Frame;
  sweep: Sweep;
  rows: number;
  cols: number;
  dtype: RowType;
}

/** Where a block's partial results lie: `count` numbers, f64 unless `type` says otherwise. Only what is handed on may. */
export type Partial = { pointer: number; count: number; type?: "f32" | "bytes" };

export interface BlockRunner {
  /** Partial results by name, valid until the next call. A Gram matrix is summed in the kernel and not among them. */
  run(block: Block): Record<string, Partial>;
  /** Gram matrices, summed over all blocks, of the scaled columns. */
  finish(blocks: number): Record<string, Float64Array>;
}

export type Operation = (job: Job) => BlockRunner;

export const nothing = { finish: () => ({}) };

/** 0 for f32 rows and f32 sums, 1 for f32 rows and f64 sums, 2 for f64 rows. */
export function formOf(job: Job, wide: number): Form {
  return job.dtype === "f64" ? 2 : wide ? 1 : 0;
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
