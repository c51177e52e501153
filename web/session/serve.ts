// The worker's end: each request is a call, which reports progress and can be cancelled.
import { isLoewnerError } from "loewner";
import type { Fault, ProgressReport, Reply, Request, Session } from "./protocol.js";

/** What a call is run with. */
export interface Run {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: ProgressReport) => void;
}

export type Served = {
  [Call in keyof Session]: (
    run: Run,
    ...args: Parameters<Session[Call]>
  ) => ReturnType<Session[Call]> | Promise<ReturnType<Session[Call]>>;
};

/** Progress is told this often at most: the page draws no faster. */
const millisecondsBetween = 50;

export function serve(session: Served): void {
  const running = new Map<number, AbortController>();
  const reply = (message: Reply) => postMessage(message);
  self.onmessage = async ({ data }: MessageEvent<Request>) => {
    const { id } = data;
    if ("cancel" in data) return running.get(id)?.abort();
    const abort = new AbortController();
    running.set(id, abort);
    let last = -Infinity;
    const onProgress = ({ stage, layer, done, total }: ProgressReport) => {
      const now = performance.now();
      if (now - last < millisecondsBetween && done < total) return;
      last = now;
      reply({ id, progress: { stage, layer, done, total } });
    };
    try {
      const call = session[data.call] as (run: Run, ...args: readonly unknown[]) => unknown;
      reply({ id, result: await call({ signal: abort.signal, onProgress }, ...data.args) });
    } catch (error) {
      // Whatever fails after it was cancelled fails for that.
      reply({ id, fault: abort.signal.aborted ? { message: "Stopped.", code: "ABORTED" } : faultOf(error) });
    } finally {
      running.delete(id);
    }
  };
}

function faultOf(error: unknown): Fault {
  const message = error instanceof Error ? error.message : String(error);
  if (isLoewnerError(error)) return { message, code: error.code };
  // Engines say that an array cannot be had by a RangeError.
  if (error instanceof RangeError && /alloc|memory|length/i.test(message)) return { message, code: "OUT_OF_MEMORY" };
  return { message };
}
