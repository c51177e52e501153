// Operations of entrywise l_p low rank: entrywiseReweight (small rank), entrywiseSplit and entrywiseRefit (large rank).
import type { Form } from "../kernel/abi.js";
import { reporter, residualOf } from "./factor-operations.js";
import { formOf, nothing, packer, panels, type Block, type Job, type Operation } from "./job.js";
import { gramSums } from "./operations.js";
import { blockRows } from "./sweep.js";

/**
 * One step of alternating reweighted least squares, in f64: left by rows against `right`, then this block's part of the
 * systems for right's columns. params: rank, p, unit, eps (smoothing, of A times unit), damping. shared: right (k x d).
 * state: weights, left (k columns) -> left. Partials: before, after (sums of |r|^p of the old and the new left), systems
 * (d x k(k+1)/2), sides (d x k), all sums.
 */
export const entrywiseReweight: Operation = (job) => {
  const { frame, cols: d, sweep } = job;
  const { rank: k, p, unit, eps, damping } = sweep.params;
  const { right } = sweep.reads.shared;
  const { kernel } = frame;
  const { call } = kernel;
  const m = (k * (k + 1)) / 2;
  kernel.mustFit(8 * (4 * blockRows * d + (2 * blockRows + 3 * d) * (m + k)));
  const wide = Number(job.dtype === "f64");

  const transposed = new Float64Array(d * k);
  for (let a = 0; a < k; ++a) for (let j = 0; j < d; ++j) transposed[j * k + a] = right[a * d + j];
  const rightPanels = panels(job, 2, right, k, d);
  const sidePanels = panels(job, 2, transposed, d, k);
  const outerPanels = frame.bytes(call.panelBytes(1, d, m) >>> 0);
  const mark = kernel.top;
  const outer = frame.f64(d * m);
  call.outerProducts(outer, frame.copy(transposed), d, k);
  call.packPanels(1, outerPanels, outer, d, m);
  kernel.top = mark;

  const W = frame.f64(blockRows * d);
  const WR = frame.f64(blockRows * d);
  const Y = frame.f64(blockRows * d);
  const strip = frame.bytes(call.stripBytes(Math.max(blockRows, d)) >>> 0);
  const pairs = frame.bytes(
    Math.max(call.pairBytes(2, blockRows, Math.max(d, k)) >>> 0, call.pairBytes(2, d, blockRows) >>> 0),
  );
  const systems = frame.f64(blockRows * m);
  const sides = frame.f64(blockRows * k);
  const products = frame.bytes(call.panelBytes(1, blockRows, m) >>> 0);
  const leftPanels = frame.bytes(call.panelBytes(1, blockRows, k) >>> 0);
  const columnSystems = frame.f64(d * m);
  const columnSides = frame.f64(d * k);
  const work = frame.f64(k * k);
  const sums = frame.f64(2);

  /** Y = x (n x inner) times packed panels. */
  const times = (to: number, x: number, n: number, inner: number, packed: number, width: number) => {
    call.packPairs(2, pairs, x, n, inner);
    call.multiply(1, to, pairs, n, inner, packed, width, strip);
  };
  const weigh = (block: Block, across: number, out: number) => {
    times(Y, block.state.left, block.rows, k, rightPanels, d);
    call.entrywiseWeights(
      ...([wide, W, WR, block.pointer, Y, block.state.weights, block.rows, d] as const),
      ...([p, unit, eps, across, out] as const),
    );
  };
  return {
    ...nothing,
    run(block) {
      const { rows: n, state } = block;
      weigh(block, 0, sums);
      times(systems, W, n, d, outerPanels, m);
      times(sides, WR, n, d, sidePanels, k);
      call.solveSystems(state.left, systems, sides, n, k, damping, work);
      weigh(block, 1, sums + 8);
      call.outerProducts(systems, state.left, n, k);
      call.packPanels(1, products, systems, n, m);
      call.packPanels(1, leftPanels, state.left, n, k);
      times(columnSystems, W, d, n, products, m);
      times(columnSides, WR, d, n, leftPanels, k);
      return {
        before: { pointer: sums, count: 1 },
        after: { pointer: sums + 8, count: 1 },
        systems: { pointer: columnSystems, count: d * m },
        sides: { pointer: columnSides, count: d * k },
      };
    },
  };
};

/** What the two sweeps of the splitting share: targets, their projection, the residual. */
function splitter(job: Job, form: Form) {
  const { frame, cols: d, sweep } = job;
  const { p, unit, outside } = sweep.params;
  const { inner, innerRight } = sweep.reads.shared;
  const { call } = frame.kernel;
  const m = inner.length / d;
  const wide = Number(job.dtype === "f64");
  const bytes = wide ? 8 : 4;
  const product = Number(form !== 0);
  const innerPanels = panels(job, form, inner, d, m);
  const rightPanels = panels(job, form, innerRight, m, d);
  const pack = packer(job, form, d);
  const packProduct = packer(job, form ? 2 : 0, m);
  const strip = frame.bytes(call.stripBytes(blockRows) >>> 0);
  const Y = frame.f64(blockRows * d);
  const T = frame.f64(blockRows * m);
  const Z = frame.bytes(blockRows * d * bytes);
  const sums = frame.f64(blockRows);
  // At p = 1 the proximal map is a clip.
  const table = p === 1 ? 0 : frame.bytes(call.shareBytes() >>> 0);
  if (table) call.shareTable(table, p);
  return {
    Z,
    sums,
    bytes,
    /** Z = A - v + 2 c(v), or A without v. */
    target: (block: Block, v: number, base: number, level: number) =>
      call.splitTarget(wide, Z, block.pointer, v, block.rows, d, base, level, unit, table),
    /** Projects Z, then moves v on. */
    update(block: Block, v: number, base: number, step: SplitStep): void {
      const { rows: n } = block;
      call.multiply(product, T, pack(Z, n), n, d, innerPanels, m, strip);
      call.multiply(product, Y, packProduct(T, n), n, m, rightPanels, d, strip);
      call.splitUpdate(
        ...([form, Z, block.pointer, v, Y, n, d, base, sums] as const),
        ...([p, unit, outside, Number(step.fresh), step.level, step.next, step.keep, step.floor, table] as const),
      );
    },
  };
}

interface SplitStep {
  fresh: boolean;
  /** Level that v was last clipped at, and the next; 0: no next target. */
  level: number;
  next: number;
  /** By how much the dual variable grows when the level changes. */
  keep: number;
  /** Lowest base of a row. */
  floor: number;
}

/**
 * One step of the splitting (assembly/entrywise-split.ts): L of this step's basis, its error, the next target's Gram matrix.
 * params: p, unit, wide, outside, fresh, level, next, keep, floor, size (a typical base: penalties are relative to it).
 * shared: inner (d x m: V_perp when `outside`, else V) and innerRight, its transpose. state: weights, entrywiseBase (mean
 * |residual| of each row at the start, written when fresh), entrywiseDual (v, of the rows' own type, packed into f64 columns).
 */
export const entrywiseSplit: Operation = (job) => {
  const { frame, sweep } = job;
  const { p, wide, fresh, level, next, keep, floor, size } = sweep.params;
  const form = formOf(job, wide);
  const { call } = frame.kernel;
  const split = splitter(job, form);
  const gram = gramSums(job, form);
  const scales = frame.f64(blockRows);
  const out = frame.f64(1);
  return {
    run(block) {
      const { weights, entrywiseBase: base, entrywiseDual: v } = block.state;
      split.target(block, fresh ? 0 : v, base, level);
      split.update(block, v, base, { fresh: fresh === 1, level, next, keep, floor });
      call.weightedSum(out, split.sums, weights, block.rows);
      call.penaltyScales(scales, weights, base, block.rows, p, size);
      gram.add({ ...block, pointer: split.Z }, scales);
      return { objective: { pointer: out, count: 1 } };
    },
    finish: gram.finish,
  };
};

/**
 * The left factor for a fixed right one, row by row the best of the projection and `steps` more steps of the splitting; then
 * rounded, and its error in f64. params: as entrywiseSplit, and rank, steps, round. shared: inner, innerRight, basis (V, d x k),
 * right (k x d, as stored). state: weights, entrywiseBase, entrywiseDual.
 */
export const entrywiseRefit: Operation = (job) => {
  const { frame, cols: d, sweep } = job;
  const { rank, wide, steps, level, round, unit } = sweep.params;
  const { basis, right } = sweep.reads.shared;
  const { kernel } = frame;
  const { call } = kernel;
  const split = splitter(job, formOf(job, wide));
  const exact = formOf(job, 1);
  const basisPanels = panels(job, exact, basis, d, rank);
  const pack = packer(job, exact, d);
  const strip = frame.bytes(call.stripBytes(blockRows) >>> 0);
  const rowBytes = d * split.bytes;
  const best = frame.bytes(blockRows * rowBytes);
  const bestSums = frame.f64(blockRows);
  const unused = frame.bytes(blockRows * rowBytes);
  const unusedBase = frame.f64(blockRows);
  const left = frame.f64(blockRows * rank);
  const against = residualOf(job, exact, right, rank);
  const report = reporter(job);
  return {
    ...nothing,
    run(block) {
      const { rows: n } = block;
      const { entrywiseBase: base, entrywiseDual: v } = block.state;
      kernel.f64(bestSums, n).fill(Infinity);
      split.target(block, 0, base, 0);
      split.update(block, unused, unusedBase, { fresh: true, level: 0, next: 0, keep: 0, floor: 0 });
      call.keepBetter(best, bestSums, split.Z, split.sums, n, rowBytes);
      for (let step = 0; step < steps; ++step) {
        split.target(block, v, base, level);
        split.update(block, v, base, { fresh: false, level, next: 0, keep: 1, floor: 0 });
        call.keepBetter(best, bestSums, split.Z, split.sums, n, rowBytes);
      }
      call.multiply(1, left, pack(best, n), n, d, basisPanels, rank, strip);
      if (unit !== 1) {
        const values = kernel.f64(left, n * rank);
        for (let i = 0; i < values.length; ++i) values[i] /= unit;
      }
      call.roundBlock(1, left, n * rank, round);
      against.run(block.pointer, n, left);
      return { ...report(block, against.sums), left: { pointer: left, count: n * rank } };
    },
  };
};
