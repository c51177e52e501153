// The sweeps of sensitivities and coresets. All in f64.
import { blockRows } from "../sweep.js";
import { rowSquares, termPartials, termReductions } from "./lewis.js";
import { formOf, operation, packer, panels, when, type Block, type Flag, type Job } from "./operation.js";

/**
 * Logarithms of given weights (`lewis`), the row scales of their Gram matrix, and which rows count: 1 for those that are neither zero
 * nor of row weight 0.
 */
export const lewisScale = operation({
  reads: ["lewis", "weights"],
  writes: ["logWeight", "scale", "live"],
  work: (cols) => 2 * cols,
  prepare(job: Job, { p }: { p: number }, { columnScale }: { columnScale?: Float64Array }) {
    const squaresOf = rowSquares(job, columnScale);
    return (block: Block<"lewis" | "weights" | "logWeight" | "scale" | "live">) => {
      const { lewis, weights, logWeight, scale, live } = block.state;
      job.frame.kernel.call.lewisScale(lewis, weights, squaresOf(block), logWeight, scale, live, block.rows, p);
    };
  },
});

/** s_i q_i^(p/2), the terms of the certificate of the weights in logWeight, and where each row points. */
export const sensitivity = operation({
  reads: ["logWeight", "weights"],
  writes: ["score", "order"],
  reduce: termReductions,
  work: (cols) => 2 * cols * cols,
  prepare(job: Job, { p, triangular }: { p: number; triangular: Flag }, { transform }: { transform: Float64Array }) {
    const { frame, cols } = job;
    const { call } = frame.kernel;
    const form = formOf(job, 1);
    const width = transform.length / cols;
    const packed = panels(job, form, transform, cols, width);
    const strip = frame.bytes(call.stripBytes(blockRows) >>> 0);
    const pack = packer(job, form, cols);
    const work = frame.f64(4 * blockRows);
    const q = frame.f64(blockRows);
    const out = frame.f64(3);
    return ({ pointer, rows, state }: Block<"logWeight" | "weights" | "score" | "order">) => {
      const { logWeight, weights, score, order } = state;
      call.whitenedRows(q, order, pack(pointer, rows), rows, cols, packed, width, triangular, strip, work);
      call.sensitivityTerms(score, q, weights, logWeight, out, rows, p);
      return termPartials(out);
    };
  },
});

/**
 * sum_i s_i |a_i x_j|^p for the columns x_j of `directions` (d x m), m norms; with `gradient` also sum_i s_i |a_i x_j|^(p-1)
 * sign(a_i x_j) a_i, in ceil(m / 8) panels of d x 8.
 */
export const norms = operation({
  reads: ["weights"],
  reduce: ({ gradient }) => ({ norms: "sum", ...when(gradient, { gradients: "sum" }) }),
  work: (_cols, { gradient }, { directions }) => directions.length * (gradient ? 2 : 1),
  prepare(job: Job, { p, gradient }: { p: number; gradient: Flag }, { directions }: { directions: Float64Array }) {
    const { frame, cols } = job;
    const { call } = frame.kernel;
    const form = formOf(job, 1);
    const width = directions.length / cols;
    const packed = panels(job, form, directions, cols, width);
    const strip = frame.bytes(call.stripBytes(blockRows) >>> 0);
    const pack = packer(job, form, cols);
    const sums = frame.f64(width);
    const size = Math.ceil(width / 8) * 8 * cols;
    const gradients = gradient ? frame.f64(size) : 0;
    return ({ pointer, rows, state }: Block<"weights">) => {
      call.normsBlock(sums, gradients, pack(pointer, rows), rows, cols, packed, width, state.weights, p, strip);
      return {
        norms: { pointer: sums, count: width },
        ...(gradient && { gradients: { pointer: gradients, count: size } }),
      };
    };
  },
});
