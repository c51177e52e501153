// Operations on factors: project, residual, multiply.
import type { Form } from "../kernel/abi.js";
import { badEntry } from "./bad-entry.js";
import { formOf, nothing, packer, panels, type Block, type Job, type Operation, type Partial } from "./job.js";
import { lewisTerms } from "./lewis-operations.js";
import { blockRows } from "./sweep.js";

/** Sums of the residual's rows: A (or zeros) minus a left factor in memory times `right` (inner x cols). */
export function residualOf(job: Job, form: Form, right: Float64Array, inner: number) {
  const { frame, cols, sweep } = job;
  const { p, unit } = sweep.params;
  const { call } = frame.kernel;
  const packed = panels(job, form, right, inner, cols);
  const strip = frame.bytes(call.stripBytes(blockRows) >>> 0);
  const sums = frame.f64(3 * blockRows);
  // The left factor is of the type that the product is computed in.
  const pack = packer(job, form ? 2 : 0, inner);
  return {
    /** 3 f64 a row: sums of |r|, r^2, |r|^p. */
    sums,
    run: (rows: number, count: number, left: number) =>
      call.residualRows(form, sums, rows, count, cols, pack(left, count), inner, packed, p, unit, strip),
  };
}

/** The block's part of the report, from the sums of its rows. */
export function reporter({ frame, sweep }: Job) {
  const out = frame.f64(7);
  return (block: Block, rowSums: number): Record<string, Partial> => {
    const { weights } = block.state;
    frame.kernel.call.residualSums(out, rowSums, block.rows, weights, sweep.params.p, block.first);
    return {
      sums: { pointer: out, count: 4 },
      worst: { pointer: out + 32, count: 2 },
      top: { pointer: out + 48, count: 1 },
    };
  };
}

/**
 * left = A V, rounded, with the sums of its residual's rows: of A - left right, or, where the complement of V is given, of
 * (A V_perp) V_perp', which is the same but for the rounding of left, and less work when k > d / 2.
 */
function projector(job: Job, form: Form) {
  const { frame, cols, sweep } = job;
  const { rank, round, measure } = sweep.params;
  const { basis, right, complement, complementRight } = sweep.reads.shared;
  const { call } = frame.kernel;
  const wide = form ? 1 : 0;
  const pack = packer(job, form, cols);
  const strip = frame.bytes(call.stripBytes(blockRows) >>> 0);
  const left = frame.f64(blockRows * rank);
  const basisPanels = panels(job, form, basis, cols, rank);
  const useComplement = complement !== undefined && form === 0;
  const rest = useComplement ? cols - rank : 0;
  const restPanels = rest ? panels(job, form, complement, cols, rest) : 0;
  const outside = rest ? frame.f64(blockRows * rest) : 0;
  const residual = !measure
    ? undefined
    : useComplement
      ? residualOf(job, form, complementRight, rest)
      : residualOf(job, form, right, rank);
  return {
    left,
    outside,
    sums: residual?.sums ?? 0,
    run(rows: number, count: number) {
      const pairs = pack(rows, count);
      call.multiply(wide, left, pairs, count, cols, basisPanels, rank, strip);
      call.roundBlock(wide, left, count * rank, round);
      if (!useComplement) return residual?.run(rows, count, left);
      call.multiply(wide, outside, pairs, count, cols, restPanels, rest, strip);
      residual?.run(0, count, outside);
    },
  };
}

/**
 * Where [V V_perp] holds the eigenvectors of a Gram matrix, q_i = sum_j (a_i v_j)^2 / lambda_j is had from products that are there
 * already. shared: inverseRoots (lambda_j^(-1/2), 0 beyond the rank), d of them. The rest as in lewisTerms.
 */
function proof(job: Job, all: ReturnType<typeof projector>) {
  const { frame, cols, sweep } = job;
  const { rank } = sweep.params;
  const { kernel } = frame;
  const roots = frame.copy(sweep.reads.shared.inverseRoots);
  const q = frame.f64(blockRows);
  const rest = frame.f64(blockRows);
  const terms = lewisTerms(job);
  return (block: Block): Record<string, Partial> => {
    kernel.call.rowSquares(0, q, all.left, block.rows, rank, roots);
    kernel.call.rowSquares(0, rest, all.outside, block.rows, cols - rank, roots + 8 * rank);
    const sums = kernel.f64(q, block.rows);
    const more = kernel.f64(rest, block.rows);
    for (let i = 0; i < block.rows; ++i) sums[i] += more[i];
    return terms(block, q, 0, 0);
  };
}

/**
 * left = A V rounded to `round`, and its residual, in one pass. params: rank, p, unit, round, wide, keepLeft, and 0 for `measure`
 * to leave the residual out. shared: basis (V, d x k), right (k x d), and to save work complement (V_perp) and complementRight
 * (its transpose). state: weights. Rows that f32 is too coarse for are done in f64, against the factors as they are stored. With
 * inverseRoots, the complement and rows and sums in f32, the terms of Lewis weights are computed too. With keepLeft, `bad` is
 * the first entry of left that is not finite.
 */
export const project: Operation = (job) => {
  const { call } = job.frame.kernel;
  const { rank, keepLeft, wide, measure } = job.sweep.params;
  const form = formOf(job, wide);
  const all = projector(job, form);
  const report = reporter(job);
  const far = form === 0 && measure ? farRows(job, all) : undefined;
  const prove = job.sweep.reads.shared.inverseRoots ? proof(job, all) : undefined;
  const badBlock = badEntry(job, rank);
  return {
    ...nothing,
    run(block) {
      all.run(block.pointer, block.rows);
      const terms = prove?.(block);
      far?.(block);
      const partial = { ...(measure && report(block, all.sums)), ...terms };
      if (!keepLeft) return partial;
      const count = block.rows * rank;
      partial.bad = badBlock(block, call.firstInfinite(form ? 1 : 0, all.left, count));
      partial.left = { pointer: all.left, count, type: form ? undefined : "f32" };
      return partial;
    },
  };
};

/** Squared: products in f32 err by up to 4 * 2^-24 |a_i|; a row is far when that is above 3e-4 of a typical residual row. */
const farRatio = 1e-7 / 2 ** -44;

/** Does rows anew in f64 whose f32 rounding would show beside the residuals of the block's other rows. */
function farRows(job: Job, all: ReturnType<typeof projector>) {
  const { frame, cols, sweep } = job;
  const { rank, unit } = sweep.params;
  const { kernel } = frame;
  const squares = frame.f64(blockRows);
  const noScale = 0;
  // Most matrices have no such row: what they need is made when the first is met.
  let exact: { rows: number; projector: ReturnType<typeof projector> } | undefined;
  return (block: Block): void => {
    kernel.call.rowSquares(0, squares, block.pointer, block.rows, cols, noScale);
    const sizes = kernel.f64(squares, block.rows);
    const sums = kernel.f64(all.sums, 3 * block.rows);
    const residuals = Float64Array.from({ length: block.rows }, (_, i) => sums[3 * i + 1] / (unit * unit)).sort();
    const limit = farRatio * residuals[block.rows >> 1];
    const far: number[] = [];
    for (let i = 0; i < block.rows; ++i) if (sizes[i] > limit) far.push(i);
    if (far.length === 0) return;
    exact ??= { rows: frame.bytes(4 * blockRows * cols), projector: projector(job, 1) };
    const { rows, projector: wide } = exact;
    far.forEach((i, at) => {
      kernel.bytes(rows + at * cols * 4, cols * 4).set(kernel.bytes(block.pointer + i * cols * 4, cols * 4));
    });
    wide.run(rows, far.length);
    const left = kernel.f32(all.left, block.rows * rank);
    const rowSums = kernel.f64(all.sums, 3 * block.rows);
    far.forEach((i, at) => {
      left.set(kernel.f64(wide.left + at * rank * 8, rank), i * rank);
      rowSums.set(kernel.f64(wide.sums + at * 24, 3), 3 * i);
    });
  };
}

/** Residual against a given left factor, row state "left" of rank columns, in f64. params: rank, p, unit. shared: right. */
export const residual: Operation = (job) => {
  const { right } = job.sweep.reads.shared;
  const against = residualOf(job, formOf(job, 1), right, job.sweep.params.rank);
  const report = reporter(job);
  return {
    ...nothing,
    run(block) {
      against.run(block.pointer, block.rows, block.state.left);
      return report(block, against.sums);
    },
  };
};

/** Y = X B. params: wide. shared: matrix (d x m). Partial: product, concat. */
export const multiply: Operation = (job) => {
  const { frame, cols, sweep } = job;
  const { matrix } = sweep.reads.shared;
  const form = formOf(job, sweep.params.wide);
  const width = matrix.length / cols;
  const packed = panels(job, form, matrix, cols, width);
  const strip = frame.bytes(frame.kernel.call.stripBytes(blockRows) >>> 0);
  const product = frame.f64(blockRows * width);
  const pack = packer(job, form, cols);
  return {
    ...nothing,
    run(block) {
      const pairs = pack(block.pointer, block.rows);
      frame.kernel.call.multiply(form ? 1 : 0, product, pairs, block.rows, cols, packed, width, strip);
      return { product: { pointer: product, count: block.rows * width, type: form ? undefined : "f32" } };
    },
  };
};
