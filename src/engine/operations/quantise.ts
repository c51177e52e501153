// The sweep of a matrix in few bits: left factor, codes, scales and the error of what they decode to, in one pass.
import { blockRows } from "../sweep.js";
import { reporter, reportReductions, residualOf } from "./factors.js";
import {
  formOf,
  operation,
  packer,
  product,
  type Block,
  type Flag,
  type Job,
  type PartialResults,
} from "./operation.js";

/** Values that are to be coded, and the residual's row sums once they have been decoded in place. */
interface Values {
  /** n x width, of the type that products are computed in. */
  pointer: number;
  width: number;
  difference: boolean;
  /** Puts the block's values there, or says where else they lie. */
  load(block: Block): number;
  residual(block: Block): number;
}

/** left = A basis; what is left of A is A - decoded right. */
function factor(job: Job, basis: Float64Array, right: Float64Array, params: QuantiseParams): Values {
  const { frame, cols } = job;
  const form = formOf(job, 0);
  const { width, run } = product(job, form, basis, cols);
  const pack = packer(job, form, cols);
  const pointer = frame.f64(blockRows * width);
  const residual = residualOf(job, form, right, width, params);
  return {
    pointer,
    width,
    difference: false,
    load(block) {
      run(pointer, pack(block.pointer, block.rows), block.rows);
      return pointer;
    },
    residual(block) {
      residual.run(block.pointer, block.rows, pointer);
      return residual.sums;
    },
  };
}

/** A itself. Its decoded entries are subtracted where they are made: the product that residuals know is of zeros. */
function table(job: Job, params: QuantiseParams): Values {
  const { frame, cols } = job;
  const pointer = frame.f64(blockRows * cols);
  const zeros = frame.copy(new Float64Array(blockRows));
  const residual = residualOf(job, formOf(job, 0), new Float64Array(cols), 1, params);
  return {
    pointer,
    width: cols,
    difference: true,
    load: (block) => block.pointer,
    residual(block) {
      residual.run(pointer, block.rows, zeros);
      return residual.sums;
    },
  };
}

export interface QuantiseParams {
  bits: number;
  /** Columns, padded, and those of a block. */
  padded: number;
  block: number;
  /** The level that is 0; -1: the levels are a list. */
  zero: number;
  /** Of scales, to where half precision holds them. */
  factor: number;
  unbiased: Flag;
  p: number;
  unit: number;
}

export interface QuantiseShared {
  levels: Float64Array;
  /** Scales that the search begins at, beside the largest entry. */
  starts: Float64Array;
  /** For a factor: d x k, and the right one, k x d, decoded. */
  basis?: Float64Array;
  right?: Float64Array;
}

/** The report of what the codes decode to; codes, lowCodes (at 3 bits) and scales, as assembly/quantise.ts has them, are handed on. */
export const quantise = operation({
  reads: ["weights"],
  reduce: { ...reportReductions, codes: "concat", lowCodes: "concat", scales: "concat" },
  work(cols, _params, { starts, basis }) {
    const width = basis ? basis.length / cols : cols;
    return (starts.length + 4) * width + (basis ? 2 * cols * width : cols);
  },
  prepare(job: Job, params: QuantiseParams, { levels, starts, basis, right }: QuantiseShared) {
    const { frame } = job;
    const { bits, padded, block: blockCols, zero, factor: scaleFactor, unbiased } = params;
    const { kernel } = frame;
    const values = basis ? factor(job, basis, right!, params) : table(job, params);
    const form = formOf(job, 0);
    const report = reporter(job, params.p);
    const levelsAt = frame.bytes(4 * levels.length);
    kernel.f32(levelsAt, levels.length).set(levels);
    const startsAt = frame.copy(starts);
    const firstBytes = (padded * (bits === 3 ? 2 : bits)) / 8;
    const secondBytes = bits === 3 ? padded / 8 : 0;
    const scaleBytes = (2 * padded) / blockCols;
    const [first, second, scales] = [firstBytes, secondBytes, scaleBytes].map((size) => frame.bytes(blockRows * size));
    const work = frame.bytes(kernel.call.quantiseWorkBytes(padded, blockCols) >>> 0);
    const { pointer, width } = values;
    const difference = Number(values.difference);
    return (block: Block<"weights">) => {
      const { rows } = block;
      kernel.call.quantiseRows(
        ...([form ? 1 : 0, pointer, values.load(block), rows, width, padded, blockCols, bits, levelsAt] as const),
        ...([zero, scaleFactor, startsAt, starts.length, unbiased, difference, first, second, scales, work] as const),
      );
      const partials: PartialResults = {
        ...report(block, values.residual(block)),
        codes: { pointer: first, count: rows * firstBytes, type: "bytes" },
        scales: { pointer: scales, count: rows * scaleBytes, type: "bytes" },
      };
      if (secondBytes) partials.lowCodes = { pointer: second, count: rows * secondBytes, type: "bytes" };
      return partials;
    };
  },
});
