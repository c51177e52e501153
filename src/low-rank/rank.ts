// The rank that is asked for, where no spectrum has to tell it.
import { rankForKeep } from "../options.js";
import type { LowRankOptions } from "../types/index.js";

export const defaultGroups = 4;

/** Groups of rows with right factors of their own: 1 but for method clusters. */
export function groupsOf({ method, groups = defaultGroups }: Pick<LowRankOptions, "method" | "groups">): number {
  return method === "clusters" ? groups : 1;
}

/** 0 where `energy` is given in its place. */
export function askedRank(
  options: Pick<LowRankOptions, "rank" | "keep" | "method" | "groups">,
  rows: number,
  cols: number,
): number {
  const { rank, keep } = options;
  return rank ?? (keep === undefined ? 0 : rankForKeep(keep, rows, cols, groupsOf(options)));
}
