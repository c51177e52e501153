// The memory budget: from what an instance may hold at most to tiles, rows that are kept, results that wait, and threads. Nothing here
// touches the answer, whose sums have the same shape however the rows are cut.
import { OutOfMemoryError } from "../errors.js";
import type { KernelExports } from "../kernel/abi.js";
import { rowTypeBytes, type RowSource } from "../matrix.js";
import { blockRows } from "./sweep.js";

/** Wasm memory that rows are swept in, unless a budget allows less. */
export const tileBytes = 4 << 20;
/** Tiles of each worker on their way: read, copied to be sent, received, and one that is garbage by then. */
const tilesOnTheirWay = 4;
/** d x d matrices of f64 that a driver holds at a time, its garbage among them. */
const driverMatrices = 16;
/** Of a sweep's shared matrices: as sent, and as received. */
const sharedMatrices = 4;
/** Stacks, static data, small vectors. */
const kernelBytes = 1 << 18;

/** What a call holds beside tiles and d x d matrices. */
export interface MemoryNeeds {
  /** Row state, here and with the workers: columns of f64, one number a row. */
  columns: number;
  /** Of those, copied into wasm memory as a whole by a dense step of this thread. */
  kernelColumns?: number;
  /** Matrices in this thread. */
  bytes?: number;
  /** Of each kernel, or beside it, in a sweep: beyond what sweeps of low rank take. */
  sweepBytes?: number;
}

export interface MemoryPlan {
  threads: number;
  /** Wasm memory that one kernel's rows may take at a time, f16 and bf16 counted with their widened copy. */
  tileBytes: number;
  /** Rows that each worker keeps between sweeps. */
  residentBytes: number;
  /** Results of each worker that wait for those of earlier rows. */
  waitingBytes: number;
  /** To which the wasm memory of this thread's kernel may grow. */
  wasmBytes: number;
  /** And that of a worker's. */
  workerBytes: number;
}

type Shape = Pick<RowSource, "rows" | "cols" | "dtype" | "name">;

/** Bytes of wasm memory that a row takes in a tile. */
export function tileRowBytes({ cols, dtype }: Pick<RowSource, "cols" | "dtype">): number {
  return cols * (dtype === "f64" ? 8 : 4) + (rowTypeBytes[dtype] === 2 ? cols * 2 : 0);
}

/** As many whole blocks as `bytes` of wasm memory hold, one at least. */
export function rowsOfTile(source: Pick<RowSource, "cols" | "dtype">, bytes: number): number {
  return Math.max(1, Math.floor(bytes / tileRowBytes(source) / blockRows)) * blockRows;
}

// Sizes that kernels report are 32 bits wide. They wrap where a d x d matrix passes 4 GiB, which the kernels refuse in any case.

/** Wasm memory, at most, of the operations over `blocks` blocks, tiles apart: Gram matrices with a product, or two pairs of factors. */
export function sweepBytes(call: KernelExports, { cols: d, dtype }: Shape, blocks: number): number {
  const form = dtype === "f64" ? 2 : 1;
  const levels = Math.floor(Math.log2(blocks)) + 1;
  const square = 8 * d * d;
  const pairs = call.pairBytes(2, blockRows, d) >>> 0;
  const strips = 4 * (call.stripBytes(blockRows) >>> 0);
  const panels = (wide: number) => call.panelBytes(wide, d, d) >>> 0;
  const gram = (call.gramSlotBytes(form, d) >>> 0) * levels + (call.gramPackedBytes(form, blockRows, d) >>> 0) + square;
  const product = panels(1) + square + pairs;
  const factors = 2 * (panels(0) + panels(1)) + square + 4 * pairs + 3 * 8 * blockRows * d;
  return Math.max(gram + product, factors) + strips + kernelBytes;
}

/** Wasm memory of the dense steps: eigenvalues, or a triangular factor, or a product of two square matrices, or of a block of rows with one, or with itself. */
function denseBytes(call: KernelExports, d: number): number {
  const eigen = 8 * d * d + 8 * d + (call.eigenWorkBytes(d, d) >>> 0);
  const size = Math.max(d, blockRows);
  const matrices = 8 * (d * d + 2 * d * blockRows + Math.max(d * d, blockRows * blockRows));
  const product = matrices + (call.panelBytes(1, d, size) >>> 0) + (call.pairBytes(2, blockRows, d) >>> 0);
  const factor = 8 * d * d + (call.factorWorkBytes(d) >>> 0);
  return Math.max(eigen, factor, product) + kernelBytes;
}

/** What a call must have with so many threads, with tiles of one block and nothing kept; and how much of it scales with a tile. */
function least(
  call: KernelExports,
  source: Shape,
  threads: number,
  { columns, kernelColumns = 0, bytes = 0, sweepBytes: more = 0 }: MemoryNeeds,
) {
  const { rows, cols, dtype } = source;
  const blocks = Math.ceil(rows / blockRows);
  const square = 8 * cols * cols;
  const stored = cols * rowTypeBytes[dtype];
  const fixed = 8 * columns * rows + bytes + driverMatrices * square;
  const sweep = more + sweepBytes(call, source, Math.ceil(blocks / threads));
  const tile = tileRowBytes(source) * blockRows;
  /** Of this thread's kernel: dense steps, and sweeps over what is too small to be shared. */
  const here = Math.max(
    denseBytes(call, cols) + 8 * rows * kernelColumns,
    (threads === 1 ? sweep : more + sweepBytes(call, source, Math.min(blocks, 16))) + tile,
  );
  /** Of one row in a tile, of one kernel. */
  const perRow = tileRowBytes(source) + tilesOnTheirWay * stored;
  const waiting = 8 * blockRows * cols;
  const total =
    threads === 1
      ? fixed + here + tilesOnTheirWay * stored * blockRows
      : fixed + here + threads * (sweep + perRow * blockRows + sharedMatrices * square + waiting);
  return { total, here, there: sweep + tile, perRow, waiting };
}

/**
 * The plan for one matrix, with as many of `threads` as the budget has room for.
 * @throws {OutOfMemoryError} when one thread is too many already; it says the smallest budgets that work
 */
export function planMemory(
  call: KernelExports,
  source: Shape,
  { memory, threads, needs }: { memory: number; threads: number; needs: MemoryNeeds },
): MemoryPlan {
  let count = threads;
  while (count > 1 && least(call, source, count, needs).total > memory) --count;
  const { total, here, there, perRow, waiting } = least(call, source, count, needs);
  if (total > memory) {
    const { rows, cols, dtype, name = "A" } = source;
    const leastBytes = (n: number) => megabytes(least(call, source, n, needs).total);
    const what =
      threads === 1 ? leastBytes(1) : `${leastBytes(threads)} with ${threads} threads, ${leastBytes(1)} with one`;
    throw new OutOfMemoryError(
      `${name} (${rows} x ${cols}, ${dtype}) needs at least ${what}; memory is ${megabytes(memory)}. Raise memory.`,
      { tensor: name },
    );
  }
  // What is left: a quarter for larger tiles, then half for rows that are kept, and a quarter each for results and for kernels.
  const share = (memory - total) / count;
  const extraRows = Math.floor(share / 4 / perRow / blockRows) * blockRows;
  const tileRows = Math.min(blockRows + extraRows, rowsOfTile(source, tileBytes));
  const grown = (tileRows - blockRows) * tileRowBytes(source);
  const rest = share - (tileRows - blockRows) * perRow;
  const spare = Math.floor(count === 1 ? rest : rest / 4);
  return {
    threads: count,
    tileBytes: tileRows * tileRowBytes(source),
    residentBytes: count === 1 ? 0 : Math.floor(rest / 2),
    waitingBytes: waiting + Math.floor(rest / 4),
    wasmBytes: count === 1 ? here + grown + spare : here,
    workerBytes: there + grown + spare,
  };
}

/** Rounded up, so that what the message asks for is enough. */
function megabytes(bytes: number): string {
  return `${bytes < 1e7 ? Math.ceil(bytes / 1e5) / 10 : Math.ceil(bytes / 1e6)} MB`;
}
