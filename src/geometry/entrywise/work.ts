// What entrywise low rank costs, and how much of it is tried: from estimates, never by the clock.
import { reweightWork, splitWork } from "../../engine/operations/work.js";
import type { EntrywiseOptions } from "../../types/index.js";

/** Multiply-adds that 100 steps of reweighting from one start may take; above, the rank counts as large. */
const smallWork = 3e10;
/** Multiply-adds that go into random starts unless the caller says how many. */
const randomWork = 6e10;
/** Multiply-adds that splitting may take unless the caller says how many steps: 20 at least, 100 at most. */
const splitBudget = 1e11;
/** Hops from the best pair, and the multiply-adds that may go into them. */
const mostHops = 40;
const hopWork = 1e9;

export type Size = Pick<EntrywiseOptions, "rank" | "method">;

export function isSmall(n: number, d: number, { rank, method = "auto" }: Size): boolean {
  return method === "auto" ? 100 * reweightWork(n, d, rank) <= smallWork : method === "reweighting";
}

export function defaultSteps(n: number, d: number, size: Size): number {
  if (isSmall(n, d, size)) return 200;
  return Math.max(20, Math.min(100, Math.floor(splitBudget / splitWork(n, d, size.rank))));
}

/** Multiply-adds of entrywiseFactors from one start, about. */
export function entrywiseWork(n: number, d: number, rank: number): number {
  const size = { rank };
  return isSmall(n, d, size) ? 100 * reweightWork(n, d, rank) : defaultSteps(n, d, size) * splitWork(n, d, rank);
}

export function randomStarts(n: number, d: number, size: Size): number {
  const small = isSmall(n, d, size);
  const work = small ? 100 * reweightWork(n, d, size.rank) : defaultSteps(n, d, size) * splitWork(n, d, size.rank);
  return Math.min(small ? 8 : 2, Math.floor(randomWork / work));
}

/** None where starts are counted by the caller. */
export function hopsFrom(n: number, d: number, { starts, p = 1, ...size }: EntrywiseOptions): number {
  if (starts !== undefined || p === 2 || !isSmall(n, d, size)) return 0;
  return Math.min(mostHops, Math.floor(hopWork / (100 * reweightWork(n, d, size.rank))));
}
