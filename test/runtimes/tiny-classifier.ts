// A text classifier of a few hundred bytes, laid out as transformers.js finds models, and its answers by hand.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { model, node, tensor, valueInfo } from "../formats/onnx/build.js";

const words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ..."a b c d e f good bad not very film the".split(" ")];
const width = 6;
const labels = ["NEGATIVE", "POSITIVE"];
const INT64 = 7;

/** Numbers that are exact in f32, and no two rows alike. */
const entry = (i: number, j: number) => (((i * 37 + j * 11) % 23) - 11) / 8;
const table = Float32Array.from({ length: words.length * width }, (_, at) => entry(Math.floor(at / width), at % width));
const head = Float32Array.from({ length: width * 2 }, (_, at) => entry(3 * at, 5));
const bias = Float32Array.of(0.25, -0.5);

/** logits = mean over the sequence of (mask * table[ids]) W + b */
export function tinyClassifier(): Uint8Array {
  return model({
    inputs: ["input_ids", "attention_mask"].map((name) => valueInfo(name, ["batch", "sequence"], INT64)),
    outputs: [valueInfo("logits", ["batch", 2])],
    initializers: [
      tensor("embeddings.word_embeddings.weight", [words.length, width], table),
      tensor("classifier.weight", [width, 2], head),
      tensor("classifier.bias", [2], bias),
      tensor("last", [1], BigInt64Array.of(2n)),
    ],
    nodes: [
      node("Gather", ["embeddings.word_embeddings.weight", "input_ids"], ["rows"]),
      node("Cast", ["attention_mask"], ["mask"], { to: 1 }),
      node("Unsqueeze", ["mask", "last"], ["column"]),
      node("Mul", ["rows", "column"], ["masked"]),
      node("ReduceMean", ["masked"], ["mean"], { axes: [1], keepdims: 0 }),
      node("Gemm", ["mean", "classifier.weight", "classifier.bias"], ["logits"]),
    ],
  });
}

/** Token numbers of a sentence of the words above. */
export const tokens = (text: string) =>
  ["[CLS]", ...text.split(" "), "[SEP]"].map((word) => words.indexOf(words.includes(word) ? word : "[UNK]"));

export const tableName = "embeddings.word_embeddings.weight";
export const headName = "classifier.weight";

/** What the model must answer to one sentence, with its own table and head or others in their place. */
export function logitsOf(text: string, stored: { rows?: Float32Array; head?: Float32Array } = {}): number[] {
  const { rows = table, head: weights = head } = stored;
  const ids = tokens(text);
  return labels.map((_, c) => {
    let sum = bias[c];
    for (let j = 0; j < width; ++j) {
      const mean = ids.reduce((total, id) => total + rows[id * width + j], 0) / ids.length;
      sum += mean * weights[2 * j + c];
    }
    return sum;
  });
}

/** What a text-classification pipeline must make of that. */
export function answerOf(logits: readonly number[]): { label: string; score: number } {
  const best = logits[1] > logits[0] ? 1 : 0;
  return { label: labels[best], score: 1 / (1 + Math.exp(logits[1 - best] - logits[best])) };
}

/** The folder of a model that is on no hub: weights, tokenizer, configurations. */
export function writeModelFolder(folder: string, onnx: Uint8Array): void {
  const json = (name: string, value: unknown) => writeFileSync(join(folder, name), JSON.stringify(value));
  mkdirSync(join(folder, "onnx"), { recursive: true });
  writeFileSync(join(folder, "onnx", "model.onnx"), onnx);
  json("config.json", {
    model_type: "distilbert",
    architectures: ["DistilBertForSequenceClassification"],
    id2label: { 0: labels[0], 1: labels[1] },
    label2id: { [labels[0]]: 0, [labels[1]]: 1 },
    vocab_size: words.length,
    dim: width,
  });
  json("tokenizer_config.json", {
    tokenizer_class: "DistilBertTokenizer",
    do_lower_case: true,
    model_max_length: 64,
    ...{ pad_token: "[PAD]", unk_token: "[UNK]", cls_token: "[CLS]", sep_token: "[SEP]", mask_token: "[MASK]" },
  });
  const special = words.slice(0, 5).map((content, id) => ({
    ...{ id, content, special: true },
    ...{ single_word: false, lstrip: false, rstrip: false, normalized: false },
  }));
  json("tokenizer.json", {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: special,
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: {
      type: "TemplateProcessing",
      single: [
        { SpecialToken: { id: "[CLS]", type_id: 0 } },
        { Sequence: { id: "A", type_id: 0 } },
        { SpecialToken: { id: "[SEP]", type_id: 0 } },
      ],
      pair: [],
      special_tokens: {
        "[CLS]": { id: "[CLS]", ids: [2], tokens: ["[CLS]"] },
        "[SEP]": { id: "[SEP]", ids: [3], tokens: ["[SEP]"] },
      },
    },
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: "[UNK]",
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(words.map((word, id) => [word, id])),
    },
  });
}
