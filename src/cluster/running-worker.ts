// A worker at work: it claims layers and shares of rows while it has room, keeps their leases, and says how it is.
import { randomUUID } from "node:crypto";
import type { Job, Queue, Worker } from "bullmq";
import type { Redis } from "ioredis";
import { toSent } from "../engine/threads/protocol.js";
import type { Pool } from "../engine/threads/pool.js";
import { blockRows } from "../engine/sweep.js";
import { FileError, printable } from "../errors.js";
import type { RowSource } from "../matrix.js";
import { forgetMatrix, forgetOrphans } from "./cleaning.js";
import { checkJob } from "./claims.js";
import { LeasedShare } from "./leased-share.js";
import type { Claim, Closing, Counters, WorkerState } from "./messages.js";
import { layerQueue, shareQueue, type Names } from "./names.js";
import { explained } from "./redis.js";
import { release } from "./release.js";
import { sendReply, type WorkerContext } from "./heartbeat.js";
import { fingerprintOf, storedRows, type Storage } from "./storage.js";
import { carryOut } from "./values.js";

export interface ClusterWorker {
  readonly id: string;
  readonly state: WorkerState;
  /** Rejects when the worker cannot go on. */
  readonly done: Promise<void>;
  /** Gives back what it holds, at once, and ends; others take it over. */
  close(): Promise<void>;
}

/** How often a worker says that it is there, and how long that is believed. */
const heartbeatMs = 2000;
const lifeMs = 10_000;
/** How often it looks for what coordinators have left behind, and how long they must have been away. */
const cleanMs = 60_000;
const graceMs = 300_000;
/** Shares, or layers, that one worker holds at most, however few workers there are. */
const mostLeases = 4096;

interface Lease {
  readonly queue: Worker;
  readonly job: Job<Claim | Closing>;
  readonly token: string;
  readonly thread: number;
  readonly abort: AbortController;
  readonly ended: Promise<void>;
}

export interface Queues {
  readonly layers: Worker<Claim | Closing>;
  readonly shares: Worker<Claim | Closing>;
  /** The same, to look at. */
  readonly layersToSee: Queue;
  readonly sharesToSee: Queue;
}

export interface Settings {
  /** Of Redis. */
  readonly address: string;
  readonly leaseMs: number;
  readonly threads: number;
  readonly residentBytes: number;
  readonly name: string;
  readonly onEvent: (event: string) => void;
}

export class RunningWorker implements ClusterWorker {
  readonly id = randomUUID();
  readonly done: Promise<void>;
  private readonly counters: Counters = {
    rows: 0,
    bytesRead: 0,
    bytesSent: 0,
    sweeps: 0,
    calls: 0,
    claims: 0,
    takenOver: 0,
    failures: 0,
  };
  private readonly context: WorkerContext;
  private readonly leases = new Set<Lease>();
  /** Held beyond one a thread, because nobody else takes them. */
  private readonly extra = { [layerQueue]: 0, [shareQueue]: 0 };
  private tokens = 0;
  private before = { at: performance.now(), rows: 0, bytes: 0 };
  private rates = { rowsPerSecond: 0, bytesPerSecond: 0 };
  private told: Counters = { ...this.counters };
  private readonly timers: NodeJS.Timeout[] = [];
  private closing: Promise<void> | undefined;
  private finish!: () => void;
  private fail!: (error: unknown) => void;
  private roomChanged: () => void = () => undefined;
  private isFull = false;

  constructor(
    private readonly redis: Redis,
    private readonly names: Names,
    private readonly queues: Queues,
    private readonly pool: Pool,
    private readonly storage: Storage,
    private readonly settings: Settings,
  ) {
    this.context = { redis, names, pool, counters: this.counters, worker: this.id };
    this.done = new Promise((resolve, reject) => ([this.finish, this.fail] = [resolve, reject]));
    this.done.catch(() => undefined);
  }

  get state(): WorkerState {
    const { id, settings, counters, leases } = this;
    const { name, threads, residentBytes } = settings;
    const shares = [...leases].filter(({ queue }) => queue === this.queues.shares).length;
    return {
      id,
      name,
      release,
      threads,
      layers: leases.size - shares,
      shares,
      counters: { ...counters },
      ...this.rates,
      residentBytes,
    };
  }

  async begin(): Promise<void> {
    const { queues } = this;
    const { leaseMs } = this.settings;
    for (const queue of [queues.layers, queues.shares]) {
      queue.on("error", () => undefined); // it tries again
      queue.on("stalled", (job) => this.say(`${job}: whoever held it is gone`));
      await queue.waitUntilReady();
      await queue.startStalledCheckTimer();
    }
    for (const queue of [queues.layersToSee, queues.sharesToSee]) queue.on("error", () => undefined);
    await this.announce().catch((error: unknown) => Promise.reject(explained(error, this.settings.address)));
    const every = (ms: number, what: () => Promise<unknown>) =>
      this.timers.push(setInterval(() => void what().catch((error: unknown) => this.hear(error)), ms));
    every(heartbeatMs, () => this.announce());
    every(leaseMs / 3, () => this.renew());
    every(leaseMs / 2, () => this.grow());
    const absent = new Map<string, number>();
    every(cleanMs, () => forgetOrphans(this.redis, this.names, absent, graceMs));
    for (const queue of [queues.layers, queues.shares]) void this.claimAll(queue);
  }

  close(): Promise<void> {
    return (this.closing ??= this.end());
  }

  private async end(error?: unknown): Promise<void> {
    const { queues, redis, names, id, leases } = this;
    this.timers.forEach(clearInterval);
    this.roomChanged();
    // Nothing more is claimed, and what is held goes back to the queue, where others find it.
    for (const { abort } of leases) abort.abort();
    // Redis may be away: then leases run out instead.
    await atMost(3000, Promise.allSettled([...leases].map(({ ended }) => ended)));
    if (redis.status === "ready") {
      await redis.srem(names.workers, id).catch(() => undefined);
      await redis.del(names.worker(id)).catch(() => undefined);
    }
    // Closing waits for a job to come; disconnecting does not.
    const all = [queues.layers, queues.shares, queues.layersToSee, queues.sharesToSee];
    const closed = all.map((queue) => queue.close());
    await atMost(300, Promise.allSettled([...all.map((queue) => queue.disconnect()), ...closed]));
    this.pool.end();
    redis.disconnect();
    if (error === undefined) this.finish();
    else this.fail(error);
  }

  /** Takes job after job, while there is room. */
  private async claimAll(queue: Worker<Claim | Closing>): Promise<void> {
    while (!this.closing) {
      // One each: a lease that ran out and was claimed again by this worker is another one.
      const token = `${this.id}-${this.tokens++}`;
      try {
        if (!this.hasRoom(queue)) {
          await new Promise<void>((resolve) => {
            const before = this.roomChanged;
            this.roomChanged = () => {
              before();
              resolve();
            };
          });
          continue;
        }
        const job = await queue.getNextJob(token, { block: true });
        if (job && this.closing) await job.moveToWait(token);
        else if (job) this.lease(queue, job, token);
      } catch (error) {
        this.hear(error);
        await wait(200); // Redis is away, or the job went elsewhere
      }
    }
  }

  private hasRoom(queue: Worker): boolean {
    const count = [...this.leases].filter((each) => each.queue === queue).length;
    return count < Math.min(mostLeases, this.settings.threads + this.extra[queue.name as keyof typeof this.extra]);
  }

  private lease(queue: Worker<Claim | Closing>, job: Job<Claim | Closing>, token: string): void {
    for (const { job: other, abort } of this.leases) if (other.id === job.id) abort.abort();
    const abort = new AbortController();
    const thread = this.leastBusy();
    const ended = this.work(job, token, thread, abort.signal).finally(() => {
      this.leases.delete(lease);
      if (this.leases.size < this.settings.threads) this.extra[layerQueue] = this.extra[shareQueue] = 0;
      this.announceRoom();
    });
    const lease: Lease = { queue, job, token, thread, abort, ended };
    this.leases.add(lease);
  }

  private announceRoom(): void {
    const { roomChanged } = this;
    this.roomChanged = () => undefined;
    roomChanged();
  }

  private leastBusy(): number {
    const load = new Array<number>(this.settings.threads).fill(0);
    for (const { thread } of this.leases) ++load[thread];
    return load.indexOf(Math.min(...load));
  }

  private say(event: string): void {
    this.settings.onEvent(printable(event));
  }

  /** Of faults that pass, one is for people: Redis is out of memory. It is told once, until it is over. */
  private hear(error: unknown): void {
    const found = explained(error, this.settings.address);
    if (found === error || this.isFull) return;
    this.isFull = true;
    this.say((found as Error).message);
  }

  private async work(job: Job<unknown>, token: string, thread: number, signal: AbortSignal): Promise<void> {
    let data: Claim | Closing;
    try {
      data = checkJob(job.data);
    } catch (error) {
      return this.refuse(job, token, error as Error);
    }
    try {
      if ("closing" in data) await forgetMatrix(this.redis, this.names, data.matrix);
      else {
        await this.workOn(data, job, thread, signal);
        if (!data.subtrees) await forgetMatrix(this.redis, this.names, data.matrix);
      }
      await job.moveToCompleted(undefined as never, token, false);
    } catch (error) {
      if (this.closing) {
        await job.moveToWait(token).catch(() => undefined);
        return;
      }
      if (signal.aborted) return this.say(`${job.id}: the lease was lost; somebody else has it`);
      this.counters.failures += 1;
      const found = explained(error, this.settings.address);
      const failure = found instanceof Error ? found : new Error(String(found));
      this.say(`${job.id}: ${failure.message}`);
      const named = new Error(`${this.settings.name}: ${failure.message}`, { cause: failure });
      if (!("closing" in data) && job.attemptsMade + 1 >= (job.opts.attempts ?? 1))
        await sendReply(this.context, data, { type: "failed", error: toSent(failure) }).catch(() => undefined);
      await job.moveToFailed(named, token, false).catch(() => undefined);
      this.checkThreads();
    } finally {
      await this.forgetUnknown(data.matrix).catch(() => undefined);
    }
  }

  /** Whoever put it there is nobody who could be answered. */
  private async refuse(job: Job<unknown>, token: string, error: Error): Promise<void> {
    this.counters.failures += 1;
    this.say(`${job.id}: ${error.message}`);
    job.opts.attempts = 1;
    job.opts.removeOnFail = true;
    await job.moveToFailed(error, token, false).catch(() => undefined);
  }

  /** Of a matrix that Redis has lost, or that is done with, what was written too late would stay for ever. */
  private async forgetUnknown(matrix: string): Promise<void> {
    const { redis, names } = this;
    if (redis.status !== "ready" || (await redis.hexists(names.matrices, matrix))) return;
    await forgetMatrix(redis, names, matrix);
  }

  /** Without its threads a worker is of no use. */
  private checkThreads(): void {
    try {
      this.pool.check();
    } catch (error) {
      this.closing ??= this.end(error);
    }
  }

  private async workOn(claim: Claim, job: Job<unknown>, thread: number, signal: AbortSignal): Promise<void> {
    const { counters, context } = this;
    const again = job.attemptsStarted > 1;
    counters.claims += 1;
    if (again) counters.takenOver += 1;
    const { location, shape, fingerprint, subtrees } = claim;
    const what = subtrees ? `rows ${subtrees[0].first * blockRows} on of ${shape.name ?? "a matrix"}` : shape.name;
    this.say(`${job.id}: ${again ? "took over" : "holds"} ${what}`);
    const bytes = await this.storage.source(location.address);
    try {
      const source = this.counted(storedRows(bytes, location, shape.name));
      if ((await fingerprintOf(source, location)) !== fingerprint)
        throw new FileError(
          `${location.address} is not what the coordinator sees there: another file, or an older copy. Bring the storage up to date.`,
          { file: location.address },
        );
      await sendReply(context, claim, { type: "claimed" });
      await this.follow(claim, source, thread, signal);
    } finally {
      await bytes.close?.();
    }
    this.say(`${job.id}: done`);
  }

  private async follow(claim: Claim, source: RowSource, thread: number, signal: AbortSignal): Promise<void> {
    const reader = this.redis.duplicate();
    reader.on("error", () => undefined); // it tries again
    const stop = () => reader.disconnect();
    signal.addEventListener("abort", stop);
    try {
      await new LeasedShare(this.context, claim, source, thread, signal).run(reader);
    } finally {
      signal.removeEventListener("abort", stop);
      reader.disconnect();
    }
  }

  private counted(source: RowSource): RowSource {
    const { rows, cols, dtype, name } = source;
    return {
      rows,
      cols,
      dtype,
      name,
      read: async (start, count) => {
        const bytes = await source.read(start, count);
        this.counters.bytesRead += bytes.byteLength;
        return bytes;
      },
    };
  }

  private async announce(): Promise<void> {
    const { redis, names, id, counters, before, told } = this;
    const now = performance.now();
    const seconds = (now - before.at) / 1000;
    if (seconds > 0.5) {
      const bytes = counters.bytesRead + counters.bytesSent;
      this.rates = {
        rowsPerSecond: Math.round((counters.rows - before.rows) / seconds),
        bytesPerSecond: Math.round((bytes - before.bytes) / seconds),
      };
      this.before = { at: now, rows: counters.rows, bytes };
    }
    const heartbeat = redis
      .pipeline()
      .set(names.worker(id), JSON.stringify(this.state), "PX", lifeMs)
      .sadd(names.workers, id);
    const current = { ...counters };
    for (const [name, value] of Object.entries(current)) {
      const more = value - told[name as keyof Counters];
      if (more) heartbeat.hincrby(names.totals, name, more);
    }
    await carryOut(heartbeat);
    this.told = current;
    this.isFull = false;
  }

  /** Keeps what is held; what somebody else has meanwhile is let go. */
  private async renew(): Promise<void> {
    const { leaseMs } = this.settings;
    for (const queue of [this.queues.layers, this.queues.shares]) {
      const own = [...this.leases].filter((each) => each.queue.name === queue.name);
      if (own.length === 0) continue;
      const lost = await queue.extendJobLocks(
        own.map(({ job }) => job.id!),
        own.map(({ token }) => token),
        leaseMs,
      );
      for (const { job, abort } of own) if (lost.includes(job.id!)) abort.abort();
    }
  }

  /**
   * What waits while all workers hold one a thread may wait for ever: a matrix needs all of its shares at once, and a program may
   * hold open as many layers as it likes. Every worker takes its part of it.
   */
  private async grow(): Promise<void> {
    const { queues, redis, names } = this;
    for (const queue of [queues.layers, queues.shares]) {
      if (this.hasRoom(queue)) continue;
      const waiting = await (queue === queues.shares ? queues.sharesToSee : queues.layersToSee).getWaitingCount();
      if (waiting === 0) continue;
      this.extra[queue.name as keyof typeof this.extra] += Math.ceil(
        waiting / Math.max(1, await redis.scard(names.workers)),
      );
      this.announceRoom();
    }
  }
}

const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

async function atMost(ms: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise((resolve) => (timer = setTimeout(resolve, ms)));
  await Promise.race([promise, over]);
  clearTimeout(timer);
}
