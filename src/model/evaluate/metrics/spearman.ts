import { pearson } from "./pearson.js";

/**
 * Spearman's rank correlation, from -1 to 1, as scipy.stats.spearmanr: Pearson's of the ranks, where equal values share the mean of their
 * ranks. NaN where either side is constant (among the rows that count), has a NaN, or there are fewer than two rows.
 * Cost: two sorts, n log n.
 */
export function spearman(x: ArrayLike<number>, y: ArrayLike<number>, rows?: ArrayLike<number>): number {
  return spearmanOf(x, y)(rows);
}

/** The same of many sets of rows, as an interval takes it: values are sorted once, and each set costs a few passes. */
export function spearmanOf(x: ArrayLike<number>, y: ArrayLike<number>): (rows?: ArrayLike<number>) => number {
  const [ordered, others] = [order(x), order(y)];
  return (rows) => pearson(meanRanks(ordered, rows), meanRanks(others, rows));
}

/** Place of each value among the distinct ones, from 0; NaN has the last, `distinct`. */
interface Order {
  readonly places: Uint32Array;
  readonly distinct: number;
}

function order(values: ArrayLike<number>): Order {
  const sorted = Float64Array.from(values).sort(); // NaN comes last
  let distinct = 0;
  for (let i = 0; i < sorted.length && !Number.isNaN(sorted[i]); ++i)
    if (i === 0 || sorted[i] !== sorted[i - 1]) sorted[distinct++] = sorted[i];
  const placeOf = new Map(Array.from(sorted.subarray(0, distinct), (value, place) => [value, place]));
  return { places: Uint32Array.from(values, (value) => placeOf.get(value) ?? distinct), distinct };
}

/** Rank of each row among those that count, from 1; of equal ones the mean of theirs; NaN for NaN. */
function meanRanks({ places, distinct }: Order, rows?: ArrayLike<number>): Float64Array {
  const count = rows?.length ?? places.length;
  const rankOf = new Float64Array(distinct + 1);
  for (let i = 0; i < count; ++i) rankOf[places[rows ? rows[i] : i]]++;
  let before = 0;
  for (let place = 0; place < distinct; ++place) {
    const equal = rankOf[place];
    rankOf[place] = before + (equal + 1) / 2;
    before += equal;
  }
  rankOf[distinct] = NaN;
  const ranks = new Float64Array(count);
  for (let i = 0; i < count; ++i) ranks[i] = rankOf[places[rows ? rows[i] : i]];
  return ranks;
}
