// The WebAssembly instance, through @assemblyscript/loader. Where the compiled module comes from is another matter: inlined.ts, a
// file that the runtime compiles, or a message from the thread that has it.
import { demangle } from "@assemblyscript/loader";
import { LoewnerError, OutOfMemoryError } from "../errors.js";
import { abiVersion, type KernelExports } from "./abi.js";

const pageBytes = 65536;
/** What wasm32 has. */
export const maximumBytes = 65536 * pageBytes;

/**
 * One kernel instance with its own memory.
 *
 * Pointers come from frames alone (frame.ts); views of the memory are made at each use, since they detach when it grows.
 */
export class Kernel {
  /** The next free byte. Frames move it. */
  top: number;
  /** Bytes that the memory may grow to: a budget, or all that wasm32 has. */
  limit = maximumBytes;

  private constructor(
    readonly call: KernelExports,
    private readonly memory: WebAssembly.Memory,
  ) {
    this.top = align(call.heapBase() >>> 0);
  }

  /** @throws {LoewnerError} when the module is another version's */
  static async load(module: WebAssembly.Module): Promise<Kernel> {
    // Not the loader's instantiate(): it looks whether it was given a Response, and Node loads all of fetch to answer that. And it
    // brings strings, arrays and garbage collection, which this kernel has not.
    const { exports } = await WebAssembly.instantiate(module, {});
    const { memory } = exports as { memory: WebAssembly.Memory };
    const call = kernelsOf(exports);
    const abi = call.abiVersion?.();
    if (abi !== abiVersion) {
      throw new LoewnerError(
        "INVALID_INPUT",
        `The kernel has ABI ${abi}, this host expects ${abiVersion}. Pass the loewner/kernel.wasm of this version; in a checkout run "npm run build -- --force".`,
      );
    }
    return new Kernel(call, memory);
  }

  /** Bytes that the memory has grown to. */
  get byteLength(): number {
    return this.memory.buffer.byteLength;
  }

  /** @throws {OutOfMemoryError} when the instance would pass its limit or the runtime refuses. */
  allocate(bytes: number): number {
    const pointer = this.top;
    const end = align(pointer + bytes);
    if (!(end <= this.limit)) throw this.outOfMemory(end);
    if (end > this.byteLength) {
      try {
        this.memory.grow(Math.ceil((end - this.byteLength) / pageBytes));
      } catch (cause) {
        throw this.outOfMemory(end, cause);
      }
    }
    this.top = end;
    return pointer;
  }

  /**
   * Sizes that kernels report are 32 bits wide: asks for at least this much first, computed in JavaScript's doubles.
   * @throws {OutOfMemoryError} when it cannot fit
   */
  mustFit(bytes: number): void {
    if (!(this.top + bytes <= this.limit)) throw this.outOfMemory(this.top + bytes);
  }

  private outOfMemory(bytes: number, cause?: unknown): OutOfMemoryError {
    return this.limit < maximumBytes && bytes <= maximumBytes
      ? overBudget(bytes, this.limit)
      : outOfMemory(bytes, cause);
  }

  bytes(pointer: number, count: number): Uint8Array {
    return new Uint8Array(this.memory.buffer, pointer, count);
  }
  f32(pointer: number, count: number): Float32Array {
    return new Float32Array(this.memory.buffer, pointer, count);
  }
  f64(pointer: number, count: number): Float64Array {
    return new Float64Array(this.memory.buffer, pointer, count);
  }
}

/**
 * Under the names that the loader gives them. It wraps each, for optional arguments, which no kernel has: what it wrapped is called,
 * in half the time.
 */
function kernelsOf(exports: WebAssembly.Exports): KernelExports {
  const named = Object.entries(demangle<Record<string, { original?: unknown }>>(exports));
  return Object.fromEntries(named.map(([name, each]) => [name, each.original ?? each])) as unknown as KernelExports;
}

/** Everything starts on a 64-byte line: a panel row, a cache line. */
function align(pointer: number): number {
  return Math.ceil(pointer / 64) * 64;
}

function overBudget(bytes: number, limit: number): OutOfMemoryError {
  const [needed, left] = [bytes, limit].map((x) => `${Math.ceil(x / 1e6)} MB`);
  return new OutOfMemoryError(
    `This method needs ${needed} of WebAssembly memory a thread, and the memory budget leaves ${left} for it. Raise memory or lower threads.`,
  );
}

function outOfMemory(bytes: number, cause?: unknown): OutOfMemoryError {
  const gigabytes = (bytes / 2 ** 30).toFixed(1);
  return new OutOfMemoryError(
    `This job needs ${gigabytes} GiB of WebAssembly memory, more than can be had here (4 GiB at most). ` +
      `Its need grows with the square of the column count: compress fewer columns at a time, or a transposed matrix.`,
    {},
    { cause },
  );
}
