// Small models, data and the command for tests of loewner evaluate.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import { memorySink, writeNpy } from "../../src/formats/index.js";
import { model, node, tensor, valueInfo } from "../formats/onnx/build.js";
import { glueModel } from "../model/glue-models.js";
import { uniform } from "../model/onnx-models/random.js";
import { run, temporaryFolder } from "./run.js";

export const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/tokenizers/${name}.json`, import.meta.url));
const words = Object.keys(
  (JSON.parse(readFileSync(fixture("wordpiece"), "utf8")) as { model: { vocab: Record<string, number> } }).model.vocab,
).length;
const vocabulary = "the cat sat on mat and dog a low rank matrix is of words that are read table".split(" ");
export const sentence = (seed: number, length = 6) =>
  Array.from({ length }, (_, j) => vocabulary[Math.floor(vocabulary.length * uniform(seed, j))]).join(" ");
export const count = 24;
export const texts = Array.from({ length: count }, (_, i) => sentence(i, 4 + (i % 4)));
const labels = texts.map((_, i) => Math.floor(2 * uniform(77, i)));
export const lines = (...rows: readonly (readonly unknown[])[]) => `${rows.map((row) => row.join("\t")).join("\n")}\n`;

/** A folder with two models, a tokenizer, and data of several kinds. */
export async function filledFolder(): Promise<string> {
  const folder = temporaryFolder();
  const put = (name: string, content: string | Uint8Array) => writeFileSync(join(folder, name), content);
  put("model.onnx", glueModel({ architecture: "bert", words, positions: 32 }));
  put("other.onnx", glueModel({ architecture: "bert", words, positions: 32, seed: 2 }));
  copyFileSync(fixture("wordpiece"), join(folder, "tokenizer.json"));
  put("dev.tsv", lines(["sentence", "label"], ...texts.map((text, i) => [text, labels[i]])));
  put(
    "reviews.csv",
    `review,stars\r\n${texts.map((text, i) => `"${text}, ""it said""",${labels[i]}`).join("\r\n")}\r\n`,
  );
  const objects = texts.map((text, i) => JSON.stringify({ text, label: ["bad", "good"][labels[i]] }));
  put("named.jsonl", objects.join("\n"));
  mkdirSync(join(folder, "ids"));
  const ids = { input_ids: [], attention_mask: [] } as Record<string, number[]>;
  for (let i = 0; i < count; ++i)
    for (let j = 0; j < 8; ++j) {
      ids.input_ids.push(Math.floor(words * uniform(i, j)));
      ids.attention_mask.push(Number(j < 4 + (i % 5)));
    }
  for (const [name, data] of Object.entries(ids)) await putNpy(join(folder, "ids", `${name}.npy`), data, [count, 8]);
  await putNpy(join(folder, "ids", "labels.npy"), labels, [count]);
  return folder;
}
async function putNpy(path: string, data: readonly number[], shape: number[]): Promise<void> {
  const sink = memorySink();
  await writeNpy(sink, { data: Float64Array.from(data), shape });
  writeFileSync(path, sink.bytes());
}

/** What --json prints, and -o writes. */
export interface Document {
  version: string;
  runtime: string;
  task: string;
  reads: string;
  examples: number;
  truncated: number;
  notes: string[];
  models: { model: string; scores: { metric: string; value: number; difference?: { value: number } }[] }[];
  points: { method: string; keep: number; bytes?: number; reason?: string; scores?: { value: number }[] }[];
}

/** The command in a folder. */
export function commandIn(folder: () => string) {
  const evaluate = (...args: string[]) => run(folder(), "evaluate", ...args);
  return {
    evaluate,
    document(...args: string[]): Document {
      const { status, stdout, stderr } = evaluate(...args, "--json");
      expect(stderr).toBe("");
      expect(status).toBe(0);
      return JSON.parse(stdout) as Document;
    },
    /** What is said of bad input, in one line. */
    refused(status: number, ...args: string[]): string {
      const result = evaluate(...args);
      expect(result.stdout).toBe("");
      expect(result.status, result.stderr).toBe(status);
      expect(result.stderr.trimEnd().split("\n").length, result.stderr).toBe(1);
      return result.stderr;
    },
  };
}

export const lastLine = (text: string) => text.trimEnd().split("\n").at(-1)!;

/** Rows of a table as hidden states; `also` are inputs that it takes besides. */
export function encoder(also: readonly string[] = []): Uint8Array {
  const table = Float32Array.from({ length: words * 16 }, (_, i) => uniform(5, i) - 0.5);
  return model({
    inputs: [
      ...["input_ids", "attention_mask"].map((name) => valueInfo(name, ["batch", "sequence"], 7)),
      ...also.map((name) => valueInfo(name, ["batch"])),
    ],
    outputs: [valueInfo("last_hidden_state", ["batch", "sequence", 16])],
    initializers: [tensor("table", [words, 16], table)],
    nodes: [node("Gather", ["table", "input_ids"], ["last_hidden_state"])],
  });
}
