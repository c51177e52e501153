// The sweeps of leverage scores and Lewis weights, and the terms of their certificate.
import type { Form } from "../../kernel/abi.js";
import { blockRows } from "../sweep.js";
import { gramSums, profileReductions, profiler } from "./gram.js";
import {
  formOf,
  operation,
  packer,
  panels,
  when,
  type Block,
  type Flag,
  type Job,
  type PartialResults,
} from "./operation.js";

/** Of the terms of a certificate: sum of the weights, largest distortion, largest residual. */
export const termReductions = { total: "sum", distortion: "max", residual: "max" } as const;

export function termPartials(out: number): PartialResults {
  return {
    total: { pointer: out, count: 1 },
    distortion: { pointer: out + 8, count: 1 },
    residual: { pointer: out + 16, count: 1 },
  };
}

/** q_i = |a_i T|^2 of rows that it is given, T d x m: where q goes, then where they are. */
export function squaredProducts(job: Job, form: Form, transform: Float64Array, triangular: Flag) {
  const { frame, cols } = job;
  const { call } = frame.kernel;
  const width = transform.length / cols;
  const packed = panels(job, form, transform, cols, width);
  const strip = frame.bytes(call.stripBytes(blockRows) >>> 0);
  const pack = packer(job, form, cols);
  return (q: number, rows: number, count: number) =>
    call.leverage(form ? 1 : 0, q, pack(rows, count), count, cols, packed, width, triangular, strip);
}

/** |a_i|^2 of the scaled columns. */
export function rowSquares({ frame, cols, dtype }: Job, columnScale?: Float64Array) {
  const scales = frame.copyOptional(columnScale);
  const squares = frame.f64(blockRows);
  return ({ pointer, rows }: Block, to = squares): number => {
    frame.kernel.call.rowSquares(dtype === "f64" ? 1 : 0, to, pointer, rows, cols, scales);
    return to;
  };
}

/** q_i = |a_i T|^2. */
export const leverage = operation({
  writes: ["leverage"],
  work: (_cols, _params, { transform }) => 2 * transform.length,
  prepare(job: Job, params: { wide: Flag; triangular: Flag }, { transform }: { transform: Float64Array }) {
    const add = squaredProducts(job, formOf(job, params.wide), transform, params.triangular);
    return ({ pointer, rows, state }: Block<"leverage">) => {
      add(state.leverage, pointer, rows);
    };
  },
});

/** Start weights s_i |a_i|^p (p > 2: 1) and their Gram matrix; with `profile` that too. */
export const lewisStart = operation({
  reads: ["weights"],
  writes: ["logWeight", "scale"],
  reduce: (params) => ({ gram: "sum", ...when(params.profile, profileReductions) }),
  work: (cols, { wide }) => (wide ? 2 : 1) * cols * cols,
  prepare(
    job: Job,
    params: { p: number; wide: Flag; profile?: Flag },
    { columnScale }: { columnScale?: Float64Array },
  ) {
    const { add, finish } = gramSums(job, formOf(job, params.wide), columnScale);
    const squaresOf = rowSquares(job, columnScale);
    const profileBlock = params.profile ? profiler(job) : () => ({});
    return {
      run(block: Block<"weights" | "logWeight" | "scale">) {
        const { weights, logWeight, scale } = block.state;
        job.frame.kernel.call.lewisStart(squaresOf(block), weights, logWeight, scale, block.rows, params.p);
        add(block, scale);
        return profileBlock(block);
      },
      finish,
    };
  },
});

/** Row state of a step. Without `before` the last step's weights are not known, without `rowDistortion` each row's term is not kept. */
export type StepState = "weights" | "logWeight" | "before" | "scale" | "rowDistortion";

export interface TermParams {
  p: number;
  /** Bounds the error of the product under q beside the scaled row; 0: none is added. */
  inflation: number;
}

/** The certificate's terms of weights whose q is known; with omega > 0 the next weights. */
export function lewisTerms(job: Job, { p, inflation }: TermParams, columnScale?: Float64Array) {
  const { call } = job.frame.kernel;
  const out = job.frame.f64(3);
  const squaresOf = inflation ? rowSquares(job, columnScale) : undefined;
  return (block: Block<StepState>, q: number, gamma: number, omega: number): PartialResults => {
    const { weights, logWeight, before, scale, rowDistortion } = block.state;
    if (squaresOf) call.inflate(q, squaresOf(block), block.rows, inflation);
    call.lewisStep(q, weights, logWeight, before, scale, out, rowDistortion, block.rows, p, gamma, omega);
    return termPartials(out);
  };
}

export interface LewisStepParams extends TermParams {
  gamma: number;
  /** 0: only the terms. */
  omega: number;
  /** Of the products under q, and of the Gram matrix. */
  wide: Flag;
  wideGram: Flag;
  triangular: Flag;
  /** Each row's own term of the distortion becomes row state. */
  keep?: Flag;
}

/** Leverages of the old weights, their certificate's terms, and with omega > 0 the new weights and their Gram matrix, in one pass. */
export const lewisStep = operation({
  reads: ["weights", "logWeight", "before", "scale"],
  writes: ({ omega, keep }) => [
    "scale",
    ...(omega ? (["logWeight", "before"] as const) : []),
    ...(keep ? (["rowDistortion"] as const) : []),
  ],
  reduce: ({ omega }) => ({ ...termReductions, ...when(omega, { gram: "sum" }) }),
  work: (cols, { wide, wideGram, omega }) => ((wide ? 2 : 1) + (omega ? (wideGram ? 2 : 1) : 0)) * cols * cols,
  prepare(
    job: Job,
    params: LewisStepParams,
    { transform, columnScale }: { transform: Float64Array; columnScale?: Float64Array },
  ) {
    const { gamma, omega, wide, wideGram, triangular } = params;
    const sums = omega ? gramSums(job, formOf(job, wideGram), columnScale) : undefined;
    const leverageOf = squaredProducts(job, formOf(job, wide), transform, triangular);
    const q = job.frame.f64(blockRows);
    const terms = lewisTerms(job, params, columnScale);
    return {
      run(block: Block<StepState>) {
        leverageOf(q, block.pointer, block.rows);
        const partials = terms(block, q, gamma, omega);
        sums?.add(block, block.state.scale);
        return partials;
      },
      finish: sums?.finish,
    };
  },
});
