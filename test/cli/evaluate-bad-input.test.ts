// loewner evaluate on data, tokenizers and models that do not fit: what it says of them.
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  commandIn,
  count,
  encoder,
  filledFolder,
  fixture,
  lastLine,
  lines,
  sentence,
  texts,
} from "./evaluate-files.js";
import { glueModel } from "../model/glue-models.js";
import { run, smallModel, writeModel } from "./run.js";

let folder: string;
beforeAll(async () => void (folder = await filledFolder()));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const { evaluate, document, refused } = commandIn(() => folder);

describe("bad input is told in a line that says what and where, exit 1, or 2 for options", () => {
  const put = (name: string, content: string | Uint8Array) => {
    writeFileSync(join(folder, name), content);
    return name;
  };
  const of = (data: string, ...args: string[]) => refused(1, "model.onnx", "--data", data, ...args);

  test("columns that do not exist: those that do are named", () => {
    expect(of("dev.tsv", "--task", "sst2", "--text", "sentense")).toMatch(
      /dev\.tsv has no column "sentense"; it has "sentence", "label"\. Did you mean "sentence"\?/,
    );
    expect(of("dev.tsv", "--task", "mrpc")).toMatch(/dev\.tsv has no column "#1 String"; it has "sentence", "label"/);
    expect(of("dev.tsv")).toMatch(/dev\.tsv has the columns sentence, label, which do not tell its task/);
    expect(of("dev.tsv", "--task", "cola")).toMatch(/line 1 has 2 fields, and 4 columns \("source", "label", "star", "sentence"\) without a line of names/); // prettier-ignore
    expect(of(put("odd.tsv", lines(["x", "y"], ["a", 1])))).toMatch(
      /odd\.tsv has the columns x, y, which do not tell its task\. Say it with --task, and the columns with --text and --label/,
    );
  });

  test("labels that the model's outputs do not have", () => {
    const data = put("three.tsv", lines(["sentence", "label"], [texts[0], 0], [texts[1], 2]));
    expect(of(data, "--task", "sst2")).toMatch(
      /three\.tsv: example 2 has the label 2, but the model tells 2 classes, 0 to 1, apart/,
    );
    expect(of("named.jsonl", "--task", "classification")).toMatch(/line \d+ has "\w+" in "label", which is no number of a class.*--labels a,b/); // prettier-ignore
    expect(of("named.jsonl", "--labels", "no,yes", "--task", "classification")).toContain('is none of the classes "no", "yes"'); // prettier-ignore
  });

  test("empty lines are skipped, and said; a file of nothing else is refused", () => {
    const [head, ...rows] = readFileSync(join(folder, "dev.tsv"), "utf8").trimEnd().split("\n");
    const found = document("model.onnx", "--task", "sst2", "--data", put("gaps.tsv", [head, "", ...rows, "", ""].join("\n"))); // prettier-ignore
    expect(found.examples).toBe(count);
    expect(found.notes.join(" ")).toMatch(/\d empty lines/);
    expect(of(put("empty.tsv", ""), "--task", "sst2")).toContain("empty.tsv has no rows");
    expect(of(put("head.tsv", "sentence\tlabel\n"), "--task", "sst2")).toContain("no row behind the names");
  });

  test("a quotation mark that is never closed", () => {
    const data = put("open.csv", 'sentence,label\n"the cat,1\nthe dog,0\n');
    expect(of(data, "--task", "sst2")).toMatch(/open\.csv: line 2 opens a quotation mark \("\) that is never closed/);
  });

  test("texts that are longer than the model are cut, counted, and told of", () => {
    const long = put("long.tsv", lines(["sentence", "label"], [sentence(1, 60), 1], [texts[0], 0]));
    expect(document("model.onnx", "--task", "sst2", "--data", long).truncated).toBe(1);
    const { stdout } = evaluate("model.onnx", "--task", "sst2", "--data", long);
    expect(stdout).toContain("1 text is longer than the model takes, and was cut.");
    expect(refused(2, "model.onnx", "--data", long, "--task", "sst2", "--max-length", "64")).toContain(
      "--max-length must be a whole number from 1 to 32; got 64",
    );
  });

  test("a tokenizer of another model, whose ids lie past the table", () => {
    expect(of("dev.tsv", "--task", "sst2", "--tokenizer", fixture("byte-level-bpe"))).toMatch(
      /model\.onnx.*input_ids.*\b160\b/,
    );
  });

  test("models of different tokenizers: what tells them apart is said, and a smaller model of the same is none", () => {
    put("roberta.onnx", glueModel({ architecture: "roberta", words: 421, positions: 32 }));
    const args = ["--data", "dev.tsv", "--task", "sst2"];
    expect(document("model.onnx", "roberta.onnx", ...args).notes).toEqual([
      "roberta.onnx knows 421 tokens and model.onnx 160: they are not of one tokenizer, and both were given the same ids.",
    ]);
    mkdirSync(join(folder, "elsewhere"));
    copyFileSync(join(folder, "other.onnx"), join(folder, "elsewhere", "model.onnx"));
    copyFileSync(fixture("unigram"), join(folder, "elsewhere", "tokenizer.json"));
    const other = join("elsewhere", "model.onnx");
    const [note, ...more] = document("model.onnx", other, ...args).notes;
    expect(note).toMatch(/elsewhere.model\.onnx has a tokenizer\.json of its own; texts are cut by .*tokenizer\.json, for all models\./); // prettier-ignore
    expect(more).toEqual([]);
    expect(document("model.onnx", other, ...args, "--tokenizer", "tokenizer.json").notes).toEqual([]);
    for (const dtype of ["auto", "int4", "transform", "f32"]) {
      const small = `small-${dtype}.onnx`;
      const keep = ["--keep", "0.5", "--layers", "*word_embeddings*", "--dtype", dtype];
      expect(run(folder, "compress", "model.onnx", "-o", small, ...keep).status).toBe(0);
      expect(document("model.onnx", small, ...args).notes).toEqual([]);
    }
  });

  test("one example is scored; its interval is that one score", () => {
    const { status, stdout } = evaluate("model.onnx", "--task", "sst2", "--data", put("one.tsv", lines(["sentence", "label"], [texts[0], 1]))); // prettier-ignore
    expect(status).toBe(0);
    expect(stdout).toContain("sst2, 1 example;");
    expect(lastLine(stdout)).toMatch(/^accuracy (0|100)\.00 /);
  });

  test("labels that are all equal are scored, and said to be", () => {
    const data = put("equal.tsv", lines(["sentence", "label"], ...texts.map((text) => [text, 1])));
    expect(document("model.onnx", "--task", "sst2", "--data", data).notes).toContain(
      `All ${count} labels are class 1: a score on one class says little.`,
    );
  });

  test("a correlation of equal values is undefined, in print and in JSON", () => {
    put("encoder.onnx", encoder());
    const rows = texts.slice(0, 6).map((text, i) => [text, texts[i + 6], 3]);
    const args = ["encoder.onnx", "--data", put("pairs.tsv", lines(["sentence1", "sentence2", "score"], ...rows))];
    const { status, stdout } = evaluate(...args);
    expect(status).toBe(0);
    expect(stdout).toContain("All labels are equal: correlations are undefined.");
    expect(lastLine(stdout)).toMatch(/^spearman undefined /);
    expect(document(...args).models[0].scores[0].value).toBe(null);
  });

  test("a model with an input that nothing provides", () => {
    put("asks.onnx", encoder(["temperature"]));
    const rows = texts.slice(0, 6).map((text, i) => [text, texts[i + 6], i]);
    const data = put("scored.tsv", lines(["sentence1", "sentence2", "score"], ...rows));
    expect(refused(1, "asks.onnx", "--data", data)).toMatch(
      /asks\.onnx also takes "temperature".*which texts do not give/,
    );
  });

  test("a model whose outputs the task does not read", () => {
    expect(refused(1, "encoder.onnx", "--data", "dev.tsv", "--task", "sst2")).toMatch(
      /encoder\.onnx does not put out a score for each class.*it puts out last_hidden_state \(batch x sequence x 16\)/,
    );
  });

  test("a safetensors model, a folder without arrays, no data, no tokenizer, no such file", async () => {
    await writeModel(folder, "model.safetensors", smallModel());
    expect(refused(1, "model.safetensors", "--data", "dev.tsv")).toMatch(/model\.safetensors is a safetensors model, which has no graph to run.*Export it to ONNX/); // prettier-ignore
    mkdirSync(join(folder, "none"));
    expect(of("none")).toContain("none is a folder without .npy files");
    expect(refused(2, "model.onnx")).toContain("There is no data to score on: give --data FILE.");
    expect(of("missing.tsv")).toContain("missing.tsv");
    expect(of("model.onnx")).toMatch(/model\.onnx: rows are read from \.tsv, \.csv, \.jsonl/);
    copyFileSync(join(folder, "model.onnx"), join(folder, "none", "alone.onnx"));
    expect(refused(1, join("none", "alone.onnx"), "--data", "dev.tsv", "--task", "sst2")).toContain("--tokenizer");
  });

  test("no runtime: the message has the command that installs one", () => {
    expect(of("dev.tsv", "--task", "sst2", "--runtime", "node")).toMatch(/onnxruntime-node is not installed.*npm install onnxruntime-node/); // prettier-ignore
  });
});
