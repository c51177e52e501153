// Row state that workers hold, seen from the thread that asks for it.
import { expect, test } from "vitest";
import type { Listener, Pool } from "../../src/engine/threads/pool.js";
import { toSent, type Order } from "../../src/engine/threads/protocol.js";
import { ThreadRows } from "../../src/engine/threads/thread-rows.js";
import { OutOfMemoryError } from "../../src/errors.js";
import { toRowSource } from "../../src/matrix.js";

/** Workers that have no memory left for an answer. */
function exhausted() {
  let listener: Listener | undefined;
  let left = 0;
  const pool = {
    join(joining: Listener) {
      listener = joining;
      return 7;
    },
    leave: () => void ++left,
    send(worker: number, order: Order) {
      if (order.type !== "get") return;
      const error = toSent(new OutOfMemoryError("There is no memory left."));
      queueMicrotask(() => listener!.take({ type: "failed", call: order.call, error }, worker));
    },
  };
  return { pool: pool as unknown as Pool, left: () => left };
}

test("a column that a worker cannot send is an error, not a wait without end", async () => {
  const { pool, left } = exhausted();
  const source = toRowSource({ data: new Float64Array(512 * 2), rows: 512, cols: 2 });
  const rows = new ThreadRows(source, 0, [[{ first: 0, blocks: 1 }], [{ first: 1, blocks: 1 }]], pool);
  const writes = { state: ["scale"] };
  rows.prepare({ op: "lewisStart", params: {}, reads: { shared: {}, state: [] }, writes, reduce: {} });
  await expect(rows.state.get("scale")).rejects.toThrow(OutOfMemoryError);
  expect(left()).toBeGreaterThan(0);
});
