// Whether the rows of a table lie in several subspaces, and what clusters of them would lose at each rank: told from two samples of its rows,
// one that subspaces are fitted to and one that they are tried on. Rows of most trained tables do not, which a first look tells: the
// directions nearest to each of a few rows span subspaces that hold other rows no better than the principal axes do.
import { readRows, type Matrix, type RowSource } from "../matrix.js";
import { chosenRows } from "../geometry/subspace/row-groups.js";
import type { Loewner, RowWeights, RunOptions } from "../types/index.js";

export interface ClusterTails {
  readonly groups: number;
  /** Entry k: squared error beside A's squares at rank k in each group, from 0 on. */
  readonly tails: Float64Array;
}

/** Rows of a sample, at most. */
const sampleRows = 1024;
const groupCounts = [2, 4, 8, 16];
/** More groups are tried while they leave less than this, beside what half as many leave at the rank of the first look. */
const isWorthMore = 0.8;
/** Rows of the sample for each dimension of each group's subspace. */
const rowsPerVector = 3;
/** The first look: so many rows with their neighbours, twice as many as dimensions. */
const looks = 8;
/** What must be left by the nearest of their subspaces, beside what principal axes leave: more is no sign of clusters. */
const isStructured = 0.6;
/** The next row that is looked at is farther than this share of rows from the subspaces before it: rows far from all may be one in ten. */
const farShare = 0.9;

/** Of tables worth a try; empty for all others. Cost: a dozen small dense steps, and where clusters are seen as method clusters on a thousand rows, a few times. */
export async function clusterTails(
  loewner: Loewner,
  source: RowSource,
  rowWeights: RowWeights | undefined,
  run: RunOptions,
): Promise<ClusterTails[]> {
  const { rows: n, cols: d } = source;
  const size = Math.min(sampleRows, Math.floor(n / 2));
  const rank = 8 * Math.round(d / 64);
  if (rank < 8 || size < 2 * looks * rank) return [];
  const [from, on] = twoSamples(n, size);
  const [fitted, tried] = await Promise.all(
    [from, on].map(async (at) => sampleOf(await readRows(chosenRows(source, at)), d)),
  );
  if (!(await hasClusters(loewner, fitted, tried, rank, run))) return [];
  const weights = rowWeights && Float64Array.from(on, (i) => rowWeights[i]);
  const found: ClusterTails[] = [];
  for (const groups of groupCounts) {
    const most = Math.min(Math.floor(d / 4), Math.floor(fitted.rows / (rowsPerVector * groups)));
    if (most < rank) break;
    const options = { ...run, method: "clusters", groups, rank: most, p: 2, report: false, left: false } as const;
    const { right } = await loewner.lowRank(fitted, options);
    const tails = tailsOn(tried, basesOf(right, most), weights);
    const before = found.at(-1)?.tails[rank] ?? Infinity;
    found.push({ groups, tails });
    if (tails[rank] > isWorthMore * before) break;
  }
  return found;
}

/** Two sets of about `size` rows, one at random from each of as many stretches as both have: rows may repeat in any period. */
function twoSamples(rows: number, size: number): [Int32Array, Int32Array] {
  const sets: [number[], number[]] = [[], []];
  for (let i = 0; i < 2 * size; ++i) {
    const random = mixed(i);
    const [first, end] = [Math.floor((i * rows) / (2 * size)), Math.floor(((i + 1) * rows) / (2 * size))];
    sets[random & 1].push(first + ((random >>> 1) % (end - first)));
  }
  return [Int32Array.from(sets[0]), Int32Array.from(sets[1])];
}

/** A hash of 32 bits (the end of MurmurHash3): numbers that say nothing of each other. */
function mixed(x: number): number {
  let h = Math.imul((x + 1) ^ ((x + 1) >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

type Sample = Matrix<Float64Array>;

const sampleOf = (data: Float64Array, cols: number): Sample => ({ data, rows: data.length / cols, cols });

async function hasClusters(
  loewner: Loewner,
  fitted: Sample,
  tried: Sample,
  rank: number,
  run: RunOptions,
): Promise<boolean> {
  const [from, on] = [directions(fitted), directions(tried)];
  const basisOf = async (matrix: Sample) =>
    (await loewner.lowRank(matrix, { ...run, rank, p: 2, method: "svd", report: false, left: false })).right;
  const nearest = new Float64Array(from.rows);
  const bases: Matrix[] = [];
  for (let look = 0; look < looks; ++look) {
    const neighbours = nearestTo(from, farRow(nearest), 2 * rank);
    const basis = await basisOf(neighbours);
    bases.push(basis);
    energies(from, [basis], (i, [within]) => (nearest[i] = Math.max(nearest[i], within[rank])));
  }
  const left = (each: readonly Matrix[]) => tailsOn(on, each)[rank];
  return left(bases) < isStructured * left([await basisOf(from)]);
}

/** Rows scaled to length 1; those of zeros stay. */
function directions({ data, rows, cols }: Sample): Sample {
  const scaled = new Float64Array(data.length);
  for (let first = 0; first < data.length; first += cols) {
    const row = data.subarray(first, first + cols);
    const top = row.reduce((most, x) => Math.max(most, Math.abs(x)), 0) || 1;
    const size = Math.sqrt(row.reduce((sum, x) => sum + (x / top) * (x / top), 0)) || 1;
    for (let j = 0; j < cols; ++j) scaled[first + j] = row[j] / top / size;
  }
  return { data: scaled, rows, cols };
}

/** A row of which few have less within the subspaces so far. */
function farRow(within: Float64Array): number {
  const order = Array.from(within, (_, i) => i).sort((a, b) => within[b] - within[a] || a - b);
  return order[Math.floor(farShare * order.length)];
}

/** The rows that point where one does, or away from it, most nearly. */
function nearestTo({ data, rows, cols }: Sample, of: number, count: number): Sample {
  const cosines = Float64Array.from({ length: rows }, (_, i) => {
    let sum = 0;
    for (let j = 0; j < cols; ++j) sum += data[i * cols + j] * data[of * cols + j];
    return Math.abs(sum);
  });
  const order = Array.from(cosines, (_, i) => i).sort((a, b) => cosines[b] - cosines[a] || a - b);
  const near = new Float64Array(count * cols);
  for (let i = 0; i < count; ++i) near.set(data.subarray(order[i] * cols, (order[i] + 1) * cols), i * cols);
  return sampleOf(near, cols);
}

function basesOf({ data, rows, cols }: Matrix, rank: number): Matrix[] {
  const size = rank * cols;
  return Array.from({ length: rows / rank }, (_, j) => ({
    data: data.subarray(j * size, (j + 1) * size),
    rows: rank,
    cols,
  }));
}

/** Squares of each row within the first k vectors of each basis, for k from 0 to all, and the row's own. */
function energies(
  { data, rows, cols }: Sample,
  bases: readonly Matrix[],
  take: (row: number, within: readonly Float64Array[], squares: number) => void,
): void {
  for (let i = 0; i < rows; ++i) {
    const row = data.subarray(i * cols, (i + 1) * cols);
    const within = bases.map((basis) => {
      const sums = new Float64Array(basis.rows + 1);
      for (let k = 0; k < basis.rows; ++k) {
        let product = 0;
        for (let j = 0; j < cols; ++j) product += row[j] * basis.data[k * cols + j];
        sums[k + 1] = sums[k] + product * product;
      }
      return sums;
    });
    take(
      i,
      within,
      row.reduce((sum, x) => sum + x * x, 0),
    );
  }
}

/** What the nearest of the subspaces leaves of these rows, beside all their squares, by rank. */
function tailsOn(sample: Sample, bases: readonly Matrix[], weights?: RowWeights): Float64Array {
  const tails = new Float64Array(bases[0].rows + 1);
  let total = 0;
  energies(sample, bases, (i, within, squares) => {
    const weight = weights?.[i] ?? 1;
    total += weight * squares;
    for (let k = 0; k < tails.length; ++k)
      tails[k] += weight * Math.max(0, squares - within.reduce((most, sums) => Math.max(most, sums[k]), 0));
  });
  return tails.map((x) => x / (total || 1));
}
