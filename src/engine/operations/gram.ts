// The sweeps that every driver begins with: column scales (the profile) and weighted Gram matrices.
import type { Form } from "../../kernel/abi.js";
import { blockRows } from "../sweep.js";
import { badEntry } from "./bad-entry.js";
import { formOf, operation, when, type Block, type Flag, type Job, type PartialResults } from "./operation.js";

/** Of the profile: column sums of squares and maxima; `bad` says the first NaN or infinity. */
export const profileReductions = { sums: "sum", tops: "max", bad: "max" } as const;

export function gramSums({ frame, rows, cols }: Job, form: Form, columnScale?: Float64Array) {
  const { call } = frame.kernel;
  const blocks = Math.ceil(rows / blockRows);
  const levels = Math.floor(Math.log2(blocks)) + 1;
  frame.kernel.mustFit(4 * cols * cols * levels + 8 * cols * cols);
  const slots = frame.bytes((call.gramSlotBytes(form, cols) >>> 0) * levels);
  const packed = frame.bytes(call.gramPackedBytes(form, Math.min(rows, blockRows), cols) >>> 0);
  const scales = frame.copyOptional(columnScale);
  return {
    add: (block: Block, rowScale: number, pointer = block.pointer) =>
      call.gramBlock(form, slots, pointer, block.rows, cols, rowScale, scales, packed, block.number),
    finish(count: number): { gram: Float64Array } {
      const mark = frame.kernel.top;
      const gram = frame.f64(cols * cols);
      call.gramFinish(form, gram, slots, cols, count);
      const result = frame.kernel.f64(gram, cols * cols).slice();
      frame.kernel.top = mark;
      return { gram: result };
    },
  };
}

export function profiler(job: Job): (block: Block) => PartialResults {
  const { frame, cols } = job;
  const sums = frame.f64(cols);
  const tops = frame.f64(cols);
  const bad = badEntry(job, cols);
  const wide = job.dtype === "f64" ? 1 : 0;
  return (block) => {
    const at = frame.kernel.call.profileBlock(wide, block.pointer, block.rows, cols, sums, tops);
    return {
      sums: { pointer: sums, count: cols },
      tops: { pointer: tops, count: cols },
      bad: bad(block, at),
    };
  };
}

export const profile = operation({
  reduce: profileReductions,
  work: (cols) => 2 * cols,
  prepare: profiler,
});

/** A' diag(scale)^2 A of the scaled columns, or A' A of them where rows are `plain`; with `profile` that too. */
export const gram = operation({
  reads: ({ plain }) => (plain ? [] : ["scale"]),
  reduce: (params) => ({ gram: "sum", ...when(params.profile, profileReductions) }),
  work: (cols, { wide }) => (wide ? 2 : 1) * cols * cols,
  prepare(
    job: Job,
    params: { wide: Flag; profile?: Flag; plain?: Flag },
    { columnScale }: { columnScale?: Float64Array },
  ) {
    const { add, finish } = gramSums(job, formOf(job, params.wide), columnScale);
    const profileBlock = params.profile ? profiler(job) : () => ({});
    return {
      run(block: Block<"scale">) {
        add(block, block.state.scale);
        return profileBlock(block);
      },
      finish,
    };
  },
});
