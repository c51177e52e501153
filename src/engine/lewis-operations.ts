// The sweeps of Lewis weights, and the terms of their certificate.
import type { Form } from "../kernel/abi.js";
import { formOf, packer, panels, type Block, type Job, type Operation, type Partial } from "./job.js";
import { gramSums, profilerIfAsked } from "./operations.js";
import { blockRows } from "./sweep.js";

/** Start weights s_i |a_i|^p and their Gram matrix; the profile too, where it is asked for. params: wide, p. state: weights -> logWeight, scale. */
export const lewisStart: Operation = (job) => {
  const { frame, cols, sweep } = job;
  const { wide, p } = sweep.params;
  const sums = gramSums(job, formOf(job, wide));
  const scales = frame.copyOptional(sweep.reads.shared.columnScale);
  const q = frame.f64(blockRows);
  const f64 = job.dtype === "f64" ? 1 : 0;
  const profileBlock = profilerIfAsked(job);
  return {
    run(block) {
      const { call } = frame.kernel;
      const { weights, logWeight, scale } = block.state;
      call.rowSquares(f64, q, block.pointer, block.rows, cols, scales);
      call.lewisStart(q, weights, logWeight, scale, block.rows, p);
      sums.add(block, scale);
      return profileBlock(block);
    },
    finish: sums.finish,
  };
};

/** q_i = |a_i T|^2 of a block. params: triangular. shared: transform (d x m). */
export function leverageOf(job: Job, form: Form) {
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

/**
 * The certificate's terms of weights whose q is known, and with omega > 0 the next weights. params: p, inflation (bounds the error
 * of the product under q, beside the scaled row; 0: none is added). shared: columnScale.
 * state: weights, logWeight, before -> scale, rowDistortion; with omega > 0 logWeight, before.
 */
export function lewisTerms(job: Job) {
  const { frame, cols, sweep } = job;
  const { p, inflation } = sweep.params;
  const out = frame.f64(3);
  const scales = inflation ? frame.copyOptional(sweep.reads.shared.columnScale) : 0;
  const squares = inflation ? frame.f64(blockRows) : 0;
  return (block: Block, q: number, gamma: number, omega: number): Record<string, Partial> => {
    const { weights, logWeight, before, scale, rowDistortion } = block.state;
    const { call } = frame.kernel;
    if (inflation) {
      call.rowSquares(job.dtype === "f64" ? 1 : 0, squares, block.pointer, block.rows, cols, scales);
      call.inflate(q, squares, block.rows, inflation);
    }
    call.lewisStep(q, weights, logWeight, before, scale, out, rowDistortion, block.rows, p, gamma, omega);
    return {
      total: { pointer: out, count: 1 },
      distortion: { pointer: out + 8, count: 1 },
      residual: { pointer: out + 16, count: 1 },
    };
  };
}

/**
 * Leverage with the old weights, their certificate's terms, and with omega > 0 the new weights and their Gram matrix, in
 * one pass. params: gamma, omega, wide (of the leverage), wideGram, triangular, and those of lewisTerms. shared: transform,
 * columnScale.
 */
export const lewisStep: Operation = (job) => {
  const { frame, sweep } = job;
  const { gamma, omega, wide, wideGram } = sweep.params;
  const sums = omega ? gramSums(job, formOf(job, wideGram)) : undefined;
  const leverageBlock = leverageOf(job, formOf(job, wide));
  const q = frame.f64(blockRows);
  const terms = lewisTerms(job);
  return {
    run(block) {
      leverageBlock(block, q);
      const partial = terms(block, q, gamma, omega);
      sums?.add(block, block.state.scale);
      return partial;
    },
    finish: (blocks) => sums?.finish(blocks) ?? {},
  };
};
