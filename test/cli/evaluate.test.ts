// loewner evaluate: scores of models and of curves, from files to what is printed and written.
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commandIn, count, type Document, filledFolder, lastLine } from "./evaluate-files.js";
import { listing } from "./run.js";

let folder: string;
beforeAll(async () => void (folder = await filledFolder()));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const { evaluate, document, refused } = commandIn(() => folder);

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
    expect(refused(2, ...args, "sst3")).toContain('There is no task "sst3"; there are classification, cola, sst2');
  });
});

describe("--curve", () => {
  const curve = (...args: string[]) =>
    evaluate(...["model.onnx", "--data", "dev.tsv", "--task", "sst2", "--curve", "0.5,0.3"], ...args);

  const files = ["-o", "curve.json", "--html", "curve.html", "--svg", "curve.svg"];
  let made: ReturnType<typeof curve>;
  beforeAll(() => void (made = curve("--methods", "svd,lewis,int8", ...files)));

  test("is printed as a table, and written as JSON, as a page and as a picture", () => {
    const { status, stdout, stderr } = made;
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
    expect(refusedCurve(2, "-o", "same", "--svg", "same")).toContain("Two outputs have the same name");
    expect(refusedCurve(1, "-o", "model.onnx", "--force")).toContain("model.onnx");
  });
  const refusedCurve = (wanted: number, ...args: string[]) => {
    const { status, stderr } = curve(...args);
    expect(status, stderr).toBe(wanted);
    return stderr;
  };

  test("--resume takes up points that are there, and makes the others", () => {
    const known = JSON.parse(readFileSync(join(folder, "curve.json"), "utf8")) as Document;
    const marked = { ...known, points: known.points.slice(0, 1).map((point) => ({ ...point, bytes: 12345 })) };
    writeFileSync(join(folder, "part.json"), JSON.stringify(marked));
    const args = ["--methods", "svd", "-o", "part.json", "--resume"];
    expect(refusedCurve(1, ...args, "--svg", "curve.svg")).toMatch(/curve\.svg.*--force/);
    const { status, stderr } = curve(...args);
    expect(stderr).toBe("");
    expect(status).toBe(0);
    const { points } = JSON.parse(readFileSync(join(folder, "part.json"), "utf8")) as Document;
    expect(points[0].bytes).toBe(12345);
    expect(points[1].scores).toEqual(known.points[1].scores);
    // Another method is added to what is there.
    expect(curve("--methods", "int8", "-o", "part.json", "--resume").status).toBe(0);
    const { points: more } = JSON.parse(readFileSync(join(folder, "part.json"), "utf8")) as Document;
    expect(more.slice(0, 2)).toEqual(points);
    expect(more.map(({ method, keep }) => [method, keep])).toEqual([["svd", 0.5], ["svd", 0.3], ["int8", 0.5], ["int8", 0.3]]); // prettier-ignore
  });

  test("--resume refuses a file of other points, and leaves it as it was", () => {
    const before = readFileSync(join(folder, "curve.json"), "utf8");
    expect(refusedCurve(1, "-o", "curve.json", "--resume", "--max-length", "5")).toMatch(
      /curve\.json holds no points of this curve \(its options differ\), so there is nothing to resume.*--force/,
    );
    expect(refusedCurve(1, "-o", "dev.tsv", "--resume")).toContain("dev.tsv holds no points of this curve");
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
      expect(refused(2, ...plain, option, ...value)).toMatch(/^loewner: --\w+ is for a curve: give --curve too/);
    expect(refused(2, ...plain, "--force")).toContain("--force is for a curve");
    expect(refused(2, "model.onnx", "other.onnx", "--data", "dev.tsv", "--curve", "0.5")).toContain("A curve is of one model; got 2"); // prettier-ignore
    expect(refused(2, ...plain, "--curve", "0.5", "--resume")).toContain("name it with --output");
    expect(evaluate(...plain, "--curve", "1.5").status).toBe(2);
    expect(evaluate(...plain, "--curve", "0.5", "--methods", "svd,best").stderr).toContain("lewis");
    expect(refusedCurve(2, "--metric", "f1", "--svg", "f1.svg")).toMatch(/f1.*accuracy/);
    expect(listing(folder)).not.toContain("f1.svg");
  });

  test("a size that no method can give is a line that says why, and none at all an error", () => {
    const args = ["model.onnx", "--data", "dev.tsv", "--task", "sst2", "--methods", "svd"];
    const found = document(...args, "--curve", "0.5,0.0001");
    expect(found.points[1].reason).toBeTruthy();
    expect(evaluate(...args, "--curve", "0.5,0.0001").stdout).toMatch(/^svd +0\.0 % +-$[^]*^svd, 0\.0 %: /m);
    expect(refused(1, ...args, "--curve", "0.0001")).toContain("no point of the curve could be made");
  });
});
