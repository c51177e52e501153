// What each operation of a sweep does with one block of rows: which kernels, on which memory. Every engine runs these.
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

/** Where a block's partial results lie: f64 unless `f32`, `count` of them. */
export type Partial = { pointer: number; count: number; f32?: boolean };

export interface BlockRunner {
  /** Partial results by name, valid until the next call. A Gram matrix is summed in the kernel and not among them. */
  run(block: Block): Record<string, Partial>;
  /** Gram matrices, summed over all blocks, of the scaled columns. */
  finish(blocks: number): Record<string, Float64Array>;
}

type Operation = (job: Job) => BlockRunner;

const nothing = { finish: () => ({}) };

/** 0 for f32 rows and f32 sums, 1 for f32 rows and f64 sums, 2 for f64 rows. */
function formOf(job: Job, wide: number): Form {
  return job.dtype === "f64" ? 2 : wide ? 1 : 0;
}

/** The block's rows as the product wants them: f32 rows are promoted when it sums in f64. */
function operand({ frame, cols }: Job, form: Form): (block: Block) => number {
  if (form !== 1) return (block) => block.pointer;
  const work = frame.f64(blockRows * cols);
  return (block) => {
    frame.kernel.call.promote(work, block.pointer, block.rows * cols);
    return work;
  };
}

function panels({ frame }: Job, form: Form, matrix: Float64Array, rows: number, cols: number): number {
  const { call } = frame.kernel;
  const packed = frame.bytes(call.panelBytes(form ? 1 : 0, rows, cols) >>> 0);
  const mark = frame.kernel.top;
  const from = frame.copy(matrix);
  call.packPanels(form ? 1 : 0, packed, from, rows, cols);
  frame.kernel.top = mark;
  return packed;
}

function gramSums(job: Job, form: Form) {
  const { frame, rows, cols } = job;
  const { call } = frame.kernel;
  const blocks = Math.ceil(rows / blockRows);
  const levels = Math.floor(Math.log2(blocks)) + 1;
  const slots = frame.bytes((call.gramSlotBytes(form, cols) >>> 0) * levels);
  const packed = frame.bytes(call.gramPackedBytes(form, Math.min(rows, blockRows), cols) >>> 0);
  const scales = frame.copyOptional(job.sweep.reads.shared.columnScale);
  return {
    add: (block: Block, rowScale: number) =>
      call.gramBlock(form, slots, block.pointer, block.rows, cols, rowScale, scales, packed, block.number),
    finish(count: number): Record<string, Float64Array> {
      const mark = frame.kernel.top;
      const gram = frame.f64(cols * cols);
      call.gramFinish(form, gram, slots, cols, count);
      const result = frame.kernel.f64(gram, cols * cols).slice();
      frame.kernel.top = mark;
      return { gram: result };
    },
  };
}

/** Finite? Column sums of squares and maxima. `bad`: -1 - (row * cols + column) of the first NaN or infinity. */
const profile: Operation = (job) => {
  const { frame, cols } = job;
  const sums = frame.f64(cols);
  const tops = frame.f64(cols);
  const bad = frame.f64(1);
  const wide = job.dtype === "f64" ? 1 : 0;
  return {
    ...nothing,
    run(block) {
      const at = frame.kernel.call.profileBlock(wide, block.pointer, block.rows, cols, sums, tops);
      frame.kernel.f64(bad, 1)[0] = at < 0 ? -Infinity : -1 - (block.first * cols + at);
      return {
        sums: { pointer: sums, count: cols },
        tops: { pointer: tops, count: cols },
        bad: { pointer: bad, count: 1 },
      };
    },
  };
};

/** params: wide. state: scale (absent: ones). shared: columnScale (optional). */
const gram: Operation = (job) => {
  const sums = gramSums(job, formOf(job, job.sweep.params.wide));
  return {
    run(block) {
      sums.add(block, block.state.scale);
      return {};
    },
    finish: sums.finish,
  };
};

/** Start weights s_i |a_i|^p and their Gram matrix. params: wide, p. state: weights -> logWeight, scale. */
const lewisStart: Operation = (job) => {
  const { frame, cols, sweep } = job;
  const sums = gramSums(job, formOf(job, sweep.params.wide));
  const scales = frame.copyOptional(sweep.reads.shared.columnScale);
  const q = frame.f64(blockRows);
  const wide = job.dtype === "f64" ? 1 : 0;
  return {
    run(block) {
      const { call } = frame.kernel;
      const { weights, logWeight, scale } = block.state;
      call.rowSquares(wide, q, block.pointer, block.rows, cols, scales);
      call.lewisStart(q, weights, logWeight, scale, block.rows, sweep.params.p);
      sums.add(block, scale);
      return {};
    },
    finish: sums.finish,
  };
};

function leverageOf(job: Job, form: Form) {
  const { frame, cols, sweep } = job;
  const { transform } = sweep.reads.shared;
  const width = transform.length / cols;
  const packed = panels(job, form, transform, cols, width);
  const strip = frame.bytes(frame.kernel.call.stripBytes(blockRows) >>> 0);
  const rowsOf = operand(job, form);
  return (block: Block, q: number) =>
    frame.kernel.call.leverage(
      form ? 1 : 0,
      q,
      rowsOf(block),
      block.rows,
      cols,
      packed,
      width,
      sweep.params.triangular,
      strip,
    );
}

/** q_i = |a_i T|^2. params: wide, triangular. shared: transform (d x m). state -> leverage. */
const leverage: Operation = (job) => {
  const add = leverageOf(job, formOf(job, job.sweep.params.wide));
  return {
    ...nothing,
    run(block) {
      add(block, block.state.leverage);
      return {};
    },
  };
};

/**
 * Leverage with the old weights, their certificate's terms, and with omega > 0 the new weights and their Gram matrix, in
 * one pass. params: p, gamma, omega, wide (of the leverage), wideGram, triangular. shared: transform, columnScale.
 * state: weights, logWeight, before -> logWeight, before, scale.
 */
const lewisStep: Operation = (job) => {
  const { frame, sweep } = job;
  const { p, gamma, omega, wide, wideGram } = sweep.params;
  const sums = omega ? gramSums(job, formOf(job, wideGram)) : undefined;
  const leverageBlock = leverageOf(job, formOf(job, wide));
  const q = frame.f64(blockRows);
  const out = frame.f64(3);
  return {
    run(block) {
      const { weights, logWeight, before, scale } = block.state;
      leverageBlock(block, q);
      frame.kernel.call.lewisStep(q, weights, logWeight, before, scale, out, block.rows, p, gamma, omega);
      sums?.add(block, scale);
      return {
        total: { pointer: out, count: 1 },
        distortion: { pointer: out + 8, count: 1 },
        residual: { pointer: out + 16, count: 1 },
      };
    },
    finish: (blocks) => sums?.finish(blocks) ?? {},
  };
};

function residualOf(job: Job, form: Form) {
  const { frame, cols, sweep } = job;
  const { right } = sweep.reads.shared;
  const { rank, p, unit } = sweep.params;
  const packed = panels(job, form, right, rank, cols);
  const strip = frame.bytes(frame.kernel.call.stripBytes(blockRows) >>> 0);
  const work = frame.f64(3 * blockRows);
  const out = frame.f64(6);
  return (block: Block, rows: number, left: number): Record<string, Partial> => {
    frame.kernel.call.residualBlock(
      form ? 1 : 0,
      out,
      rows,
      block.rows,
      cols,
      left,
      rank,
      packed,
      block.state.weights,
      p,
      unit,
      block.first,
      work,
      strip,
    );
    return { sums: { pointer: out, count: 4 }, worst: { pointer: out + 32, count: 2 } };
  };
}

/**
 * left = A V rounded to `round`, and the residual of what was rounded, in one pass. params: rank, p, unit, round, wide,
 * keepLeft. shared: basis (V, d x k), right (k x d). state: weights.
 */
const project: Operation = (job) => {
  const { frame, cols, sweep } = job;
  const { rank, round, wide, keepLeft } = sweep.params;
  const form = formOf(job, wide);
  const basis = panels(job, form, sweep.reads.shared.basis, cols, rank);
  const strip = frame.bytes(frame.kernel.call.stripBytes(blockRows) >>> 0);
  const left = frame.f64(blockRows * rank);
  const rowsOf = operand(job, form);
  const residual = residualOf(job, form);
  const flag = form ? 1 : 0;
  return {
    ...nothing,
    run(block) {
      const { call } = frame.kernel;
      const rows = rowsOf(block);
      call.multiply(flag, left, rows, block.rows, cols, basis, rank, strip);
      call.roundBlock(flag, left, block.rows * rank, round);
      const partial = residual(block, rows, left);
      if (keepLeft) partial.left = { pointer: left, count: block.rows * rank, f32: form === 0 };
      return partial;
    },
  };
};

/** Residual against a given left factor, n x rank of row state "left". params: rank, p, unit, wide. shared: right. */
const residual: Operation = (job) => {
  const { frame, sweep } = job;
  const form = formOf(job, sweep.params.wide);
  const rowsOf = operand(job, form);
  const run = residualOf(job, form);
  const narrow = frame.bytes(form ? 0 : 4 * blockRows * sweep.params.rank);
  return {
    ...nothing,
    run(block) {
      const { kernel } = frame;
      let { left } = block.state;
      if (form === 0) {
        const count = block.rows * sweep.params.rank;
        kernel.f32(narrow, count).set(kernel.f64(left, count));
        left = narrow;
      }
      return run(block, rowsOf(block), left);
    },
  };
};

/** Y = X B. params: wide. shared: matrix (d x m). Partial: product, concat. */
const multiply: Operation = (job) => {
  const { frame, cols, sweep } = job;
  const { matrix } = sweep.reads.shared;
  const form = formOf(job, sweep.params.wide);
  const width = matrix.length / cols;
  const packed = panels(job, form, matrix, cols, width);
  const strip = frame.bytes(frame.kernel.call.stripBytes(blockRows) >>> 0);
  const product = frame.f64(blockRows * width);
  const rowsOf = operand(job, form);
  return {
    ...nothing,
    run(block) {
      frame.kernel.call.multiply(form ? 1 : 0, product, rowsOf(block), block.rows, cols, packed, width, strip);
      return { product: { pointer: product, count: block.rows * width, f32: form === 0 } };
    },
  };
};

export const operations: Record<Sweep["op"], Operation> = {
  profile,
  gram,
  lewisStart,
  leverage,
  lewisStep,
  project,
  residual,
  multiply,
};
