// The sweep of a robust subspace: distances, what they weigh, and the next weighted Gram matrix, in one pass.
import type { Form } from "../../kernel/abi.js";
import { blockRows } from "../sweep.js";
import { residualOf } from "./factors.js";
import { gramSums } from "./gram.js";
import { rowSquares, squaredProducts } from "./lewis.js";
import { formOf, operation, packer, product, when, type Block, type Flag, type Job } from "./operation.js";

/** Squared distances of a block's rows from the subspace, times unit^2: where they lie, and how far apart. */
interface Distances {
  stride: number;
  run(rows: number, count: number): number;
}

const times = (matrix: Float64Array, factor: number) => matrix.map((x) => x * factor);

/** |V_perp' a|^2: d (d - k) multiply-adds a row. */
function fromComplement(job: Job, form: Form, complement: Float64Array, unit: number): Distances {
  const squares = squaredProducts(job, form, times(complement, unit), 0);
  const q = job.frame.f64(blockRows);
  return {
    stride: 8,
    run(rows, count) {
      squares(q, rows, count);
      return q;
    },
  };
}

/** |a - V V' a|^2, subtracted entry by entry: |a|^2 - |V' a|^2 would cancel. 2 d k multiply-adds a row. */
function fromBasis(job: Job, form: Form, basis: Float64Array, right: Float64Array, unit: number): Distances {
  const { frame, cols } = job;
  const rank = basis.length / cols;
  // V' a is of the size of a row, which may be far from 1: it is held times unit, and V' takes that back.
  const inside = product(job, form, times(basis, unit), cols);
  const left = frame.f64(blockRows * rank);
  const pack = packer(job, form, cols);
  // p = 2: of the residual's sums only the squares are wanted.
  const scaled = right.map((x) => x / unit);
  const residual = residualOf(job, form, scaled, rank, { p: 2, unit });
  return {
    stride: 24,
    run(rows, count) {
      inside.run(left, pack(rows, count), count);
      residual.run(rows, count, left);
      return residual.sums + 8;
    },
  };
}

export interface SubspaceParams {
  p: number;
  unit: number;
  /** Lowest distance that counts, and a typical one, both times unit. */
  floor: number;
  size: number;
  /** Of a distance, beside |a_i|. */
  error: number;
  /** Of the products and of the Gram matrix. */
  wide: Flag;
  /** 0: distances only. */
  reweight: Flag;
  /** Distances become row state; not with `reweight`. */
  keep: Flag;
}

/** V_perp, d x (d - k), or else V, d x k, and V'; columnScale, all of it unit. */
export interface SubspaceShared {
  complement?: Float64Array;
  basis?: Float64Array;
  right?: Float64Array;
  columnScale?: Float64Array;
}

/** Sums as assembly/subspace.ts has them. */
export const subspace = operation({
  reads: ["weights"],
  writes: ({ keep }) => (keep ? ["distance"] : []),
  reduce: ({ reweight }) => ({ sums: "sum", ...when(reweight, { gram: "sum" }) }),
  work: (cols, { wide, reweight }, { complement, basis }) =>
    (wide ? 2 : 1) * (2 * (complement?.length ?? 2 * basis!.length) + (reweight ? cols * cols : 0)),
  prepare(job: Job, params: SubspaceParams, { complement, basis, right, columnScale }: SubspaceShared) {
    const { frame } = job;
    const { p, floor, size, error, wide, reweight, unit } = params;
    const form = formOf(job, wide);
    const gram = reweight ? gramSums(job, form, columnScale) : undefined;
    const distances = complement
      ? fromComplement(job, form, complement, unit)
      : fromBasis(job, form, basis!, right!, unit);
    const squaresOf = rowSquares(job, columnScale);
    const rowScale = frame.f64(blockRows);
    const out = frame.f64(5);
    return {
      run(block: Block<"weights" | "distance">) {
        const { weights, distance } = block.state;
        const q = distances.run(block.pointer, block.rows);
        const squares = squaresOf(block);
        const { stride } = distances;
        const to = reweight ? 0 : distance;
        frame.kernel.call.subspaceRows(
          ...([q, stride, squares, weights, rowScale, to, out, block.rows, p, floor, size, error] as const),
        );
        gram?.add(block, rowScale);
        return { sums: { pointer: out, count: 5 } };
      },
      finish: gram?.finish,
    };
  },
});
