// Workers in Node, Deno and Bun. The specifier is a variable so that a bundler for browsers, where this never runs, leaves it.
import type { Member } from "./pool.js";
import type { WorkerOptions } from "./serve.js";

const specifier = "node:worker_threads";
const script = "./node-worker.js";

export async function spawnInNode(options: WorkerOptions): Promise<Member> {
  const { Worker } = (await import(/* @vite-ignore */ /* webpackIgnore: true */ specifier)) as typeof import("node:worker_threads");
  // Flags of this process, such as --input-type, are not for the worker's script.
  const worker = new Worker(new URL(script, import.meta.url), { workerData: options, execArgv: [] });
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
