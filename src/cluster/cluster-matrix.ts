// A matrix that workers hold, in shares or as a whole: orders go to its log, and what every share replies comes back together.
import { randomUUID } from "node:crypto";
import type { Subtree } from "../engine/block-sweep.js";
import { Outcome } from "../engine/outcome.js";
import { boundsOf } from "../engine/threads/shares.js";
import { fromSent } from "../engine/threads/protocol.js";
import { ClusterError, throwIfAborted } from "../errors.js";
import type { RowLocation } from "../location.js";
import type { RowSource } from "../matrix.js";
import { jobOf, type Coordinator, type ReplyListener } from "./coordinator.js";
import { isKept, type Claim, type Emitted, type Order, type Reply } from "./messages.js";
import { EmittedInOrder } from "./emitted-in-order.js";
import { pack } from "./pack.js";
import { carryOut, putValue } from "./values.js";

export interface OrderHooks {
  signal?: AbortSignal;
  /** Rows done since the last call. */
  onRows?: (rows: number) => void;
  onProgress?: (progress: { stage: string; done: number; total: number }) => void;
  /** Takes what is emitted, in row order. */
  emit?: (emitted: Emitted) => void | Promise<void>;
}

/** The order under way. */
interface Pending {
  readonly order: number;
  readonly body: Order;
  readonly hooks: OrderHooks;
  readonly results: unknown[];
  readonly rows: number[];
  missing: number;
  emitted: EmittedInOrder | undefined;
  repeats: number;
  lostAt: number;
  readonly outcome: Outcome<void>;
}

/** How often it is looked whether those that are silent are still at work. */
const watchMs = 3000;

export class ClusterMatrix implements ReplyListener {
  readonly id = randomUUID();
  /** First row of each share, and the number of rows behind them. */
  readonly bounds: readonly number[];
  private readonly claims: Claim[];
  private claiming: Promise<void> | undefined;
  private orders = 0;
  private pending: Pending | undefined;
  private readonly heard: number[];
  private readonly claimed: boolean[];
  private failure: Error | undefined;
  private begun = 0;
  /** Bytes of the log's entries that are kept for whoever takes a share over. */
  keptBytes = 0;

  constructor(
    readonly coordinator: Coordinator,
    readonly source: RowSource,
    /** One list a share; absent for whole calls. */
    readonly shares: readonly (readonly Subtree[])[] | undefined,
    stored: { location: RowLocation; fingerprint: string },
  ) {
    const { rows, cols, dtype, name } = source;
    const shape = { rows, cols, dtype, name };
    const common = { matrix: this.id, coordinator: coordinator.id, lifeMs: coordinator.lifeMs, shape, ...stored };
    this.claims = (shares ?? [undefined]).map((subtrees, share) => ({ ...common, share, subtrees }));
    this.bounds = boundsOf(shares ?? [], rows);
    this.heard = this.claims.map(() => 0);
    this.claimed = this.claims.map(() => false);
  }

  /** Shares, 1 for a whole. */
  get size(): number {
    return this.claims.length;
  }

  private turn: Promise<unknown> = Promise.resolve();
  private dropping: Promise<unknown> = Promise.resolve();

  /** What each share makes of an order; one order at a time. `values`: one for each share. */
  ask(body: Order, hooks: OrderHooks = {}, values: readonly unknown[] = []): Promise<unknown[]> {
    const result = this.turn.then(() => this.askNow(body, hooks, values));
    // The next one waits until the log holds nothing of one that failed; whoever asked does not.
    this.turn = result.catch(() => this.dropping);
    return result;
  }

  private async askNow(body: Order, hooks: OrderHooks, values: readonly unknown[]): Promise<unknown[]> {
    const { signal } = hooks;
    throwIfAborted(signal);
    this.check();
    this.begun = Date.now();
    const { coordinator, id } = this;
    const order = ++this.orders;
    const pending = (this.pending = this.expect(order, body, hooks));
    const watch = setInterval(() => void this.watch().catch(() => undefined), watchMs);
    const send = async () => {
      this.claiming ??= coordinator.claim(id, this.claims, this);
      await this.claiming;
      await this.bring(order, values);
      if (this.pending !== pending) return; // no longer wanted
      if (isKept(body)) this.keptBytes += sizeOf(body) + sizeOf(values);
      await coordinator.append(id, order, 1, body);
    };
    // Not waited for: Redis may be away, and a signal ends the order all the same.
    const sending = send().catch((error: unknown) => this.stop(pending, error));
    try {
      await pending.outcome.result;
      await coordinator.ask(this.finish(order, isKept(body), pending.repeats), signal);
      return pending.results;
    } catch (error) {
      coordinator.check();
      // Nobody is to make row state of what has failed.
      const dropped = sending.then(() => this.drop(order));
      this.dropping = coordinator.ask(dropped).catch(() => undefined);
      throw coordinator.explain(error);
    } finally {
      clearInterval(watch);
    }
  }

  private expect(order: number, body: Order, hooks: OrderHooks): Pending {
    const { coordinator, id, size } = this;
    const pending: Pending = {
      order,
      body,
      hooks,
      results: new Array<unknown>(size),
      rows: new Array<number>(size).fill(0),
      missing: size,
      emitted: undefined,
      repeats: 1,
      lostAt: 0,
      outcome: new Outcome(hooks.signal, (error) => this.stop(pending, error)),
    };
    if (hooks.emit) {
      pending.emitted = new EmittedInOrder(coordinator, id, order, this.bounds, {
        emit: hooks.emit,
        onLost: (share) => this.lose(pending, share),
        onError: (error) => this.stop(pending, error),
      });
    }
    return pending;
  }

  /** Every share has carried it out: whoever takes one over need not reply, nor know of it if it made no state. */
  private async finish(order: number, isKept: boolean, repeats: number): Promise<void> {
    const { redis, names } = this.coordinator;
    const own = names.matrix(this.id);
    const taken = this.claims.map(({ share }) => `${order}:${share}`);
    const finished = redis
      .pipeline()
      .set(own.done, order)
      .hdel(own.taken, ...taken);
    for (let n = isKept ? 2 : 1; n <= repeats; ++n) finished.xdel(own.orders, `${order}-${n}`);
    await carryOut(finished);
  }

  private async drop(order: number): Promise<void> {
    const { redis, names } = this.coordinator;
    const { orders } = names.matrix(this.id);
    const entries = await redis.xrange(orders, `${order}-0`, `(${order + 1}-0`);
    if (entries.length) await redis.xdel(orders, ...entries.map(([id]) => id));
  }

  /** Of several pieces that were lost at once, the first asks for all. */
  private lose(pending: Pending, share: number): void {
    if (share in pending.results) {
      delete pending.results[share];
      ++pending.missing;
    }
    const now = Date.now();
    if (now - pending.lostAt < watchMs) return;
    pending.lostAt = now;
    void this.repeat(pending).catch(() => undefined);
  }

  private async repeat(pending: Pending): Promise<void> {
    if (this.pending !== pending) return;
    pending.repeats += 1;
    await this.coordinator.append(this.id, pending.order, pending.repeats, pending.body);
  }

  /** Values that an order brings, one for each share. */
  private async bring(order: number, values: readonly unknown[]): Promise<void> {
    const { redis, names } = this.coordinator;
    const own = names.matrix(this.id);
    for (const [share, value] of values.entries()) {
      const key = own.columns(order, share);
      await putValue(redis, own.values, key, pack(value));
    }
  }

  /** Saves all row state, so that the log may begin anew. */
  async checkpoint(signal?: AbortSignal): Promise<void> {
    await this.ask({ type: "checkpoint" }, { signal });
    await this.coordinator.ask(this.forgetBefore(this.orders), signal);
  }

  /** No row state is left: neither is there anything to carry out again. */
  async forget(): Promise<void> {
    if (this.failure || !this.claiming) return;
    await this.coordinator.ask(this.forgetBefore(this.orders + 1));
  }

  private async forgetBefore(order: number): Promise<void> {
    const { redis, names } = this.coordinator;
    const own = names.matrix(this.id);
    await redis.xtrim(own.orders, "MINID", `${order}-0`);
    this.keptBytes = 0;
    const keys = await redis.smembers(own.values);
    const old = keys.filter((key) => Number(/:(\d+):\d+(?::\d+)?$/.exec(key)?.[1]) < order);
    if (old.length)
      await carryOut(
        redis
          .pipeline()
          .unlink(...old)
          .srem(own.values, ...old),
      );
  }

  take(reply: Reply): void {
    const { share } = reply;
    this.heard[share] = Date.now();
    if (reply.type === "claimed") return void (this.claimed[share] = true);
    const { pending } = this;
    if (reply.type === "failed" && reply.order === undefined) return this.fail(fromSent(reply.error));
    if (!pending || reply.order !== pending.order) return; // of an order that was stopped, or the second of two
    try {
      this.takeFor(pending, reply);
    } catch (error) {
      this.stop(pending, error);
    }
  }

  private takeFor(pending: Pending, reply: Exclude<Reply, { type: "claimed" }>): void {
    const { share } = reply;
    switch (reply.type) {
      case "rows": {
        const more = reply.rows - pending.rows[share];
        if (more <= 0) return; // another worker began again
        pending.rows[share] = reply.rows;
        return pending.hooks.onRows?.(more);
      }
      case "progress":
        return pending.hooks.onProgress?.({ stage: reply.stage, done: reply.done, total: reply.total });
      case "emitted":
        return pending.emitted?.add(share, reply);
      case "failed":
        return this.stop(pending, fromSent(reply.error));
      case "done":
        if (share in pending.results) return;
        pending.results[share] = reply.result;
        --pending.missing;
        pending.emitted?.end(share, reply.pieces);
        if (pending.missing > 0) return;
        void Promise.resolve(pending.emitted?.all).then(() => {
          if (pending.missing === 0) this.settle(pending, () => pending.outcome.resolve());
        });
    }
  }

  /** Nothing more comes. */
  fail(error: Error): void {
    this.failure ??= error;
    const { pending } = this;
    if (pending) this.settle(pending, () => pending.outcome.reject(error));
  }

  private stop(pending: Pending, error: unknown): void {
    if (this.pending !== pending) return;
    const { redis, names } = this.coordinator;
    void redis.set(names.matrix(this.id).stopped, pending.order).catch(() => undefined);
    this.settle(pending, () => pending.outcome.reject(error));
  }

  private settle(pending: Pending, then: () => void): void {
    if (this.pending !== pending) return;
    this.pending = undefined;
    pending.emitted?.stop();
    then();
  }

  /** Jobs may fail for good without a word, and a server that was killed may have lost its last second. */
  private async watch(): Promise<void> {
    const { coordinator } = this;
    const { queues, lifeMs } = coordinator;
    if (Math.max(this.begun, ...this.heard) + coordinator.patienceMs < Date.now() && (await coordinator.slots()) === 0)
      return this.fail(await coordinator.nobody());
    for (const claim of this.claims) {
      const { share } = claim;
      const { pending } = this;
      if (!pending || share in pending.results || Date.now() - this.heard[share] < watchMs) continue;
      const queue = claim.subtrees ? queues.shares : queues.layers;
      const job = await queue.getJob(jobOf(claim));
      if (!job) {
        await coordinator.live(); // Redis may have lost everything: then this is over
        if (this.pending === pending) await coordinator.addJob(claim);
        continue;
      }
      if (await job.isFailed()) {
        const where = claim.subtrees ? `share ${share + 1} of ${this.size}` : "the layer";
        const what = this.source.name ?? "the matrix";
        return this.fail(
          new ClusterError(
            `The workers gave up on ${where} of ${what}: ${job.failedReason ?? "no reason was given."} See what they print.`,
          ),
        );
      }
      if (this.pending !== pending || share in pending.results) continue;
      if (this.claimed[share] && Date.now() - this.heard[share] > lifeMs) {
        this.heard[share] = Date.now();
        await this.repeat(pending);
      }
    }
  }

  private check(): void {
    this.coordinator.check();
    if (this.failure) throw this.failure;
  }

  /** The workers let go of it; what it left in Redis goes with the last of them. */
  async close(): Promise<void> {
    if (!this.claiming) return;
    const { coordinator, id } = this;
    // Also after a failure: other shares are held still.
    await coordinator.release(id, ++this.orders).catch(() => undefined);
    this.failure ??= new ClusterError("This matrix is closed.");
  }
}

/** Bytes of the arrays inside. */
function sizeOf(value: unknown): number {
  if (ArrayBuffer.isView(value)) return value.byteLength;
  if (typeof value !== "object" || value === null) return 0;
  return Object.values(value).reduce<number>((sum, each) => sum + sizeOf(each), 0);
}
