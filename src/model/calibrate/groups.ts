// Layers whose sums, and activations of one run, fit into memory together.
import type { Feed } from "./feeds.js";
import type { Site } from "./sites.js";
import { gatheredRows, mostRows } from "./sums.js";

/** In order; a site that is too large by itself is a group of its own. Without any there is one group, for counts. */
export function groupsOf(sites: readonly Site[], feeds: readonly Feed[], p: number, memory: number): Site[][] {
  const rows = feeds.map(rowsIn);
  const [most, all] = [rows.reduce((a, b) => Math.max(a, b), 1), rows.reduce((a, b) => a + b, 0)];
  const groups: Site[][] = [[]];
  let used = 0;
  for (const site of sites) {
    const { cols, activations } = site;
    const kept = 4 * cols * Math.min(all, p === 2 ? gatheredRows(cols) : mostRows(cols));
    const bytes = 8 * cols * cols + 4 * most * cols * activations.length + kept;
    if (used + bytes > memory && groups.at(-1)!.length > 0) {
      groups.push([]);
      used = 0;
    }
    groups.at(-1)!.push(site);
    used += bytes;
  }
  return groups;
}

/** Rows of an activation of one feed, as far as inputs tell: batch x sequence. */
const rowsIn = (feed: Feed) =>
  Object.values(feed).reduce((most, { shape: [batch = 1, sequence = 1] }) => Math.max(most, batch * sequence), 1);
