// The sweep of a matrix in few bits: left factor, codes, scales and the error of what they decode to, in one pass.
import { formOf, nothing, packer, panels, type Block, type Job, type Operation, type Partial } from "./job.js";
import { reporter, residualOf } from "./factor-operations.js";
import { blockRows } from "./sweep.js";

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
function factor(job: Job, basis: Float64Array, right: Float64Array): Values {
  const { frame, cols } = job;
  const { call } = frame.kernel;
  const form = formOf(job, 0);
  const width = basis.length / cols;
  const packed = panels(job, form, basis, cols, width);
  const strip = frame.bytes(call.stripBytes(blockRows) >>> 0);
  const pack = packer(job, form, cols);
  const pointer = frame.f64(blockRows * width);
  const residual = residualOf(job, form, right, width);
  return {
    pointer,
    width,
    difference: false,
    load(block) {
      call.multiply(form ? 1 : 0, pointer, pack(block.pointer, block.rows), block.rows, cols, packed, width, strip);
      return pointer;
    },
    residual(block) {
      residual.run(block.pointer, block.rows, pointer);
      return residual.sums;
    },
  };
}

/** A itself. Its decoded entries are subtracted where they are made: the product that residuals know is of zeros. */
function table(job: Job): Values {
  const { frame, cols } = job;
  const pointer = frame.f64(blockRows * cols);
  const zeros = frame.copy(new Float64Array(blockRows));
  const residual = residualOf(job, formOf(job, 0), new Float64Array(cols), 1);
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

/**
 * params: bits, padded, block, zero (-1: the levels are a list), factor, unbiased, p, unit. shared: levels,
 * starts, and for a factor basis (d x k) and right (k x d, decoded). state: weights. Partials: those of a report; codes (and lowCodes
 * at 3 bits) and scales, concat, bytes: assembly/quantise.ts.
 */
export const quantise: Operation = (job) => {
  const { frame, sweep } = job;
  const { bits, padded, block: blockCols, zero, factor: scaleFactor, unbiased } = sweep.params;
  const { levels, starts, basis, right } = sweep.reads.shared;
  const { kernel } = frame;
  const values = basis ? factor(job, basis, right) : table(job);
  const form = formOf(job, 0);
  const report = reporter(job);
  const levelsAt = frame.bytes(4 * levels.length);
  kernel.f32(levelsAt, levels.length).set(levels);
  const startsAt = frame.copy(starts);
  const firstBytes = (padded * (bits === 3 ? 2 : bits)) / 8;
  const secondBytes = bits === 3 ? padded / 8 : 0;
  const scaleBytes = (2 * padded) / blockCols;
  const [first, second, scales] = [firstBytes, secondBytes, scaleBytes].map((size) => frame.bytes(blockRows * size));
  const work = frame.bytes(kernel.call.quantiseWorkBytes(padded, blockCols) >>> 0);
  return {
    ...nothing,
    run(block) {
      const { rows } = block;
      kernel.call.quantiseRows(
        form ? 1 : 0,
        values.pointer,
        values.load(block),
        rows,
        values.width,
        padded,
        blockCols,
        bits,
        levelsAt,
        zero,
        scaleFactor,
        startsAt,
        starts.length,
        unbiased,
        Number(values.difference),
        first,
        second,
        scales,
        work,
      );
      const partials: Record<string, Partial> = {
        ...report(block, values.residual(block)),
        codes: { pointer: first, count: rows * firstBytes, type: "bytes" },
        scales: { pointer: scales, count: rows * scaleBytes, type: "bytes" },
      };
      if (secondBytes) partials.lowCodes = { pointer: second, count: rows * secondBytes, type: "bytes" };
      return partials;
    },
  };
};
