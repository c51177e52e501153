// Workers in Node, Deno and Bun. Specifiers are variables so that a bundler for browsers, where this never runs, leaves them.
import type * as Os from "node:os";
import type * as Threads from "node:worker_threads";
import type { Member } from "./protocol.js";
import type { WorkerOptions } from "./serve.js";

const threadsModule = "node:worker_threads";
const osModule = "node:os";

export async function spawnInNode(options: WorkerOptions, script: URL): Promise<Member> {
  const { Worker } = (await import(/* @vite-ignore */ /* webpackIgnore: true */ threadsModule)) as typeof Threads;
  // Flags of this process, such as --input-type, are not for the worker's script.
  const worker = new Worker(script, { workerData: options, execArgv: [] });
  worker.unref();
  return {
    send: (order, transfer = []) => worker.postMessage(order, transfer),
    listen: (take) => worker.on("message", take),
    onEnd(take) {
      worker.on("error", take);
      worker.on("messageerror", take);
      worker.on("exit", (code) => take(new Error(`its thread ended with code ${code}`)));
    },
    ref: () => worker.ref(),
    unref: () => worker.unref(),
    end: () => void worker.terminate(),
  };
}

/** Node has had navigator since 21 only. */
export async function coresOfNode(): Promise<number> {
  return ((await import(/* @vite-ignore */ /* webpackIgnore: true */ osModule)) as typeof Os).availableParallelism();
}
