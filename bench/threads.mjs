// Two threads against one, in turn, best of `runs` each: the ratio of times. A Gram sweep over rows that are already with the
// workers, and lowRank, dense steps on one thread included. The machine's load is printed, since a busy core counts as none.
import { loadavg } from "node:os";
import { createLoewner } from "../dist/index.js";
import { ThreadsEngine } from "../dist/engine/threads/engine.js";
import { tall } from "./matrix.mjs";
import { print } from "./table.mjs";

const sweepOf = (op, params, reduce) => ({
  ...{ op, params, reduce },
  ...{ reads: { shared: {}, state: [] }, writes: { state: [] } },
});

/** Seconds of one Gram sweep. */
async function gramSeconds(threads, source) {
  const engine = await ThreadsEngine.create({ threads });
  const rows = engine.open(source);
  await engine.sweep(rows, sweepOf("profile", {}, { sums: "sum", tops: "max", bad: "max" }));
  const start = performance.now();
  await engine.sweep(rows, sweepOf("gram", { wide: 0 }, { gram: "sum" }));
  const seconds = (performance.now() - start) / 1000;
  engine.dispose();
  return seconds;
}

async function lowRankSeconds(threads, A, options) {
  const loewner = await createLoewner({ threads });
  const { seconds } = await loewner.lowRank(A, options);
  loewner.dispose();
  return seconds;
}

export async function threads({ rows, cols, rank, runs = 5, seed = 1 }) {
  const A = tall({ rows, cols, seed });
  const bytes = new Uint8Array(A.data.buffer);
  const read = (start, count) => bytes.subarray(start * cols * 4, (start + count) * cols * 4);
  const jobs = {
    "Gram sweep": (count) => gramSeconds(count, { rows, cols, dtype: "f32", read }),
    "lowRank p = 2, svd": (count) => lowRankSeconds(count, A, { rank, p: 2, method: "svd" }),
    "lowRank p = 1, lewis": (count) => lowRankSeconds(count, A, { rank, p: 1, method: "lewis" }),
  };
  const table = [["job", "1 thread, s", "2 threads, s", "times as fast"]];
  for (const [name, seconds] of Object.entries(jobs)) {
    const least = [Infinity, Infinity];
    for (let run = 0; run < runs; ++run) {
      for (const count of [1, 2]) least[count - 1] = Math.min(least[count - 1], await seconds(count));
    }
    table.push([name, least[0].toFixed(3), least[1].toFixed(3), (least[0] / least[1]).toFixed(2)]);
  }
  const load = loadavg()[0].toFixed(1);
  print(
    `${rows} x ${cols} f32, rank ${rank}, seed ${seed}, best of ${runs}; load of the machine at the end ${load}`,
    table,
  );
  return table;
}
