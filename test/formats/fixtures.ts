import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { bytesSource } from "../../src/formats/index.js";
import { isLoewnerError, type LoewnerError, type LoewnerErrorCode } from "../../src/errors.js";

export const fixturePath = (name: string) => fileURLToPath(new URL(`../fixtures/formats/${name}`, import.meta.url));

export const fixture = (name: string): Uint8Array => new Uint8Array(readFileSync(fixturePath(name)));

export const fixtureSource = (name: string) => bytesSource(fixture(name), name);

/** The matrix of make.py. */
export const values = [
  [0, -0, 1.5, -2.25, 6e-8],
  [3.140625, 65504, -6.1e-5, 0.333251953125, 7],
  [1e-3, -1e3, 2, -8, 5e-7],
];

/** The error a promise rejects with; anything but a tagged error of that code is a failure of the test. */
export async function failure(work: Promise<unknown> | (() => unknown), code: LoewnerErrorCode): Promise<LoewnerError> {
  try {
    await (typeof work === "function" ? work() : work);
  } catch (error) {
    if (isLoewnerError(error, code)) return error;
    throw error;
  }
  throw new Error(`nothing was thrown; ${code} was expected`);
}

/** Latin-1 text as bytes. */
export const latin1 = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));

export const concat = (...parts: Uint8Array[]) => {
  const out = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
};

/** A whole safetensors file from header text and data. */
export function safetensorsBytes(header: string | Uint8Array, data: Uint8Array | number = 0): Uint8Array {
  const text = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(text.length), true);
  return concat(length, text, typeof data === "number" ? new Uint8Array(data) : data);
}
