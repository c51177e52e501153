/**
 * Patience with a server: what is worth another attempt, how often, after what pause, and how long to wait for anything at all.
 */
import { AbortedError, FileError, throwIfAborted } from "../errors.js";

/** Attempts in a row that may bring nothing before a range is given up. */
const maxFailures = 5;
const firstPauseMs = 100;
/** What a server may ask for by Retry-After. */
const longestPauseMs = 30_000;

/** Worth another attempt: the network, a server that is busy, a connection that broke. */
export class Passing extends Error {
  constructor(
    message: string,
    readonly pauseMs = 0,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Tries again while what goes wrong is passing; `body` that makes progress settles. */
export async function patiently<T>(name: string, signal: AbortSignal | undefined, body: () => Promise<T>): Promise<T> {
  for (let failures = 0; ;) {
    try {
      return await body();
    } catch (error) {
      throwIfAborted(signal);
      if (!(error instanceof Passing)) throw error;
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
      reject(new Passing(`nothing came for ${ms / 1000} s`));
      giveUp();
    }, ms);
  });
  try {
    return await Promise.race([coming, stalled]);
  } finally {
    clearTimeout(timer);
  }
}

/** fetch says "fetch failed", and its cause why. */
export function unreachable(error: unknown): Passing {
  const { message, cause } = error as Error;
  const why = (cause as { code?: string; message?: string } | undefined) ?? {};
  return new Passing(`the connection failed (${why.code ?? why.message ?? message})`, 0, { cause: error });
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
