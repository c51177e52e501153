// What each operation of a sweep does with one block of rows: which kernels, on which memory. Every engine runs these.
import type { Form } from "../kernel/abi.js";
import { badEntry } from "./bad-entry.js";
import { entrywiseRefit, entrywiseReweight, entrywiseSplit } from "./entrywise-operations.js";
import { lewisScale, norms, sensitivity } from "./coreset-operations.js";
import { multiply, project, residual } from "./factor-operations.js";
import { levelSetGram, levelSetMoves, levelSetSlopes } from "./level-set-operations.js";
import { formOf, nothing, type Block, type Job, type Operation, type Partial } from "./job.js";
import { leverageOf, lewisStart, lewisStep } from "./lewis-operations.js";
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

/** Finite? Column sums of squares and maxima. `bad`: the first NaN or infinity. */
export function profiler(job: Job) {
  const { frame, cols } = job;
  const sums = frame.f64(cols);
  const tops = frame.f64(cols);
  const bad = badEntry(job, cols);
  const wide = job.dtype === "f64" ? 1 : 0;
  return (block: Block): Record<string, Partial> => {
    const at = frame.kernel.call.profileBlock(wide, block.pointer, block.rows, cols, sums, tops);
    return {
      sums: { pointer: sums, count: cols },
      tops: { pointer: tops, count: cols },
      bad: bad(block, at),
    };
  };
}

/** By the way of a sweep that asks for it in `reduce`. */
export function profilerIfAsked(job: Job) {
  return job.sweep.reduce.bad ? profiler(job) : () => ({});
}

const profile: Operation = (job) => ({ ...nothing, run: profiler(job) });

/** params: wide. state: scale (absent: ones). shared: columnScale (optional). The profile too, where it is asked for. */
const gram: Operation = (job) => {
  const sums = gramSums(job, formOf(job, job.sweep.params.wide));
  const profileBlock = profilerIfAsked(job);
  return {
    run(block) {
      sums.add(block, block.state.scale);
      return profileBlock(block);
    },
    finish: sums.finish,
  };
};

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
