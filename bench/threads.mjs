// Two threads against one, in turn, best of `runs` each: the ratio of times. A Gram sweep over rows that are already with the
// workers, and lowRank, dense steps on one thread included. On a machine that others use a second core may not be there to be
// had: on Linux the ratio of processor time is printed too, of one thread to this one's and the busier worker's together, which
// is what two free cores would give or a little less.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { loadavg } from "node:os";
import { createLoewner } from "../dist/index.js";
import { ThreadsEngine } from "../build/lib/engine/threads/engine.js";
import { inlinedKernel } from "../build/lib/kernel/inlined.js";
import { workerScript } from "../build/lib/schedule/worker-script.js";
import { loadTall } from "./matrix.mjs";
import { print } from "./table.mjs";

const sweepOf = (op, params, reduce) => ({
  ...{ op, params, reduce },
  ...{ reads: { shared: {}, state: [] }, writes: { state: [] } },
});

/** Processor time of each thread of this process, in hundredths of a second. */
function ticks() {
  const folder = "/proc/self/task";
  if (!existsSync(folder)) return undefined;
  const times = new Map();
  for (const id of readdirSync(folder)) {
    let fields;
    try {
      fields = readFileSync(`${folder}/${id}/stat`, "utf8").split(") ")[1].split(" ");
    } catch {
      continue; // a worker of the measurement before has ended since
    }
    times.set(id, Number(fields[11]) + Number(fields[12]));
  }
  return times;
}

/** Seconds on the clock, and seconds that the main thread and the busiest other one computed. */
export async function measure(body) {
  const before = ticks();
  const start = performance.now();
  await body();
  const seconds = (performance.now() - start) / 1000;
  const main = String(process.pid);
  const spent = [...(ticks() ?? [])].map(([id, now]) => [id, (now - (before.get(id) ?? 0)) / 100]);
  const others = spent.filter(([id]) => id !== main).map(([, time]) => time);
  return { seconds, path: before ? Object.fromEntries(spent)[main] + Math.max(0, ...others) : NaN };
}

async function gramSweep(threads, source) {
  const engine = await ThreadsEngine.create(await inlinedKernel(), { threads }, workerScript);
  const rows = engine.open(source);
  await engine.sweep(rows, sweepOf("profile", {}, { sums: "sum", tops: "max", bad: "max" }));
  const measured = await measure(() => engine.sweep(rows, sweepOf("gram", { wide: 0 }, { gram: "sum" })));
  engine.dispose();
  return measured;
}

async function lowRank(threads, A, options) {
  const loewner = await createLoewner({ threads });
  const measured = await measure(() => loewner.lowRank(A, options));
  loewner.dispose();
  return measured;
}

export async function threads({ rows, cols, rank, runs = 3, seed = 1 }) {
  const A = loadTall({ rows, cols, seed });
  const bytes = new Uint8Array(A.data.buffer, 0, A.data.byteLength);
  const read = (start, count) => bytes.subarray(start * cols * 4, (start + count) * cols * 4);
  const jobs = {
    "Gram sweep": (count) => gramSweep(count, { rows, cols, dtype: "f32", read }),
    "lowRank p = 2, svd": (count) => lowRank(count, A, { rank, p: 2, method: "svd" }),
    "lowRank p = 1, lewis": (count) => lowRank(count, A, { rank, p: 1, method: "lewis" }),
  };
  const table = [["job", "1 thread, s", "2 threads, s", "times as fast", "limit", "by processor time"]];
  for (const [name, job] of Object.entries(jobs)) {
    const seconds = [Infinity, Infinity];
    const paths = [Infinity, Infinity];
    for (let run = 0; run < runs; ++run) {
      for (const count of [1, 2]) {
        const measured = await job(count);
        seconds[count - 1] = Math.min(seconds[count - 1], measured.seconds);
        paths[count - 1] = Math.min(paths[count - 1], measured.path);
      }
    }
    const [clock, processor] = [seconds, paths].map(([one, two]) => (one / two).toFixed(2));
    const limit = name === "Gram sweep" ? ">= 1.8" : "";
    table.push([name, ...seconds.map((x) => x.toFixed(3)), clock, limit, processor]);
  }
  const load = loadavg()[0].toFixed(1);
  print(
    `${rows} x ${cols} f32, rank ${rank}, seed ${seed}, best of ${runs}; load of the machine at the end ${load}`,
    table,
  );
  return table;
}
