// Compressions of one model that share what they find out, as curves make them: each is what it would be alone.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { OnnxModel } from "../../src/formats/onnx/types.js";
import { createLoewner, type Loewner } from "../../src/index.js";
import { compressHeld, compressModel, type CompressOptions } from "../../src/model/compress.js";
import { HeldLayers } from "../../src/model/held-layers.js";
import { onnxModel } from "../../src/model/onnx/model.js";
import { runnableFiles } from "../../src/model/quality/laid-out.js";
import { model, node, open, tensor, valueInfo } from "../formats/onnx/build.js";
import { uniform } from "./onnx-models/random.js";

const [words, width] = [2048, 40];
const numbers = (length: number, seed: number, far = 1) =>
  Float32Array.from(
    { length },
    (_, i) => (uniform(seed, i) - 0.5) * (1 + (i % 5)) * (i % (37 * width) < width ? far : 1),
  );
let file: OnnxModel;
let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner({ threads: 1 });
  file = await open(
    model({
      inputs: [valueInfo("input_ids", ["batch", "sequence"], 7)],
      outputs: [valueInfo("logits", ["batch", "sequence", 64])],
      initializers: [
        tensor("table", [words, width], numbers(words * width, 1, 30)),
        tensor("head", [width, 64], numbers(width * 64, 2)),
      ],
      nodes: [node("Gather", ["table", "input_ids"], ["x"]), node("MatMul", ["x", "head"], ["logits"])],
    }),
  );
});
afterAll(() => loewner.dispose());

const methods: CompressOptions[] = [
  { method: "svd" },
  { method: "lewis" },
  { method: "subspace" },
  { method: "clusters" },
  { dtype: "int8" },
  { dtype: "int4" },
  { dtype: "transform" },
  { dtype: "auto" },
];
const sizes = [0.8, 0.3];

async function bytesOf(compress: Promise<{ files: Parameters<typeof runnableFiles>[1] }>): Promise<Uint8Array> {
  const { model } = await runnableFiles("small.onnx", (await compress).files).load();
  return model as Uint8Array;
}

describe("layers held for several sizes", () => {
  test.each([
    ["as much as there is", 2 ** 30],
    ["no layer, for want of memory", 0],
  ])("give the very bytes of one compression alone: %s", async (_, most) => {
    const shared = await onnxModel(file);
    const held = new HeldLayers(loewner, shared, most);
    try {
      for (const method of most > 0 ? methods : methods.slice(-2)) {
        for (const keep of sizes) {
          const options = { ...method, keep, layers: ["table", "head"], p: 1 };
          const alone = await bytesOf(compressModel(loewner, await onnxModel(file), options));
          const one = await bytesOf(compressHeld(loewner, shared, options, held));
          expect(Buffer.compare(one, alone), JSON.stringify([method, keep])).toBe(0);
        }
      }
    } finally {
      held.close();
    }
  });
});
