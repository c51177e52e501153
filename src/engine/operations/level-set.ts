// The sweeps of climbing over a level set {y : |By|_p <= 1}, B = A T for a transform T (d x r): many points y a sweep.
// B is made anew in every sweep by the same sums, so that its rows are the same numbers each time.
import { blockRows } from "../sweep.js";
import {
  formOf,
  operation,
  packer,
  product,
  when,
  type Block,
  type BlockRunner,
  type Job,
  type PartialResults,
} from "./operation.js";

/** What rows of the level set are compared with: products up to this beside a norm of 1 are rounding errors. */
const zeroProduct = 1e-12;
/** Bins of breakpoints along a move. */
export const breakBins = 48;

export interface Norm {
  p: number;
}

export interface Points {
  /** T, d x r. */
  transform: Float64Array;
  /** Points of norm 1, the columns of r x m. */
  points: Float64Array;
}

/** Multiply-adds a row of B and of its products with `count` points or moves. */
const work = (cols: number, { transform }: Points, count: number) => (transform.length / cols) * (cols + 2 * count);
const pointsOf = (cols: number, { transform, points }: Points) => (points.length * cols) / transform.length;

/** B = A T of a block, then its products with a small matrix (r x m). */
function products(job: Job, transform: Float64Array, matrix: Float64Array) {
  const { frame, cols } = job;
  const rank = transform.length / cols;
  const pack = packer(job, formOf(job, 1), cols);
  const packB = packer(job, 2, rank);
  const toB = product(job, 1, transform, cols);
  const toV = product(job, 1, matrix, rank);
  const B = frame.f64(blockRows * rank);
  const V = frame.f64(blockRows * toV.width);
  return {
    rank,
    width: toV.width,
    B,
    V,
    run({ pointer, rows }: Block): void {
      toB.run(B, pack(pointer, rows), rows);
      toV.run(V, packB(B, rows), rows);
    },
  };
}

/**
 * Norms of the points and their gradients. sums (m): sum s |b y|^p; tops (m): max |b y|; gradient (r x m): sum s |b y|^(p-1)
 * sign(b y) b, none for p = Infinity.
 */
export const levelSetSlopes = operation({
  reads: ["weights"],
  reduce: ({ p }) => ({ sums: "sum", tops: "max", ...when(p < Infinity, { gradient: "sum" }) }),
  work: (cols, _params, shared) => work(cols, shared, pointsOf(cols, shared)),
  prepare(job: Job, { p }: Norm, { transform, points }: Points) {
    const { frame } = job;
    const { call } = frame.kernel;
    const { rank, width, B, V, run } = products(job, transform, points);
    const sums = frame.f64(width);
    const tops = frame.f64(width);
    const gradient = frame.f64(rank * width);
    const transposed = frame.f64(blockRows * rank);
    const pairs = frame.bytes(call.pairBytes(2, rank, blockRows) >>> 0);
    const panel = frame.bytes(call.panelBytes(1, blockRows, width) >>> 0);
    const strip = frame.bytes(call.stripBytes(Math.max(rank, blockRows)) >>> 0);
    return (block: Block<"weights">) => {
      run(block);
      const { rows } = block;
      call.levelSetSlopes(V, block.state.weights, rows, width, p, p === 1 ? zeroProduct : 0, sums, tops);
      const partials: PartialResults = {
        sums: { pointer: sums, count: width },
        tops: { pointer: tops, count: width },
      };
      if (p === Infinity) return partials;
      call.transposeBlock(transposed, B, rows, rank);
      call.packPairs(2, pairs, transposed, rank, rows);
      call.packPanels(1, panel, V, rows, width);
      call.multiply(1, gradient, pairs, rank, rows, panel, width, strip);
      return { ...partials, gradient: { pointer: gradient, count: rank * width } };
    };
  },
});

/** Points and moves side by side: r x 2m. */
function sideBySide(points: Float64Array, moves: Float64Array, rank: number): Float64Array {
  const m = points.length / rank;
  const both = new Float64Array(2 * points.length);
  for (let i = 0; i < rank; ++i) {
    both.set(points.subarray(i * m, (i + 1) * m), 2 * i * m);
    both.set(moves.subarray(i * m, (i + 1) * m), (2 * i + 1) * m);
  }
  return both;
}

export interface Moves extends Points {
  /** One from each point, the columns of r x m. */
  moves: Float64Array;
}

const movesWork = (cols: number, _params: object, shared: Moves) => work(cols, shared, 2 * pointsOf(cols, shared));

/** Makes B, and its products with points and moves side by side (VD), before each block's partial results are taken. */
function alongMoves(
  job: Job,
  { transform, points, moves }: Moves,
  partials: (block: Block<"weights">, VD: number) => PartialResults,
): BlockRunner<"weights"> {
  const { V, run } = products(job, transform, sideBySide(points, moves, transform.length / job.cols));
  return (block) => {
    run(block);
    return partials(block, V);
  };
}

// Along a move from each point; assembly/level-set.ts says what comes back.

/** p = 1: slopes, m x (bins + 1), and the first breakpoint in each bin, m x bins pairs. */
export const levelSetBreaks = operation({
  reads: ["weights"],
  reduce: { slopes: "sum", firsts: "worst" },
  work: movesWork,
  prepare(job: Job, _params: object, shared: Moves) {
    const { frame, cols } = job;
    const count = pointsOf(cols, shared);
    const slopes = { pointer: frame.f64(count * (breakBins + 1)), count: count * (breakBins + 1) };
    const firsts = { pointer: frame.f64(2 * count * breakBins), count: 2 * count * breakBins };
    return alongMoves(job, shared, ({ rows, first, state }, VD) => {
      frame.kernel.call.levelSetBreaks(
        ...([slopes.pointer, firsts.pointer, VD, state.weights, rows, count, breakBins, zeroProduct, first] as const),
      );
      return { slopes, firsts };
    });
  },
});

/** p = Infinity: the first face, m pairs. */
export const levelSetFaces = operation({
  reads: ["weights"],
  reduce: { firsts: "worst" },
  work: movesWork,
  prepare(job: Job, _params: object, shared: Moves) {
    const count = pointsOf(job.cols, shared);
    const firsts = { pointer: job.frame.f64(2 * count), count: 2 * count };
    return alongMoves(job, shared, ({ rows, first, state }, VD) => {
      job.frame.kernel.call.levelSetFaces(firsts.pointer, VD, state.weights, rows, count, zeroProduct, first);
      return { firsts };
    });
  },
});

/** 1 < p < Infinity: sum s |b (y + t move)|^p for the lengths t of `steps`, m x count. */
export const levelSetTrials = operation({
  reads: ["weights"],
  reduce: { sums: "sum" },
  work: movesWork,
  prepare(job: Job, { p }: Norm, shared: Moves & { steps: Float64Array }) {
    const { frame, cols } = job;
    const count = pointsOf(cols, shared);
    const { length } = shared.steps;
    const steps = frame.copy(shared.steps);
    const sums = { pointer: frame.f64(length), count: length };
    return alongMoves(job, shared, ({ rows, state }, VD) => {
      frame.kernel.call.levelSetTrials(sums.pointer, VD, state.weights, rows, count, p, steps, length / count);
      return { sums };
    });
  },
});

/** A weighted Gram matrix for each point, m of r x r: B' diag(s max(|b y|, floor)^(p-2)) B. */
export const levelSetGram = operation({
  reads: ["weights"],
  reduce: { gram: "sum" },
  work: (cols, _params, shared) => work(cols, shared, shared.points.length / 2),
  prepare(job: Job, { p }: Norm, shared: Points & { floors: Float64Array }) {
    const { frame, rows } = job;
    const { kernel } = frame;
    const { call } = kernel;
    const { rank, width, B, V, run } = products(job, shared.transform, shared.points);
    const floors = frame.copy(shared.floors);
    const levels = Math.floor(Math.log2(Math.ceil(rows / blockRows))) + 1;
    const slotBytes = (call.gramSlotBytes(2, rank) >>> 0) * levels;
    kernel.mustFit(slotBytes * width);
    const slots = frame.bytes(slotBytes * width);
    const packed = frame.bytes(call.gramPackedBytes(2, blockRows, rank) >>> 0);
    const scales = frame.f64(blockRows * width);
    return {
      run(block: Block<"weights">) {
        run(block);
        call.levelSetScales(scales, V, block.state.weights, block.rows, width, p, floors);
        for (let j = 0; j < width; ++j) {
          const r = scales + 8 * j * block.rows;
          call.gramBlock(2, slots + j * slotBytes, B, block.rows, rank, r, 0, packed, block.number);
        }
      },
      finish(blocks: number) {
        const all = new Float64Array(width * rank * rank);
        const gram = frame.f64(rank * rank);
        for (let j = 0; j < width; ++j) {
          call.gramFinish(2, gram, slots + j * slotBytes, rank, blocks);
          all.set(kernel.f64(gram, rank * rank), j * rank * rank);
        }
        return { gram: all };
      },
    };
  },
});
