// What an import costs: bytes for a page, and modules that are loaded before anything is asked for.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { rolldown } from "rolldown";
import { expect, test } from "vitest";
import { kernelHex } from "../../src/kernel/wasm.generated.js";

const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const kibibytes = (bytes: number) => bytes / 1024;

/** 28 of them are the kernel. What a method needs comes when it is first called. */
const mostAtOnce = 56;
/** With every method, and loaded with the first large matrix: Vite builds no worker of several files unless it is told to. */
const mostOfWorker = 76;

test("the kernel is at most 64 KiB, what trellis codes' tables are made of at most 5 KiB", () => {
  expect(kibibytes(kernelHex.length / 2)).toBeLessThanOrEqual(64);
  expect(kibibytes(readFileSync(at("src/code-tables.ts")).length)).toBeLessThanOrEqual(5);
});

/** What a bundler for pages makes of a script: its chunks, minified, and which of them are loaded before anything is asked for. */
async function built(script: string) {
  const build = await rolldown({ input: at(script), platform: "browser", logLevel: "silent" });
  const { output } = await build.generate({ format: "es", minify: true });
  await build.close();
  const chunks = output.filter((file) => file.type === "chunk");
  const atOnce = new Set(chunks.filter(({ isEntry }) => isEntry).map(({ fileName }) => fileName));
  for (const name of atOnce)
    for (const imported of chunks.find(({ fileName }) => fileName === name)?.imports ?? []) atOnce.add(imported);
  const size = (some: typeof chunks) => kibibytes(gzipSync(some.map(({ code }) => code).join(""), { level: 9 }).length);
  expect(chunks.flatMap(({ imports, dynamicImports }) => [...imports, ...dynamicImports])).not.toContainEqual(
    expect.stringMatching(/^node:|protobuf/),
  );
  const first = chunks.filter(({ fileName }) => atOnce.has(fileName));
  return { chunks, atOnce: size(first), all: size(chunks), modulesAtOnce: first.flatMap(({ moduleIds }) => moduleIds) };
}

test(`the library is at most ${mostAtOnce} KiB for a page, minified and gzipped, before a method is called`, async () => {
  const { atOnce, all, modulesAtOnce } = await built("src/index.ts");
  expect(atOnce).toBeLessThanOrEqual(mostAtOnce);
  expect(all).toBeGreaterThan(atOnce + 30);
  expect(
    modulesAtOnce.filter((id) => /src.(low-rank|geometry.(lewis.weights|level-set|codes.trellis))/.test(id)),
  ).toEqual([]);
});

test(`a page's worker is one script of at most ${mostOfWorker} KiB`, async () => {
  const build = await rolldown({ input: at("dist/chunks/web-worker.js"), platform: "browser", logLevel: "silent" });
  const { output } = await build.generate({ format: "es", minify: true });
  await build.close();
  expect(output.length).toBe(1);
  expect(kibibytes(gzipSync(output[0].code, { level: 9 }).length)).toBeLessThanOrEqual(mostOfWorker);
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
