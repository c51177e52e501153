/**
 * Retries of reads from a server: what is worth another attempt, how often, after what pause, how long to wait for anything at all, and
 * how slow an answer may be.
 */
import { AbortedError, FileError, throwIfAborted } from "../errors.js";

/** Attempts in a row that may bring nothing before a range is given up. */
const maxFailures = 5;
const firstPauseMs = 100;
/** What a server may ask for by Retry-After. */
const longestPauseMs = 30_000;

/** Worth another attempt: the network, a server that is busy, a connection that broke. */
export class TransientError extends Error {
  constructor(
    message: string,
    readonly pauseMs = 0,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Tries again while what goes wrong is passing; `body` that makes progress settles. */
export async function retry<T>(name: string, signal: AbortSignal | undefined, body: () => Promise<T>): Promise<T> {
  for (let failures = 0; ;) {
    try {
      return await body();
    } catch (error) {
      throwIfAborted(signal);
      if (!(error instanceof TransientError)) throw error;
      if (++failures === maxFailures)
        throw new FileError(
          `${name} cannot be read: ${error.message}, ${maxFailures} times in a row. Check the network and the server, then try again.`,
          { file: name },
          { cause: error.cause ?? error },
        );
      await pause(Math.min(longestPauseMs, Math.max(error.pauseMs, firstPauseMs * 2 ** (failures - 1))), signal);
    }
  }
}

/** What `coming` gives; once nothing has come for so long, `giveUp` is called and the fault is a passing one. */
export async function unlessStalled<T>(coming: Promise<T>, ms: number, giveUp: () => void): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stalled = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new TransientError(`nothing came for ${ms / 1000} s`));
      giveUp();
    }, ms);
  });
  try {
    return await Promise.race([coming, stalled]);
  } finally {
    clearTimeout(timer);
  }
}

/** How long nothing may come of an answer, unless a caller says otherwise; also the time over which its pace is taken. */
export const defaultStallMs = 60_000;

/**
 * How fast a server sends, over spans of `ms` in which it was waited for: less than 1 KB/s, which is a byte a millisecond, is too slow.
 * Time before the first byte is no pace, and one wait counts half of `ms` at most: both are for `unlessStalled`, and pass.
 */
export class Pace {
  private waited = 0;
  private bytes = 0;

  /** @param tooSlow what to throw, given how slow it was. */
  constructor(
    private readonly ms: number,
    private readonly tooSlow: (what: string) => Error,
  ) {}

  /** Waits for what a server sends. */
  async wait<T>(coming: Promise<T>, giveUp: () => void): Promise<T> {
    if (this.waited >= this.ms) {
      if (this.bytes > 0 && this.bytes < this.ms) {
        giveUp();
        coming.catch(() => undefined);
        throw this.tooSlow(`less than 1 KB/s: ${this.bytes} bytes in ${this.ms / 1000} s`);
      }
      this.waited = this.bytes = 0;
    }
    const from = performance.now();
    try {
      return await unlessStalled(coming, this.ms, giveUp);
    } finally {
      this.spent(performance.now() - from);
    }
  }

  /** Counts time for which the server is to blame. */
  spent(ms: number): void {
    this.waited += Math.min(ms, this.ms / 2);
  }

  came(bytes: number): void {
    if (this.bytes === 0) this.waited = 0;
    this.bytes += bytes;
  }
}

/** fetch says "fetch failed", and its cause why. */
export function unreachable(error: unknown): TransientError {
  const { message, cause } = error as Error;
  const why = (cause as { code?: string; message?: string } | undefined) ?? {};
  return new TransientError(`the connection failed (${why.code ?? why.message ?? message})`, 0, { cause: error });
}

function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(new AbortedError(signal!.reason));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
