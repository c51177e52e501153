// A model, and what it is compressed to, in every runtime that people load such a file with.
import { mkdtempSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { OnnxRuntime } from "../../src/model/onnx/runtime.js";
import { createLoewner } from "../../src/index.js";
import type { CompressOptions } from "../../src/model/index.js";
import { startChromium } from "../chromium.js";
import { compress } from "../model/onnx-models/compressing.js";
import { storedProduct } from "../model/onnx-models/stored.js";
import {
  answerOf,
  logitsOf,
  headName,
  tableName,
  tinyClassifier,
  tokens,
  writeModelFolder,
} from "./tiny-classifier.js";

const sentence = "the film a not very good";

/** A model's bytes, and its answer to the sentence: that of the original with what is stored in the table's place. */
interface Variant {
  bytes: Uint8Array;
  logits: readonly number[];
}

const original = tinyClassifier();
const variants: Record<string, Variant> = { original: { bytes: original, logits: logitsOf(sentence) } };
const forms: Record<string, CompressOptions> = {
  factors: { rank: 4 },
  halves: { rank: 4, type: "f16" },
  int8: { rank: 4, type: "int8" },
  int4: { rank: 4, type: "int4" },
  int3: { rank: 4, type: "int3" },
  fused: { rank: 4, type: "int4", operators: "onnxruntime" },
  transform: { keep: 0.9, type: "transform" },
  trellis: { keep: 0.9, type: "trellis", layers: [headName] },
};
const loewner = await createLoewner();
for (const [name, options] of Object.entries(forms)) {
  const small = await compress(loewner, { bytes: original }, { layers: [tableName], ...options });
  if (small.report.layers.length !== 1) throw new Error(`${name}: nothing was compressed`);
  const [{ name: layer }] = small.report.layers;
  const stored = { [layer === headName ? "head" : "rows"]: storedProduct(small, layer) };
  variants[name] = { bytes: small.bytes, logits: logitsOf(sentence, stored) };
}
loewner.dispose();

/** Packages of this folder and of the project; their types are not installed when only src/ is checked. */
async function load<T>(name: string): Promise<T> {
  const module = await import(pathToFileURL(createRequire(import.meta.url).resolve(name)).href);
  return { ...module.default, ...module };
}

function expectLogits(got: ArrayLike<number>, { logits }: Variant): void {
  for (const [i, want] of logits.entries()) expect(got[i]).toBeCloseTo(want, 3);
}

for (const [name, variant] of Object.entries(variants)) {
  const { bytes, logits: answers } = variant;
  describe(name, () => {
    test.each(["onnxruntime-node", "onnxruntime-web"])("%s", async (runtime) => {
      const { InferenceSession, Tensor, env } = await load<OnnxRuntime & { env: { wasm: { numThreads?: number } } }>(
        runtime,
      );
      env.wasm.numThreads = 1;
      const session = await InferenceSession.create(bytes);
      const ids = BigInt64Array.from(tokens(sentence), BigInt);
      const feed = (data: BigInt64Array) => new Tensor("int64" as never, data as never, [1, data.length]);
      const { logits } = await session.run({ input_ids: feed(ids), attention_mask: feed(ids.map(() => 1n)) });
      expectLogits(logits.data as Float32Array, variant);
      await session.release();
    });

    test("a transformers.js pipeline over local files", async () => {
      interface Transformers {
        env: { localModelPath: string; allowRemoteModels: boolean; allowLocalModels: boolean };
        pipeline(task: string, model: string, options: object): Promise<Pipeline>;
      }
      type Pipeline = ((text: string) => Promise<{ label: string; score: number }[]>) & { dispose(): Promise<void> };
      const { env, pipeline } = await load<Transformers>("@huggingface/transformers");
      const folder = mkdtempSync(join(tmpdir(), "loewner-pipeline-"));
      writeModelFolder(join(folder, "tiny"), bytes);
      Object.assign(env, { localModelPath: folder, allowRemoteModels: false, allowLocalModels: true });
      const classify = await pipeline("text-classification", "tiny", { dtype: "fp32", device: "cpu" });
      const [answer] = await classify(sentence);
      const want = answerOf(answers);
      expect(answer.label).toBe(want.label);
      expect(answer.score).toBeCloseTo(want.score, 3);
      await classify.dispose();
    });
  });
}

describe("Chromium", () => {
  interface Page {
    goto(url: string): Promise<unknown>;
    evaluate<T>(script: string): Promise<T>;
  }
  interface Browser {
    newPage(): Promise<Page>;
    close(): Promise<void>;
  }
  let server: Server;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    const runtime = fileURLToPath(new URL("../../node_modules/onnxruntime-web/dist/", import.meta.url));
    const types: Record<string, string> = { html: "text/html", mjs: "text/javascript", wasm: "application/wasm" };
    const read = (path: string): Uint8Array | undefined => {
      if (path === "/index.html") return new TextEncoder().encode("<!doctype html><title>a test</title>");
      const variant = /^\/model\/(\w+)\.onnx$/.exec(path);
      if (variant) return variants[variant[1]].bytes;
      return /^\/ort\/[\w.-]+\.(mjs|wasm)$/.test(path) ? readFileSync(join(runtime, path.slice(5))) : undefined;
    };
    server = createServer((request, response) => {
      const path = request.url ?? "";
      const body = read(path);
      const type = types[path.slice(path.lastIndexOf(".") + 1)] ?? "application/octet-stream";
      response.writeHead(body ? 200 : 404, { "content-type": type }).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    browser = await startChromium<Browser>();
    page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/index.html`);
  });

  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  test.each(Object.keys(variants))("onnxruntime-web runs the %s model", async (name) => {
    // Text, so that the test's bundler does not rewrite the import.
    const logits = await page.evaluate<number[]>(`(async () => {
      const ort = await import("/ort/ort.wasm.min.mjs");
      ort.env.wasm.numThreads = 1;
      const bytes = await (await fetch("/model/${name}.onnx")).arrayBuffer();
      const session = await ort.InferenceSession.create(new Uint8Array(bytes));
      const ids = ${JSON.stringify(tokens(sentence))}.map(BigInt);
      const feed = (values) => new ort.Tensor("int64", BigInt64Array.from(values), [1, values.length]);
      const { logits } = await session.run({ input_ids: feed(ids), attention_mask: feed(ids.map(() => 1n)) });
      return [...logits.data];
    })()`);
    expectLogits(logits, variants[name]);
  });
});
