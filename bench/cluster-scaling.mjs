// The model of docs/scaling.md, checked: what a low-rank call costs with 1, 2 and 4 worker processes, as predicted from numbers that are
// measured one by one, and as it is. Workers have a thread each, so beyond the machine's cores they share them.
import { randomBytes } from "node:crypto";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { ClusterMatrix } from "../build/lib/cluster/cluster-matrix.js";
import { Coordinator } from "../build/lib/cluster/coordinator.js";
import { fingerprintOf } from "../build/lib/cluster/storage.js";
import { shares } from "../build/lib/engine/threads/shares.js";
import { openNpy } from "../build/lib/formats/index.js";
import { openFile } from "../build/lib/node/files/file.js";
import { locationOf } from "../build/lib/location.js";
import { clusterStatus, connectCluster } from "../dist/cluster/index.js";
import * as built from "../dist/formats/index.js";
import { createLoewner } from "../dist/index.js";
import * as node from "../dist/node.js";
import { startRedis, startWorker } from "../test/cluster/servers.mjs";
import { writeMatrix } from "./memory.mjs";
import { note, print, seconds } from "./table.mjs";

const clock = async (body) => {
  const begun = performance.now();
  await body();
  return (performance.now() - begun) / 1000;
};
const best = async (runs, body) => {
  let least = Infinity;
  for (let i = 0; i < runs; ++i) least = Math.min(least, await clock(body));
  return least;
};

async function openRows(path) {
  const file = await node.openFile(path);
  return { a: await built.openNpy(file), close: () => file.close() };
}

/** One thread, at two heights: seconds that do not depend on the rows, and seconds a row. */
async function alone(paths, heights, call) {
  const times = [];
  for (const path of paths) {
    const { a, close } = await openRows(path);
    const loewner = await createLoewner({ threads: 1 });
    times.push(await best(2, () => call(loewner, a)));
    loewner.dispose();
    await close();
  }
  const perRow = (times[1] - times[0]) / (heights[1] - heights[0]);
  return { fixed: Math.max(0, times[0] - perRow * heights[0]), perRow };
}

/** An order that takes no time by itself, and what claiming a matrix takes. */
async function orderSeconds(url, path) {
  const file = await openFile(path);
  const source = await openNpy(file);
  const location = await locationOf(source);
  const coordinator = await Coordinator.connect({ redis: url });
  const stored = { location, fingerprint: await fingerprintOf(source, location) };
  const matrix = new ClusterMatrix(coordinator, source, shares(Math.ceil(source.rows / 256), 1), stored);
  const claim = await clock(() => matrix.ask({ type: "open", rows: 0 }));
  const many = 200;
  const order =
    (await clock(async () => {
      for (let i = 1; i <= many; ++i) await matrix.ask({ type: "get", rows: 0, name: "nothing" });
    })) / many;
  await matrix.close();
  await coordinator.end();
  await file.close();
  return { claim, order };
}

/** Bytes a second into Redis and out again, in values of this size. */
async function redisRate(url, bytes) {
  const redis = new Redis(url);
  const value = randomBytes(bytes);
  const count = Math.max(8, Math.ceil((128 << 20) / bytes));
  const took = await clock(async () => {
    for (let i = 0; i < count; ++i) {
      await redis.set("value", value);
      await redis.getBuffer("value");
    }
  });
  await redis.del("value");
  redis.disconnect();
  return (bytes * count) / took;
}

export async function clusterScaling({ rows = 400_000, cols = 256, rank = 127, runs = 2 }) {
  const folder = mkdtempSync(join(tmpdir(), "loewner-bench-scaling-"));
  const heights = [Math.floor(rows / 4), rows];
  const paths = heights.map((height) => join(folder, `${height}.npy`));
  heights.forEach((height, i) => writeMatrix(paths[i], height, cols, 7));
  const out = openSync(join(folder, "left.bin"), "w");
  let at = 0;
  const call = (loewner, a) =>
    loewner.lowRank(a, {
      ...{ rank, p: 1, method: "lewis" },
      left: (start, block) => {
        if (start === 0) at = 0;
        const bytes = new Uint8Array(block.buffer, block.byteOffset, block.byteLength);
        at += writeSync(out, bytes, 0, bytes.length, at);
      },
    });
  const redis = await startRedis();
  const workers = [];
  const cores = availableParallelism();
  try {
    const { fixed, perRow } = await alone(paths, heights, call);
    const table = [
      ["workers", "sweeps", "partial sums MB", "factor MB", "predicted s", "measured s", "measured to predicted"],
    ];
    let parts;
    for (const count of [1, 2, 4]) {
      while (workers.length < count) {
        const name = `worker ${workers.length + 1}`;
        workers.push(await startWorker(redis.url, { storage: folder, lease: 30, name, more: ["--memory", "2GiB"] }));
      }
      parts ??= {
        ...(await orderSeconds(redis.url, paths[0])),
        sumRate: await redisRate(redis.url, 8 * cols * cols),
        pieceRate: await redisRate(redis.url, 4 << 20),
      };
      const { a, close } = await openRows(paths[1]);
      const loewner = await connectCluster({ redis: redis.url, shares: count });
      const before = (await settled(redis.url)).totals;
      const measured = await best(runs, () => call(loewner, a));
      const after = (await settled(redis.url)).totals;
      loewner.dispose();
      await close();
      const sweeps = (after.sweeps - before.sweeps) / runs / count;
      const factor = 4 * rows * rank;
      const sums = (after.bytesSent - before.bytesSent) / runs - factor;
      const predicted =
        parts.claim +
        fixed +
        (perRow * rows) / Math.min(count, cores) +
        (sweeps + 2) * parts.order +
        sums / parts.sumRate +
        factor / parts.pieceRate;
      table.push([
        ...[count, sweeps.toFixed(0), (sums / 1e6).toFixed(1), (factor / 1e6).toFixed(0)],
        ...[seconds(predicted), seconds(measured), (measured / predicted).toFixed(2)],
      ]);
    }
    const { claim, order, sumRate, pieceRate } = parts;
    print(`Cluster, cost: ${rows} x ${cols} f32, rank ${rank}, p = 1, left factor streamed, ${cores} cores`, table);
    note(
      `One thread: ${seconds(fixed)} s and ${(perRow * 1e6).toFixed(2)} s a million rows. Claim ${(claim * 1e3).toFixed(0)} ms, an order ${(order * 1e3).toFixed(1)} ms, Redis ${(sumRate / 1e6).toFixed(0)} MB/s in values of ${(8 * cols * cols) / 1e3} kB, ${(pieceRate / 1e6).toFixed(0)} MB/s in pieces of 4 MiB, in and out.`,
    );
  } finally {
    for (const worker of workers) await worker.end();
    await redis.remove();
    closeSync(out);
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Counters are told every two seconds. */
async function settled(url) {
  await new Promise((resolve) => setTimeout(resolve, 2500));
  return clusterStatus({ redis: url });
}
