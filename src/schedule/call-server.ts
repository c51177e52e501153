// Whole calls in a worker, and the matrices that are held open for them.
import type { CallServer } from "../engine/threads/serve.js";
import { throwIfAborted } from "../errors.js";
import { Facts } from "../geometry/facts.js";
import { Run } from "../geometry/run.js";
import type { RowSource } from "../matrix.js";
import type { RowWeights } from "../types/index.js";
import { buffersIn, copied, receiveOptions, receiveRows } from "./crossing.js";
import { primitiveNamed } from "./primitives.js";

export function callServer(): CallServer {
  const held = new Map<number, { source: RowSource; facts: Facts }>();
  return {
    async run(engine, order, hooks) {
      if (order.held !== undefined && order.rows) {
        held.set(order.held, { source: receiveRows(order.rows), facts: new Facts() });
      }
      // Only now: whoever sent the rows takes it that they are here, also when the call is stopped or there is no kernel.
      throwIfAborted(hooks.signal);
      const opened = order.held === undefined ? undefined : held.get(order.held)!;
      const source = opened?.source ?? receiveRows(order.rows!);
      const options = receiveOptions(order.options);
      const run = new Run(await engine, hooks, opened?.facts.with(options.rowWeights as RowWeights | undefined));
      // Copied: what is handed over is gone here, and facts stay.
      const result = copied(await primitiveNamed(order.primitive).run(run, source, options));
      return { result, transfer: [...buffersIn(result)] };
    },
    release: (number) => void held.delete(number),
  };
}
