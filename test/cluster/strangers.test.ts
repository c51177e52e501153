// What others do to the same Redis: jobs that are none, no memory left, everything deleted; and names that would act on a worker's terminal.
import { rmSync } from "node:fs";
import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { layerQueue, Names, shareQueue } from "../../src/cluster/names.js";
import type { Loewner, RowSource } from "../../src/index.js";
import { run, temporaryFolder, tensor, writeModel } from "../cli/run.js";
import { matrix } from "../library/matrices.js";
import { Bench, clusterStatus, type ClusterWorker } from "./cluster.js";
import { startWorker } from "./servers.mjs";

const bench = new Bench();
const names = new Names("loewner");
let redis: Redis;
let a: RowSource;
let worker: ClusterWorker;
const events: string[] = [];
const said = () => events.join("\n");

beforeAll(async () => {
  await bench.start();
  redis = new Redis(bench.redis.url);
  a = await bench.rows("A.npy", matrix("heavy-tailed rows", 40_000, 24, { f32: true }));
  worker = await bench.worker({ onEvent: (event) => events.push(event) });
});
afterAll(async () => {
  redis.disconnect();
  await bench.end();
});

const claim = {
  ...{ matrix: "m", coordinator: "c", lifeMs: 1000, share: 0, fingerprint: "f" },
  location: { address: "/A.npy", offset: 0, rows: 300, cols: 4, dtype: "f32", transposed: false },
  shape: { rows: 300, cols: 4, dtype: "f32" },
  subtrees: [{ first: 0, blocks: 2 }],
};
const without = (name: string) => Object.fromEntries(Object.entries(claim).filter(([key]) => key !== name));

describe("jobs that are none", () => {
  const bad: [unknown, RegExp][] = [
    [null, /its data are null, not an object/],
    [7, /its data are 7, not an object/],
    [true, /its data are true, not an object/],
    ["\u001b[2Jtext\nline", /its data are ".*", not an object/],
    [[claim], /its data are \[\{.*, not an object/],
    [{}, /it has no matrix/],
    ...["matrix", "coordinator", "lifeMs", "share", "fingerprint", "location", "shape"].map(
      (name): [unknown, RegExp] => [without(name), new RegExp(`it has no ${name}`)],
    ),
    [{ ...claim, matrix: 7 }, /its matrix is 7/],
    [{ ...claim, share: -1 }, /its share is -1/],
    [{ ...claim, location: null }, /its location is null/],
    [{ ...claim, location: { ...claim.location, dtype: "constructor" } }, /its location is \{/],
    [{ ...claim, location: { ...claim.location, rows: 1.5 } }, /its location is \{/],
    [{ ...claim, shape: "x" }, /its shape is "x"/],
    [{ ...claim, subtrees: null }, /its subtrees is null/],
    [{ ...claim, subtrees: [] }, /its subtrees is \[\]/],
    [{ ...claim, subtrees: [null] }, /its subtrees is \[null\]/],
    [{ ...claim, subtrees: [{ first: 0, blocks: 3 }] }, /its blocks are not those of 300 rows/],
    [{ ...claim, subtrees: [1, 0].map((first) => ({ first, blocks: 1 })) }, /its blocks are not those of 300 rows/],
    [{ matrix: "m", closing: "yes" }, /its closing is "yes"/],
    [{ closing: true }, /it has no matrix/],
  ];

  test("are refused, logged and taken off both queues; the worker lives and works", async () => {
    for (const name of [layerQueue, shareQueue]) {
      const queue = new Queue(name, { connection: redis, prefix: names.queues });
      for (const [i, [data]] of bad.entries())
        await queue.add("job", data, { jobId: `bad-${name}-${i}`, attempts: 3, backoff: 60_000 });
      // Raw, as another program may write it.
      await queue.pause();
      await queue.add("job", {}, { jobId: `raw-${name}` });
      await redis.hset(`${names.queues}:${name}:raw-${name}`, "data", "{ no JSON");
      await queue.resume();
      await expect.poll(said, { timeout: 20_000 }).toMatch(new RegExp(`raw-${name}: .* its data are null`));
      const states = ["active", "waiting", "delayed", "failed", "completed"] as const;
      await expect.poll(() => queue.getJobCountByTypes(...states), { timeout: 10_000 }).toBe(0);
      for (const [i, [, message]] of bad.entries()) {
        const lines = events.filter((event) => event.startsWith(`bad-${name}-${i}: `));
        expect(lines).toEqual([
          expect.stringMatching(/^bad-\w+-\d+: This job is none of loewner's: .* taken off the queue/),
        ]);
        expect(lines[0]).toMatch(message);
      }
      await queue.close();
    }
    expect(said()).not.toMatch(/(?!\n)\p{Cc}/u);
    const cluster = await bench.connect({ shareBytes: 0, shares: 2 });
    expect((await cluster.leverageScores(a)).scores.length).toBe(40_000);
    cluster.dispose();
  });

  test("what only looks like a worker's sign of life counts as none", async () => {
    for (const [i, text] of ["null", "7", "{", "[]", '{"name":1}'].entries()) {
      await redis.set(names.worker(`stranger-${i}`), text);
      await redis.sadd(names.workers, `stranger-${i}`);
    }
    expect((await clusterStatus({ redis: bench.redis.url })).workers.map(({ id }) => id)).toEqual([worker.id]);
    await redis.del(...[0, 1, 2, 3, 4].map((i) => names.worker(`stranger-${i}`)));
  });
});

/** Runs for minutes if nobody stops it. */
const longJob = (loewner: Loewner) =>
  loewner.robustSubspace(a, { rank: 4, p: 1, restarts: 50, maxIterations: 1000, tolerance: 1e-12 });
const kinds = [
  ["rows in shares", { shareBytes: 0, shares: 2 }],
  ["whole calls", { shareBytes: Infinity }],
] as const;

const held = () => worker.state.shares + worker.state.layers;
/** The worker has let go of what the run before had it hold. */
const idle = () => expect.poll(held, { timeout: 10_000 }).toBe(0);

/** What goes wrong while workers are at it. */
async function during(options: Parameters<Bench["connect"]>[0], fault: () => Promise<unknown>) {
  await idle();
  const cluster = await bench.connect(options);
  const failing = longJob(cluster).then(
    () => undefined,
    (error: Error & { code?: string }) => error,
  );
  await expect.poll(held, { timeout: 10_000 }).toBeGreaterThan(0);
  await fault();
  const failure = await failing;
  cluster.dispose();
  return failure;
}

describe("Redis out of memory", () => {
  const fill = () => redis.config("SET", "maxmemory", "1");
  const free = () => redis.config("SET", "maxmemory", "0");
  const message = /^Redis at redis:\/\/127\.0\.0\.1:\d+ is out of memory: it has reached its maxmemory/;

  test.each(kinds)("%s: is reported as that, by the worker too, which lives", async (_, options) => {
    events.length = 0;
    const failure = await during({ ...options, lifeMs: 1200 }, fill);
    expect(failure).toMatchObject({ code: "CLUSTER", message: expect.stringMatching(message) });
    await expect.poll(said, { timeout: 10_000 }).toMatch(/is out of memory/);
    await free();
    // It says so once, until it has been able to say that it is there.
    await expect.poll(() => redis.pttl(names.worker(worker.id)), { timeout: 10_000 }).toBeGreaterThan(9000);
    const cluster = await bench.connect(options);
    expect((await cluster.leverageScores(a)).scores.length).toBe(40_000);
    cluster.dispose();
  });

  test("from the beginning", async () => {
    await idle();
    await fill();
    await expect(bench.connect()).rejects.toThrow(message);
    await expect(bench.worker()).rejects.toThrow(message);
    await free();
  });
});

test.each(kinds)("FLUSHALL in the midst of %s: the run ends with an error, and leaves no key", async (_, options) => {
  const failure = await during({ ...options, lifeMs: 1800 }, () => redis.flushall());
  expect(failure).toMatchObject({ code: "CLUSTER", message: expect.stringMatching(/the workers have let go/) });
  // The worker's own, which stand for as long as it runs, and what BullMQ knows of its queues.
  const own = /:workers$|:worker:|:totals$|:q:[^:]+:\w+:(meta|id|events|stalled-check)$/;
  const others = async () => (await redis.keys("*")).filter((key) => !own.test(key));
  await expect.poll(others, { timeout: 15_000 }).toEqual([]);
  await idle();
  expect(await others()).toEqual([]);
});

test("a worker's log has one line an event, whatever tensors are called", async () => {
  const folder = temporaryFolder();
  const name = "wte\nFaked line\r\u001b[2J\u202e\u200b\u009bm.weight";
  await writeModel(folder, "m.safetensors", [tensor(name, 3000, 24)]);
  const own = await startWorker(bench.redis.url, { storage: folder, name: "odd\nFaked name" });
  await worker.close();
  const { status } = run(
    folder,
    "compress",
    "m.safetensors",
    "-o",
    "s.safetensors",
    "--keep",
    "0.5",
    "--dtype",
    "f32",
    "--redis",
    bench.redis.url,
  );
  const shown = run(folder, "cluster", "--redis", bench.redis.url);
  await own.end();
  expect(status).toBe(0);
  const lines = [...own.lines, ...shown.stdout.split("\n")];
  expect(lines.filter((line) => /(?:wte|odd)\\u\{a\}Faked/.test(line)).length).toBeGreaterThan(2);
  for (const line of lines) expect(line).not.toMatch(/^Faked|[\p{Cc}\p{Cf}]/u);
  rmSync(folder, { recursive: true, force: true });
});
