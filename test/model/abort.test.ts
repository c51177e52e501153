// A signal that fires stops whatever is under way with the library's own error, in every format.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { memorySink } from "../../src/formats/index.js";
import { createLoewner, type Loewner } from "../../src/index.js";
import { compressModel, planCompression, type Model } from "../../src/model/index.js";
import { failure } from "../formats/fixtures.js";
import { onnxBytes, openOnnxBytes, safetensorsOf, type Table } from "./in-memory.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

const tables: Table[] = [
  { name: "wte.weight", rows: 600, cols: 16 },
  { name: "h.weight", rows: 40, cols: 80 },
];
const formats: [string, () => Promise<Model>][] = [
  ["safetensors", () => safetensorsOf(tables)],
  ["ONNX", () => openOnnxBytes(onnxBytes(tables))],
];

describe.each(formats)("%s", (_, open) => {
  test.each(["f32", "int4"] as const)("while a file of %s factors is written", async (type) => {
    const { files } = await compressModel(loewner, await open(), { layers: ["all"], rank: 8, type });
    const abort = new AbortController();
    const sink = memorySink();
    let chunks = 0;
    const write = (bytes: Uint8Array) => {
      if (++chunks === 2) abort.abort();
      return sink.write(bytes);
    };
    await failure(files[files.length - 1].write({ write }, { signal: abort.signal }), "ABORTED");
    expect(chunks).toBe(2);
  });

  test("while layers are planned and fitted, and a later call is none the worse for it", async () => {
    const model = await open();
    for (const work of [planCompression, compressModel]) {
      const abort = new AbortController();
      const onProgress = () => abort.abort();
      const options = { layers: ["all"], energy: 0.9, signal: abort.signal, onProgress };
      await failure(work(loewner, model, options), "ABORTED");
    }
    expect((await compressModel(loewner, model, { layers: ["all"], rank: 3 })).layers).toHaveLength(2);
  });
});
