// createLoewner() where a program may compile WebAssembly: everywhere but on some edges (workerd.ts).
import { inlinedKernel } from "./kernel/inlined.js";
import { loewnerOn } from "./loewner.js";
import type { SchedulerOptions } from "./schedule/scheduler.js";
import { workerScript } from "./schedule/worker-script.js";
import type { Loewner } from "./types/index.js";

export interface CreateOptions extends SchedulerOptions {
  /**
   * `loewner/kernel.wasm`, compiled, for runtimes that compile only what they are deployed with. Workers are sent it. Default: compiled
   * from text that the package holds, once a program; in workerd the file.
   */
  kernel?: WebAssembly.Module;
}

/**
 * Compiles the kernel (once a program) and gives an instance with a memory of its own. Threads start when a matrix is first
 * large enough for them, or several calls are.
 *
 * With `memory`, calls whose matrix needs more fail before they begin with OutOfMemoryError, which says the smallest that works.
 * @throws {InvalidInputError} when tileRows is not a positive multiple of 256, memory is not above 0, there cannot be as many
 *   threads, or `kernel` is no compiled module
 * @throws {UnsupportedRuntimeError} where WebAssembly with SIMD may not be compiled
 */
export async function createLoewner(options: CreateOptions = {}): Promise<Loewner> {
  const { kernel = await inlinedKernel() } = options;
  return loewnerOn(kernel, options, workerScript);
}
