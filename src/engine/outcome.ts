// What becomes of a request whose answer comes in messages: settled once, by the answer, an error, or the signal of whoever asked.
import { AbortedError } from "../errors.js";

export class Outcome<Result> {
  readonly result: Promise<Result>;
  private readonly ended = new AbortController();
  private fulfil!: (result: Result) => void;
  private refuse!: (error: unknown) => void;

  /** @param onAbort called when the signal fires before; it settles the outcome, now or later */
  constructor(
    private readonly signal: AbortSignal | undefined,
    private readonly onAbort: (error: AbortedError) => void,
  ) {
    this.result = new Promise((resolve, reject) => ([this.fulfil, this.refuse] = [resolve, reject]));
    signal?.addEventListener("abort", this.abort);
  }

  /** Fires as soon as it is settled. */
  get settled(): AbortSignal {
    return this.ended.signal;
  }

  get isSettled(): boolean {
    return this.settled.aborted;
  }

  resolve(result: Result): void {
    this.end();
    this.fulfil(result);
  }

  readonly reject = (error: unknown): void => {
    this.end();
    this.refuse(error);
  };

  private readonly abort = () => this.onAbort(new AbortedError(this.signal!.reason));

  private end(): void {
    this.signal?.removeEventListener("abort", this.abort);
    this.ended.abort();
  }
}
