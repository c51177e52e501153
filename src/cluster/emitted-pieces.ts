// What a share emits, gathered into pieces of some megabytes that wait in Redis. The worker waits when much of it has not been taken.
import { blockRows } from "../engine/sweep.js";
import { AbortedError } from "../errors.js";
import type { Claim, Emitted } from "./messages.js";
import { pack } from "./pack.js";
import { sendReply, type WorkerContext } from "./heartbeat.js";
import { putValue } from "./values.js";

const pieceBytes = 4 << 20;
const pollMs = 20;

export class EmittedPieces {
  private piece: Emitted[] = [];
  private bytes = 0;
  private count = 0;
  private bytesPerRow = 0;
  private taken: number | undefined;

  constructor(
    private readonly context: WorkerContext,
    private readonly claim: Claim,
    private readonly order: number,
    private readonly window: number,
    private readonly signal: AbortSignal,
  ) {}

  async add(emitted: Emitted): Promise<void> {
    const first = this.piece[0];
    // Several names may be emitted for one block: they stay together.
    if (first && this.bytes >= pieceBytes && emitted.start !== this.piece[this.piece.length - 1].start)
      await this.send(emitted.start);
    this.piece.push(emitted);
    this.bytes += emitted.block.byteLength;
  }

  /** How many pieces there were. */
  async end(): Promise<number> {
    const last = this.claim.subtrees![this.claim.subtrees!.length - 1];
    if (this.piece.length) await this.send(Math.min(this.claim.shape.rows, (last.first + last.blocks) * blockRows));
    return this.count;
  }

  private async send(to: number): Promise<void> {
    const from = this.piece[0].start;
    const { piece, bytes } = this;
    this.piece = [];
    this.bytes = 0;
    ++this.count;
    this.bytesPerRow = bytes / (to - from);
    if (!(await this.isWanted(from, to))) return;
    const { redis, names, counters } = this.context;
    const own = names.matrix(this.claim.matrix);
    const key = own.emitted(this.order, this.claim.share, from);
    const packed = pack(piece);
    counters.bytesSent += packed.byteLength;
    await putValue(redis, own.values, key, packed);
    await sendReply(this.context, this.claim, { type: "emitted", order: this.order, key, from, to });
  }

  /** Waits for room; false for what has been taken already, from whoever had the share before. */
  private async isWanted(from: number, to: number): Promise<boolean> {
    const { redis, names } = this.context;
    const { taken } = names.matrix(this.claim.matrix);
    const first = this.claim.subtrees![0].first * blockRows;
    for (;;) {
      if (this.signal.aborted) throw new AbortedError(this.signal.reason);
      if (this.taken !== undefined) {
        // One piece may always wait, however small the window.
        if (from <= this.taken) return from === this.taken;
        if ((to - this.taken) * this.bytesPerRow <= this.window) return true;
      }
      const before = this.taken;
      this.taken = Number((await redis.hget(taken, `${this.order}:${this.claim.share}`)) ?? first);
      if (before === this.taken) await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
  }
}
