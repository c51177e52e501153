// The workers of one engine: started when they are first needed, a reason for the process to stay only while they work, and
// all of no use once one of them is lost.
import { DisposedError, WorkerLostError } from "../../errors.js";
import type { Member, Order, Report } from "./protocol.js";
import type { WorkerOptions } from "./serve.js";
import { spawn, type WorkerScript } from "./spawn.js";

/** What hears of a call's reports, and of the end of all workers. */
export interface Listener {
  take(report: Report, worker: number): void;
  fail(error: Error): void;
}

export class Pool {
  private members: Member[] = [];
  private readonly listeners = new Map<number, Listener>();
  private started: Promise<void> | undefined;
  private failure: Error | undefined;
  private calls = 0;

  constructor(
    readonly size: number,
    private readonly options: WorkerOptions,
    private readonly script: WorkerScript,
  ) {}

  /** @throws {WorkerLostError | DisposedError} once there are no more workers */
  check(): void {
    if (this.failure) throw this.failure;
  }

  get isLost(): boolean {
    return this.failure !== undefined;
  }

  start(): Promise<void> {
    return (this.started ??= this.spawnAll());
  }

  private async spawnAll(): Promise<void> {
    try {
      this.members = await Promise.all(Array.from({ length: this.size }, () => spawn(this.options, this.script)));
    } catch (cause) {
      this.stopAll(new WorkerLostError(`Threads could not be started: ${String(cause)}. Use threads: 1.`, { cause }));
    }
    const { members } = this;
    if (this.failure) members.forEach((member) => member.end());
    this.check();
    members.forEach((member, worker) => {
      member.onEnd((cause) => this.lose(worker, cause));
      member.listen((report) => this.listeners.get(report.call)?.take(report, worker));
    });
  }

  /** A number for a call; the process stays until it is left. */
  join(listener: Listener): number {
    this.check();
    const call = this.calls++;
    this.listeners.set(call, listener);
    if (this.listeners.size === 1) this.members.forEach((member) => member.ref());
    return call;
  }

  leave(call: number): void {
    this.listeners.delete(call);
    if (this.listeners.size === 0) this.members.forEach((member) => member.unref());
  }

  send(worker: number, order: Order, transfer: ArrayBuffer[] = []): void {
    this.members[worker].send(order, transfer);
  }

  end(): void {
    this.stopAll(new DisposedError());
  }

  private lose(worker: number, cause: Error): void {
    if (this.failure) return;
    this.stopAll(
      new WorkerLostError(
        `Thread ${worker + 1} of ${this.size} was lost: ${cause.message}. This instance is of no more use; create another, with fewer threads if memory is short.`,
        { cause },
      ),
    );
  }

  private stopAll(error: Error): void {
    if (this.failure) return;
    this.failure = error;
    for (const member of this.members) member.end();
    const listeners = [...this.listeners.values()];
    this.listeners.clear();
    for (const listener of listeners) listener.fail(error);
  }
}
