// Starts a worker of a cluster: it holds layers and shares of rows under leases, carries out what their coordinators order, and gives them
// back when it is told to end.
import { hostname } from "node:os";
import type { JobJson } from "bullmq";
import { Pool } from "../engine/threads/pool.js";
import { threadCount } from "../engine/threads/spawn.js";
import { InvalidInputError } from "../errors.js";
import { inlinedKernel } from "../kernel/inlined.js";
import { checkOptions, type Names as OptionNames } from "../option-names.js";
import { checkBytes } from "../options.js";
import { workerScript } from "../schedule/worker-script.js";
import type { Claim, Closing } from "./messages.js";
import { layerQueue, Names, shareQueue } from "./names.js";
import { connect, loadBullmq } from "./redis.js";
import { RunningWorker, type ClusterWorker } from "./running-worker.js";
import { Storage } from "./storage.js";

const startClusterWorkerNames: OptionNames<ClusterWorkerOptions> = {
  redis: 1,
  prefix: 1,
  storage: 1,
  threads: 1,
  residentBytes: 1,
  leaseMs: 1,
  name: 1,
  onEvent: 1,
};

export type { ClusterWorker };

export interface ClusterWorkerOptions {
  /** Address of Redis, redis://[:password@]host:port[/database]. */
  redis: string;
  /** Of all keys. Default: "loewner". */
  prefix?: string;
  /** Folders, and http addresses that end in "/": what lies below may be read, nothing else. Default: the working directory. */
  storage?: readonly string[];
  /** Threads; each holds a share of the rows, or a layer. Default: "auto", one a core. */
  threads?: number | "auto";
  /** Bytes of rows that are kept between sweeps; others are read again in each. Default: 1 GiB a thread. */
  residentBytes?: number;
  /** Milliseconds after which others take over what a worker held that does not say anything. Default: 30000. */
  leaseMs?: number;
  /** By which people know it. Default: the host's name and the process's number. */
  name?: string;
  /** What happens, for a log. */
  onEvent?: (event: string) => void;
}

/**
 * Starts a worker in this process.
 * @throws {ClusterError} when Redis cannot be reached or is not fit for it
 * @throws {UnsupportedRuntimeError} without bullmq and ioredis
 * @throws {InvalidInputError} for options out of range
 */
export async function startClusterWorker(options: ClusterWorkerOptions): Promise<ClusterWorker> {
  checkOptions("startClusterWorker", options, startClusterWorkerNames);
  const { storage = ["."], leaseMs = 30_000, threads = "auto" } = options;
  if (!(leaseMs >= 1000))
    throw new InvalidInputError(`leaseMs must be at least 1000 milliseconds; got ${String(leaseMs)}.`);
  const count = await threadCount(threads);
  const { residentBytes = count * 2 ** 30 } = options;
  checkBytes({ residentBytes });
  const roots = new Storage(storage);
  const { Worker, Queue } = await loadBullmq();
  // What may fail without Redis comes first: a connection would keep the process alive.
  const kernel = await inlinedKernel();
  const pool = new Pool(count, { kernel, residentBytes: Math.floor(residentBytes / count) }, workerScript);
  await pool.start();
  const redis = await connect(options.redis).catch((error: unknown) => {
    pool.end();
    throw error;
  });
  const names = new Names(options.prefix ?? "loewner");
  const shared = { connection: redis, prefix: names.queues };
  const manual = {
    ...shared,
    autorun: false,
    lockDuration: leaseMs,
    // One worker looks for all in each interval: a long lease of its own must not keep others from looking.
    stalledInterval: Math.min(leaseMs / 2, 5000),
    maxStalledCount: 50,
  };
  class JobReader extends Worker<Claim | Closing> {
    /** What is no JSON would throw before anyone knows whose job it is; checkJob() refuses what it is read as. */
    protected override createJob(raw: JobJson, id: string) {
      try {
        return super.createJob(raw, id);
      } catch {
        return super.createJob({ ...raw, data: "null" }, id);
      }
    }
  }
  const queues = {
    layers: new JobReader(layerQueue, null, manual),
    shares: new JobReader(shareQueue, null, manual),
    layersToSee: new Queue(layerQueue, shared),
    sharesToSee: new Queue(shareQueue, shared),
  };
  const running = new RunningWorker(redis, names, queues, pool, roots, {
    address: options.redis,
    leaseMs,
    threads: count,
    onEvent: options.onEvent ?? (() => undefined),
    residentBytes,
    name: options.name ?? `${hostname()}-${process.pid}`,
  });
  try {
    await running.begin();
    return running;
  } catch (error) {
    await running.close();
    throw error;
  }
}
