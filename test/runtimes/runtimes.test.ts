import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const run = (command: string, threads = 1) =>
  execFileSync(command, [here("hash.mjs"), String(threads)], { encoding: "utf8" }).trim();

test("the same bytes from this Node (twice), Node 24 and Bun, and from two threads in each", () => {
  const commands = [process.execPath, here("node_modules/.bin/node"), here("node_modules/.bin/bun")];
  const hashes = [process.execPath, ...commands].map((command) => run(command));
  hashes.push(...commands.map((command) => run(command, 2)));
  expect(hashes[0]).toMatch(/^[0-9a-f]{64}$/);
  expect(new Set(hashes)).toEqual(new Set([hashes[0]]));
});
