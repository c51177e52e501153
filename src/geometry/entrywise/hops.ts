// Where a search goes on from the best pair so far (basin hopping: Wales, Doye 1997): its right factor, turned at random or with one direction
// given up for that of a row of A, in turn. Refined with a floor that starts low, it ends in another minimum nearby, and mostly in a better
// one than a random start does. Each hop depends on the pair, the seed and its own number alone.
import { orthonormalise } from "../basis/orthonormal.js";
import type { RowSource } from "../../matrix.js";
import type { Run } from "../run.js";
import { normalise } from "../subspace/starts.js";
import type { Floors } from "./reweight.js";

/** Tried on 40 matrices with spikes, with floors from 0.5 and from 0.05 of mean |A|: those from 0.5 fall back to where they came from. */
export const hopFloors: Floors = { from: 0.05, factor: 0.8 };
/** Length of what is added to a direction. */
const turn = 0.5;
/** Of random numbers. */
const normalStream = 2048;
const rowStream = 2049;

/** @param right k x d, orthonormal rows */
export async function hopBasis(
  run: Run,
  source: RowSource,
  right: Float64Array,
  { rank: k, seed, index }: { rank: number; seed: number; index: number },
): Promise<Float64Array> {
  const { rows: n, cols: d } = source;
  const draw = { kind: "normal", seed, stream: normalStream, first: index * k * d, count: k * d } as const;
  const normals = await run.engine.dense("random", draw);
  const basis = right.slice();
  if (index % 2 === 0) {
    const size = turn / Math.sqrt(d);
    for (let i = 0; i < basis.length; ++i) basis[i] += size * normals[i];
  } else {
    reflect(basis, normals.subarray(0, k), d);
    const uniform = { kind: "uniform", seed, stream: rowStream, first: index, count: 1 } as const;
    const [u] = await run.engine.dense("random", uniform);
    const row = await run.gather(source, [Math.floor(u * n)]);
    normalise(row);
    basis.set(row, (k - 1) * d);
  }
  orthonormalise(new Float64Array(), basis, 0, k, d);
  return basis;
}

/** The same span, by a reflection that makes the last row a random direction of it. */
function reflect(basis: Float64Array, direction: Float64Array, d: number): void {
  const k = direction.length;
  const w = direction.slice();
  normalise(w);
  // Away from the last axis: no digits are lost.
  w[k - 1] += w[k - 1] < 0 ? -1 : 1;
  const squares = w.reduce((sum, x) => sum + x * x, 0);
  for (let j = 0; j < d; ++j) {
    let product = 0;
    for (let a = 0; a < k; ++a) product += w[a] * basis[a * d + j];
    for (let a = 0; a < k; ++a) basis[a * d + j] -= ((2 * product) / squares) * w[a];
  }
}
