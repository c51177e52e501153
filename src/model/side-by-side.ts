// Layers worked on side by side, as many at a time as there are threads.
import { throwIfAborted } from "../errors.js";

export interface SideBySideOptions<Item> {
  /** How many at a time; with 1 items are taken in their order, else the largest first, so that none is left to run alone. */
  threads: number;
  /** What an item takes, in any unit. */
  work: (item: Item) => number;
  signal?: AbortSignal;
}

/**
 * What `body` makes of each item, in the order of the items. Once one fails nothing more is started and the signal that bodies are
 * given fires; the first failure is thrown when all that were under way have ended.
 */
export async function sideBySide<Item, Result>(
  items: readonly Item[],
  { threads, work, signal }: SideBySideOptions<Item>,
  body: (item: Item, signal: AbortSignal) => Promise<Result>,
): Promise<Result[]> {
  const stop = new AbortController();
  const either = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const results: Result[] = new Array(items.length);
  const order = [...items.keys()];
  if (threads > 1) order.sort((a, b) => work(items[b]) - work(items[a]) || a - b);
  let next = 0;
  let failure: { error: unknown } | undefined;
  const take = async () => {
    try {
      while (next < order.length && !failure) {
        throwIfAborted(signal);
        const at = order[next++];
        results[at] = await body(items[at], either);
      }
    } catch (error) {
      failure ??= { error };
      stop.abort();
    }
  };
  await Promise.all(Array.from({ length: Math.min(threads, items.length) }, take));
  if (failure) throw failure.error;
  return results;
}
