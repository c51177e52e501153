// The sweep of a robust subspace: distances, what they weigh, and the next weighted Gram matrix, in one pass.
import type { Form } from "../kernel/abi.js";
import { formOf, packer, panels, type Job, type Operation } from "./job.js";
import { gramSums } from "./operations.js";
import { residualOf } from "./factor-operations.js";
import { blockRows } from "./sweep.js";

/** Squared distances of a block's rows from the subspace, times unit^2: where they lie, and how far apart. */
interface Distances {
  stride: number;
  run(rows: number, count: number): number;
}

/** |V_perp' a|^2: d (d - k) multiply-adds a row. */
function fromComplement(job: Job, form: Form, complement: Float64Array): Distances {
  const { frame, cols } = job;
  const { call } = frame.kernel;
  const width = complement.length / cols;
  const { unit } = job.sweep.params;
  const packed = panels(
    job,
    form,
    complement.map((x) => x * unit),
    cols,
    width,
  );
  const strip = frame.bytes(call.stripBytes(blockRows) >>> 0);
  const pack = packer(job, form, cols);
  const q = frame.f64(blockRows);
  return {
    stride: 8,
    run(rows, count) {
      call.leverage(form ? 1 : 0, q, pack(rows, count), count, cols, packed, width, 0, strip);
      return q;
    },
  };
}

/** |a - V V' a|^2, subtracted entry by entry: |a|^2 - |V' a|^2 would cancel. 2 d k multiply-adds a row. */
function fromBasis(job: Job, form: Form, basis: Float64Array, right: Float64Array): Distances {
  const { frame, cols } = job;
  const { call } = frame.kernel;
  const { unit } = job.sweep.params;
  const rank = basis.length / cols;
  // V' a is of the size of a row, which may be far from 1: it is held times unit, and V' takes that back.
  const inside = panels(
    job,
    form,
    basis.map((x) => x * unit),
    cols,
    rank,
  );
  const strip = frame.bytes(call.stripBytes(blockRows) >>> 0);
  const left = frame.f64(blockRows * rank);
  const pack = packer(job, form, cols);
  // p = 2 of the residual's sums: only the squares are wanted.
  const squares = { ...job, sweep: { ...job.sweep, params: { p: 2, unit } } };
  const residual = residualOf(
    squares,
    form,
    right.map((x) => x / unit),
    rank,
  );
  return {
    stride: 24,
    run(rows, count) {
      call.multiply(form ? 1 : 0, left, pack(rows, count), count, cols, inside, rank, strip);
      residual.run(rows, count, left);
      return residual.sums + 8;
    },
  };
}

/**
 * params: p, floor, size (of a distance, all times unit), unit, error, wide (of the products and of the Gram matrix), reweight
 * (0: distances only). shared: complement (V_perp, d x (d - k)), or basis (V, d x k) and right (V'); columnScale (all of them
 * unit). state: weights -> distance when it is not reweighted. Partial: sums, as assembly/subspace.ts has them.
 */
export const subspace: Operation = (job) => {
  const { frame, cols, sweep, dtype } = job;
  const { p, floor, size, error, wide, reweight } = sweep.params;
  const { complement, basis, right, columnScale } = sweep.reads.shared;
  const form = formOf(job, wide);
  const { call } = frame.kernel;
  const gram = reweight ? gramSums(job, form) : undefined;
  const distances = complement ? fromComplement(job, form, complement) : fromBasis(job, form, basis, right);
  const scales = frame.copyOptional(columnScale);
  const squares = frame.f64(blockRows);
  const rowScale = frame.f64(blockRows);
  const out = frame.f64(5);
  return {
    run(block) {
      const { weights, distance } = block.state;
      const q = distances.run(block.pointer, block.rows);
      call.rowSquares(dtype === "f64" ? 1 : 0, squares, block.pointer, block.rows, cols, scales);
      const { stride } = distances;
      const to = reweight ? 0 : distance;
      call.subspaceRows(q, stride, squares, weights, rowScale, to, out, block.rows, p, floor, size, error);
      gram?.add(block, rowScale);
      return { sums: { pointer: out, count: 5 } };
    },
    finish: (blocks) => gram?.finish(blocks) ?? {},
  };
};
