// What the pages' commands are about, made small: a model that reads tokens, texts and a tokenizer for it, matrices.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { memorySink, writeSafetensors } from "../../src/formats/index.js";
import { model, node, tensor, valueInfo } from "../formats/onnx/build.js";
import { writeMatrix } from "../cli/run.js";
import { matrix } from "../library/matrices.js";
import { uniform } from "../model/onnx-models/random.js";

const [tokens, width] = [3000, 64];
const numbers = (length: number, seed: number) => Float32Array.from({ length }, (_, i) => uniform(seed, i) - 0.5);
const table = "embeddings.word_embeddings.weight";
const word = (i: number) => (i === 0 ? "[UNK]" : `w${i}`);

export async function writeMadeFiles(folder: string): Promise<void> {
  const write = (name: string, data: Uint8Array | string) => writeFileSync(join(folder, name), data);
  const weights = {
    [table]: numbers(tokens * width, 1),
    up: numbers(width * width, 2),
    out: numbers(width * width, 3),
  };
  const onnx = model({
    inputs: [valueInfo("input_ids", ["batch", "sequence"], 7)],
    outputs: [valueInfo("hidden")],
    initializers: Object.entries(weights).map(([name, data]) => tensor(name, [data.length / width, width], data)),
    nodes: [
      node("Gather", [table, "input_ids"], ["x"]),
      node("MatMul", ["x", "up"], ["u"]),
      node("Relu", ["u"], ["r"]),
      node("MatMul", ["r", "out"], ["hidden"]),
    ],
  });
  write("model.onnx", onnx);
  const sink = memorySink();
  const tensors = Object.entries(weights).map(([name, data]) => ({
    ...{ name, dtype: "F32" as const, shape: [data.length / width, width], byteLength: data.byteLength },
    chunks: () => [new Uint8Array(data.buffer)],
  }));
  await writeSafetensors(sink, { tensors });
  write("model.safetensors", sink.bytes());
  const vocab = Object.fromEntries(Array.from({ length: tokens }, (_, i) => [word(i), i]));
  write(
    "tokenizer.json",
    JSON.stringify({
      ...{ version: "1.0", added_tokens: [], pre_tokenizer: { type: "WhitespaceSplit" } },
      model: { type: "WordLevel", vocab, unk_token: word(0) },
    }),
  );
  const texts = Array.from({ length: 40 }, (_, i) =>
    Array.from({ length: 12 }, (_, j) => word(Math.floor(tokens * uniform(5, 12 * i + j)))).join(" "),
  );
  write("texts.txt", texts.join("\n"));
  const counts = Float64Array.from({ length: tokens }, (_, i) => 1 + tokens / (1 + i));
  await writeMatrix(folder, "counts.npy", counts, [tokens]);
  const { data, rows, cols } = matrix("heavy-tailed rows", 600, 80);
  await writeMatrix(folder, "A.npy", data, [rows, cols]);
}
