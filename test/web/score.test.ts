// Examples that a model and its result are scored on in the page, beside what the library gives for the same in Node.
import { Tokenizer } from "@huggingface/tokenizers";
import { readFileSync } from "node:fs";
import { beforeEach, describe, expect, test } from "vitest";
import { scoreLines, shown as text } from "../../src/cli/evaluate-report.js";
import { bytesSource, openOnnx } from "../../src/formats/index.js";
import { textTokenizer as tokenizerOf } from "../../src/model/calibrate/text-tokenizer.js";
import {
  evaluateModels,
  type EvaluateOptions,
  type Evaluations,
  type Score,
} from "../../src/model/evaluate/evaluate.js";
import { readTable } from "../../src/model/evaluate/table.js";
import { loadRuntime } from "../../src/node/onnxruntime.js";
import { axePath, drop, file, until, untilText, type Tab } from "./browser.js";
import { compress, freshTab, saved } from "./fresh-tab.js";
import { classifier, textsOf, textTokenizer } from "./models.js";

const fresh = freshTab();
let tab: Tab;
beforeEach(() => void (tab = fresh.tab));

const model = classifier();
const words = 700;
const tokenizer = file("tokenizer.json", textTokenizer(words));
const texts = textsOf(60, words);
const table = (head: string, label: (i: number) => string, divider = "\t") =>
  [head, ...texts.map((text, i) => [text, label(i)].join(divider))].join("\n");
const numbered = table("text\tlabel", (i) => String(Number(i % 3 === 0)));

const open = async (...others: Parameters<typeof drop>[1][number][]) => {
  await drop(tab, [file("model.onnx", model), ...others]);
  await untilText(tab, "model-name", /model\.onnx/);
  await compress(tab);
};
/** What is said of examples once they are read. */
const noted = async (pattern: RegExp) => {
  await until(tab, "document.getElementById('score-note')");
  await untilText(tab, "score-note", pattern);
};
/** Scores as a row of the page has them: each with its interval behind it. */
const rowsOf = ([original, small]: Evaluations["models"]) =>
  original.scores.map((score, i) => {
    const { value, interval, difference } = small.scores[i];
    const signed = (x: number) => (x > 0 ? "+" : "") + text(score, x);
    const cell = (x: number, range: Score["interval"], words: (x: number) => string) =>
      `${words(x)}${words(range!.low)} to ${words(range!.high)}`;
    const plain = (x: number) => text(score, x);
    return [
      score.metric,
      cell(score.value, score.interval, plain),
      cell(value, interval, plain),
      cell(difference!.value, difference!.interval, signed),
    ];
  });
/** What the table of the page says, heads first. */
const shown = async () => {
  await until(tab, "document.querySelector('#scores table') || document.getElementById('score-run-fault').textContent");
  const cells = await tab.evaluate<string[][]>(
    "[...document.querySelectorAll('#scores tr')].map((row) => [...row.children].map((cell) => cell.textContent))",
  );
  return cells.map((row) => row.map((text) => text.replaceAll("\u00a0", " ")));
};
/** The same in Node, by the same runtime. */
async function inNode(name: string, text: string, options: Partial<EvaluateOptions>) {
  const { bytes } = await saved(tab);
  const small = await openOnnx(bytesSource(bytes, "model.small.onnx"));
  const models = [{ model: await openOnnx(bytesSource(model, "model.onnx")) }, { model: small }];
  const { models: scored } = await evaluateModels(
    models,
    { name, table: await readTable(text, name) },
    "classification",
    { ...options, runtime: await loadRuntime("web"), tokenizer: tokenizerOf(Tokenizer, textTokenizer(words)) },
  );
  return scored;
}

describe("examples", () => {
  test("are dropped once a model is compressed: its task is told by their columns, and the scores are those of Node", async () => {
    await open(tokenizer);
    await drop(tab, [file("dev.tsv", numbered)]);
    await noted(/^dev\.tsv: 60 examples with text, label\.$/);
    expect(await tab.evaluate("document.getElementById('score-task').value")).toBe("classification");
    await tab.click("#score-run");
    const rows = await shown();
    await untilText(tab, "live", /accuracy/);
    const told = await tab.textContent("#live");
    const expected = await inNode("dev.tsv", numbered, {});
    expect(rows[0]).toEqual(["score", "original", "smaller", "difference"]);
    expect(rows[1][0]).toBe("size");
    expect(rows.slice(2)).toEqual(rowsOf(expected));
    expect(told).toBe(scoreLines(expected)[0].replaceAll(" -> ", " → "));
    await untilText(tab, "scores", /classification, 60 examples; read: logits \(batch x 2\)\./);
    // They were not taken for texts to calibrate on.
    expect(await tab.evaluate("document.querySelectorAll('#text-list li').length")).toBe(0);
  });

  test("with other columns are read as the person says, names of classes too", async () => {
    const csv = table("review,stars", (i) => (i % 3 === 0 ? "good" : "bad"), ",");
    await open(tokenizer);
    await drop(tab, [file("reviews.csv", csv)]);
    await noted(/with review, stars\. These columns do not tell the task: choose it/);
    await tab.click("#score-run");
    await untilText(tab, "score-run-fault", /^Choose the task\.$/);
    await tab.selectOption("#score-task", "classification");
    await tab.click("#score-run");
    await untilText(tab, "score-run-fault", /^Choose the column of the texts\.$/);
    await tab.selectOption("#score-text", "review");
    await tab.selectOption("#score-label", "stars");
    await tab.click("#score-run");
    await untilText(
      tab,
      "score-run-fault",
      /line 2 has "good" in "stars", which is no number of a class\. Say the classes in the order of the model's outputs, under More, or choose another column\.$/,
    );
    await tab.click("#score-title ~ div summary");
    await tab.fill("#score-names", "bad, good");
    await tab.click("#score-run");
    const options = { text: ["review"], label: "stars", labels: ["bad", "good"] };
    expect((await shown()).slice(2)).toEqual(rowsOf(await inNode("reviews.csv", csv, options)));
  });

  test("without a tokenizer say what is missing, and are scored once it is there", async () => {
    await open();
    await drop(tab, [file("dev.tsv", numbered)]);
    await noted(/tokenizer\.json, which is still missing: drop it here too/);
    await tab.click("#score-run");
    await untilText(tab, "score-run-fault", /give the model's tokenizer\.json too: drop it here\.$/);
    await tab.setInputFiles("#score-file", [tokenizer]);
    await noted(/label\.$/);
    await tab.click("#score-run");
    expect(await shown()).toHaveLength(4);
  });

  test("that cannot be read, or do not fit the model, are said to be so where they were dropped", async () => {
    await open(tokenizer);
    await drop(tab, [file("dev.tsv", `${numbered}\nw1\t0\tmore`)]);
    await untilText(tab, "score-fault", /dev\.tsv: line 62 has 3 fields, and 2 columns are in its first line/);
    await drop(tab, [file("a.tsv", numbered), file("b.tsv", numbered)]);
    await untilText(tab, "score-fault", /^a\.tsv, b\.tsv: one file of examples is scored at a time/);
    await drop(tab, [file("dev.tsv", numbered.replaceAll("\t1", "\t7"))]);
    await noted(/^dev\.tsv: 60/);
    expect(await tab.textContent("#score-fault")).toBe("");
    await tab.click("#score-run");
    await untilText(tab, "score-run-fault", /has the label 7, but the model tells 2 classes, 0 to 1, apart/);
  });

  test("are left alone when that is cancelled, which is said, and can be scored again", async () => {
    await open(tokenizer);
    await drop(tab, [file("dev.tsv", numbered)]);
    await noted(/^dev\.tsv/);
    await tab.evaluate("document.getElementById('score-run').click(), document.getElementById('score-cancel').click()");
    await untilText(tab, "live", /^Cancelled\. Nothing was scored\.$/);
    await tab.click("#score-run");
    expect(await shown()).toHaveLength(4);
  });

  test("and their scores are told to whoever cannot see them", async () => {
    await open(tokenizer);
    await drop(tab, [file("dev.tsv", numbered)]);
    await noted(/^dev\.tsv/);
    await tab.click("#score-run");
    await shown();
    await tab.evaluate(readFileSync(axePath(), "utf8"));
    const found = await tab.evaluate<{ id: string; target: string }[]>(
      "axe.run().then(({ violations }) => violations.map(({ id, nodes }) => ({ id, target: String(nodes[0].target) })))",
    );
    expect(found).toEqual([]);
  });
});
