// The cluster engine on one machine: two workers of one thread each, with Redis writing its append-only file, against two threads of one
// process, 500000 x 256 f32 in a file, factors streamed out. The coordinator's peak memory is that of its whole process.
import { fork } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { clusterStatus } from "../dist/cluster/index.js";
import { startRedis, startWorker } from "../test/cluster/servers.mjs";
import { writeMatrix } from "./memory.mjs";
import { note, print, seconds } from "./table.mjs";

const child = fileURLToPath(new URL("./cluster-child.mjs", import.meta.url));

function once(job) {
  return new Promise((resolve, reject) => {
    const run = fork(child, [JSON.stringify(job)], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    run.once("message", resolve);
    run.once("exit", (code) => code && reject(new Error(`the run ended with ${code}`)));
  });
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

export async function cluster({ rows = 500_000, cols = 256, rank = 127, runs = 3 }) {
  const folder = mkdtempSync(join(tmpdir(), "loewner-bench-cluster-"));
  const [path, left] = [join(folder, "A.npy"), join(folder, "left.bin")];
  writeMatrix(path, rows, cols, 7);
  const redis = await startRedis();
  const workers = await Promise.all(
    [1, 2].map((i) =>
      startWorker(redis.url, { storage: folder, lease: 30, name: `worker ${i}`, more: ["--memory", "2GiB"] }),
    ),
  );
  const table = [["", "two threads", "two workers", "ratio", "coordinator's peak MB", "same bytes"]];
  try {
    for (const p of [1, 2]) {
      const [alone, shared] = [[], []];
      for (let i = 0; i < runs; ++i) {
        alone.push(await once({ path, left, rank, p }));
        shared.push(await once({ path, left, rank, p, redis: redis.url }));
      }
      const [a, b] = [alone, shared].map((of) => median(of.map((run) => run.seconds)));
      const digests = new Set([...alone, ...shared].map(({ digest }) => digest));
      const peak = Math.max(...shared.map((run) => run.peak)) / 1e6;
      table.push([
        `p = ${p}`,
        seconds(a),
        seconds(b),
        (b / a).toFixed(2),
        Math.round(peak),
        digests.size === 1 ? "yes" : "NO",
      ]);
    }
    print(`Cluster: ${rows} x ${cols} f32, rank ${rank}, left factor streamed to a file, median of ${runs}`, table);
    const { totals } = await clusterStatus({ redis: redis.url });
    const logged = statSync(join(redis.folder, "appendonlydir")).isDirectory();
    note(
      `Workers read ${Math.round(totals.bytesRead / 1e6)} MB and sent ${Math.round(totals.bytesSent / 1e6)} MB through Redis${logged ? ", which wrote all of it to its append-only file" : ""}.`,
    );
  } finally {
    for (const worker of workers) await worker.end();
    await redis.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}
