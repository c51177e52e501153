// Whole calls in a worker, and the matrices that are held open for them.
import type { CallServer } from "../engine/threads/serve.js";
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
      const kept = order.held === undefined ? undefined : held.get(order.held);
      const opened = kept ?? { source: receiveRows(order.rows!), facts: new Facts() };
      if (order.held !== undefined) held.set(order.held, opened);
      const options = receiveOptions(order.options);
      const run = new Run(engine, hooks, opened.facts.with(options.rowWeights as RowWeights | undefined));
      // Copied: what is handed over is gone, and facts stay.
      const result = copied(await primitiveNamed(order.primitive).run(run, opened.source, options));
      return { result, transfer: [...buffersIn(result)] };
    },
    release: (number) => void held.delete(number),
  };
}
