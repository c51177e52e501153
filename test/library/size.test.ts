// What an import costs: bytes for a page, and modules that are loaded before anything is asked for.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";
import { expect, test } from "vitest";
import { kernelHex } from "../../src/kernel/wasm.generated.js";

const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const kibibytes = (bytes: number) => bytes / 1024;

/**
 * 26 of them are the kernel. The aim is 60: lower this with every gain. Loading methods when they are called would get there, but a
 * worker's script must be one file: Vite before version 8 builds no other without a setting.
 */
const mostKibibytes = 106;
/** Of what is loaded when it is asked for: clusters of rows, and a worker in Node. */
const mostLaterKibibytes = 3;

test("the kernel is at most 64 KiB, what trellis codes' tables are made of at most 5 KiB", () => {
  expect(kibibytes(kernelHex.length / 2)).toBeLessThanOrEqual(64);
  expect(kibibytes(readFileSync(at("src/code-tables.ts")).length)).toBeLessThanOrEqual(5);
});

test(`the library with its worker is at most ${mostKibibytes} KiB for a page, minified and gzipped`, async () => {
  const worker = readdirSync(at("src"), { recursive: true }).find((path) => String(path).endsWith("web-worker.ts"));
  const build = await rolldown({
    input: { index: at("src/index.ts"), worker: at(`src/${worker}`) },
    platform: "browser",
    logLevel: "silent",
  });
  const { output } = await build.generate({ format: "es", minify: true });
  await build.close();
  const chunks = output.filter((file) => file.type === "chunk");
  expect(chunks.length).toBeGreaterThan(0);
  // Tables of trellis codes are in the library; a worker is sent what it needs of them.
  const holdTables = chunks.filter(({ moduleIds }) => moduleIds.some((id) => id.includes("code-tables")));
  expect(holdTables.map(({ name }) => name)).not.toContain("worker");
  const atOnce = new Set(chunks.filter(({ isEntry }) => isEntry).map(({ fileName }) => fileName));
  for (const name of atOnce)
    for (const imported of chunks.find(({ fileName }) => fileName === name)?.imports ?? []) atOnce.add(imported);
  const size = (some: typeof chunks) =>
    kibibytes(some.reduce((sum, { code }) => sum + gzipSync(code, { level: 9 }).length, 0));
  expect(size(chunks.filter(({ fileName }) => atOnce.has(fileName)))).toBeLessThanOrEqual(mostKibibytes);
  expect(size(chunks.filter(({ fileName }) => !atOnce.has(fileName)))).toBeLessThanOrEqual(mostLaterKibibytes);
  expect(chunks.flatMap(({ imports, dynamicImports }) => [...imports, ...dynamicImports])).not.toContainEqual(
    expect.stringMatching(/^node:|protobuf/),
  );
});

/** Every file of dist/ and every package that comes with a file before it runs. */
function loadedWith(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  if (!existsSync(file)) return found; // a package
  for (const [, named] of readFileSync(file, "utf8").matchAll(/^(?:import|export)\b[^;]*?"([^"]+)";$/gm))
    loadedWith(named.startsWith(".") ? join(dirname(file), named) : named, found);
  return found;
}

const packages = (file: string) => [...loadedWith(file)].filter((name) => !existsSync(name)).sort();

test("the library loads nothing but its own few files, in workerd as elsewhere", () => {
  expect(packages(at("dist/index.js"))).toEqual([]);
  expect(packages(at("dist/workerd.js"))).toEqual([]);
  expect(loadedWith(at("dist/index.js")).size).toBeLessThanOrEqual(5);
});

test("formats and models need no package, which a page without a bundler could not find", () => {
  for (const entry of ["formats", "model"]) expect(packages(at(`dist/${entry}/index.js`))).toEqual([]);
});

test("a command loads what it needs: no protobuf without an ONNX file, no hub without an address", () => {
  const main = at("dist/cli/main.js");
  const protobuf = at("dist/chunks/protobuf.js");
  expect([...loadedWith(at("dist/model/index.js"))]).toContain(protobuf);
  const scripts = [...readFileSync(main, "utf8").matchAll(/import\("(\.[^"]+)"\)/g)].map(([, name]) => name);
  expect(scripts.length).toBeGreaterThanOrEqual(13);
  expect(packages(main)).toEqual(["commander", "node:fs"]);
  for (const script of scripts) {
    const file = join(dirname(main), script);
    expect(packages(file).filter((name) => !/^(node:|commander$)/.test(name))).toEqual([]);
    expect([...loadedWith(file)]).not.toContain(protobuf);
  }
});
