// Where the workers' scripts are. Whoever creates an instance hands this in, so that no module that a worker runs holds these lines: a
// bundler that builds a worker whose modules name that very worker, as Turbopack does, would never come to an end.
import type { WorkerScript } from "../engine/threads/spawn.js";

/** Variables, so that a bundler for browsers, where this never runs, leaves it. */
const [nodeScript, here] = ["./node-worker.js", import.meta.url];

export const workerScript: WorkerScript = {
  // Written out like this, bundlers find the script and put it beside theirs.
  inPage: () => new Worker(new URL("./web-worker.js", import.meta.url), { type: "module" }),
  inNode: () => new URL(nodeScript, here),
};
