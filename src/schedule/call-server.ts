// Whole calls in a worker, and the matrices that are kept open for them.
import type { CallServer } from "../engine/threads/serve.js";
import { throwIfAborted } from "../errors.js";
import { MatrixCache } from "../geometry/matrix-cache.js";
import type { RowSource } from "../matrix.js";
import type { RowWeights } from "../types/index.js";
import { buffersIn, copied, receiveOptions, receiveRows } from "./transfer.js";
import { runPrimitive } from "./far-scales.js";

export function callServer(): CallServer {
  const matrices = new Map<number, { source: RowSource; cache: MatrixCache }>();
  return {
    async run(engine, order, hooks) {
      if (order.opened !== undefined && order.rows) {
        matrices.set(order.opened, { source: receiveRows(order.rows), cache: new MatrixCache() });
      }
      // Only now: whoever sent the rows takes it that they are here, also when the call is stopped or there is no kernel.
      throwIfAborted(hooks.signal);
      const opened = order.opened === undefined ? undefined : matrices.get(order.opened)!;
      const source = opened?.source ?? receiveRows(order.rows!);
      const options = receiveOptions(order.options);
      const cache = opened?.cache.with(options.rowWeights as RowWeights | undefined);
      // Copied: what is handed over is gone here, and facts stay.
      const result = copied(
        await runPrimitive(order.primitive, { engine: await engine, source, options, hooks, cache }),
      );
      return { result, transfer: [...buffersIn(result)] };
    },
    release: (number) => void matrices.delete(number),
  };
}
