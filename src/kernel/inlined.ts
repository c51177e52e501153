// The kernel's binary as text of a module, so that every runtime and bundler loads it alike, without a file beside it.
import { UnsupportedRuntimeError } from "../errors.js";
import { kernelHex } from "./wasm.generated.js";

let compiled: Promise<WebAssembly.Module> | undefined;

/**
 * Compiled once a program.
 * @throws {UnsupportedRuntimeError} where that is forbidden, or SIMD unknown
 */
export function inlinedKernel(): Promise<WebAssembly.Module> {
  compiled ??= compile();
  return compiled;
}

async function compile(): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(decode(kernelHex));
  } catch (cause) {
    throw new UnsupportedRuntimeError(
      `The WebAssembly kernel could not be compiled here: ${String(cause)}. It needs SIMD (Chrome 91, Firefox 89, Safari 16.4, Node 20 or ` +
        `newer). A page whose Content-Security-Policy has script-src must allow 'wasm-unsafe-eval' there. A runtime that compiles nothing ` +
        `takes the file loewner/kernel.wasm, imported as a module: createLoewner({ kernel }).`,
      { cause },
    );
  }
}

/** Where there is Node's Buffer it takes a twentieth of the time that a loop takes before it is compiled. */
function decode(hex: string): Uint8Array<ArrayBuffer> {
  const { Buffer } = globalThis as { Buffer?: typeof globalThis.Buffer };
  if (Buffer) return new Uint8Array(Buffer.from(hex, "hex"));
  const digit = (at: number) => (hex.charCodeAt(at) & 15) + (hex.charCodeAt(at) > 57 ? 9 : 0);
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) => digit(2 * i) * 16 + digit(2 * i + 1));
}
