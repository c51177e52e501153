// What shares emit, handed on in row order: pieces wait in Redis until their turn, and the worker is told how far it has been taken.
import type { Coordinator } from "./coordinator.js";
import type { Emitted } from "./messages.js";
import { unpack } from "./pack.js";

interface Piece {
  readonly key: string;
  readonly from: number;
  readonly to: number;
}

export class EmittedInOrder {
  /** Of each share, by first row: a worker that takes over sends some of them again. */
  private readonly pieces: Map<number, Piece>[];
  private readonly ended: boolean[];
  private readonly next: (number | undefined)[];
  private running = false;
  private stopped = false;
  private finish!: () => void;
  private fail!: (error: unknown) => void;
  /** When everything has been taken. */
  readonly all: Promise<void>;

  constructor(
    private readonly coordinator: Coordinator,
    private readonly matrix: string,
    private readonly order: number,
    shares: number,
    private readonly emit: (emitted: Emitted) => void | Promise<void>,
    /** A piece of this share is not in Redis: it has to be made again. */
    private readonly onLost: (share: number) => void,
  ) {
    this.pieces = Array.from({ length: shares }, () => new Map<number, Piece>());
    this.ended = new Array<boolean>(shares).fill(false);
    this.next = new Array<number | undefined>(shares).fill(undefined);
    this.all = new Promise((resolve, reject) => ([this.finish, this.fail] = [resolve, reject]));
    this.all.catch(() => undefined); // whoever waits hears of it
  }

  add(share: number, piece: Piece, onError: (error: unknown) => void): void {
    if (piece.from < (this.next[share] ?? 0)) return; // has been taken
    this.pieces[share].set(piece.from, piece);
    void this.run().catch(onError);
  }

  /** All pieces of this share have been named. */
  end(share: number): void {
    this.ended[share] = true;
    void this.run().catch(this.fail);
  }

  stop(): void {
    this.stopped = true;
  }

  private async run(): Promise<void> {
    if (this.running) return;
    this.running = true;
    try {
      const { redis } = this.coordinator;
      let ahead: { key: string; packed: Promise<Buffer | null> } | undefined;
      for (let share = 0; share < this.pieces.length && !this.stopped;) {
        const piece = this.lowest(share);
        if (!piece) {
          if (!this.ended[share]) return;
          ++share;
          continue;
        }
        const packed = await (ahead?.key === piece.key ? ahead.packed : redis.getBuffer(piece.key));
        this.pieces[share].delete(piece.from);
        if (!packed) {
          this.ended[share] = false;
          this.onLost(share);
          continue;
        }
        this.next[share] = piece.to;
        const following = this.lowest(share);
        ahead = following && { key: following.key, packed: redis.getBuffer(following.key) };
        ahead?.packed.catch(() => undefined);
        for (const each of unpack(packed) as Emitted[]) {
          if (this.stopped) return;
          const waiting = this.emit(each);
          if (waiting) await waiting;
        }
        const names = this.coordinator.names.matrix(this.matrix);
        await redis
          .pipeline()
          .unlink(piece.key)
          .srem(names.values, piece.key)
          .hset(names.taken, `${this.order}:${share}`, piece.to)
          .exec();
      }
      if (!this.stopped) this.finish();
    } finally {
      this.running = false;
    }
  }

  /** Pieces come in row order, but a worker that takes over begins anew: only what continues is next. */
  private lowest(share: number): Piece | undefined {
    const next = this.next[share];
    if (next !== undefined) return this.pieces[share].get(next);
    const [first] = this.pieces[share].values();
    return first;
  }
}
