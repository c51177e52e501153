// What is lost is made again, what comes twice counts once, and the bytes stay the same.
import { spawn } from "node:child_process";
import { mkdir, rename, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execPath as node } from "node:process";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Loewner, RowSource } from "../../src/index.js";
import { bitsOf } from "../library/calls.js";
import { matrix } from "../library/matrices.js";
import { createLoewner } from "../library/threads.js";
import { codeOf } from "../library/watch.js";
import { forgetOrphans } from "../../src/cluster/cleaning.js";
import { Names } from "../../src/cluster/names.js";
import { getValue, partBytes, putValue } from "../../src/cluster/values.js";
import { Bench, clusterStatus, connectCluster, startClusterWorker } from "./cluster.js";
import { startRedis, startWorker, wait } from "./servers.mjs";

const [rows, cols] = [40_000, 24];
const bench = new Bench();
let a: RowSource;
let alone: Loewner;
const shared = { shareBytes: 0, shares: 2 };

/** Many sweeps that build up row state, then factors that are handed on: none of them before `happened`, so that it happens meanwhile. */
async function job(loewner: Loewner, happened?: Promise<unknown>): Promise<string> {
  const weights = await loewner.lewisWeights(a, { p: 1, tolerance: 1e-10 });
  const blocks: unknown[] = [];
  const left = async (start: number, block: { slice(): unknown }) => {
    await happened;
    blocks.push([start, block.slice()]);
  };
  const factors = await loewner.lowRank(a, { rank: 6, p: 1, method: "lewis", left });
  return bitsOf([weights, factors, blocks]);
}
let expected: string;

/** A promise, and what settles it. */
function gate(): { happened: Promise<void>; open: () => void } {
  let open = () => {};
  const happened = new Promise<void>((resolve) => (open = resolve));
  return { happened, open };
}

beforeAll(async () => {
  await bench.start();
  a = await bench.rows("A.npy", matrix("heavy-tailed rows", rows, cols, { f32: true }));
  alone = await createLoewner({});
  expected = await job(alone);
});
afterAll(async () => {
  alone.dispose();
  await bench.end();
});

const process = (name: string) => startWorker(bench.redis.url, { storage: bench.folder, lease: 1, name });

/** Runs the job in a cluster, and the fault once workers are at it. */
async function runWith(fault: () => Promise<unknown>, options: Parameters<Bench["connect"]>[0] = shared) {
  const cluster = await bench.connect(options);
  const { happened, open } = gate();
  try {
    const running = job(cluster, happened);
    running.catch(() => undefined);
    await expect.poll(async () => (await clusterStatus({ redis: bench.redis.url })).shares.active).toBeGreaterThan(0);
    await wait(100); // somewhere among the sweeps, or at the factors if they are fast
    await fault();
    open();
    return await running;
  } finally {
    open();
    cluster.dispose();
  }
}

describe("workers", () => {
  test("killed: its rows are taken over, and their state is made again", async () => {
    const [one, two] = await Promise.all([process("one"), process("two")]);
    const found = await runWith(async () => {
      await one.end("SIGKILL");
      await two.end("SIGKILL");
      await process("three").then((three) => (spare = three));
    });
    expect(found === expected).toBe(true);
    expect(spare!.lines.join("\n")).toMatch(/took over/);
    expect(await spare!.end()).toBe(0);
  });
  let spare: Awaited<ReturnType<typeof process>> | undefined;

  test("told to end: what it holds goes back at once, without a lease running out", async () => {
    const one = await startWorker(bench.redis.url, { storage: bench.folder, lease: 300, name: "leaves" });
    let two: Awaited<ReturnType<typeof process>> | undefined;
    const found = await runWith(async () => {
      two = await process("stays");
      expect(await one.end("SIGTERM")).toBe(0);
    });
    expect(found === expected).toBe(true);
    expect(one.lines.join("\n")).toMatch(/goes back to the queue/);
    expect(two!.lines.join("\n")).toMatch(/took over/);
    await two!.end();
  });

  test("silent for longer than its lease, then back: two have carried out the same orders", async () => {
    const [one, two] = await Promise.all([process("sleeps"), process("awake")]);
    const found = await runWith(async () => {
      const holds = ({ lines }: typeof one) => lines.some((line) => line.includes("holds"));
      await expect.poll(() => holds(one) || holds(two)).toBe(true);
      const [silent, other] = holds(one) ? [one, two] : [two, one];
      silent.child.kill("SIGSTOP");
      await expect.poll(() => other.lines.join("\n")).toMatch(/took over/);
      silent.child.kill("SIGCONT");
    });
    expect(found === expected).toBe(true);
    await Promise.all([one.end(), two.end()]);
  });

  test("fewer than shares: they hold more than one a thread", async () => {
    const only = await process("only");
    const found = await runWith(async () => undefined, { shareBytes: 0, shares: 5 });
    expect(found === expected).toBe(true);
    await only.end();
  });

  test("row state is saved when the log grows long, and whoever takes over begins there", async () => {
    const [one, two] = await Promise.all([process("first"), process("second")]);
    const found = await runWith(() => one.end("SIGKILL"), { ...shared, logBytes: 0 });
    expect(found === expected).toBe(true);
    await two.end();
  });
});

describe("what a worker makes again", () => {
  test("row state from a checkpoint", async () => {
    const first = await bench.worker();
    const cluster = await bench.connect({ shareBytes: 0, shares: 1, logBytes: 0 });
    const { happened, open } = gate();
    const running = job(cluster, happened);
    running.catch(() => undefined);
    await expect.poll(() => first.state.counters.sweeps, { interval: 5 }).toBeGreaterThan(4);
    const second = await bench.worker();
    await first.close();
    open();
    expect((await running) === expected).toBe(true);
    expect(second.state.counters.takenOver).toBeGreaterThan(0);
    cluster.dispose();
    await second.close();
  });

  test("a part of the factor that Redis has lost", async () => {
    const worker = await bench.worker();
    const cluster = await bench.connect({ shareBytes: 0, shares: 3 });
    const redis = new Redis(bench.redis.url);
    const options = { rank: 6, p: 1, method: "lewis" } as const;
    const blocks: number[] = [];
    let lost = 0;
    let next = 0;
    await cluster.lowRank(a, {
      ...options,
      left: async (start, block) => {
        expect(start).toBe(next);
        next += block.length / options.rank;
        blocks.push(...block);
        if (lost > 0) return;
        // Those of the other shares wait for their turn.
        const waiting = async () => (await redis.keys("*:emitted:*:2:*")).length;
        await expect.poll(waiting).toBeGreaterThan(0);
        lost = await redis.del(...(await redis.keys("*:emitted:*:2:*")), ...(await redis.keys("*:emitted:*:1:*")));
      },
    });
    expect(lost).toBeGreaterThan(0);
    const { left } = await alone.lowRank(a, options);
    expect(Float32Array.from(blocks)).toEqual(left.data);
    redis.disconnect();
    cluster.dispose();
    await worker.close();
  });

  test("values of more than one part", async () => {
    const redis = new Redis(bench.redis.url);
    const large = Buffer.alloc(partBytes + 5, 7);
    for (const value of [large, Buffer.from("small"), large]) {
      await putValue(redis, "values", "value", value);
      expect((await getValue(redis, "value"))?.equals(value)).toBe(true);
    }
    expect(await redis.smembers("values")).toEqual(["value"]);
    await redis.del("value", "values");
    expect(await getValue(redis, "value")).toBe(undefined);
    redis.disconnect();
  });
});

describe("Redis", () => {
  test.each(["SIGKILL", "SIGTERM"] as const)("ended by %s and started again", async (signal) => {
    const worker = await process("patient");
    expect((await runWith(() => bench.redis.restart({ signal, downMs: 300 }))) === expected).toBe(true);
    await worker.end();
  });

  test("away for too long is an error that says so", async () => {
    const redis = await startRedis();
    const worker = await startClusterWorker({ redis: redis.url, storage: [bench.folder], threads: 1 });
    const cluster = await connectCluster({ redis: redis.url, shareBytes: 0, shares: 1, patienceMs: 1500 });
    const running = codeOf(job(cluster, new Promise(() => undefined)));
    await expect.poll(() => worker.state.counters.sweeps).toBeGreaterThan(0);
    await redis.stop("SIGKILL");
    expect(await running).toBe("CLUSTER");
    await expect(cluster.leverageScores(a)).rejects.toThrow(/has been away for 1.5 s/);
    cluster.dispose();
    await worker.close();
    await redis.remove();
  });

  test("that is not there, or not fit, is an error before anything is done", async () => {
    await expect(connectCluster({ redis: "redis://127.0.0.1:1" })).rejects.toThrow(
      /Redis at redis:\/\/127.0.0.1:1 did not let us in: .*ECONNREFUSED/,
    );
    await expect(connectCluster({ redis: "http://localhost" })).rejects.toThrow(/is no Redis address/);
    const full = await startRedis({ settings: ["--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru"] });
    await expect(connectCluster({ redis: full.url })).rejects.toThrow(/maxmemory-policy allkeys-lru/);
    await full.remove();
    const secret = await startRedis({ settings: ["--requirepass", "open sesame"] });
    await expect(connectCluster({ redis: secret.url })).rejects.toThrow(/NOAUTH/);
    const wrong = secret.url.replace("://", "://:guess@");
    const error = await connectCluster({ redis: wrong }).catch((each: Error) => each);
    expect((error as Error).message).toMatch(/WRONGPASS/);
    expect((error as Error).message).not.toMatch(/guess/);
    await secret.remove();
  });

  test("without a worker", async () => {
    await expect(bench.connect({ patienceMs: 300 })).rejects.toThrow(
      /No worker has come to redis:.* in 0.3 s. Start some: loewner worker/,
    );
  });
});

describe("coordinators", () => {
  test("stopped by a signal: the workers stop, and are free for the next", async () => {
    const worker = await bench.worker();
    const cluster = await bench.connect(shared);
    const abort = new AbortController();
    const endless = { tolerance: 1e-300, maxIterations: 1e9 };
    const running = codeOf(cluster.lewisWeights(a, { p: 1, ...endless, signal: abort.signal }));
    await expect.poll(() => worker.state.counters.sweeps).toBeGreaterThan(3);
    abort.abort();
    expect(await running).toBe("ABORTED");
    expect((await job(cluster)) === expected).toBe(true);
    cluster.dispose();
    await worker.close();
  });

  test("killed: workers let go of what they held for it, and what it left in Redis is cleared away", async () => {
    const worker = await bench.worker();
    const script = join(bench.folder, "coordinator.mjs");
    const dist = (path: string) => JSON.stringify(new URL(`../../dist/${path}`, import.meta.url).href);
    await writeFile(
      script,
      `import { connectCluster } from ${dist("cluster/index.js")};
       import { openNpy } from ${dist("formats/index.js")};
       import { openFile } from ${dist("node.js")};
       const a = await openNpy(await openFile(${JSON.stringify(join(bench.folder, "A.npy"))}));
       const cluster = await connectCluster({ redis: "${bench.redis.url}", shareBytes: 0, shares: 1, lifeMs: 600 });
       await cluster.robustSubspace(a, { rank: 4, p: 1, restarts: 50, maxIterations: 1000, tolerance: 1e-12 });`,
    );
    const child = spawn(node, [script], { stdio: "inherit" });
    await expect.poll(() => worker.state.shares).toBe(1);
    child.kill("SIGKILL");
    await expect.poll(() => worker.state.shares).toBe(0);
    const redis = new Redis(bench.redis.url);
    const left = async () => (await redis.keys("*")).filter((key) => /:matrix:|:matrices$/.test(key));
    await forgetOrphans(redis, new Names("loewner"), new Map(), 0);
    expect(await left()).toEqual([]);
    redis.disconnect();
    await worker.close();
  });
});

describe("storage", () => {
  const outside = async (storage: string[], path: string) => {
    const worker = await bench.worker({ storage });
    const cluster = await bench.connect({ shareBytes: Infinity });
    const source = await bench.open(path);
    const failure = await cluster.leverageScores(source).catch((error: Error) => error);
    cluster.dispose();
    await worker.close();
    return (failure as Error).message;
  };

  test("a file that is not below it", async () => {
    const path = await bench.write("B.npy", matrix("plain", 300, 4));
    expect(await outside([join(bench.folder, "elsewhere")], path)).toMatch(/is not there, or not below/);
  });

  test("a link that leads out of it", async () => {
    const path = await bench.write("C.npy", matrix("plain", 300, 4));
    const inner = join(bench.folder, "inner");
    await mkdir(inner, { recursive: true });
    await symlink(path, join(inner, "C.npy"));
    expect(await outside([inner], join(inner, "C.npy"))).toMatch(/is not there, or not below/);
  });

  test("another file under the same name", async () => {
    const worker = await bench.worker({ storage: [bench.folder] });
    const path = await bench.write("D.npy", matrix("plain", 300, 4));
    const source = await bench.open(path);
    // The coordinator has the first one open, and reads it to the end; the worker finds the second.
    const other = await bench.write("D2.npy", matrix("plain", 300, 4, { seed: 2 }));
    const cluster = await bench.connect({ shareBytes: Infinity });
    await rename(other, path);
    const failure = await cluster.leverageScores(source).catch((error: Error) => error);
    expect((failure as Error).message).toMatch(/is not what the coordinator sees there/);
    cluster.dispose();
    await worker.close();
  });

  test("files are named from a folder on that workers have elsewhere", async () => {
    const worker = await bench.worker({ storage: [bench.folder] });
    const cluster = await bench.connect({ shareBytes: Infinity, storage: bench.folder });
    expect(bitsOf(await cluster.leverageScores(a))).toBe(bitsOf(await alone.leverageScores(a)));
    cluster.dispose();
    const other = await bench.connect({ shareBytes: Infinity, storage: join(bench.folder, "models") });
    await expect(other.leverageScores(a)).rejects.toThrow(/is not in the storage folder/);
    other.dispose();
    await worker.close();
  });
});
