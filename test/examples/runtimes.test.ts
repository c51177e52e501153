// The examples, each in its own runtime, beside the package as npm makes it: what they give is what the library gives here.
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  bytesSource,
  memorySink,
  openSafetensors,
  tensorRows,
  writeNpy,
  writeSafetensors,
} from "../../src/formats/index.js";
import { createLoewner, type Loewner, type Matrix } from "../../src/index.js";
import { compressModel, safetensorsModel } from "../../src/model/index.js";
import { compress } from "../model/onnx-models/compressing.js";
import { hostInChromium, until } from "../package/chromium.js";
import { installPacked, tool } from "../package/packed.js";
import { serveInWorkerd } from "../package/workerd.js";
import { answerOf, logitsOf, tinyClassifier, writeModelFolder } from "../runtimes/tiny-classifier.js";

const [rows, cols] = [400, 20];
const data = Float32Array.from({ length: rows * cols }, (_, at) => (((at * 7919) % 1031) - 515) / 64);
const table: Matrix = { data, rows, cols };
const bytesOf = ({ data }: Matrix) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

let folder: string;
let loewner: Loewner;
let npy: Uint8Array<ArrayBuffer>;
beforeAll(async () => {
  ({ folder } = await installPacked());
  cpSync(fileURLToPath(new URL("../../examples/", import.meta.url)), join(folder, "examples"), { recursive: true });
  loewner = await createLoewner();
  npy = await npyOf(table);
});
afterAll(() => {
  loewner.dispose();
  rmSync(folder, { recursive: true, force: true });
});

async function npyOf({ data, rows, cols }: Matrix): Promise<Uint8Array<ArrayBuffer>> {
  const sink = memorySink();
  await writeNpy(sink, { data, shape: [rows, cols] });
  return new Uint8Array(sink.bytes());
}

async function run(program: string, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(program, args, { cwd: folder });
  return stdout;
}

test("Deno: a matrix in a file, its factors in two", async () => {
  writeFileSync(join(folder, "A.npy"), npy);
  const permissions = ["--allow-read", "--allow-write"];
  const args = ["run", "--quiet", "--no-prompt", "--node-modules-dir=manual", ...permissions, "examples/deno.ts"];
  const said = await run(tool(".bin/deno"), ...args, "A.npy", "left.npy", "right.npy", "0.4");
  const { left, right, report } = await loewner.lowRank(table, { keep: 0.4, p: 1 });
  for (const [file, factor] of Object.entries({ left, right })) {
    expect(readFileSync(join(folder, `${file}.npy`)).equals(await npyOf(factor)), file).toBe(true);
  }
  expect(said).toContain(`rank ${right.rows}: l_1 error ${report.objective.l1.toPrecision(4)}`);
});

test("Bun: a safetensors model, and a smaller one", async () => {
  const model = memorySink();
  const name = "embeddings.word_embeddings.weight";
  const bytes = bytesOf(table);
  const tensor = { name, dtype: "F32", shape: [rows, cols], byteLength: bytes.length, chunks: () => [bytes] } as const;
  await writeSafetensors(model, { tensors: [tensor] });
  writeFileSync(join(folder, "model.safetensors"), model.bytes());
  const said = await run(tool(".bin/bun"), "examples/bun.ts", "model.safetensors", "small.safetensors", "0.4");
  const here = safetensorsModel(await openSafetensors(bytesSource(model.bytes(), "model.safetensors")));
  const { files, bytesAfter } = await compressModel(loewner, here, { keep: 0.4, p: 1 });
  const expected = memorySink();
  await files[0].write(expected);
  expect(readFileSync(join(folder, "small.safetensors")).equals(expected.bytes())).toBe(true);
  expect(said).toContain(`${model.bytes().length} bytes before, ${bytesAfter} after`);
});

describe("an edge worker", () => {
  let url: string;
  let stop: (() => void) | undefined;
  beforeAll(async () => {
    const outdir = join(folder, "edge");
    mkdirSync(outdir);
    ({ url, stop } = await serveInWorkerd(join(folder, "examples/edge-worker/worker.js"), outdir));
  });
  afterAll(() => stop?.());
  const post = (body: Uint8Array<ArrayBuffer>, query = "") => fetch(`${url}${query}`, { method: "POST", body });

  test.each(["", "?keep=0.3&p=2"])("an uploaded matrix becomes factors: %s", async (query) => {
    const answer = await post(npy, query);
    expect(answer.status).toBe(200);
    const got = await openSafetensors(bytesSource(await answer.arrayBuffer(), "the answer"));
    const { left, right } = await loewner.lowRank(table, query ? { keep: 0.3, p: 2 } : { keep: 0.5, p: 1 });
    for (const [name, factor] of Object.entries({ left, right })) {
      const source = tensorRows(got, name);
      expect([source.rows, source.cols]).toEqual([factor.rows, factor.cols]);
      expect(await source.read(0, source.rows)).toEqual(bytesOf(factor));
    }
  });

  test("what cannot be compressed is refused with the library's words", async () => {
    const isNaNInRow2 = (x: number, i: number) => (i === 2 * cols + 3 ? NaN : x);
    const bad = await post(await npyOf({ ...table, data: data.map(isNaNInRow2) }));
    expect(bad.status).toBe(400);
    expect(await bad.json()).toEqual({ code: "INVALID_INPUT", message: expect.stringContaining("row 2") });
    const text = await post(new TextEncoder().encode("not a matrix"));
    expect(await text.json()).toMatchObject({ code: "INVALID_FORMAT" });
    const wrong = await post(npy, "?keep=7");
    expect(await wrong.json()).toEqual({ code: "INVALID_INPUT", message: expect.stringContaining("7") });
    expect((await fetch(url)).status).toBe(405);
    const ofUnknownLength = { method: "POST", body: new Blob([npy]).stream(), duplex: "half" };
    expect((await fetch(url, ofUnknownLength as RequestInit)).status).toBe(413);
  });
});

test("a page: an ONNX model is chosen, a link to the smaller one appears", async () => {
  const original = tinyClassifier();
  const path = join(folder, "tiny.onnx");
  writeFileSync(path, original);
  const host = await hostInChromium(folder, () => "default-src 'self' 'unsafe-inline' 'wasm-unsafe-eval' blob:");
  try {
    const tab = await host.browser.newPage();
    const requests: string[] = [];
    tab.on("request", (request) => requests.push(request.url!()));
    await tab.goto(`${host.url}examples/in-page/index.html`);
    await until(tab, "document.querySelector('input').onchange");
    await tab.locator("input").setInputFiles(path);
    await until(tab, "document.querySelector('output a')");
    const small = await tab.evaluate<number[]>(
      "fetch(document.querySelector('a').href).then((file) => file.arrayBuffer()).then((bytes) => [...new Uint8Array(bytes)])",
    );
    const expected = await compress(loewner, { bytes: original }, { keep: 0.5, p: 1, mainName: "tiny.onnx" });
    expect(expected.report.layers).toHaveLength(1);
    expect(Uint8Array.from(small)).toEqual(new Uint8Array(expected.bytes));
    for (const url of requests) expect(url.startsWith(host.url) || url.startsWith("blob:"), url).toBe(true);
    const bad = join(folder, "bad.onnx");
    writeFileSync(bad, "not a model");
    await tab.locator("input").setInputFiles(bad);
    await until(tab, "!document.querySelector('output a')");
    expect(await tab.locator("output").textContent()).toContain("bad.onnx");
  } finally {
    await host.close();
  }
});

test("transformers.js: the compressed model says the same", async () => {
  const scope = join(folder, "node_modules/@huggingface");
  mkdirSync(scope, { recursive: true });
  symlinkSync(tool("@huggingface/transformers"), join(scope, "transformers"), "junction");
  writeModelFolder(join(folder, "tiny"), tinyClassifier());
  const sentence = "the film a not very good";
  const said = await run(process.execPath, "examples/transformers.mjs", "tiny", "small-tiny", sentence, "1");
  const [before, after] = said.trim().split("\n");
  const { label, score } = answerOf(logitsOf(sentence));
  expect(before).toMatch(new RegExp(`^tiny: \\d+ bytes: ${label} ${score.toFixed(3)}$`));
  expect(after).toMatch(new RegExp(`^small-tiny: \\d+ bytes: ${label} 0\\.\\d{3}$`));
});

test("a vector store: p = 1 finds more of the nearest rows than SVD in the same bytes, and in few bits nearly as many", async () => {
  const said = await run(process.execPath, "examples/vector-store.mjs");
  const found = Array.from(said.matchAll(/(\d+) bytes {3}recall@10 ([\d.]+)/g), (match) => match.slice(1).map(Number));
  const [whole, svd, l1, byBytes, byNibbles] = found;
  expect(whole[1]).toBe(1);
  expect(l1[0]).toBe(svd[0]);
  expect(l1[0]).toBeLessThan(0.5 * whole[0]);
  expect(l1[1]).toBeGreaterThan(svd[1] + 0.1);
  expect(byBytes[0]).toBeLessThan(whole[0] / 7);
  expect(byBytes[1]).toBeGreaterThan(l1[1] - 0.01);
  expect(byNibbles[0]).toBeLessThan(whole[0] / 14);
  expect(byNibbles[1]).toBeGreaterThan(l1[1] - 0.05);
});
