// What a worker holds under a lease: it carries out the orders of the matrix's log on its share, and what another worker had done there
// before is made again from the log.
import type { Redis } from "ioredis";
import { untilAborted } from "../engine/read-ahead.js";
import { toSent } from "../engine/threads/protocol.js";
import { AbortedError, FileError, isLoewnerError, LoewnerError, WorkerLostError } from "../errors.js";
import type { RowSource } from "../matrix.js";
import { RemoteCall } from "../schedule/remote-call.js";
import { receiveOptions } from "../schedule/transfer.js";
import { EmittedPieces } from "./emitted-pieces.js";
import { isKept, type Claim, type Order, type SweepOrder } from "./messages.js";
import type { MatrixNames } from "./names.js";
import { pack, unpack } from "./pack.js";
import { ShareRows } from "./share-rows.js";
import { Presence, sendReply, Heartbeat, type WorkerContext, type ReplyBody } from "./heartbeat.js";
import { carryOut, getValue, putValue } from "./values.js";

/** How long it waits for the next order before it looks whether there is still somebody. */
const blockMs = 2000;

type Entry = { number: number; order: Order };

let openIds = 0;

export class LeasedShare {
  private readonly own: MatrixNames;
  private readonly base: ShareRows | undefined;
  private readonly rows = new Map<number, ShareRows>();
  /** Number of the last order that was applied from the log, and of the last that was answered. */
  private version = 0;
  private answered = 0;
  /** The row state is no order's: it has to be made again from the log. */
  private isDirty = false;
  private position = "0";
  /** Emitted by the order under way. */
  private pieces = 0;
  /** Of whole calls: the number under which the thread has the rows. */
  private readonly openId = openIds++;
  private isSent = false;

  constructor(
    private readonly context: WorkerContext,
    private readonly claim: Claim,
    private readonly source: RowSource,
    private readonly thread: number,
    /** The lease is lost, or the worker ends. */
    private readonly signal: AbortSignal,
  ) {
    this.own = context.names.matrix(claim.matrix);
    const { subtrees } = claim;
    if (subtrees) this.base = new ShareRows(context.pool, thread, source, subtrees);
  }

  /** Until the matrix is done with. */
  async run(reader: Redis): Promise<void> {
    const { redis } = this.context;
    const presence = new Presence(this.context, this.claim);
    try {
      for (;;) {
        this.signal.throwIfAborted();
        const entry = await this.next(reader);
        if (entry?.order.type === "end") return;
        // Asked only now: another worker may have answered it meanwhile, and the log may have been cut behind it.
        if (entry) await this.carryOut(entry, entry.number <= Number((await redis.get(this.own.done)) ?? 0), presence);
        // While an order is carried out, its heartbeat looks.
        else if (await presence.isGone()) return;
      }
    } finally {
      this.close();
    }
  }

  private close(): void {
    const { pool } = this.context;
    try {
      pool.check();
      this.clear();
      this.base?.close();
      if (this.isSent) pool.send(this.thread, { type: "release", opened: this.openId });
    } catch {
      return; // the threads are gone
    }
  }

  private clear(): void {
    for (const rows of this.rows.values()) rows.close();
    this.rows.clear();
    this.version = 0;
    this.isDirty = false;
  }

  private async next(reader: Redis): Promise<Entry | undefined> {
    const reading = reader.xreadBuffer("COUNT", 1, "BLOCK", blockMs, "STREAMS", this.own.orders, this.position);
    const found = await untilAborted(reading, this.signal);
    const entry = found?.[0]?.[1]?.[0];
    if (!entry) return undefined;
    this.position = entry[0].toString();
    return entryOf(entry);
  }

  /** @param isOld every share has answered it: only its row state is wanted, where it is not here */
  private async carryOut({ number, order }: Entry, isOld: boolean, presence: Presence): Promise<void> {
    if (isOld) {
      if (number > this.version && isKept(order)) await this.apply(number, order, presence);
      return;
    }
    // Asked again: the answer was lost. The row state is that of after.
    if (number <= this.answered) this.isDirty = true;
    const heartbeat = new Heartbeat(this.context, this.claim, number, presence, this.signal);
    this.pieces = 0;
    try {
      if (this.isDirty && order.type !== "close") await this.rebuild(number, presence);
      const result = await this.perform(number, order, heartbeat);
      if (isKept(order)) this.version = number;
      await this.reply({ type: "done", order: number, pieces: this.pieces, result });
    } catch (error) {
      this.signal.throwIfAborted();
      // A sweep that ended half way leaves row state of two times.
      if (isKept(order)) this.isDirty = true;
      if (isTransient(error)) throw error;
      if (!(error instanceof AbortedError)) await this.reply({ type: "failed", order: number, error: toSent(error) });
    } finally {
      heartbeat.end();
    }
    this.answered = number;
  }

  /** All row state as it was before an order. */
  private async rebuild(before: number, presence: Presence): Promise<void> {
    this.clear();
    const { redis } = this.context;
    for (let from = "-"; ;) {
      const [entry] = await redis.xrangeBuffer(this.own.orders, from, `(${before}-0`, "COUNT", 1);
      if (!entry) return;
      from = `(${entry[0].toString()}`;
      const { number, order } = entryOf(entry);
      if (number > this.version && isKept(order)) await this.apply(number, order, presence);
    }
  }

  /** Row state alone. */
  private async apply(number: number, order: Order, presence: Presence): Promise<void> {
    const heartbeat = new Heartbeat(this.context, this.claim, undefined, presence, this.signal);
    try {
      // What is here may lack orders that the log no longer has.
      if (order.type === "checkpoint") await this.restore(number);
      else await this.perform(number, order, heartbeat, true);
    } finally {
      heartbeat.end();
    }
    this.version = number;
  }

  private async perform(number: number, order: Order, heartbeat: Heartbeat, quietly = false): Promise<unknown> {
    switch (order.type) {
      case "open":
        this.rows.set(order.rows, this.openRows());
        break;
      case "close":
        this.rows.get(order.rows)?.close();
        this.rows.delete(order.rows);
        if (this.rows.size === 0) this.isDirty = false;
        break;
      case "sweep":
        return this.sweep(number, order, heartbeat, quietly);
      case "get":
        return this.rows.get(order.rows)?.get(order.name);
      case "checkpoint":
        return this.save(number);
      case "call":
        return this.call(order.primitive, order.options, heartbeat);
    }
  }

  private openRows(): ShareRows {
    return new ShareRows(this.context.pool, this.thread, this.source, this.claim.subtrees!, this.base);
  }

  private async sweep(number: number, order: SweepOrder, heartbeat: Heartbeat, quietly: boolean) {
    const { context, claim } = this;
    const rows = this.rows.get(order.rows)!;
    for (const name of order.deletes) rows.delete(name);
    if (order.sets) {
      const columns = (await this.value(this.own.columns(number, claim.share))) as Record<string, Float64Array>;
      for (const [name, column] of Object.entries(columns)) rows.set(name, column);
    }
    if (quietly && order.sweep.writes.state.length === 0) return undefined;
    const pieces = quietly ? undefined : new EmittedPieces(context, claim, number, order.window, heartbeat.signal);
    const results = await rows.sweep(order.sweep, {
      signal: heartbeat.signal,
      onRows: (count) => {
        heartbeat.rows += count;
        context.counters.rows += count;
      },
      emit: pieces && ((emitted) => pieces.add(emitted)),
    });
    if (pieces) this.pieces = await pieces.end();
    context.counters.sweeps += 1;
    return results;
  }

  private async save(number: number): Promise<undefined> {
    const { own, claim, context } = this;
    const saved: [number, Record<string, Float64Array>][] = [];
    for (const [id, rows] of this.rows) saved.push([id, await rows.columns()]);
    const key = own.checkpoint(number, claim.share);
    // Never in place of one that is there: two may hold the share, and this one may have come too late for all of the log.
    const { redis } = context;
    const mine = `${key}:${context.worker}`;
    await putValue(redis, own.values, mine, pack(saved));
    const [, isNew] = await carryOut(redis.multi().sadd(own.values, key).renamenx(mine, key));
    if (!isNew) await redis.unlink(mine);
    return undefined;
  }

  private async restore(number: number): Promise<void> {
    this.clear();
    const saved = (await this.value(this.own.checkpoint(number, this.claim.share))) as [
      number,
      Record<string, Float64Array>,
    ][];
    for (const [id, columns] of saved) {
      const rows = this.openRows();
      for (const [name, column] of Object.entries(columns)) rows.set(name, column);
      this.rows.set(id, rows);
    }
  }

  private async call(
    primitive: string,
    options: Readonly<Record<string, unknown>>,
    heartbeat: Heartbeat,
  ): Promise<unknown> {
    const { pool, counters } = this.context;
    const call = new RemoteCall({
      pool,
      worker: this.thread,
      primitive,
      opened: this.openId,
      source: this.isSent ? undefined : this.source,
      options: {
        ...receiveOptions(options),
        signal: heartbeat.signal,
        onProgress: (progress) => void (heartbeat.progress = progress),
      },
      onSent: () => void (this.isSent = true),
    });
    counters.calls += 1;
    try {
      return await call.result;
    } finally {
      await call.released;
    }
  }

  private async value(key: string): Promise<unknown> {
    const packed = await getValue(this.context.redis, key);
    if (!packed) throw new LoewnerError("CLUSTER", `${key} is missing in Redis: it lost some of its last writes.`);
    return unpack(packed);
  }

  private reply(reply: ReplyBody): Promise<void> {
    return sendReply(this.context, this.claim, reply);
  }
}

function entryOf([id, [, packed]]: [Buffer, Buffer[]]): Entry {
  return { number: Number(id.toString().split("-")[0]), order: unpack(packed) as Order };
}

/** Another worker, or a later try, may fare better: a file that cannot be read here, and what nobody thought of. */
export const isTransient = (error: unknown) =>
  error instanceof FileError || error instanceof WorkerLostError || !isLoewnerError(error);
