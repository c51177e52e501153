// A worker, wherever there are any.
import { InvalidInputError } from "../../errors.js";
import type { Member, Order, Report } from "./protocol.js";
import type { WorkerOptions } from "./serve.js";

type Versions = { process?: { versions?: { node?: string } } };

const isNode = () => (globalThis as Versions).process?.versions?.node !== undefined;

/** workerd names itself, and has Node's modules but no threads. */
const isWorkerd = () => globalThis.navigator?.userAgent === "Cloudflare-Workers";

const hasWorkers = () => !isWorkerd() && (isNode() || typeof Worker === "function");

/** What workers run. It serves whole calls too, whose drivers the engine does not know. */
export interface WorkerScript {
  inPage(): Worker;
  inNode(): URL;
}

export async function spawn(options: WorkerOptions, script: WorkerScript): Promise<Member> {
  if (isNode()) {
    const { spawnInNode } = await import("./node-spawn.js");
    return spawnInNode(options, script.inNode());
  }
  return spawnInPage(options, script.inPage());
}

function spawnInPage(options: WorkerOptions, worker: Worker): Member {
  worker.postMessage(options);
  return {
    send: (order: Order, transfer: ArrayBuffer[] = []) => worker.postMessage(order, transfer),
    listen: (take) => (worker.onmessage = ({ data }: MessageEvent<Report>) => take(data)),
    onEnd(take) {
      worker.onerror = (event) => take(new Error(event.message || "its script could not be loaded"));
      worker.onmessageerror = () => take(new Error("a message could not be read"));
    },
    ref: () => undefined,
    unref: () => undefined,
    end: () => worker.terminate(),
  };
}

const mostThreads = 256;

/** @throws {InvalidInputError} when `threads` is not a whole number of at least 1 or "auto", or there are no workers here */
export async function threadCount(threads: number | "auto"): Promise<number> {
  if (threads === "auto") return hasWorkers() ? Math.min(mostThreads, await coreCount()) : 1;
  if (!(Number.isSafeInteger(threads) && threads >= 1 && threads <= mostThreads)) {
    throw new InvalidInputError(
      `threads must be a whole number from 1 to ${mostThreads}, or "auto"; got ${String(threads)}.`,
    );
  }
  if (threads > 1 && !hasWorkers()) {
    throw new InvalidInputError(`threads is ${threads}, but this runtime has no workers; use 1, or "auto".`);
  }
  return threads;
}

async function coreCount(): Promise<number> {
  if (!isNode()) return globalThis.navigator?.hardwareConcurrency ?? 1;
  const { coresOfNode } = await import("./node-spawn.js");
  return coresOfNode();
}
