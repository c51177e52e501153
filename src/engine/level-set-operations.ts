// Operations of climbing over a level set {y : |By|_p <= 1}, B = A T for a transform T (d x r): many points y a sweep.
// B is made anew in every sweep by the same sums, so that its rows are the same numbers each time.
import { formOf, nothing, packer, panels, type Block, type Job, type Operation, type Partial } from "./job.js";
import { blockRows } from "./sweep.js";

/** What rows of the level set are compared with: products up to this beside a norm of 1 are rounding errors. */
const zeroProduct = 1e-12;
/** Bins of breakpoints along a move. */
export const breakBins = 48;

/** B = A T of a block, then its products with a small matrix (r x m). */
function products(job: Job, matrix: Float64Array) {
  const { frame, cols, sweep } = job;
  const { transform } = sweep.reads.shared;
  const { call } = frame.kernel;
  const rank = transform.length / cols;
  const width = matrix.length / rank;
  const pack = packer(job, formOf(job, 1), cols);
  const packB = packer(job, 2, rank);
  const toB = panels(job, 1, transform, cols, rank);
  const toV = panels(job, 1, matrix, rank, width);
  const strip = frame.bytes(call.stripBytes(blockRows) >>> 0);
  const B = frame.f64(blockRows * rank);
  const V = frame.f64(blockRows * width);
  return {
    rank,
    width,
    B,
    V,
    run({ pointer, rows }: Block): void {
      call.multiply(1, B, pack(pointer, rows), rows, cols, toB, rank, strip);
      call.multiply(1, V, packB(B, rows), rows, rank, toV, width, strip);
    },
  };
}

/**
 * Norms of the points and their gradients. params: p. shared: transform, points (r x m). state: weights.
 * sums (m): sum s |b y|^p; tops (m): max |b y|; gradient (r x m): sum s |b y|^(p-1) sign(b y) b, none for p = Infinity.
 */
export const levelSetSlopes: Operation = (job) => {
  const { frame, sweep } = job;
  const { p } = sweep.params;
  const { call } = frame.kernel;
  const { rank, width, B, V, run } = products(job, sweep.reads.shared.points);
  const sums = frame.f64(width);
  const tops = frame.f64(width);
  const gradient = frame.f64(rank * width);
  const transposed = frame.f64(blockRows * rank);
  const pairs = frame.bytes(call.pairBytes(2, rank, blockRows) >>> 0);
  const panel = frame.bytes(call.panelBytes(1, blockRows, width) >>> 0);
  const strip = frame.bytes(call.stripBytes(Math.max(rank, blockRows)) >>> 0);
  return {
    ...nothing,
    run(block) {
      run(block);
      const { rows } = block;
      call.levelSetSlopes(V, block.state.weights, rows, width, p, p === 1 ? zeroProduct : 0, sums, tops);
      const terms: Record<string, Partial> = {
        sums: { pointer: sums, count: width },
        tops: { pointer: tops, count: width },
      };
      if (p === Infinity) return terms;
      call.transposeBlock(transposed, B, rows, rank);
      call.packPairs(2, pairs, transposed, rank, rows);
      call.packPanels(1, panel, V, rows, width);
      call.multiply(1, gradient, pairs, rank, rows, panel, width, strip);
      return { ...terms, gradient: { pointer: gradient, count: rank * width } };
    },
  };
};

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

/**
 * Along a move from each point. params: p. shared: transform, points (r x m), moves (r x m), for 1 < p < Infinity also
 * steps (m x count). state: weights.
 * p = 1: slopes (m x (bins + 1)) and firsts (m x bins pairs). p = Infinity: firsts (m pairs). Else sums (m x count).
 * assembly/level-set.ts says what they are.
 */
export const levelSetMoves: Operation = (job) => {
  const { frame, sweep, cols } = job;
  const { p } = sweep.params;
  const { call } = frame.kernel;
  const { points, moves, steps, transform } = sweep.reads.shared;
  const m = (points.length * cols) / transform.length;
  const { V, run } = products(job, sideBySide(points, moves, transform.length / cols));
  if (!steps) {
    const bins = p === 1 ? breakBins : 1;
    const slopes = frame.f64(m * (bins + 1));
    const firsts = frame.f64(2 * m * bins);
    const pairs = { pointer: firsts, count: 2 * m * bins };
    return {
      ...nothing,
      run(block) {
        run(block);
        const { rows, first, state } = block;
        const terms: Record<string, Partial> = { firsts: pairs };
        if (p === Infinity) call.levelSetFaces(firsts, V, state.weights, rows, m, zeroProduct, first);
        else {
          call.levelSetBreaks(slopes, firsts, V, state.weights, rows, m, bins, zeroProduct, first);
          terms.slopes = { pointer: slopes, count: m * (bins + 1) };
        }
        return terms;
      },
    };
  }
  const t = frame.copy(steps);
  const count = steps.length / m;
  const sums = frame.f64(m * count);
  return {
    ...nothing,
    run(block) {
      run(block);
      call.levelSetTrials(sums, V, block.state.weights, block.rows, m, p, t, count);
      return { sums: { pointer: sums, count: m * count } };
    },
  };
};

/**
 * A weighted Gram matrix for each point: B' diag(s max(|b y|, floor)^(p-2)) B. params: p. shared: transform, points (r x m),
 * floors (m). state: weights. gram: m of them, r x r.
 */
export const levelSetGram: Operation = (job) => {
  const { frame, sweep, rows } = job;
  const { p } = sweep.params;
  const { kernel } = frame;
  const { call } = kernel;
  const { rank, width, B, V, run } = products(job, sweep.reads.shared.points);
  const floors = frame.copy(sweep.reads.shared.floors);
  const levels = Math.floor(Math.log2(Math.ceil(rows / blockRows))) + 1;
  const slotBytes = (call.gramSlotBytes(2, rank) >>> 0) * levels;
  kernel.mustFit(slotBytes * width);
  const slots = frame.bytes(slotBytes * width);
  const packed = frame.bytes(call.gramPackedBytes(2, blockRows, rank) >>> 0);
  const scales = frame.f64(blockRows * width);
  return {
    run(block) {
      run(block);
      call.levelSetScales(scales, V, block.state.weights, block.rows, width, p, floors);
      for (let j = 0; j < width; ++j) {
        const r = scales + 8 * j * block.rows;
        call.gramBlock(2, slots + j * slotBytes, B, block.rows, rank, r, 0, packed, block.number);
      }
      return {};
    },
    finish(blocks): Record<string, Float64Array> {
      const all = new Float64Array(width * rank * rank);
      const gram = frame.f64(rank * rank);
      for (let j = 0; j < width; ++j) {
        call.gramFinish(2, gram, slots + j * slotBytes, rank, blocks);
        all.set(kernel.f64(gram, rank * rank), j * rank * rank);
      }
      return { gram: all };
    },
  };
};
