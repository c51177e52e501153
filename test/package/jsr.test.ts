// The same files for jsr.io: what Deno would publish, and that it says what package.json says.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { tool } from "./packed.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const read = (file: string) => JSON.parse(readFileSync(`${root}${file}`, "utf8"));

test("version, license, entry points and dependencies are those of package.json", () => {
  const [npm, jsr] = [read("package.json"), read("jsr.json")];
  expect(jsr).toMatchObject({ version: npm.version, license: npm.license });
  for (const [name, file] of Object.entries(jsr.exports)) expect(npm.exports[name].default).toBe(file);
  for (const [name, address] of Object.entries(jsr.imports)) {
    expect(address).toBe(`npm:${name}@${npm.dependencies[name]}`);
  }
});

test("deno publish would take it, with types", () => {
  const args = ["publish", "--dry-run", "--allow-dirty", "--no-check"];
  const { status, stderr } = spawnSync(tool(".bin/deno"), args, {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" },
  });
  expect({ status, errors: stderr.match(/^error.*/gm) ?? [] }, stderr).toEqual({ status: 0, errors: [] });
  for (const file of ["dist/index.js", "dist/index.d.ts", "dist/chunks/core.js", "README.md"]) {
    expect(stderr).toContain(file);
  }
  // Modules of Node's own by a name in a variable, and onnxruntime by its path: they need no rewriting.
  const kinds = new Set(Array.from(stderr.matchAll(/^warning\[([\w-]+)\]/gm), ([, kind]) => kind));
  expect(kinds).toEqual(new Set(["unanalyzable-dynamic-import"]));
});
