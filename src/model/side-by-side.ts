// Layers worked on side by side, as many at a time as there are threads; those that all threads share come first, one at a time.
import { throwIfAborted } from "../errors.js";
import type { Loewner } from "../types/index.js";
import { ofLayer } from "./layer-error.js";
import { workOf } from "./model-progress.js";
import { matrixOf, type Layer, type Model } from "./model.js";

export interface SideBySideOptions<Item> {
  /** How many at a time; with 1, items are taken in their order, else the largest first, so that none is left to run alone. */
  threads: number;
  /** What an item takes, in any unit. */
  work: (item: Item) => number;
  /** Nothing runs beside it. Default: never. */
  isShared?: (item: Item) => boolean;
  /** The layer that an item stands for: errors of its numbers name it. */
  nameOf?: (item: Item) => string;
  signal?: AbortSignal;
}

/** Options for items that stand for layers. */
export function byLayer<Item>(
  loewner: Loewner,
  model: Model,
  layerOf: (item: Item) => Pick<Layer, "name" | "shape" | "transposed">,
  signal?: AbortSignal,
): SideBySideOptions<Item> {
  return {
    threads: loewner.threads,
    work: (item) => workOf(layerOf(item)),
    isShared: (item) => loewner.threadsFor(matrixOf(model, layerOf(item))) > 1,
    nameOf: (item) => layerOf(item).name,
    signal,
  };
}

/**
 * What `body` makes of each item, in the order of the items. Once one fails nothing more is started and the signal that bodies are
 * given fires; the first failure is thrown when all that were under way have ended.
 */
export async function sideBySide<Item, Result>(
  items: readonly Item[],
  { threads, work, isShared = () => false, nameOf, signal }: SideBySideOptions<Item>,
  body: (item: Item, signal: AbortSignal) => Promise<Result>,
): Promise<Result[]> {
  const stop = new AbortController();
  const either = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const results: Result[] = new Array(items.length);
  let failure: { error: unknown } | undefined;
  const runAll = async (order: number[], atATime: number) => {
    let next = 0;
    const take = async () => {
      try {
        while (next < order.length && !failure) {
          throwIfAborted(signal);
          const at = order[next++];
          results[at] = await body(items[at], either).catch((error: unknown) =>
            Promise.reject(nameOf ? ofLayer(error, nameOf(items[at])) : error),
          );
        }
      } catch (error) {
        failure ??= { error };
        stop.abort();
      }
    };
    await Promise.all(Array.from({ length: Math.min(atATime, order.length) }, take));
  };
  const order = [...items.keys()];
  if (threads === 1) await runAll(order, 1);
  else {
    order.sort((a, b) => work(items[b]) - work(items[a]) || a - b);
    const shared = order.map((at) => isShared(items[at]));
    await runAll(
      order.filter((_, i) => shared[i]),
      1,
    );
    await runAll(
      order.filter((_, i) => !shared[i]),
      threads,
    );
  }
  if (failure) throw failure.error;
  return results;
}
