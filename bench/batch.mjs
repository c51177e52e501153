// A model's fully connected layers, 24 of 3072 x 768, one after the other by one thread and all at once by two: seconds a layer,
// beside numpy.linalg.svd of one such layer by as many threads. All in turn, best of `runs`. The ratio by processor time is of what
// two free cores would give, as in threads.mjs.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { createLoewner } from "../dist/index.js";
import { tall } from "./matrix.mjs";
import { numpy } from "./python.mjs";
import { print } from "./table.mjs";
import { measure } from "./threads.mjs";

/** Seconds a layer, on the clock and of the busiest thread with this one's. */
async function compressAll(layers, threads, options) {
  const loewner = await createLoewner({ threads });
  // Workers start and compile what they run.
  await Promise.all(layers.slice(0, threads).map((layer) => loewner.lowRank(layer, options)));
  const { seconds, path } = await measure(async () => {
    await Promise.all(layers.map((layer) => loewner.lowRank(layer, options)));
  });
  loewner.dispose();
  return [seconds / layers.length, path / layers.length];
}

export async function batch({ layers: count = 24, keep = 0.5, runs = 3, seed = 1 } = {}) {
  const shape = { rows: 3072, cols: 768 };
  const layers = Array.from({ length: count }, (_, i) => tall({ ...shape, seed: seed + 4 * i }));
  const jobs = [
    ["p = 2", { keep, p: 2 }],
    ["p = 1, lewis", { keep, p: 1, method: "lewis" }],
  ];
  const best = jobs.map(() => [Infinity, Infinity]);
  const paths = jobs.map(() => [Infinity, Infinity]);
  const peers = [Infinity, Infinity];
  const folder = mkdtempSync(join(tmpdir(), "loewner-bench-"));
  try {
    const file = join(folder, "layer.f32");
    writeFileSync(file, new Uint8Array(layers[0].data.buffer));
    for (let run = 0; run < runs; ++run) {
      for (const threads of [1, 2]) {
        const at = threads - 1;
        const peer = numpy(file, shape, { threads });
        peers[at] = Number.isFinite(peer) ? Math.min(peers[at], peer) : NaN;
        for (const [j, [, options]] of jobs.entries()) {
          const [seconds, path] = await compressAll(layers, threads, options);
          best[j][at] = Math.min(best[j][at], seconds);
          paths[j][at] = Math.min(paths[j][at], path);
        }
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const against = (seconds, peer) => (Number.isFinite(peer) ? (seconds / peer).toFixed(2) : "not measured");
  const table = [
    [
      "job",
      "1 thread, s a layer",
      "2 threads",
      "times as fast",
      "by processor time",
      "to numpy SVD, 1 thread",
      "2 threads",
    ],
    ...jobs.map(([name], j) => {
      const [one, two] = best[j];
      const [onePath, twoPath] = paths[j];
      const ratios = [
        (one / two).toFixed(2),
        (onePath / twoPath).toFixed(2),
        against(one, peers[0]),
        against(two, peers[1]),
      ];
      return [name, one.toFixed(3), two.toFixed(3), ...ratios];
    }),
    ["numpy SVD", ...peers.map((x) => x.toFixed(3)), (peers[0] / peers[1]).toFixed(2), "", "", ""],
  ];
  print(
    `lowRank of ${count} layers of ${shape.rows} x ${shape.cols} f32, keep ${keep}, seed ${seed}, best of ${runs}; load of the machine at the end ${loadavg()[0].toFixed(1)}`,
    table,
  );
  return table;
}
