// Which blocks each worker owns: contiguous ranges, cut where few subtrees of the summing tree are left in pieces.
import type { Subtree } from "../block-sweep.js";
import { SumTree, Maximum, Worst } from "../tree.js";
import { reducersOf } from "../block-sweep.js";
import { blockRows, type Sweep, type SweepResult } from "../sweep.js";

/** A worker may have this share more or less than an even one, for the sake of fewer partial results. */
const unevenness = 1 / 24;

/** For each of `workers` (no more than there are blocks), the subtrees of its range in order. All are complete but the last of all. */
export function shares(blocks: number, workers: number): Subtree[][] {
  const even = blocks / workers;
  const cuts = [0];
  for (let w = 1; w < workers; ++w) {
    const slack = even * unevenness;
    const from = Math.max(cuts[w - 1] + 1, Math.ceil(w * even - slack));
    const to = Math.min(blocks - (workers - w), Math.floor(w * even + slack));
    cuts.push(from >= to ? Math.max(cuts[w - 1] + 1, Math.min(to, Math.round(w * even))) : roundest(from, to));
  }
  cuts.push(blocks);
  return Array.from({ length: workers }, (_, w) => subtreesOf(cuts[w], cuts[w + 1], blocks));
}

/** The number in from ... to that the highest power of two divides. */
function roundest(from: number, to: number): number {
  for (let power = 2 ** 30; ; power /= 2) {
    const multiple = Math.ceil(from / power) * power;
    if (multiple <= to) return multiple;
  }
}

function subtreesOf(from: number, to: number, all: number): Subtree[] {
  const subtrees: Subtree[] = [];
  for (let first = from; first < to;) {
    // The largest subtree that begins here, and whether it is the last of all.
    let blocks = 1;
    while (first % (2 * blocks) === 0 && (to === all ? blocks < to - first : first + 2 * blocks <= to)) blocks *= 2;
    blocks = Math.min(blocks, to - first);
    subtrees.push({ first, blocks });
    first += blocks;
  }
  return subtrees;
}

/** First row of each share, and the number of rows behind them all. */
export function boundsOf(shares: readonly (readonly Subtree[])[], rows: number): number[] {
  return [...shares.map(([{ first }]) => first * blockRows), rows];
}

/** A column of row state from those of all shares, in order. */
export function joinColumns(shares: readonly Float64Array[]): Float64Array {
  const whole = new Float64Array(shares.reduce((sum, share) => sum + share.length, 0));
  let at = 0;
  for (const share of shares) {
    whole.set(share, at);
    at += share.length;
  }
  return whole;
}

/** The result of the whole sweep from those of all subtrees, in order: the same additions that one kernel makes. */
export function combine(sweep: Sweep, subtrees: readonly Subtree[], results: SweepResult[]): SweepResult {
  const reducers = reducersOf(sweep);
  const whole: SweepResult = {};
  const last = results.length - 1;
  for (const name of Object.keys(results[last])) {
    const reducer = reducers.get(name) ?? new SumTree();
    results.forEach((result, i) => {
      if (reducer instanceof Maximum || reducer instanceof Worst) reducer.add(result[name]);
      else if (i < last) reducer.addSubtree(result[name], 31 - Math.clz32(subtrees[i].blocks));
    });
    whole[name] = reducer instanceof SumTree ? reducer.finish(results[last][name]) : reducer.finish();
  }
  return whole;
}
