// What each operation of a sweep does with one block of rows: which kernels, on which memory. Every engine runs these.
import type { Form } from "../kernel/abi.js";
import { entrywiseRefit, entrywiseReweight, entrywiseSplit } from "./entrywise-operations.js";
import { lewisScale, norms, sensitivity } from "./coreset-operations.js";
import { multiply, project, residual } from "./factor-operations.js";
import { levelSetGram, levelSetMoves, levelSetSlopes } from "./level-set-operations.js";
import { formOf, nothing, packer, panels, type Block, type Job, type Operation } from "./job.js";
import { quantise } from "./quantise-operations.js";
import { subspace } from "./subspace-operations.js";
import { blockRows, type Sweep } from "./sweep.js";

export function gramSums(job: Job, form: Form) {
  const { frame, rows, cols } = job;
  const { call } = frame.kernel;
  const blocks = Math.ceil(rows / blockRows);
  const levels = Math.floor(Math.log2(blocks)) + 1;
  frame.kernel.mustFit(4 * cols * cols * levels + 8 * cols * cols);
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
  const { wide, p } = sweep.params;
  const sums = gramSums(job, formOf(job, wide));
  const scales = frame.copyOptional(sweep.reads.shared.columnScale);
  const q = frame.f64(blockRows);
  const f64 = job.dtype === "f64" ? 1 : 0;
  return {
    run(block) {
      const { call } = frame.kernel;
      const { weights, logWeight, scale } = block.state;
      call.rowSquares(f64, q, block.pointer, block.rows, cols, scales);
      call.lewisStart(q, weights, logWeight, scale, block.rows, p);
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
  const pack = packer(job, form, cols);
  return (block: Block, q: number) =>
    frame.kernel.call.leverage(
      form ? 1 : 0,
      q,
      pack(block.pointer, block.rows),
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
 * one pass. params: p, gamma, omega, wide (of the leverage), wideGram, triangular, inflation (error of the product, relative
 * to the scaled row; 0: none is added). shared: transform, columnScale.
 * state: weights, logWeight, before -> logWeight, before, scale.
 */
const lewisStep: Operation = (job) => {
  const { frame, sweep } = job;
  const { p, gamma, omega, wide, wideGram, inflation } = sweep.params;
  const sums = omega ? gramSums(job, formOf(job, wideGram)) : undefined;
  const leverageBlock = leverageOf(job, formOf(job, wide));
  const q = frame.f64(blockRows);
  const out = frame.f64(3);
  const scales = inflation ? frame.copyOptional(sweep.reads.shared.columnScale) : 0;
  const squares = inflation ? frame.f64(blockRows) : 0;
  return {
    run(block) {
      const { weights, logWeight, before, scale } = block.state;
      const { call } = frame.kernel;
      leverageBlock(block, q);
      if (inflation) {
        call.rowSquares(job.dtype === "f64" ? 1 : 0, squares, block.pointer, block.rows, job.cols, scales);
        call.inflate(q, squares, block.rows, inflation);
      }
      call.lewisStep(q, weights, logWeight, before, scale, out, block.rows, p, gamma, omega);
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

export const operations: Record<Sweep["op"], Operation> = {
  profile,
  gram,
  lewisStart,
  leverage,
  lewisStep,
  project,
  residual,
  quantise,
  multiply,
  subspace,
  entrywiseReweight,
  entrywiseSplit,
  entrywiseRefit,
  lewisScale,
  sensitivity,
  norms,
  levelSetSlopes,
  levelSetMoves,
  levelSetGram,
};
