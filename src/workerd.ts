// The library in workerd (Cloudflare Workers), which compiles the WebAssembly files that a worker is deployed with and nothing else.
import type { CreateOptions } from "./create.js";
import kernel from "./kernel.wasm";
import { loewnerOn } from "./loewner.js";
import { workerScript } from "./schedule/worker-script.js";
import type { Loewner } from "./types/index.js";

export * from "./index.js";

// Named here, it comes before the one that index.js has.
export async function createLoewner(options: CreateOptions = {}): Promise<Loewner> {
  return loewnerOn(options.kernel ?? kernel, options, workerScript);
}
