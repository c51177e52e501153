// Reading overlapped with computing: while a sweep works on one range of rows, the next is on its way.
import { AbortedError } from "../errors.js";

export type Read = (start: number, count: number) => Uint8Array | Promise<Uint8Array>;

/**
 * At most one range is asked for ahead, and only once the last has been copied: a source may put both into the same buffer.
 */
export class ReadAhead {
  private next: { start: number; count: number; bytes: Promise<Uint8Array> } | undefined;

  constructor(private readonly ask: Read) {}

  read(start: number, count: number): Uint8Array | Promise<Uint8Array> {
    const { next } = this;
    this.next = undefined;
    return next?.start === start && next.count === count ? next.bytes : this.ask(start, count);
  }

  ahead(start: number, count: number): void {
    const bytes = (async () => this.ask(start, count))();
    bytes.catch(() => undefined); // whoever reads it hears of it
    this.next = { start, count, bytes };
  }

  /** What was asked for ahead is of no more use: a sweep has ended, well or not. */
  settle(): void {
    this.next = undefined;
  }
}

/** What `promise` gives; AbortedError as soon as the signal fires, whatever becomes of the promise. */
export function untilAborted<T>(promise: Promise<T>, signal?: AbortSignal): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const stop = () => reject(new AbortedError(signal.reason));
    if (signal.aborted) {
      promise.catch(() => undefined);
      return stop();
    }
    signal.addEventListener("abort", stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}
