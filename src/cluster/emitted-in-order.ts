// What shares emit, handed on in row order: pieces wait in Redis until their turn, and the worker is told how far it has been taken.
import type { Coordinator } from "./coordinator.js";
import type { Emitted } from "./messages.js";
import { unpack } from "./pack.js";
import { carryOut, getValue } from "./values.js";

interface Piece {
  readonly key: string;
  readonly from: number;
  readonly to: number;
}

interface Hooks {
  emit(emitted: Emitted): void | Promise<void>;
  /** A piece of this share is not in Redis: it has to be made again. */
  onLost(share: number): void;
  /** By `emit`, or Redis. */
  onError(error: unknown): void;
}

export class EmittedInOrder {
  /** Of each share, by first row: a worker that takes over sends some of them again. */
  private readonly pieces: Map<number, Piece>[];
  /** Of each share, the row that comes next; every row of a share that emits is emitted. */
  private readonly next: number[];
  private running = false;
  private wanted = false;
  private stopped = false;
  private finish!: () => void;
  /** When everything has been taken. */
  readonly all: Promise<void>;

  /** @param bounds first row of each share, and the number of rows behind them */
  constructor(
    private readonly coordinator: Coordinator,
    private readonly matrix: string,
    private readonly order: number,
    private readonly bounds: readonly number[],
    private readonly hooks: Hooks,
  ) {
    this.next = bounds.slice(0, -1);
    this.pieces = this.next.map(() => new Map<number, Piece>());
    this.all = new Promise((resolve) => (this.finish = resolve));
  }

  add(share: number, piece: Piece): void {
    if (piece.from < this.next[share]) return; // has been taken
    this.pieces[share].set(piece.from, piece);
    this.start();
  }

  /** The share has been swept, and has emitted so many pieces. */
  end(share: number, pieces: number): void {
    if (pieces === 0) this.next[share] = this.bounds[share + 1];
    this.start();
  }

  stop(): void {
    this.stopped = true;
  }

  private start(): void {
    this.wanted = true;
    if (this.running) return;
    this.running = true;
    this.runAll()
      .catch((error: unknown) => {
        this.stopped = true;
        this.hooks.onError(error);
      })
      .finally(() => (this.running = false));
  }

  private async runAll(): Promise<void> {
    while (this.wanted && !this.stopped) {
      this.wanted = false;
      await this.run();
    }
  }

  private async run(): Promise<void> {
    const { redis, names } = this.coordinator;
    const own = names.matrix(this.matrix);
    let ahead: { key: string; packed: Promise<Buffer | undefined> } | undefined;
    for (let share = 0; share < this.next.length && !this.stopped;) {
      if (this.next[share] >= this.bounds[share + 1]) {
        ++share;
        continue;
      }
      const piece = this.pieces[share].get(this.next[share]);
      if (!piece) return;
      const packed = await (ahead?.key === piece.key ? ahead.packed : getValue(redis, piece.key));
      this.pieces[share].delete(piece.from);
      if (!packed) return this.hooks.onLost(share);
      this.next[share] = piece.to;
      const following = this.pieces[share].get(piece.to);
      ahead = following && { key: following.key, packed: getValue(redis, following.key) };
      ahead?.packed.catch(() => undefined);
      for (const each of unpack(packed, { copies: false }) as Emitted[]) {
        if (this.stopped) return;
        const waiting = this.hooks.emit(each);
        if (waiting) await waiting;
      }
      const taken = redis
        .pipeline()
        .unlink(piece.key)
        .srem(own.values, piece.key)
        .hset(own.taken, `${this.order}:${share}`, piece.to);
      await carryOut(taken);
    }
    if (!this.stopped) this.finish();
  }
}
