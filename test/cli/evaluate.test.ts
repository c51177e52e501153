// loewner evaluate: scores of models and of curves, from files to what is printed and written.
import { copyFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { memorySink, writeNpy } from "../../src/formats/index.js";
import { model, node, tensor, valueInfo } from "../formats/onnx/build.js";
import { glueModel } from "../model/glue-models.js";
import { uniform } from "../model/onnx-models/random.js";
import { listing, run, smallModel, temporaryFolder, writeModel } from "./run.js";

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/tokenizers/${name}.json`, import.meta.url));
const words = Object.keys(
  (JSON.parse(readFileSync(fixture("wordpiece"), "utf8")) as { model: { vocab: Record<string, number> } }).model.vocab,
).length;
const vocabulary = "the cat sat on mat and dog a low rank matrix is of words that are read table".split(" ");
const sentence = (seed: number, length = 6) =>
  Array.from({ length }, (_, j) => vocabulary[Math.floor(vocabulary.length * uniform(seed, j))]).join(" ");
const count = 24;
const texts = Array.from({ length: count }, (_, i) => sentence(i, 4 + (i % 4)));
const labels = texts.map((_, i) => Math.floor(2 * uniform(77, i)));
const lines = (...rows: readonly (readonly unknown[])[]) => `${rows.map((row) => row.join("\t")).join("\n")}\n`;

let folder: string;
beforeAll(async () => {
  folder = temporaryFolder();
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
  for (const [name, data] of Object.entries(ids)) await putNpy(join("ids", `${name}.npy`), data, [count, 8]);
  await putNpy(join("ids", "labels.npy"), labels, [count]);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function putNpy(name: string, data: readonly number[], shape: number[]): Promise<void> {
  const sink = memorySink();
  await writeNpy(sink, { data: Float64Array.from(data), shape });
  writeFileSync(join(folder, name), sink.bytes());
}

interface Document {
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
const evaluate = (...args: string[]) => run(folder, "evaluate", ...args);
function document(...args: string[]): Document {
  const { status, stdout, stderr } = evaluate(...args, "--json");
  expect(stderr).toBe("");
  expect(status).toBe(0);
  return JSON.parse(stdout) as Document;
}
/** What is said of bad input, in one line. */
function refused(status: number, ...args: string[]): string {
  const result = evaluate(...args);
  expect(result.stdout).toBe("");
  expect(result.status, result.stderr).toBe(status);
  expect(result.stderr.trimEnd().split("\n").length, result.stderr).toBe(1);
  return result.stderr;
}
const lastLine = (text: string) => text.trimEnd().split("\n").at(-1)!;

describe("one model", () => {
  test("a .tsv: the tokenizer beside the model is taken, and the task told by the columns", () => {
    const { status, stdout, stderr } = evaluate("model.onnx", "--data", "dev.tsv", "--task", "sst2");
    expect(stderr).toBe("");
    expect(status).toBe(0);
    expect(stdout).toContain("sst2, 24 examples; read: logits (batch x 2)");
    expect(stdout).toMatch(/model +size +accuracy +95 % +loss +95 %/);
    expect(lastLine(stdout)).toMatch(/^accuracy \d+\.\d\d \(0\.\d+ MB\)$/);
  });

  test("--json is one document, with the version; the same twice", () => {
    const found = document("model.onnx", "--data", "dev.tsv", "--text", "sentence");
    expect(found).toMatchObject({ task: "classification", examples: count, truncated: 0, data: "dev.tsv" });
    expect(found.version).toMatch(/^\d+\.\d+\.\d+/);
    expect(found.runtime).toMatch(/^onnxruntime-/);
    expect(found.models.map(({ model: name }) => name)).toEqual(["model.onnx"]);
    expect(found.models[0].scores.map(({ metric }) => metric)).toEqual(["accuracy", "loss"]);
    const again = document("model.onnx", "--data", "dev.tsv", "--text", "sentence");
    expect(again.models[0].scores).toEqual(found.models[0].scores);
  });

  test("texts with commas and quotation marks in a .csv, under any names of columns", () => {
    const found = document("model.onnx", "--data", "reviews.csv", "--text", "review", "--label", "stars");
    expect(found).toMatchObject({ task: "classification", examples: count });
  });

  test("labels by name in a .jsonl, in an order that is given", () => {
    const args = ["model.onnx", "--data", "named.jsonl", "--task", "classification"];
    const right = document(...args, "--labels", "bad,good").models[0].scores[0].value;
    const turned = document(...args, "--labels", "good,bad").models[0].scores[0].value;
    expect(right + turned).toBeCloseTo(1, 12);
  });

  test("names of classes are read out of the model's config.json", () => {
    mkdirSync(join(folder, "hub", "onnx"), { recursive: true });
    symlinkSync(join(folder, "model.onnx"), join(folder, "hub", "onnx", "model.onnx"));
    symlinkSync(join(folder, "tokenizer.json"), join(folder, "hub", "tokenizer.json"));
    writeFileSync(join(folder, "hub", "config.json"), JSON.stringify({ id2label: { 0: "bad", 1: "good" } }));
    const found = document(join("hub", "onnx", "model.onnx"), "--data", "named.jsonl");
    expect(found.models[0].scores[0].value).toBe(
      document("model.onnx", "--data", "named.jsonl", "--labels", "bad,good").models[0].scores[0].value,
    );
  });

  test("token ids in a folder of .npy, and the same files one by one", () => {
    const found = document("model.onnx", "--data", "ids");
    expect(found).toMatchObject({ task: "classification", examples: count, data: "ids" });
    const files = ["input_ids", "attention_mask", "labels"].flatMap((name) => ["--data", join("ids", `${name}.npy`)]);
    expect(document("model.onnx", ...files).models).toMatchObject([{ scores: found.models[0].scores }]);
  });

  test("without samples there are no intervals", () => {
    const { stdout } = evaluate("model.onnx", "--data", "ids", "--samples", "0");
    expect(stdout).not.toContain("95 %");
  });
});

describe("two models", () => {
  test("the second has its difference from the first, and a last line says what it comes to", () => {
    const found = document("model.onnx", "other.onnx", "--data", "ids");
    const [[first], [second]] = found.models.map(({ scores }) => scores);
    expect(first.difference).toBe(undefined);
    expect(second.difference!.value).toBeCloseTo(second.value - first.value, 12);
    const { stdout } = evaluate("model.onnx", "other.onnx", "--data", "ids");
    expect(stdout).toMatch(/accuracy +95 % +difference +95 %/);
    expect(lastLine(stdout)).toMatch(
      /^0\.\d+ MB -> 0\.\d+ MB: accuracy \d+\.\d\d -> \d+\.\d\d, (the same|\d+\.\d\d (worse|better)(, which may be chance)?)$/,
    );
  });

  test("a model beside itself is the same", () => {
    expect(lastLine(evaluate("model.onnx", "model.onnx", "--data", "ids").stdout)).toMatch(/, the same$/);
  });
});

describe("a task of one's own", () => {
  const own = `export default {
    name: "sum", description: "sum of scores",
    prepare({ data, encoder, output }) {
      const code = encoder();
      const sequences = data.table.column("sentence").map((text) => code.encode(text));
      return {
        sequences, output: output("scores"), examples: sequences.length, notes: ["Made at home."],
        answers() {
          const sums = [];
          return {
            take(at, { data }) { sums[at] = data[0] + data[1]; },
            metrics: () => [{ name: "sum", better: "higher", score: (rows) => (rows ? [...rows].map((i) => sums[i]) : sums).reduce((a, b) => a + b, 0) }],
          };
        },
      };
    },
  };`;

  test("is the default export of a module", () => {
    writeFileSync(join(folder, "own.mjs"), own);
    const found = document("model.onnx", "--data", "dev.tsv", "--task", "./own.mjs");
    expect(found).toMatchObject({ task: "sum", notes: ["Made at home."], examples: count });
    expect(found.models[0].scores.map(({ metric }) => metric)).toEqual(["sum"]);
  });

  test("a module without one, and one that does not load, are refused", () => {
    writeFileSync(join(folder, "none.mjs"), "export const task = 1;");
    writeFileSync(join(folder, "broken.mjs"), "export default {");
    const args = ["model.onnx", "--data", "dev.tsv", "--task"];
    expect(refused(1, ...args, "none.mjs")).toContain("none.mjs has no task as its default export");
    expect(refused(1, ...args, "broken.mjs")).toContain("Cannot load the task broken.mjs");
    expect(refused(1, ...args, "missing.mjs")).toContain("Cannot load the task missing.mjs");
    expect(refused(1, ...args, "sst3")).toContain('There is no task "sst3"; there are classification, cola, sst2');
  });
});

describe("--curve", () => {
  const curve = (...args: string[]) =>
    evaluate(...["model.onnx", "--data", "dev.tsv", "--task", "sst2", "--curve", "0.5,0.3"], ...args);

  test("is printed as a table, and written as JSON, as a page and as a picture", () => {
    const files = ["-o", "curve.json", "--html", "curve.html", "--svg", "curve.svg"];
    const { status, stdout, stderr } = curve("--methods", "svd,lewis,int8", ...files);
    expect(stderr).toBe("");
    expect(status).toBe(0);
    expect(stdout).toMatch(/method +keep +size +accuracy +difference +95 % +loss/);
    for (const row of [/^as it is /m, /^svd +50/m, /^svd +30/m, /^lewis +50/m, /^int8 +50/m])
      expect(stdout).toMatch(row);
    expect(lastLine(stdout)).toBe("written: curve.json, curve.html, curve.svg");
    const written = JSON.parse(readFileSync(join(folder, "curve.json"), "utf8")) as Document;
    expect(written.points.map(({ method, keep }) => [method, keep])).toEqual([
      ...[["svd", 0.5], ["svd", 0.3], ["lewis", 0.5], ["lewis", 0.3], ["int8", 0.5], ["int8", 0.3]], // prettier-ignore
    ]);
    expect(readFileSync(join(folder, "curve.svg"), "utf8")).toMatch(/^<svg [\s\S]*<\/svg>\s*$/);
    expect(readFileSync(join(folder, "curve.html"), "utf8")).toMatch(/^<!doctype html>[\s\S]*<svg/i);
    expect(listing(folder).filter((name) => name.includes("curve"))).toEqual(["curve.html", "curve.json", "curve.svg"]);
  });

  test("outputs that exist are kept, unless --force says otherwise", () => {
    const before = readFileSync(join(folder, "curve.svg"), "utf8");
    const { status, stderr } = curve("--svg", "curve.svg");
    expect(status).toBe(1);
    expect(stderr).toMatch(/curve\.svg.*--force/);
    expect(readFileSync(join(folder, "curve.svg"), "utf8")).toBe(before);
    expect(curve("--methods", "svd", "--svg", "curve.svg", "--force").status).toBe(0);
    expect(readFileSync(join(folder, "curve.svg"), "utf8")).not.toBe(before);
    expect(refusedCurve("-o", "same", "--svg", "same")).toContain("Two outputs have the same name");
    expect(refusedCurve("-o", "model.onnx", "--force")).toContain("model.onnx");
  });
  const refusedCurve = (...args: string[]) => {
    const { status, stderr } = curve(...args);
    expect(status).toBe(1);
    return stderr;
  };

  test("--resume takes up points that are there, and makes the others", () => {
    const known = JSON.parse(readFileSync(join(folder, "curve.json"), "utf8")) as Document;
    const marked = { ...known, points: known.points.slice(0, 1).map((point) => ({ ...point, bytes: 12345 })) };
    writeFileSync(join(folder, "part.json"), JSON.stringify(marked));
    const { status, stderr } = curve("--methods", "svd", "-o", "part.json", "--resume");
    expect(stderr).toBe("");
    expect(status).toBe(0);
    const { points } = JSON.parse(readFileSync(join(folder, "part.json"), "utf8")) as Document;
    expect(points[0].bytes).toBe(12345);
    expect(points[1].scores).toEqual(known.points[1].scores);
  });

  test("--resume refuses a file of other points, and leaves it as it was", () => {
    const before = readFileSync(join(folder, "curve.json"), "utf8");
    expect(refusedCurve("-o", "curve.json", "--resume", "--max-length", "5")).toMatch(
      /curve\.json holds no points of this curve \(its settings differs?\), so there is nothing to resume.*--force/,
    );
    expect(refusedCurve("-o", "dev.tsv", "--resume")).toContain("dev.tsv holds no points of this curve");
    expect(readFileSync(join(folder, "curve.json"), "utf8")).toBe(before);
  });

  test("options of a curve without one, several models, and sizes and methods that do not exist are refused", () => {
    const plain = ["model.onnx", "--data", "dev.tsv"];
    for (const [option, ...value] of [
      ["--methods", "svd"],
      ["--html", "x.html"],
      ["--resume"],
      ["--layers", "all"],
      ["-o", "x.json"],
    ])
      // prettier-ignore
      expect(refused(1, ...plain, option, ...value)).toMatch(/^loewner: --\w+ is for a curve: give --curve too/);
    expect(refused(1, ...plain, "--force")).toContain("--force is for a curve");
    expect(refused(1, "model.onnx", "other.onnx", "--data", "dev.tsv", "--curve", "0.5")).toContain("A curve is of one model; got 2"); // prettier-ignore
    expect(refused(1, ...plain, "--curve", "0.5", "--resume")).toContain("name it with --output");
    expect(evaluate(...plain, "--curve", "1.5").status).toBe(2);
    expect(evaluate(...plain, "--curve", "0.5", "--methods", "svd,best").stderr).toContain("lewis");
    expect(refusedCurve("--metric", "f1", "--svg", "f1.svg")).toMatch(/f1.*accuracy/);
    expect(listing(folder)).not.toContain("f1.svg");
  });

  test("a size that no method can give is a line that says why, and none at all an error", () => {
    const args = ["model.onnx", "--data", "dev.tsv", "--task", "sst2", "--methods", "svd"];
    const found = document(...args, "--curve", "0.5,0.0001");
    expect(found.points[1].reason).toBeTruthy();
    expect(refused(1, ...args, "--curve", "0.0001")).toContain("no point of the curve could be made");
  });
});

describe("bad input is told in a line that says what and where, and exits with 1", () => {
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
    expect(of(long, "--task", "sst2", "--max-length", "64")).toContain("maxLength must be a whole number from 1 to 32");
  });

  test("a tokenizer of another model, whose ids lie past the table", () => {
    expect(of("dev.tsv", "--task", "sst2", "--tokenizer", fixture("byte-level-bpe"))).toMatch(
      /model\.onnx.*input_ids.*\b160\b/,
    );
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
    expect(refused(1, "model.onnx")).toContain("There is no data to score on: give --data FILE.");
    expect(of("missing.tsv")).toContain("missing.tsv");
    expect(of("model.onnx")).toMatch(/model\.onnx: rows are read from \.tsv, \.csv, \.jsonl/);
    copyFileSync(join(folder, "model.onnx"), join(folder, "none", "alone.onnx"));
    expect(refused(1, join("none", "alone.onnx"), "--data", "dev.tsv", "--task", "sst2")).toContain("--tokenizer");
  });

  test("no runtime: the message has the command that installs one", () => {
    expect(of("dev.tsv", "--task", "sst2", "--runtime", "node")).toMatch(/onnxruntime-node is not installed.*npm install onnxruntime-node/); // prettier-ignore
  });
});

/** Rows of a table as hidden states; `also` are inputs that it takes besides. */
function encoder(also: readonly string[] = []): Uint8Array {
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
