// Replies to a coordinator, and the heartbeat of a worker that carries out an order: it tells how far it is and hears when to stop.
import { randomUUID } from "node:crypto";
import type { Redis } from "ioredis";
import type { Pool } from "../engine/threads/pool.js";
import type { Claim, Counters, Reply } from "./messages.js";
import type { Names } from "./names.js";
import { pack } from "./pack.js";
import { putValue } from "./values.js";

/** How often a worker says how far it is, and asks whether that is still wanted. */
const heartbeatMs = 400;
/** A larger reply is a value of its own. */
const largestReply = 64 << 20;
/** A sign of life is due after this, when there is nothing to say. */
const silenceMs = 2000;

export interface WorkerContext {
  readonly redis: Redis;
  readonly names: Names;
  readonly pool: Pool;
  readonly counters: Counters;
  readonly worker: string;
}

type Without<T> = T extends unknown ? Omit<T, "matrix" | "share"> : never;
export type ReplyBody = Without<Reply>;

export async function sendReply(
  { redis, names, counters }: WorkerContext,
  { matrix, share, coordinator }: Claim,
  reply: ReplyBody,
): Promise<void> {
  const packed = pack({ matrix, share, ...reply });
  counters.bytesSent += packed.byteLength;
  if (packed.byteLength > largestReply) {
    const key = `${names.replies(coordinator)}:${randomUUID()}`;
    await putValue(redis, names.matrix(matrix).values, key, packed);
    await redis.xadd(names.replies(coordinator), "NOMKSTREAM", "*", "key", key);
    return;
  }
  await redis.xadd(names.replies(coordinator), "NOMKSTREAM", "*", "reply", packed);
}

/** Whether the coordinator is there. It may be late when Redis has been away: its time runs while Redis is there. */
export class Presence {
  private absentSince: number | undefined;

  constructor(
    private readonly context: WorkerContext,
    private readonly claim: Claim,
  ) {}

  async isGone(): Promise<boolean> {
    const { redis, names } = this.context;
    if (await redis.exists(names.coordinator(this.claim.coordinator))) {
      this.absentSince = undefined;
      return false;
    }
    this.absentSince ??= performance.now();
    return performance.now() - this.absentSince >= this.claim.lifeMs;
  }
}

/** While an order is carried out: says how far it is, and hears when it is no longer wanted. */
export class Heartbeat {
  rows = 0;
  progress: { stage: string; done: number; total: number } | undefined;
  private readonly abort = new AbortController();
  readonly signal: AbortSignal;
  private readonly timer: NodeJS.Timeout;
  private asking = false;
  private told = 0;
  private last = Date.now();

  constructor(
    private readonly context: WorkerContext,
    private readonly claim: Claim,
    /** Absent while row state is made again. */
    private readonly order: number | undefined,
    private readonly presence: Presence,
    signal: AbortSignal,
  ) {
    this.signal = AbortSignal.any([signal, this.abort.signal]);
    this.timer = setInterval(() => void this.look().catch(() => undefined), heartbeatMs);
  }

  end(): void {
    clearInterval(this.timer);
  }

  private async look(): Promise<void> {
    if (this.asking) return; // Redis is away
    this.asking = true;
    try {
      const { redis, names } = this.context;
      const own = names.matrix(this.claim.matrix);
      const { order, rows, progress } = this;
      const [past, isGone] = await Promise.all([redis.mget(own.stopped, own.done), this.presence.isGone()]);
      // Stopped, or answered by another worker.
      const isOver = order !== undefined && past.some((number) => Number(number ?? 0) >= order);
      if (isGone || isOver) return this.abort.abort();
      if (order === undefined) {
        // Row state is made again: a sign of life, of no order.
        if (Date.now() > this.last + silenceMs) await this.say({ type: "rows", order: 0, rows: 0 });
        return;
      }
      if (progress) await this.say({ type: "progress", order, ...progress });
      else if (rows !== this.told || Date.now() > this.last + silenceMs) await this.say({ type: "rows", order, rows });
      this.told = rows;
    } finally {
      this.asking = false;
    }
  }

  private async say(reply: ReplyBody): Promise<void> {
    this.last = Date.now();
    this.progress = undefined;
    await sendReply(this.context, this.claim, reply);
  }
}
