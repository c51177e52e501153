// A classifier as sst2 models are, in small: a table of words, a wide layer, a head.
import { encodeNumbers, memorySink, writeSafetensors } from "../../src/formats/index.js";
import { externalTensor, model, node, tensor, valueInfo } from "../formats/onnx/build.js";
import { matrix } from "../library/matrices.js";
import { uniform } from "../model/onnx-models/random.js";

const INT64 = 7;
export const tableName = "distilbert.embeddings.word_embeddings.weight";
export const layerName = "distilbert/layer [0] (ffn)/lin1*.weight";

const numbers = (rows: number, cols: number, seed: number) =>
  Float32Array.from(matrix("heavy-tailed rows", rows, cols, { seed }).data, (x) => x / 8);

/** The table of words. */
export const tableOf = (rows: number, cols: number) => ({ data: numbers(rows, cols, 3), rows, cols });

/** logits = mean over the sequence of relu(table[ids] W) H */
export function classifier({ words = 700, width = 24, nan = false } = {}): Uint8Array {
  const table = tableOf(words, width).data;
  if (nan) table[5 * width + 2] = NaN;
  return model({
    inputs: [valueInfo("input_ids", ["batch", "sequence"], INT64)],
    outputs: [valueInfo("logits", ["batch", 2])],
    initializers: [
      tensor(tableName, [words, width], table),
      tensor(layerName, [width, 4 * width], numbers(width, 4 * width, 4)),
      tensor("classifier.weight", [4 * width, 2], numbers(4 * width, 2, 5)),
    ],
    nodes: [
      node("Gather", [tableName, "input_ids"], ["rows"]),
      node("MatMul", ["rows", layerName], ["wide"]),
      node("Relu", ["wide"], ["active"]),
      node("ReduceMean", ["active"], ["mean"], { axes: [1], keepdims: 0 }),
      node("MatMul", ["mean", "classifier.weight"], ["logits"]),
    ],
  });
}

/** The same kind of model with its table in a file beside it. */
export function withExternalData(): { model: Uint8Array; data: Uint8Array } {
  const table = tableOf(700, 24).data;
  const data = new Uint8Array(table.buffer);
  return {
    data,
    model: model({
      inputs: [valueInfo("input_ids", ["batch", "sequence"], INT64)],
      outputs: [valueInfo("rows", ["batch", "sequence", 24])],
      initializers: [externalTensor(tableName, [700, 24], { location: "far.onnx_data", length: String(data.length) })],
      nodes: [node("Gather", [tableName, "input_ids"], ["rows"])],
    }),
  };
}

/** A vocabulary for it: word number i is "w" and i. */
export function tokenizer(words = 700): string {
  const vocab = Object.fromEntries(Array.from({ length: words }, (_, i) => [`w${i}`, i]));
  return JSON.stringify({ version: "1.0", added_tokens: [], model: { type: "WordLevel", vocab, unk_token: "w0" } });
}

/** One table, large enough that compressing it takes a while. */
export async function slowModel(rows = 3000, cols = 320): Promise<Uint8Array> {
  const bytes = encodeNumbers(numbers(rows, cols, 6), "f32");
  const name = "embeddings.word_embeddings.weight";
  const sink = memorySink();
  await writeSafetensors(sink, {
    tensors: [{ name, dtype: "F32", shape: [rows, cols], byteLength: bytes.length, chunks: () => [bytes] }],
  });
  return sink.bytes();
}

/** From -1/2 to 1/2, all alike. */
const even = (length: number, seed: number) => Float32Array.from({ length }, (_, i) => uniform(seed, i) - 0.5);

/** Hidden states of words: a table, and two fully connected layers that take most of what it does. `op` is what the model ends with. */
export function encoder({ words = 900, width = 64, op = "Identity" } = {}): Uint8Array {
  return model({
    inputs: [
      valueInfo("input_ids", ["batch", "sequence"], INT64),
      valueInfo("attention_mask", ["batch", "sequence"], INT64),
    ],
    outputs: [valueInfo("hidden", ["batch", "sequence", width])],
    initializers: [
      tensor(tableName, [words, width], even(words * width, 6)),
      tensor("up", [width, 2 * width], even(width * 2 * width, 7)),
      tensor("down", [2 * width, width], even(2 * width * width, 8)),
    ],
    nodes: [
      node("Gather", [tableName, "input_ids"], ["rows"]),
      node("MatMul", ["rows", "up"], ["wide"]),
      node("Relu", ["wide"], ["active"]),
      node("MatMul", ["active", "down"], ["narrow"]),
      node(op, ["narrow"], ["hidden"]),
    ],
  });
}

/** A vocabulary that cuts texts at spaces: word number i is "w" and i. */
export function textTokenizer(words = 900): string {
  const plain = JSON.parse(tokenizer(words)) as object;
  const whole = { ...plain, normalizer: null, post_processor: null, decoder: null, padding: null, truncation: null };
  return JSON.stringify({ ...whole, pre_tokenizer: { type: "Whitespace" } });
}

/** So many texts of ten words, frequent ones and rare ones. */
export function textsOf(count: number, words = 900): string[] {
  const word = (i: number) => `w${(i * i * 7 + 13 * i) % (i % 3 ? words : 40)}`;
  return Array.from({ length: count }, (_, i) => Array.from({ length: 10 }, (_, j) => word(10 * i + j)).join(" "));
}
