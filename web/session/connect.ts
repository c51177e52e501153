// The page's end of its worker: calls as promises.
import type { Fault, ProgressReport, Reply, Request, Session } from "./protocol.js";

export interface CallOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ProgressReport) => void;
}

/** An error of the worker, or the end of the worker itself. */
export class SessionError extends Error {
  /** undefined: a fault of this program. */
  readonly code: string | undefined;

  constructor({ message, code }: Fault) {
    super(message);
    this.name = "SessionError";
    this.code = code;
  }
}

interface Pending extends CallOptions {
  readonly resolve: (result: never) => void;
  readonly reject: (error: SessionError) => void;
}

export class SessionClient {
  private worker: Worker | undefined;
  private readonly pending = new Map<number, Pending>();
  private last = 0;

  /** @param lost told when the worker ends by itself: it has forgotten what was open */
  constructor(private readonly lost: () => void) {}

  call<Call extends keyof Session>(
    call: Call,
    args: Parameters<Session[Call]>,
    { signal, onProgress }: CallOptions = {},
  ): Promise<ReturnType<Session[Call]>> {
    const id = ++this.last;
    const worker = (this.worker ??= this.start());
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(new SessionError({ message: "Stopped.", code: "ABORTED" }));
      this.pending.set(id, { resolve, reject, onProgress });
      this.send(worker, { id, call, args });
      signal?.addEventListener("abort", () => this.pending.has(id) && this.send(worker, { id, cancel: true }));
    });
  }

  /** Ends the worker and whatever it does. */
  end(message: string, code: string): void {
    this.worker?.terminate();
    this.worker = undefined;
    const pending = [...this.pending.values()];
    this.pending.clear();
    for (const { reject } of pending) reject(new SessionError({ message, code }));
  }

  private send(worker: Worker, request: Request): void {
    worker.postMessage(request);
  }

  private start(): Worker {
    const worker = new Worker(new URL("./session.ts", import.meta.url), { type: "module", name: "loewner" });
    worker.onmessage = ({ data }: MessageEvent<Reply>) => {
      const pending = this.pending.get(data.id);
      if (!pending) return;
      if ("progress" in data) return pending.onProgress?.(data.progress);
      this.pending.delete(data.id);
      if ("fault" in data) pending.reject(new SessionError(data.fault));
      else pending.resolve(data.result as never);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      const why = event.message ? `: ${event.message}` : "";
      this.end(`The worker that computes has ended${why}. Most often the tab is out of memory.`, "WORKER_LOST");
      this.lost();
    };
    return worker;
  }
}
