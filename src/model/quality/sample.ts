// A few of the inputs, for what is run once a layer.
import type { Feed } from "../calibrate/feeds.js";

/** Texts, pictures that sensitivities are measured on. */
const sampledRows = 16;

/** Rows from all over: feeds of texts are in order of their length, and short ones alone answer otherwise than all do. */
export function sampleOf(feeds: readonly Feed[]): Feed[] {
  const counts = feeds.map(rowsIn);
  // Rows of one feed that are not as many in each of its inputs cannot be told apart.
  if (counts.includes(undefined)) return [feeds[feeds.length >> 1]];
  const total = counts.reduce((sum: number, count) => sum + count!, 0);
  let before = 0;
  return feeds.flatMap((feed, i) => {
    const first = before;
    before += counts[i]!;
    const taken = [first, before].map((rows) => Math.round((rows * Math.min(sampledRows, total)) / total));
    const count = taken[1] - taken[0];
    return count > 0 ? [spread(feed, counts[i]!, count)] : [];
  });
}

/** Undefined where inputs have different numbers of rows, or none. */
function rowsIn(feed: Feed): number | undefined {
  const [first, ...others] = Object.values(feed).map(({ shape }) => shape[0]);
  return first > 0 && others.every((rows) => rows === first) ? first : undefined;
}

/** `count` of a feed's rows, as far from each other as they can be. */
function spread(feed: Feed, rows: number, count: number): Feed {
  if (count === rows) return feed;
  const picked = Array.from({ length: count }, (_, i) => Math.floor(((i + 0.5) * rows) / count));
  const arrays = Object.entries(feed).map(([name, array]): [string, Feed[string]] => {
    const size = array.data.length / rows;
    const data = array.data.slice(0, count * size);
    picked.forEach((row, i) => data.set(array.data.slice(row * size, (row + 1) * size) as never, i * size));
    return [name, { ...array, shape: [count, ...array.shape.slice(1)], data }];
  });
  return Object.fromEntries(arrays);
}
