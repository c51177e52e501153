import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const run = (command: string) => execFileSync(command, [here("hash.mjs")], { encoding: "utf8" }).trim();

test("the same bytes from this Node (twice), Node 24 and Bun", () => {
  const hashes = [
    process.execPath,
    process.execPath,
    here("node_modules/.bin/node"),
    here("node_modules/.bin/bun"),
  ].map(run);
  expect(hashes[0]).toMatch(/^[0-9a-f]{64}$/);
  expect(new Set(hashes)).toEqual(new Set([hashes[0]]));
}, 300_000);
