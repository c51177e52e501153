// The sweeps of factors: projection with its residual, the residual of a given pair, products.
import type { Form } from "../../kernel/abi.js";
import { blockRows } from "../sweep.js";
import { badEntry } from "./bad-entry.js";
import { lewisTerms, rowSquares, termReductions, type StepState } from "./lewis.js";
import {
  formOf,
  operation,
  packer,
  panels,
  product,
  when,
  type Block,
  type Flag,
  type Job,
  type PartialResults,
} from "./operation.js";

/** Of a residual: sums of |r|^p, |r|, |r_i|_2 and r^2; the row with the largest |r_i|_2; the largest |r|. */
export const reportReductions = { sums: "sum", worst: "worst", top: "max" } as const;

/** How errors are measured: in which norm, and times which power of two, so that squares neither overflow nor vanish. */
export interface Measure {
  p: number;
  unit: number;
}

/** Sums of the residual's rows: A (or zeros) minus a left factor in memory times `right` (inner x cols). */
export function residualOf(job: Job, form: Form, right: Float64Array, inner: number, { p, unit }: Measure) {
  const { frame, cols } = job;
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
export function reporter({ frame }: Job, p: number) {
  const out = frame.f64(7);
  return ({ rows, first, state }: Block<"weights">, rowSums: number): PartialResults => {
    frame.kernel.call.residualSums(out, rowSums, rows, state.weights, p, first);
    return {
      sums: { pointer: out, count: 4 },
      worst: { pointer: out + 32, count: 2 },
      top: { pointer: out + 48, count: 1 },
    };
  };
}

export interface ProjectParams extends Measure {
  rank: number;
  /** Type that left is rounded to, as the kernel numbers them. */
  round: number;
  wide: Flag;
  /** Left is handed on; `bad` says its first entry that is not finite. */
  keepLeft: Flag;
  /** The residual is computed, not only left. */
  measure: Flag;
  inflation: number;
}

export interface ProjectShared {
  /** V, d x k, and the right factor, k x d. */
  basis: Float64Array;
  right: Float64Array;
  /** To save work: V_perp, d x (d - k), and its transpose. */
  complement?: Float64Array;
  complementRight?: Float64Array;
  /** To prove Lewis weights besides: lambda_j^(-1/2) of all d vectors, 0 beyond the rank. */
  inverseRoots?: Float64Array;
}

/**
 * left = A V, rounded, with the sums of its residual's rows: of A - left right, or, where the complement of V is given, of
 * (A V_perp) V_perp', which is the same but for the rounding of left, and less work when k > d / 2.
 */
function projector(job: Job, form: Form, params: ProjectParams, shared: ProjectShared) {
  const { frame, cols } = job;
  const { rank, round, measure } = params;
  const { basis, right, complement, complementRight } = shared;
  const { call } = frame.kernel;
  const pack = packer(job, form, cols);
  const left = frame.f64(blockRows * rank);
  const inside = product(job, form, basis, cols);
  const rest = complement && form === 0 ? product(job, form, complement, cols) : undefined;
  const outside = rest ? frame.f64(blockRows * rest.width) : 0;
  const residual = !measure
    ? undefined
    : rest
      ? residualOf(job, form, complementRight!, rest.width, params)
      : residualOf(job, form, right, rank, params);
  return {
    left,
    outside,
    sums: residual?.sums ?? 0,
    run(rows: number, count: number) {
      const pairs = pack(rows, count);
      inside.run(left, pairs, count);
      call.roundBlock(form ? 1 : 0, left, count * rank, round);
      if (!rest) return residual?.run(rows, count, left);
      rest.run(outside, pairs, count);
      residual?.run(0, count, outside);
    },
  };
}

type Projector = ReturnType<typeof projector>;

/**
 * Where [V V_perp] holds the eigenvectors of a Gram matrix, q_i = sum_j (a_i v_j)^2 / lambda_j is had from products that are there
 * already.
 */
function proof(job: Job, all: Projector, params: ProjectParams, inverseRoots: Float64Array) {
  const { frame, cols } = job;
  const { rank } = params;
  const { kernel } = frame;
  const roots = frame.copy(inverseRoots);
  const q = frame.f64(blockRows);
  const rest = frame.f64(blockRows);
  const terms = lewisTerms(job, params);
  return (block: Block<StepState>): PartialResults => {
    kernel.call.rowSquares(0, q, all.left, block.rows, rank, roots);
    kernel.call.rowSquares(0, rest, all.outside, block.rows, cols - rank, roots + 8 * rank);
    const sums = kernel.f64(q, block.rows);
    const more = kernel.f64(rest, block.rows);
    for (let i = 0; i < block.rows; ++i) sums[i] += more[i];
    return terms(block, q, 0, 0);
  };
}

/**
 * left = A V, rounded, and its residual, in one pass. Rows that f32 is too coarse for are done in f64, against the factors as they are
 * stored. With inverseRoots, the complement, and rows and sums in f32, the terms of Lewis weights are computed too.
 */
export const project = operation({
  reads: (_params, { inverseRoots }) => (inverseRoots ? ["weights", "logWeight"] : ["weights"]),
  writes: (_params, { inverseRoots }) => (inverseRoots ? ["scale", "rowDistortion"] : []),
  reduce: ({ keepLeft, measure }, { inverseRoots }) => ({
    ...when(keepLeft, { left: "concat", bad: "max" }),
    ...when(measure, reportReductions),
    ...when(inverseRoots, termReductions),
  }),
  work: (cols, { rank, wide, measure }) => (wide ? 2 : 1) * (measure ? 2 : 1) * cols * rank,
  prepare(job: Job, params: ProjectParams, shared: ProjectShared) {
    const { call } = job.frame.kernel;
    const { rank, keepLeft, wide, measure, p } = params;
    const form = formOf(job, wide);
    const all = projector(job, form, params, shared);
    const report = reporter(job, p);
    const far = form === 0 && measure ? outlierRows(job, all, params, shared) : undefined;
    const prove = shared.inverseRoots && proof(job, all, params, shared.inverseRoots);
    const badBlock = badEntry(job, rank);
    return (block: Block<StepState>) => {
      all.run(block.pointer, block.rows);
      const terms = prove?.(block);
      far?.(block);
      const partials: PartialResults = { ...(measure && report(block, all.sums)), ...terms };
      if (!keepLeft) return partials;
      const count = block.rows * rank;
      partials.bad = badBlock(block, call.firstInfinite(form ? 1 : 0, all.left, count));
      partials.left = { pointer: all.left, count, type: form ? undefined : "f32" };
      return partials;
    };
  },
});

/** Squared: products in f32 err by up to 4 * 2^-24 |a_i|; a row is far when that is above 3e-4 of a typical residual row. */
const farRatio = 1e-7 / 2 ** -44;

/** Does rows anew in f64 whose f32 rounding would show beside the residuals of the block's other rows. */
function outlierRows(job: Job, all: Projector, params: ProjectParams, shared: ProjectShared) {
  const { frame, cols } = job;
  const { rank, unit } = params;
  const { kernel } = frame;
  const squaresOf = rowSquares(job);
  // Most matrices have no such row: what they need is made when the first is met.
  let exact: { rows: number; projector: Projector } | undefined;
  return (block: Block): void => {
    const sizes = kernel.f64(squaresOf(block), block.rows);
    const sums = kernel.f64(all.sums, 3 * block.rows);
    const residuals = Float64Array.from({ length: block.rows }, (_, i) => sums[3 * i + 1] / (unit * unit)).sort();
    const limit = farRatio * residuals[block.rows >> 1];
    const far: number[] = [];
    for (let i = 0; i < block.rows; ++i) if (sizes[i] > limit) far.push(i);
    if (far.length === 0) return;
    exact ??= { rows: frame.bytes(4 * blockRows * cols), projector: projector(job, 1, params, shared) };
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

/** Of a given left factor, which is row state of `rank` columns, in f64. */
export const residual = operation({
  reads: ["left", "weights"],
  reduce: reportReductions,
  work: (cols, { rank }) => 2 * cols * rank,
  prepare(job: Job, params: Measure & { rank: number }, { right }: { right: Float64Array }) {
    const against = residualOf(job, formOf(job, 1), right, params.rank, params);
    const report = reporter(job, params.p);
    return (block: Block<"left" | "weights">) => {
      against.run(block.pointer, block.rows, block.state.left);
      return report(block, against.sums);
    };
  },
});

/** A B, handed on; B d x m. */
export const multiply = operation({
  reduce: { product: "concat" },
  work: (_cols, _params, { matrix }) => matrix.length,
  prepare(job: Job, { wide }: { wide: Flag }, { matrix }: { matrix: Float64Array }) {
    const { frame, cols } = job;
    const form = formOf(job, wide);
    const { width, run } = product(job, form, matrix, cols);
    const pointer = frame.f64(blockRows * width);
    const pack = packer(job, form, cols);
    return ({ pointer: from, rows }: Block) => {
      run(pointer, pack(from, rows), rows);
      return { product: { pointer, count: rows * width, type: form ? undefined : "f32" } };
    };
  },
});
