// What becomes of a request whose answer comes in messages: settled once, by the answer, an error, or the signal of whoever asked.
import { AbortedError } from "../errors.js";

export class Outcome<Result> {
  readonly result: Promise<Result>;
  /** Fires as soon as it is settled. */
  readonly settled: AbortSignal;
  resolve!: (result: Result) => void;
  reject!: (error: unknown) => void;

  /** @param onAbort called when `signal` fires before; it settles the outcome, now or later */
  constructor(signal: AbortSignal | undefined, onAbort: (error: AbortedError) => void) {
    const ended = new AbortController();
    const abort = () => onAbort(new AbortedError(signal!.reason));
    const ending =
      <Value>(settle: (value: Value) => void) =>
      (value: Value) => {
        signal?.removeEventListener("abort", abort);
        ended.abort();
        settle(value);
      };
    this.settled = ended.signal;
    this.result = new Promise((resolve, reject) => {
      this.resolve = ending(resolve);
      this.reject = ending(reject);
    });
    signal?.addEventListener("abort", abort);
  }

  get isSettled(): boolean {
    return this.settled.aborted;
  }
}
