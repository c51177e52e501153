// The packed package in a page: as it is, and through each bundler. Threads and all, under a strict Content-Security-Policy.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { build as viteBuild } from "vite";
import { createLoewner } from "../../src/index.js";
import { hostInChromium, strictPolicy, until, type Host } from "./chromium.js";
import { installPacked, loadTool } from "./packed.js";
import { answer } from "./program.mjs";

const page = '<!doctype html><title>a test</title><script type="module" src="./main.js"></script>\n';
const program = `
  import { createLoewner } from "loewner";
  import { answer } from "../program.mjs";
  globalThis.answer = (options) => answer(createLoewner, options);
`;

let folder: string;
let expected: string;
let host: Host;
beforeAll(async () => {
  ({ folder } = await installPacked());
  mkdirSync(join(folder, "src"));
  writeFileSync(join(folder, "src/main.js"), program);
  writeFileSync(join(folder, "src/index.html"), page);
  expected = await answer(createLoewner);
  host = await hostInChromium(folder, (path) => (path.startsWith("/forbidden/") ? "script-src 'self'" : strictPolicy));
});
afterAll(async () => {
  await host?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** One thread and two, in the page that lies in a folder of the host's. */
async function expectAnswers(path: string): Promise<void> {
  const tab = await host.browser.newPage();
  const faults: unknown[] = [];
  tab.on("pageerror", (error) => faults.push(error));
  await tab.goto(`${host.url}${path}/index.html`);
  await until(tab, "globalThis.answer");
  expect(await tab.evaluate("answer()")).toBe(expected);
  expect(await tab.evaluate("answer({ threads: 2 })")).toBe(expected);
  expect(faults).toEqual([]);
}

/** The bundle's files, which hold the kernel once. */
function expectOneKernel(path: string): void {
  const scripts = readdirSync(join(folder, path), { recursive: true, encoding: "utf8" }).filter((x) =>
    x.endsWith(".js"),
  );
  const texts = scripts.map((name) => readFileSync(join(folder, path, name), "utf8"));
  expect(texts.filter((text) => text.includes("0061736d01000000"))).toHaveLength(1);
}

function staticPage(path: string, main: string): void {
  mkdirSync(join(folder, path));
  writeFileSync(join(folder, path, "index.html"), page);
  writeFileSync(join(folder, path, "main.js"), main);
}

const fromFolder = program.replace('"loewner"', '"../node_modules/loewner/dist/index.js"');

test("no bundler: a static folder", async () => {
  staticPage("static", fromFolder);
  await expectAnswers("static");
});

test("within a Web Worker of the page's own", async () => {
  const worker = `${fromFolder}
    onmessage = async ({ data }) => postMessage(await globalThis.answer(data));`;
  staticPage(
    "worker",
    `globalThis.answer = (options) => new Promise((resolve) => {
      const worker = new Worker("./worker.js", { type: "module" });
      worker.onmessage = ({ data }) => resolve(data);
      worker.postMessage(options);
    });`,
  );
  writeFileSync(join(folder, "worker/worker.js"), worker);
  await expectAnswers("worker");
});

test("a policy that forbids WebAssembly is an error that says which word is missing", async () => {
  staticPage(
    "forbidden",
    `${fromFolder} globalThis.failure = createLoewner().catch(({ code, message }) => ({ code, message }));`,
  );
  const tab = await host.browser.newPage();
  await tab.goto(`${host.url}forbidden/index.html`);
  await until(tab, "globalThis.failure");
  const { code, message } = await tab.evaluate<{ code: string; message: string }>("globalThis.failure");
  expect(code).toBe("UNSUPPORTED_RUNTIME");
  expect(message).toContain("'wasm-unsafe-eval'");
});

test("Vite", async () => {
  const outDir = join(folder, "vite");
  await viteBuild({ root: join(folder, "src"), base: "./", logLevel: "warn", build: { outDir, emptyOutDir: true } });
  await expectAnswers("vite");
  expectOneKernel("vite");
});

test("esbuild, with the worker's script as an entry beside the page's", async () => {
  const { build } = await loadTool<{ build(options: object): Promise<{ warnings: unknown[] }> }>("esbuild");
  const { warnings } = await build({
    absWorkingDir: folder,
    entryPoints: { main: "src/main.js", "web-worker": "loewner/web-worker" },
    outdir: "esbuild",
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    logLevel: "silent",
  });
  expect(warnings).toEqual([]);
  cpSync(join(folder, "src/index.html"), join(folder, "esbuild/index.html"));
  await expectAnswers("esbuild");
  expectOneKernel("esbuild");
});

test("esbuild for Node: one file", async () => {
  const { build } = await loadTool<{ build(options: object): Promise<unknown> }>("esbuild");
  await build({
    stdin: { contents: `${program} console.log(await globalThis.answer());`, resolveDir: join(folder, "src") },
    outfile: join(folder, "node/main.mjs"),
    bundle: true,
    platform: "node",
    format: "esm",
    logLevel: "silent",
  });
  const stdout = execFileSync(process.execPath, [join(folder, "node/main.mjs")], { encoding: "utf8" });
  expect(stdout.trim()).toBe(expected);
});

test("Rollup, with the worker's script as an entry beside the page's", async () => {
  interface Rollup {
    rollup(options: object): Promise<{ write(options: object): Promise<unknown> }>;
  }
  const { rollup } = await loadTool<Rollup>("rollup");
  const { nodeResolve } = await loadTool<{ nodeResolve(options: object): unknown }>("@rollup/plugin-node-resolve");
  const warnings: unknown[] = [];
  const bundle = await rollup({
    input: { main: join(folder, "src/main.js"), "web-worker": "loewner/web-worker" },
    plugins: [nodeResolve({ browser: true, rootDir: folder })],
    onwarn: (warning: unknown) => warnings.push(warning),
  });
  await bundle.write({ dir: join(folder, "rollup"), format: "es", chunkFileNames: "[name].js" });
  expect(warnings).toEqual([]);
  cpSync(join(folder, "src/index.html"), join(folder, "rollup/index.html"));
  await expectAnswers("rollup");
  expectOneKernel("rollup");
});

test("webpack", async () => {
  type Stats = { toJson(what: object): { errors: unknown[]; warnings: unknown[] } };
  type Webpack = { default: (options: object, done: (error: Error | null, stats: Stats) => void) => void };
  const { default: webpack } = await loadTool<Webpack>("webpack");
  const stats = await new Promise<Stats>((resolve, reject) =>
    webpack(
      {
        mode: "production",
        target: "web",
        context: folder,
        entry: "./src/main.js",
        output: { path: join(folder, "webpack"), filename: "main.js" },
        optimization: { minimize: false }, // most of the time; esbuild's bundle is minified
        performance: { hints: false },
      },
      (error, done) => (error ? reject(error) : resolve(done)),
    ),
  );
  const { errors, warnings } = stats.toJson({ all: false, errors: true, warnings: true });
  expect({ errors, warnings }).toEqual({ errors: [], warnings: [] });
  cpSync(join(folder, "src/index.html"), join(folder, "webpack/index.html"));
  await expectAnswers("webpack");
  expectOneKernel("webpack");
});
