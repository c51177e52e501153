// One who has work done: known to the workers for as long as it says so, and told by them what they did.
import { randomUUID } from "node:crypto";
import type { Redis } from "ioredis";
import type * as Bullmq from "bullmq";
import type { FlowProducer, Queue } from "bullmq";
import { untilAborted } from "../engine/read-ahead.js";
import { ClusterError, DisposedError, printable } from "../errors.js";
import { forgetMatrix } from "./cleaning.js";
import type { Claim, Closing, Order, Reply } from "./messages.js";
import type { CoordinatorOptions } from "./cluster-options.js";
import { layerQueue, Names, shareQueue } from "./names.js";
import { pack, unpack } from "./pack.js";
import { connect, explained, loadBullmq, plainAddress } from "./redis.js";
import { readWorkers } from "./status.js";
import { release } from "./release.js";
import { carryOut, getValue } from "./values.js";

/** A matrix that workers hold, as it hears of them. */
export interface ReplyListener {
  take(reply: Reply): void;
  fail(error: Error): void;
}

/** Failures that a worker reports, such as a file that it cannot read, are tried again elsewhere. */
const jobOptions = {
  attempts: 3,
  backoff: { type: "exponential", delay: 300 },
  removeOnComplete: true,
  removeOnFail: { age: 3600 },
};

/** What workers reported outlives a coordinator that is killed by so much. */
const repliesMs = 600_000;

export class Coordinator {
  readonly id = randomUUID();
  private readonly listeners = new Map<string, ReplyListener>();
  private failure: Error | undefined;
  private ended = false;
  private readonly gone = new AbortController();
  private readonly beat: NodeJS.Timeout;
  private away: NodeJS.Timeout | undefined;
  private fullSince: number | undefined;
  /** Matrices that workers were asked to hold, and not yet to let go. */
  private readonly claimed = new Set<string>();

  private constructor(
    readonly redis: Redis,
    /** For reads that wait. */
    private readonly reader: Redis,
    private readonly flow: FlowProducer,
    /** To look at jobs. */
    readonly queues: { readonly layers: Queue; readonly shares: Queue },
    readonly names: Names,
    private readonly address: string,
    readonly lifeMs: number,
    readonly patienceMs: number,
    readonly onNotice: (text: string) => void,
  ) {
    this.beat = setInterval(() => void this.live().catch(() => undefined), lifeMs / 6);
    this.beat.unref();
    redis.on("close", () => this.isAway());
    redis.on("ready", () => this.isBack());
    void this.listen();
  }

  /**
   * @throws {ClusterError} when Redis cannot be reached or is not fit for it
   * @throws {UnsupportedRuntimeError} without bullmq and ioredis
   */
  static async connect(options: CoordinatorOptions): Promise<Coordinator> {
    const { redis: address, prefix = "loewner" } = options;
    const { FlowProducer, Queue } = await loadBullmq();
    const redis = await connect(address);
    const names = new Names(prefix);
    try {
      return await Coordinator.begin(redis, names, options, { FlowProducer, Queue });
    } catch (error) {
      redis.disconnect();
      throw explained(error, address);
    }
  }

  private static async begin(
    redis: Redis,
    names: Names,
    { redis: address, lifeMs = 30_000, patienceMs = 120_000, onNotice = () => undefined }: CoordinatorOptions,
    { FlowProducer, Queue }: Pick<typeof Bullmq, "FlowProducer" | "Queue">,
  ): Promise<Coordinator> {
    const shared = { connection: redis, prefix: names.queues };
    const reader = redis.duplicate();
    const flow = new FlowProducer(shared);
    const queues = { layers: new Queue(layerQueue, shared), shares: new Queue(shareQueue, shared) };
    const triesAgain = () => undefined;
    reader.on("error", triesAgain);
    flow.on("error", triesAgain);
    for (const queue of [queues.layers, queues.shares]) queue.on("error", triesAgain);
    await reader.connect();
    const at = plainAddress(address);
    const notice = (text: string) => onNotice(printable(text));
    const coordinator = new Coordinator(redis, reader, flow, queues, names, at, lifeMs, patienceMs, notice);
    // Workers add to a stream that is there, and make none.
    const replies = names.replies(coordinator.id);
    await redis.xdel(replies, (await redis.xadd(replies, "*", "reply", ""))!);
    await coordinator.live();
    return coordinator;
  }

  /** @throws {ClusterError | DisposedError} once it is of no more use */
  check(): void {
    if (this.failure) throw this.failure;
  }

  /**
   * What Redis answers; does not wait for it for longer than this coordinator is of use.
   * @throws {ClusterError | DisposedError}
   */
  async ask<T>(answer: Promise<T>, signal?: AbortSignal): Promise<T> {
    const until = signal ? AbortSignal.any([signal, this.gone.signal]) : this.gone.signal;
    try {
      return await untilAborted(answer, until);
    } catch (error) {
      this.check();
      throw this.explain(error);
    }
  }

  /** What ends in an error for people: Redis is out of memory. */
  explain(error: unknown): unknown {
    return explained(error, this.address);
  }

  /** Says that it lives; `ms`: for that long, because this thread will be busy. */
  async live(ms = this.lifeMs): Promise<void> {
    if (this.failure) return;
    const { redis, names, id } = this;
    const heartbeat = redis
      .pipeline()
      .set(names.coordinator(id), release, "PX", Math.ceil(ms))
      .pexpire(names.replies(id), Math.ceil(ms) + repliesMs);
    const isThere = await carryOut(heartbeat).then(([, found]) => found, (error: unknown) => this.isFull(error)); // prettier-ignore
    if (isThere || this.failure) return;
    this.fail(
      new ClusterError(
        `This process, or Redis at ${this.address}, was away for so long that the workers have let go. Give the command again, with --resume.`,
      ),
    );
  }

  /** Full for a moment is no matter; once workers believe that nobody is here, it ends. */
  private isFull(error: unknown): boolean {
    const full = this.explain(error);
    if (!(full instanceof ClusterError)) throw error;
    if (this.fullSince === undefined) this.onNotice(full.message);
    this.fullSince ??= Date.now();
    if (Date.now() - this.fullSince >= this.lifeMs) this.fail(full);
    return true;
  }

  /** Threads of all workers that are there now. */
  async slots(): Promise<number> {
    const workers = await readWorkers(this.redis, this.names);
    return workers.filter((worker) => worker.release === release).reduce((sum, { threads }) => sum + threads, 0);
  }

  /**
   * Waits for the first worker.
   * @throws {ClusterError} when none comes in time
   */
  async waitForWorkers(): Promise<number> {
    let hasSaid = false;
    for (const end = Date.now() + this.patienceMs; ;) {
      this.check();
      const slots = await this.slots();
      if (slots > 0) return slots;
      if (!hasSaid)
        this.onNotice(`waiting for the first worker at ${this.address} (${this.patienceMs / 1000} s at most)`);
      hasSaid = true;
      if (Date.now() >= end) throw await this.nobody();
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  async nobody(): Promise<ClusterError> {
    const others = (await readWorkers(this.redis, this.names)).filter((worker) => worker.release !== release);
    const found = others.length
      ? ` There are ${others.length} of another release (${others[0].release} on ${others[0].name}; this is ${release}): install the same version everywhere.`
      : "";
    return new ClusterError(
      `No worker has come to ${this.address} in ${this.patienceMs / 1000} s.${found} Start some: loewner worker --redis ${this.address} --storage FOLDER`,
    );
  }

  /** Asks for workers to hold these shares of a matrix, or all of it. */
  async claim(matrix: string, claims: readonly Claim[], listener: ReplyListener): Promise<void> {
    this.check();
    this.listeners.set(matrix, listener);
    this.claimed.add(matrix);
    if (!claims[0].subtrees) return this.addJob(claims[0]);
    await this.redis.hset(this.names.matrices, matrix, this.id);
    const closing: Closing = { matrix, closing: true };
    await this.flow.add({
      name: "matrix",
      queueName: layerQueue,
      data: closing,
      opts: { ...jobOptions, jobId: matrix },
      children: claims.map((claim) => ({
        name: "share",
        queueName: shareQueue,
        data: claim,
        // The job above cleans up, whatever became of these.
        opts: { ...jobOptions, jobId: jobOf(claim), ignoreDependencyOnFailure: true },
      })),
    });
  }

  /** For a worker to hold; added twice it is one. */
  async addJob(claim: Claim): Promise<void> {
    await this.redis.hset(this.names.matrices, claim.matrix, this.id);
    const [queue, name] = claim.subtrees ? [this.queues.shares, "share"] : [this.queues.layers, "layer"];
    await queue.add(name, claim, { ...jobOptions, jobId: jobOf(claim) });
  }

  /** Appends to a matrix's log; an entry that is there already stays as it is. */
  async append(matrix: string, order: number, repeat: number, body: Order): Promise<void> {
    const { orders } = this.names.matrix(matrix);
    await this.redis.xadd(orders, `${order}-${repeat}`, "order", pack(body)).catch((error: Error) => {
      if (!/equal or smaller/.test(error.message)) throw error; // sent again after a connection was lost
    });
  }

  /** Has the workers let go of a matrix; what it left in Redis goes with the last of them. */
  async release(matrix: string, order: number): Promise<void> {
    this.listeners.delete(matrix);
    if (this.failure) return; // end() does it
    await this.ask(this.letGo(matrix, order));
  }

  private async letGo(matrix: string, order: number): Promise<void> {
    const { redis, names } = this;
    // After a FLUSHALL nobody holds it, and an order would stay for ever.
    if (await redis.hexists(names.matrices, matrix)) await this.append(matrix, order, 1, { type: "end" });
    else await forgetMatrix(redis, names, matrix);
    this.claimed.delete(matrix);
  }

  /** What workers still hold for it they are told to let go. */
  async end(): Promise<void> {
    if (this.ended) return;
    this.ended = true;
    const { redis, names, id } = this;
    this.fail(new DisposedError());
    if (redis.status === "ready") {
      const released = [...this.claimed].map((matrix) => this.letGo(matrix, Number.MAX_SAFE_INTEGER));
      await atMostASecond([...released, redis.del(names.coordinator(id), names.replies(id))]);
    }
    await atMostASecond([this.flow.close(), this.queues.layers.close(), this.queues.shares.close()]);
    this.reader.disconnect();
    redis.disconnect();
  }

  private fail(error: Error): void {
    this.failure ??= error;
    clearInterval(this.beat);
    clearTimeout(this.away);
    const listeners = [...this.listeners.values()];
    this.listeners.clear();
    this.gone.abort();
    for (const listener of listeners) listener.fail(this.failure);
  }

  /** Entries stay until they have been looked at: what comes while the connection is lost is not. */
  private async listen(): Promise<void> {
    const key = this.names.replies(this.id);
    let last = "0";
    while (!this.failure) {
      try {
        const found = await this.reader.xreadBuffer("COUNT", 4, "BLOCK", 5000, "STREAMS", key, last);
        for (const [id, [field, value]] of found?.[0]?.[1] ?? []) {
          const isLarge = field.toString() === "key";
          const packed = isLarge ? await getValue(this.redis, value.toString()) : value;
          last = id.toString();
          if (!packed?.length) continue; // the one that made the stream, or lost
          const reply = unpack(packed) as Reply | null;
          if (reply) this.listeners.get(reply.matrix)?.take(reply);
          await this.redis.xdel(key, last);
          if (isLarge) await this.redis.unlink(value.toString());
        }
      } catch (error) {
        if (this.failure) return;
        if (error instanceof ClusterError) return this.fail(error);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }

  private isAway(): void {
    if (this.failure || this.away) return;
    this.onNotice(`the connection to Redis at ${this.address} is lost; trying again`);
    this.away = setTimeout(() => {
      const seconds = this.patienceMs / 1000;
      this.fail(
        new ClusterError(
          `Redis at ${this.address} has been away for ${seconds} s. Start it again, and the command with --resume.`,
        ),
      );
    }, this.patienceMs);
  }

  private isBack(): void {
    clearTimeout(this.away);
    this.away = undefined;
    void this.live().catch(() => undefined);
  }
}

/** Redis may be away. */
const atMostASecond = (work: Promise<unknown>[]) =>
  Promise.race([Promise.allSettled(work), new Promise((resolve) => setTimeout(resolve, 1000).unref())]);

export const jobOf = ({ matrix, share }: Pick<Claim, "matrix" | "share">) => `${matrix}-${share}`;
