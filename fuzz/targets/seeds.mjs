// The project's fixtures, where targets begin.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const fixtures = fileURLToPath(new URL("../../test/fixtures/", import.meta.url));

/** @param {string} folder below test/fixtures @param {RegExp} names @returns {Record<string, Uint8Array>} sorted by name */
export function fixtureFiles(folder, names) {
  const found = readdirSync(join(fixtures, folder)).filter((name) => names.test(name));
  if (found.length === 0) throw new Error(`No file in ${folder} has a name like ${names}.`);
  return Object.fromEntries(
    found.sort().map((name) => [name, new Uint8Array(readFileSync(join(fixtures, folder, name)))]),
  );
}

export const utf8 = (text) => new TextEncoder().encode(text);

export const textOf = (bytes) => new TextDecoder().decode(bytes);

export function concat(...parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

export async function collect(chunks) {
  const parts = [];
  for await (const chunk of chunks) parts.push(new Uint8Array(chunk));
  return concat(...parts);
}

/** A document as JSON.stringify writes it; undefined where it is nested deeper than that goes. */
export function rewritten(text) {
  const value = JSON.parse(text);
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

export function sameBytes(a, b) {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
