// Three qualities, and texts to calibrate on: what the page offers first.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { bytesOf, temporaryFolder } from "../cli/run.js";
import { axePath, drop, dropPath, file, until, untilShown, untilText, type Tab } from "./browser.js";
import { compress, freshTab, hash, onCommandLine, saved } from "./fresh-tab.js";
import { classifier, encoder, slowModel, textsOf, textTokenizer } from "./models.js";

const fresh = freshTab();
let tab: Tab;
beforeEach(() => void (tab = fresh.tab));

const model = encoder();
const texts = textsOf(30);
const tokenizer = file("tokenizer.json", textTokenizer());
const open = async (...others: Parameters<typeof drop>[1][number][]) => {
  await drop(tab, [file("model.onnx", model), ...others]);
  await untilText(tab, "model-name", /model\.onnx/);
};
const paste = async (lines: readonly string[]) => {
  await tab.click("#calibration summary");
  await tab.fill("#texts", lines.join("\n"));
};
const title = () => tab.textContent("#result-title");
const agreement = /; answers agree to (0\.\d{4}) \(30 inputs; 0\.\d{4} was expected\)$/;

describe("without texts", () => {
  test("one button makes what `loewner compress` makes without an option, and says what is to be expected", async () => {
    await open();
    await untilText(tab, "command", /^npx loewner compress model\.onnx -o model\.small\.onnx$/);
    await untilText(tab, "outcome-note", /% less, answers should agree to about 0\.99\d/);
    const foretold = Number.parseFloat((await tab.textContent("#bytes-after")).replace(/^about /, ""));
    await compress(tab);
    expect(await title()).toMatch(/^\S+\s\S+ → \S+\s\S+; answers should agree to about 0\.99\d$/);
    await untilText(tab, "result", /Answers were not compared: with texts of yours they are/);
    const { bytes } = await saved(tab);
    const folder = onCommandLine(await tab.textContent("#command"), "model.onnx", model);
    expect(hash(bytes)).toBe(hash(bytesOf(folder, "model.small.onnx")));
    const ratio = (foretold < 1000 ? foretold * 1e6 : foretold) / bytes.length;
    expect(ratio).toBeGreaterThan(0.9);
    expect(ratio).toBeLessThan(1.2);
  });

  test("the button is pressed while layers are still being looked at", async () => {
    await drop(tab, [file("wide.onnx", encoder({ words: 6000, width: 224 }))]);
    await untilText(tab, "model-name", /wide/);
    for (let i = 0; i < 3; ++i) {
      await compress(tab);
      await tab.click("label[for=quality-small]");
    }
  });

  test("the smaller quality is smaller, with the layers that are chosen", async () => {
    const large = encoder({ words: 4000 });
    await drop(tab, [file("model.onnx", large)]);
    await untilText(tab, "model-name", /model/);
    const sizes: number[] = [];
    for (const quality of ["lossless", "high", "small"]) {
      await tab.click(`label[for=quality-${quality}]`);
      await compress(tab);
      sizes.push((await saved(tab)).bytes.length);
    }
    expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
    expect(new Set(sizes).size).toBe(3);
    await tab.uncheck("#layer-1");
    await untilText(tab, "command", /--quality small --layers \S+ --layers \S+$/);
    await compress(tab);
    const { bytes } = await saved(tab);
    const folder = onCommandLine(await tab.textContent("#command"), "model.onnx", large);
    expect(hash(bytes)).toBe(hash(bytesOf(folder, "model.small.onnx")));
  });

  test("a size takes the place of a quality, and its layers; both are kept while the other is looked at", async () => {
    await open();
    const checked = "[...document.querySelectorAll('.layers input')].map((box) => box.checked)";
    const ofQuality = await tab.evaluate<boolean[]>(checked);
    expect(ofQuality).toEqual([true, true, true]);
    await tab.click("#advanced summary");
    await tab.click("label[for=mode-bytes]");
    expect(await tab.evaluate("document.querySelector('#qualities input:checked')")).toBe(null);
    expect(await tab.evaluate<boolean[]>(checked)).toEqual([true, false, false]);
    await tab.check("#layer-2");
    await tab.click("label[for=quality-high]");
    expect(await tab.evaluate<boolean[]>(checked)).toEqual(ofQuality);
    expect(await tab.evaluate("document.getElementById('type').value")).toBe("auto");
    await tab.click("label[for=mode-keep]");
    expect(await tab.evaluate<boolean[]>(checked)).toEqual([true, false, true]);
    expect(await tab.evaluate("document.getElementById('type').value")).toBe("own");
  });

  test("an agreement is asked for by its number, as `--cosine` has it", async () => {
    await open();
    await tab.click("#advanced summary");
    await tab.click("label[for=mode-cosine]");
    await tab.fill("#amount", "0.98");
    await untilText(tab, "command", /-o model\.small\.onnx --cosine 0\.98$/);
    await untilText(tab, "outcome-note", /answers should agree to about 0\.98/);
    await compress(tab);
    const { bytes } = await saved(tab);
    const folder = onCommandLine(await tab.textContent("#command"), "model.onnx", model);
    expect(hash(bytes)).toBe(hash(bytesOf(folder, "model.small.onnx")));
    await tab.fill("#amount", "1.5");
    await untilText(tab, "form-fault", /a number between 0 and 1 was expected/);
    await tab.click("label[for=mode-keep]");
    expect(await tab.evaluate("document.getElementById('type').value")).toBe("own");
  });

  test("a matrix has no answers: its size is asked for at once", async () => {
    await drop(tab, [file("A.npy", readFileSync(new URL("../fixtures/formats/matrix-f8.npy", import.meta.url)))]);
    await untilText(tab, "model-name", /A\.npy/);
    expect(await tab.isVisible("#qualities")).toBe(false);
    expect(await tab.isVisible("#calibration")).toBe(false);
    expect(await tab.isVisible("#slider")).toBe(true);
    await untilText(tab, "command", /low-rank A\.npy --keep 0\.5/);
  });
});

describe("with texts", () => {
  test("pasted, with a tokenizer that came along: answers are compared, and the bytes are those of the command line", async () => {
    // What the page keeps for later has been asked for.
    await untilShown(tab, "offline");
    await open(tokenizer);
    await paste(texts);
    await untilText(tab, "texts-note", /^30 pasted texts, cut by tokenizer\.json \(900 tokens\)\.$/);
    await untilText(tab, "command", /--calibrate pasted\.txt --tokenizer tokenizer\.json --runtime web$/);
    const before = fresh.served.requests.length;
    await compress(tab);
    expect(Number(agreement.exec(await title())?.[1])).toBeGreaterThanOrEqual(0.99);
    await untilText(tab, "result", /Calibrated on 30 texts of what was pasted/);
    // Notes: a few words reach few columns.
    const { bytes } = await saved(tab);
    expect(fresh.served.requests.slice(before).every((path) => /^\/(ort|assets)\//.test(path))).toBe(true);
    const folder = onCommandLine(await tab.textContent("#command"), "model.onnx", model, {
      "pasted.txt": texts.join("\n"),
      "tokenizer.json": textTokenizer(),
    });
    expect(hash(bytes)).toBe(hash(bytesOf(folder, "model.small.onnx")));
    // Another run begins anew.
    await compress(tab);
    expect(hash((await saved(tab)).bytes)).toBe(hash(bytes));
  });

  test("fewer of them, and another norm of the inputs, as the command line has them", async () => {
    await open(tokenizer);
    await paste(texts);
    await tab.click("#advanced summary");
    await tab.fill("#most-texts", "12");
    await tab.fill("#calibration-p", "1.5");
    await untilText(tab, "command", /--texts 12 --calibration-p 1\.5 --runtime web$/);
    await compress(tab);
    await untilText(tab, "result", /Calibrated on 12 of 30 texts of what was pasted/);
    const { bytes } = await saved(tab);
    const folder = onCommandLine(await tab.textContent("#command"), "model.onnx", model, {
      "pasted.txt": texts.join("\n"),
      "tokenizer.json": textTokenizer(),
    });
    expect(hash(bytes)).toBe(hash(bytesOf(folder, "model.small.onnx")));
  });

  test("in files, dropped with the model or later, a tokenizer too; to a size of the whole", async () => {
    const table = ["text\tscore", ...texts.slice(0, 20).map((text) => `${text}\t1`)].join("\n");
    await open(file("a.tsv", table));
    await untilText(tab, "texts-note", /a\.tsv: texts take the model's tokenizer\.json, which is still missing/);
    await drop(tab, [tokenizer, file("b.txt", texts.slice(20).join("\n")), file("more.txt", "w1")]);
    await untilText(tab, "texts-note", /^a\.tsv, b\.txt, more\.txt, cut by tokenizer\.json/);
    await tab.click("#text-list li:nth-child(3) button");
    await untilText(tab, "texts-note", /^a\.tsv, b\.txt, cut by/);
    await tab.fill("#column", "text");
    await tab.click("#advanced summary");
    await tab.click("label[for=mode-bytes]");
    await tab.fill("#amount", "0.05");
    for (const layer of [1, 2]) await tab.check(`#layer-${layer}`);
    await tab.selectOption("#type", "auto");
    await untilText(
      tab,
      "command",
      /--bytes 50000 --calibrate a\.tsv --calibrate b\.txt --tokenizer tokenizer\.json --column text --runtime web$/,
    );
    await compress(tab);
    expect(await title()).toMatch(agreement);
    const { bytes } = await saved(tab);
    expect(bytes.length).toBeLessThanOrEqual(50000);
    const folder = onCommandLine(await tab.textContent("#command"), "model.onnx", model, {
      "a.tsv": table,
      "b.txt": texts.slice(20).join("\n"),
      "tokenizer.json": textTokenizer(),
    });
    expect(hash(bytes)).toBe(hash(bytesOf(folder, "model.small.onnx")));
  });

  test("a folder as hubs have them: its model, and its tokenizer", async () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "onnx"));
    const beside = { "config.json": "{}", "vocab.txt": "w1\nw2", "README.md": "# a model", "onnx/notes.txt": "w1" };
    for (const [name, text] of Object.entries(beside)) writeFileSync(join(folder, name), text);
    writeFileSync(join(folder, "tokenizer.json"), textTokenizer());
    for (const name of ["model", "model_quantized"]) writeFileSync(join(folder, "onnx", `${name}.onnx`), model);
    await dropPath(tab, folder);
    await untilText(tab, "model-name", /^model\.onnx$/);
    await untilText(tab, "texts-note", /^tokenizer\.json \(900 tokens\) is here to cut texts\.$/);
    await dropPath(tab, join(folder, "onnx", "notes.txt"));
    await untilText(tab, "texts-note", /^notes\.txt, cut by/);
    await dropPath(tab, join(folder, "onnx"));
    await untilText(tab, "texts-note", /^Texts take the model's tokenizer\.json/);
    rmSync(join(folder, "onnx"), { recursive: true });
    await dropPath(tab, folder);
    await untilText(tab, "intake-fault", /holds no \.safetensors or \.onnx model; it has .*README\.md/);
  });

  test("cancelled while it calibrates, and goes on working", async () => {
    await open(tokenizer);
    await paste(textsOf(200));
    await tab.click("#compress");
    await untilText(tab, "progress-text", /calibration|costs|codes/);
    await tab.click("#cancel");
    await untilText(tab, "live", /Cancelled/);
    expect(await tab.isVisible("#result-title")).toBe(false);
    await tab.fill("#texts", texts.join("\n"));
    await compress(tab);
    expect(await title()).toMatch(agreement);
  });

  test("no accessibility rule is broken, all opened, light and dark, on a phone and on a desk", async () => {
    await open(tokenizer, file("a.tsv", "text\nw1 w2"));
    for (const place of ["#advanced", ".command"]) await tab.click(`${place} summary`);
    await tab.fill("#texts", texts.join("\n"));
    await compress(tab);
    await until(tab, "document.querySelector('.worst tbody tr')");
    await tab.evaluate(readFileSync(axePath(), "utf8"));
    for (const colorScheme of ["light", "dark"] as const) {
      for (const width of [390, 1440]) {
        await tab.emulateMedia({ colorScheme });
        await tab.setViewportSize({ width, height: 900 });
        const broken = await tab.evaluate<string[]>(`axe.run().then(({ violations }) =>
          violations.map(({ id, nodes }) => id + ": " + nodes.map(({ target }) => target).join(", ")))`);
        expect(broken).toEqual([]);
        const overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        expect(await tab.evaluate<number>(overflow)).toBeLessThanOrEqual(0);
      }
    }
  });
});

describe("what is wrong with texts is said, and how to go on", () => {
  const failing = async (message: RegExp) => {
    await tab.click("#compress");
    await untilText(tab, "run-fault", message);
    expect(await tab.isVisible("#result-title")).toBe(false);
  };

  test("no tokenizer; a tokenizer without texts is no fault", async () => {
    await open();
    await paste(texts);
    await failing(/tokenizer\.json cuts texts.*Drop it here too.*or take the texts away/);
    await tab.fill("#texts", "");
    await compress(tab);
    await drop(tab, [tokenizer]);
    await untilText(tab, "texts-note", /^tokenizer\.json \(900 tokens\) is here to cut texts\.$/);
    await compress(tab);
    expect(await title()).toMatch(/should agree to about/);
  });

  test("a column that is not there, a file of another kind, texts without a word", async () => {
    await open(tokenizer, file("a.tsv", "one\ttwo\nw1\tw2"));
    await failing(/a\.tsv has the columns "one", "two": say which of them hold texts/);
    await tab.fill("#column", "three");
    await failing(/a\.tsv has no column "three"; it has "one", "two"/);
    await tab.fill("#column", "two");
    await compress(tab);
    await tab.click("#text-list button");
    // What is dropped beside a result is examples to score.
    await tab.setInputFiles("#text-files", [file("broken.npz", "no archive")]);
    await failing(/broken\.npz/);
    await tab.click("#text-list button");
    await tab.setInputFiles("#text-files", [file("empty.txt", "\n \n")]);
    await failing(/nothing to calibrate on: no texts were given/);
  });

  test("a model that does not run: what can be had without texts is said", async () => {
    await drop(tab, [file("odd.onnx", encoder({ op: "NoSuchOperator" })), tokenizer]);
    await untilText(tab, "model-name", /odd/);
    await paste(texts);
    await failing(
      /onnxruntime cannot load the model.*NoSuchOperator.*can be compressed without calibration all the same/,
    );
    await tab.fill("#texts", "");
    await compress(tab);
  });

  test("a model without a graph, and texts without a model", async () => {
    await drop(tab, [file("a.txt", "w1 w2")]);
    await untilText(tab, "intake-fault", /a\.txt is neither an ONNX model/);
    await drop(tab, [file("big.safetensors", await slowModel(300, 32)), file("a.txt", "w1 w2")]);
    await untilText(
      tab,
      "intake-fault",
      /big\.safetensors has no graph.*a\.txt: export the model to ONNX, or go on without/,
    );
    expect(await tab.isVisible("#calibration")).toBe(false);
    await compress(tab);
  });

  test("a model of other inputs takes arrays, by the names of these", async () => {
    await drop(tab, [file("model.onnx", classifier())]);
    await untilText(tab, "model-name", /model/);
    await drop(tab, [file("a.npz", readFileSync(new URL("../fixtures/formats/stored.npz", import.meta.url)))]);
    await untilText(tab, "texts-note", /^a\.npz: inputs of the model as they are\.$/);
    await untilText(tab, "command", /--calibrate a\.npz --runtime web$/);
    await failing(/input_ids/);
  });
});
