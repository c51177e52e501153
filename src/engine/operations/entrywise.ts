// The sweeps of entrywise l_p low rank: reweighting for small ranks, splitting and its refit for large ones.
import type { Form } from "../../kernel/abi.js";
import { blockRows } from "../sweep.js";
import { reporter, reportReductions, residualOf } from "./factors.js";
import { gramSums } from "./gram.js";
import { formOf, operation, packer, panels, product, type Block, type Flag, type Job } from "./operation.js";
import { reweightWork, splitWork } from "./work.js";

export interface ReweightParams {
  rank: number;
  p: number;
  unit: number;
  /** Smoothing, of A times unit. */
  eps: number;
  damping: number;
}

/**
 * One step of alternating reweighted least squares, in f64: left (row state of k columns) by rows against `right` (k x d), then the
 * systems for right's columns, d x k (k + 1) / 2, and their right-hand sides, d x k. before, after: sum |r|^p of the old left and of
 * the new.
 */
export const entrywiseReweight = operation({
  reads: ["weights", "left"],
  writes: ["left"],
  reduce: { before: "sum", after: "sum", systems: "sum", sides: "sum" },
  work: (cols, { rank }) => reweightWork(1, cols, rank),
  prepare: reweighter,
});

function reweighter(job: Job, { rank: k, p, unit, eps, damping }: ReweightParams, { right }: { right: Float64Array }) {
  const { frame, cols: d } = job;
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
  const weigh = (block: Block<"weights" | "left">, across: number, out: number) => {
    times(Y, block.state.left, block.rows, k, rightPanels, d);
    call.entrywiseWeights(
      ...([wide, W, WR, block.pointer, Y, block.state.weights, block.rows, d] as const),
      ...([p, unit, eps, across, out] as const),
    );
  };
  return (block: Block<"weights" | "left">) => {
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
  };
}

export interface SplitParams {
  p: number;
  unit: number;
  wide: Flag;
  /** `inner` is the complement. */
  outside: Flag;
  /** That v was last clipped at. */
  level: number;
}

export interface SplitStep {
  fresh: Flag;
  level: number;
  /** The next level; 0: no next target. */
  next: number;
  /** By how much the dual variable grows when the level changes. */
  keep: number;
  /** Lowest base of a row. */
  floor: number;
}

export interface SplitShared {
  /** V_perp when `outside`, else V, d x m, and its transpose. */
  inner: Float64Array;
  innerRight: Float64Array;
}

/**
 * entrywiseBase: mean |residual| of each row at the start, written when fresh. entrywiseDual: v, of the rows' own type, packed into
 * columns of f64.
 */
const splitState = ["weights", "entrywiseBase", "entrywiseDual"] as const;
type SplitBlock = Block<(typeof splitState)[number]>;

/** What the two sweeps of the splitting share: targets, their projection, the residual. */
function splitter(job: Job, { p, unit, outside, wide: isWide }: SplitParams, { inner, innerRight }: SplitShared) {
  const { frame, cols: d } = job;
  const { call } = frame.kernel;
  const form: Form = formOf(job, isWide);
  const m = inner.length / d;
  const wide = Number(job.dtype === "f64");
  const bytes = wide ? 8 : 4;
  const toInner = product(job, form, inner, d);
  const fromInner = product(job, form, innerRight, m);
  const pack = packer(job, form, d);
  const packInner = packer(job, form ? 2 : 0, m);
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
      toInner.run(T, pack(Z, n), n);
      fromInner.run(Y, packInner(T, n), n);
      call.splitUpdate(
        ...([form, Z, block.pointer, v, Y, n, d, base, sums, p, unit, outside] as const),
        ...([step.fresh, step.level, step.next, step.keep, step.floor, table] as const),
      );
    },
  };
}

export interface SplitStepParams extends SplitParams, SplitStep {
  /** A typical base: penalties are relative to it. */
  size: number;
}

/** One step of the splitting (assembly/entrywise-split.ts): L of this step's basis, its error, the next target's Gram matrix. */
export const entrywiseSplit = operation({
  reads: splitState,
  writes: ["entrywiseBase", "entrywiseDual"],
  reduce: { gram: "sum", objective: "sum" },
  work: (cols, { wide }, { inner }) => splitWork(1, cols, inner.length / cols) * (wide ? 2 : 1),
  prepare(job: Job, params: SplitStepParams, shared: SplitShared) {
    const { frame } = job;
    const { call } = frame.kernel;
    const { p, wide, level, fresh, size } = params;
    const split = splitter(job, params, shared);
    const gram = gramSums(job, formOf(job, wide));
    const scales = frame.f64(blockRows);
    const out = frame.f64(1);
    return {
      run(block: SplitBlock) {
        const { weights, entrywiseBase: base, entrywiseDual: v } = block.state;
        split.target(block, fresh ? 0 : v, base, level);
        split.update(block, v, base, params);
        call.weightedSum(out, split.sums, weights, block.rows);
        call.penaltyScales(scales, weights, base, block.rows, p, size);
        gram.add(block, scales, split.Z);
        return { objective: { pointer: out, count: 1 } };
      },
      finish: gram.finish,
    };
  },
});

export interface RefitParams extends SplitParams {
  rank: number;
  /** Of the splitting, beyond the projection. */
  steps: number;
  /** Type that left is rounded to, as the kernel numbers them. */
  round: number;
}

/** V, d x k, and the right factor as it is stored, k x d. */
export interface RefitShared extends SplitShared {
  basis: Float64Array;
  right: Float64Array;
}

/**
 * The left factor for a fixed right one, row by row the best of the projection and some more steps of the splitting; then rounded,
 * handed on, and its error in f64.
 */
export const entrywiseRefit = operation({
  reads: splitState,
  reduce: { ...reportReductions, left: "concat" },
  work: (d, { rank: k, wide, steps }) => 2 * d * Math.min(k, d - k) * (wide ? 2 : 1) * (steps + 1) + 4 * d * k,
  prepare(job: Job, params: RefitParams, shared: RefitShared) {
    const { frame, cols: d } = job;
    const { kernel } = frame;
    const { call } = kernel;
    const { rank, steps, level, round, unit, p } = params;
    const split = splitter(job, params, shared);
    const exact = formOf(job, 1);
    const project = product(job, exact, shared.basis, d);
    const pack = packer(job, exact, d);
    const rowBytes = d * split.bytes;
    const best = frame.bytes(blockRows * rowBytes);
    const bestSums = frame.f64(blockRows);
    const unused = frame.bytes(blockRows * rowBytes);
    const unusedBase = frame.f64(blockRows);
    const left = frame.f64(blockRows * rank);
    const against = residualOf(job, exact, shared.right, rank, params);
    const report = reporter(job, p);
    return (block: SplitBlock) => {
      const { rows: n } = block;
      const { entrywiseBase: base, entrywiseDual: v } = block.state;
      kernel.f64(bestSums, n).fill(Infinity);
      split.target(block, 0, base, 0);
      split.update(block, unused, unusedBase, { fresh: 1, level: 0, next: 0, keep: 0, floor: 0 });
      call.keepBetter(best, bestSums, split.Z, split.sums, n, rowBytes);
      for (let step = 0; step < steps; ++step) {
        split.target(block, v, base, level);
        split.update(block, v, base, { fresh: 0, level, next: 0, keep: 1, floor: 0 });
        call.keepBetter(best, bestSums, split.Z, split.sums, n, rowBytes);
      }
      project.run(left, pack(best, n), n);
      if (unit !== 1) {
        const values = kernel.f64(left, n * rank);
        for (let i = 0; i < values.length; ++i) values[i] /= unit;
      }
      call.roundBlock(1, left, n * rank, round);
      against.run(block.pointer, n, left);
      return { ...report(block, against.sums), left: { pointer: left, count: n * rank } };
    };
  },
});
