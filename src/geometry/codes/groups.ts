// Groups of components, which bands are made of, and how evenly the entries of their axes are rounded.
import type { TrellisBits } from "../../types/index.js";

export interface BandPlan {
  bits: TrellisBits;
  /** Coordinates: a multiple of 8. Past the last column components have variance 0. */
  cols: number;
  rightBits: 8 | 4;
  /** Edges between groups of components where it begins and ends. */
  from: number;
  end: number;
}

/** Groups at most: partitions take the square of it. */
const mostGroups = 128;
/** What unevenness costs: between 0.5 and 1 on rows of many kinds. */
const unevenLoss = 0.75;

/** Where groups of components end; the first begins at 0. */
export function edgesOf(cols: number): number[] {
  const groups = Math.ceil(cols / 8);
  const step = Math.ceil(groups / mostGroups);
  const edges: number[] = [];
  for (let g = 0; g < groups; g += step) edges.push(8 * g);
  return [...edges, 8 * groups];
}

/**
 * For axes (d x d, one a row) as they are stored, from edge i to edge j > i: number j of array i. Cost: d multiply-adds for each. Those of a
 * metric are not of length 1, and are rounded worse the longer they are; axes count by the variances along them.
 */
export function unevenness(vectors: Float64Array, variances: Float64Array): Float64Array[] {
  const d = variances.length;
  const edges = edgesOf(d);
  const sums = [new Float64Array(d)];
  const totals = [0];
  for (let g = 1; g < edges.length; ++g) {
    const sum = sums[g - 1].slice();
    let total = totals[g - 1];
    for (let k = edges[g - 1]; k < Math.min(d, edges[g]); ++k) {
      total += variances[k];
      for (let i = 0; i < d; ++i) sum[i] += variances[k] * vectors[k * d + i] * vectors[k * d + i];
    }
    sums.push(sum);
    totals.push(total);
  }
  return edges.map((_, from) =>
    Float64Array.from(edges, (_, end) => {
      const total = totals[end] - totals[from];
      if (end <= from || !(total > 0)) return 1;
      let [whole, squares] = [0, 0];
      for (let i = 0; i < d; ++i) {
        const x = sums[end][i] - sums[from][i];
        whole += x;
        squares += x * x;
      }
      if (!(whole > 0)) return 1;
      return (whole / total) * (1 + unevenLoss * ((d * squares) / (whole * whole) - 1));
    }),
  );
}
