// Runs a cluster and breaks it: workers are killed at random moments, Redis is ended and started again. Every run has to finish with
// the bytes of one machine.
//
//   node test/cluster/faults.mjs --kills 50 --restarts 10 [--seed 1] [--rows 60000]
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import { clusterStatus, connectCluster } from "../../dist/cluster/index.js";
import { memorySink, openNpy, writeNpy } from "../../dist/formats/index.js";
import { createLoewner } from "../../dist/index.js";
import { openFile } from "../../dist/node.js";
import { uniform } from "../../examples/embedding.mjs";
import { startRedis, startWorker, wait } from "./servers.mjs";

/** Numbers from 0 to 1, the same for a seed. */
export function random(seed) {
  let count = 0;
  return () => uniform(seed, count++);
}

/** Heavy-tailed rows in an .npy file. */
export async function writeRows(path, rows, cols, seed = 1) {
  const next = random(seed);
  const data = new Float32Array(rows * cols);
  for (let i = 0; i < rows; ++i) {
    const tail = 1 / Math.sqrt(1 - next());
    for (let j = 0; j < cols; ++j) data[i * cols + j] = (tail * (next() + next() - 1)) / Math.sqrt(1 + j);
  }
  const sink = memorySink();
  await writeNpy(sink, { data, shape: [rows, cols] });
  await writeFile(path, sink.bytes());
}

/** Digest of all numbers in an answer; how long it took is not part of it. */
export function digest(answer) {
  const hash = createHash("sha256");
  const add = (value) => {
    if (ArrayBuffer.isView(value)) hash.update(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    else if (typeof value === "object" && value !== null)
      for (const [key, of] of Object.entries(value)) {
        if (key === "seconds") continue;
        hash.update(key);
        add(of);
      }
    else hash.update(String(value));
  };
  add(answer);
  return hash.digest("hex");
}

/** What is computed: state that sweeps build up, factors that are handed on, whole calls. */
export const jobs = {
  lewis: (loewner, a) => loewner.lowRank(a, { rank: 24, p: 1, method: "lewis" }),
  subspace: (loewner, a) => loewner.robustSubspace(a, { rank: 6, p: 1, maxIterations: 12 }),
  weights: (loewner, a) => loewner.lewisWeights(a, { p: 1 }),
  leverage: (loewner, a) => loewner.leverageScores(a),
};

export async function keysOf(url) {
  const redis = new Redis(url);
  try {
    return (await redis.keys("*")).sort();
  } finally {
    redis.disconnect();
  }
}

async function main() {
  const { values } = parseArgs({
    options: {
      kills: { type: "string", default: "50" },
      restarts: { type: "string", default: "10" },
      seed: { type: "string", default: "1" },
      rows: { type: "string", default: "60000" },
      cols: { type: "string", default: "96" },
    },
  });
  const [kills, restarts, seed, rows, cols] = ["kills", "restarts", "seed", "rows", "cols"].map((k) =>
    Number(values[k]),
  );
  const next = random(seed);
  const folder = mkdtempSync(join(tmpdir(), "loewner-faults-"));
  const path = join(folder, "A.npy");
  await writeRows(path, rows, cols);
  const file = await openFile(path);
  const a = await openNpy(file);
  const expected = {};
  const alone = await createLoewner({ threads: 2 });
  for (const [name, job] of Object.entries(jobs)) expected[name] = digest(await job(alone, a));
  alone.dispose();
  const redis = await startRedis();
  let workers = await Promise.all(
    [0, 1].map((i) => startWorker(redis.url, { storage: folder, lease: 1, name: `w${i}` })),
  );
  let made = workers.length;
  const run = async (job, shareBytes) => {
    const loewner = await connectCluster({ redis: redis.url, shareBytes, shares: 3 });
    try {
      return digest(await jobs[job](loewner, a));
    } finally {
      loewner.dispose();
    }
  };
  const spans = {};
  for (const job of Object.keys(jobs))
    for (const kind of [0, Infinity]) {
      const begun = performance.now();
      const found = await run(job, kind);
      if (found !== expected[job]) throw new Error(`${job} differs without any fault`);
      spans[`${job} ${kind}`] = performance.now() - begun;
    }
  let wrong = 0;
  let takenBefore = 0;
  const one = async (number, what, fault) => {
    const names = Object.keys(jobs);
    const job = names[Math.floor(next() * names.length)];
    const kind = next() < 0.75 ? 0 : Infinity;
    const at = next() * spans[`${job} ${kind}`];
    const begun = performance.now();
    const [found] = await Promise.all([
      run(job, kind).catch((error) => `${error.name}: ${error.message}`),
      wait(at).then(fault),
    ]);
    const isRight = found === expected[job];
    if (!isRight) ++wrong;
    const { totals } = await clusterStatus({ redis: redis.url });
    const took = ((performance.now() - begun) / 1000).toFixed(1);
    const mode = kind ? "whole" : "shares";
    process.stdout.write(
      `${what} ${number}: ${job} (${mode}), fault after ${Math.round(at)} ms, ${took} s, ${totals.takenOver - takenBefore} taken over: ${isRight ? "right" : `WRONG ${found}`}\n`,
    );
    takenBefore = totals.takenOver;
  };
  for (let i = 1; i <= kills; ++i)
    await one(i, "kill", async () => {
      const victim = Math.floor(next() * workers.length);
      await workers[victim].end("SIGKILL");
      workers[victim] = await startWorker(redis.url, { storage: folder, lease: 1, name: `w${made++}` });
    });
  for (let i = 1; i <= restarts; ++i)
    await one(i, "restart", () => redis.restart({ signal: i % 2 ? "SIGKILL" : "SIGTERM", downMs: 100 + 400 * next() }));
  await wait(3000);
  const left = (await keysOf(redis.url)).filter((key) => /:(matrix|replies):/.test(key));
  process.stdout.write(`keys left in Redis: ${left.length ? left.join(" ") : "none of any matrix"}\n`);
  for (const worker of workers) await worker.end();
  await redis.remove();
  await file.close();
  rmSync(folder, { recursive: true, force: true });
  process.stdout.write(`${kills} kills and ${restarts} restarts of Redis: ${wrong} wrong or lost\n`);
  process.exitCode = wrong ? 1 : 0;
}

if (process.argv[1]?.endsWith("faults.mjs")) await main();
