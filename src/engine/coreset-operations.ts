// Operations of sensitivities and coresets: lewisScale, sensitivity, norms. All in f64.
import { formOf, nothing, packer, panels, type Operation } from "./job.js";
import { blockRows } from "./sweep.js";

/**
 * Logarithms of given weights and the row scales of their Gram matrix. params: p. shared: columnScale.
 * state: lewis (the weights), weights -> logWeight, scale, live (1 for rows that count: neither zero nor of row weight 0).
 */
export const lewisScale: Operation = (job) => {
  const { frame, cols, sweep } = job;
  const scales = frame.copyOptional(sweep.reads.shared.columnScale);
  const squares = frame.f64(blockRows);
  return {
    ...nothing,
    run({ pointer, rows, state }) {
      const { call } = frame.kernel;
      call.rowSquares(job.dtype === "f64" ? 1 : 0, squares, pointer, rows, cols, scales);
      const { lewis, weights, logWeight, scale, live } = state;
      call.lewisScale(lewis, weights, squares, logWeight, scale, live, rows, sweep.params.p);
      return {};
    },
  };
};

/**
 * s_i q_i^(p/2), the terms of the certificate of the weights in logWeight, and where each row points. params: p, triangular.
 * shared: transform (d x m). state: logWeight, weights -> score, order. Partials: total, distortion, residual.
 */
export const sensitivity: Operation = (job) => {
  const { frame, cols, sweep } = job;
  const { p, triangular } = sweep.params;
  const { transform } = sweep.reads.shared;
  const form = formOf(job, 1);
  const width = transform.length / cols;
  const packed = panels(job, form, transform, cols, width);
  const strip = frame.bytes(frame.kernel.call.stripBytes(blockRows) >>> 0);
  const pack = packer(job, form, cols);
  const work = frame.f64(4 * blockRows);
  const q = frame.f64(blockRows);
  const out = frame.f64(3);
  return {
    ...nothing,
    run({ pointer, rows, state }) {
      const { call } = frame.kernel;
      const { logWeight, weights, score, order } = state;
      call.whitenedRows(q, order, pack(pointer, rows), rows, cols, packed, width, triangular, strip, work);
      call.sensitivityTerms(score, q, weights, logWeight, out, rows, p);
      return {
        total: { pointer: out, count: 1 },
        distortion: { pointer: out + 8, count: 1 },
        residual: { pointer: out + 16, count: 1 },
      };
    },
  };
};

/**
 * sum_i s_i |a_i x_j|^p for the columns x_j of `directions` (d x m), and with gradient 1 also
 * sum_i s_i |a_i x_j|^(p-1) sign(a_i x_j) a_i. params: p, gradient. shared: directions. state: weights.
 * Partials: norms (m), gradients (ceil(m / 8) panels of d x 8).
 */
export const norms: Operation = (job) => {
  const { frame, cols, sweep } = job;
  const { p, gradient } = sweep.params;
  const { directions } = sweep.reads.shared;
  const form = formOf(job, 1);
  const width = directions.length / cols;
  const packed = panels(job, form, directions, cols, width);
  const strip = frame.bytes(frame.kernel.call.stripBytes(blockRows) >>> 0);
  const pack = packer(job, form, cols);
  const sums = frame.f64(width);
  const size = Math.ceil(width / 8) * 8 * cols;
  const gradients = gradient ? frame.f64(size) : 0;
  return {
    ...nothing,
    run({ pointer, rows, state }) {
      const { call } = frame.kernel;
      call.normsBlock(sums, gradients, pack(pointer, rows), rows, cols, packed, width, state.weights, p, strip);
      return {
        norms: { pointer: sums, count: width },
        ...(gradient ? { gradients: { pointer: gradients, count: size } } : {}),
      };
    },
  };
};
