// The page, as a person uses it: what is dropped, what the slider says, what comes out, and what is said when something is wrong.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { beforeEach, describe, expect, test } from "vitest";
import { memorySink, writeNpy } from "../../src/formats/index.js";
import { createLoewner, rankForKeep } from "../../src/index.js";
import { bytesOf, listing } from "../cli/run.js";
import { matrix } from "../library/matrices.js";
import { axePath, drop, file, slide, until, untilShown, untilText, type Tab } from "./browser.js";
import { compress as compressIn, freshTab, hash, onCommandLine, saved as savedIn } from "./fresh-tab.js";
import { classifier, slowModel, tableName, tableOf, tokenizer, withExternalData } from "./models.js";

const fresh = freshTab();
let tab: Tab;
beforeEach(() => void (tab = fresh.tab));

const model = classifier();
const openModel = async (...others: Parameters<typeof drop>[1][number][]) => {
  await drop(tab, [file("model.onnx", model), ...others]);
  await untilText(tab, "model-name", /model\.onnx/);
};
/** A share of each layer, in place of a quality. */
const openSizes = async () => {
  await tab.click("#advanced summary");
  await tab.click("label[for=mode-keep]");
};
const compress = () => compressIn(tab);
const saved = (place?: string) => savedIn(tab, place);

describe("a model", () => {
  test("is dropped, made smaller, saved: the bytes of the command line, and nothing is asked of the server", async () => {
    await untilShown(tab, "offline");
    const before = fresh.served.requests.length;
    await openModel();
    await slide(tab, 30);
    expect(await tab.evaluate("document.getElementById('amount').value")).toBe("30");
    await untilText(tab, "outcome-note", /predicted error 0\.\d+/);
    await untilText(tab, "command", /--keep 0\.3 --dtype f32$/);
    const predicted = Number.parseFloat(await tab.textContent("#bytes-after"));
    await compress();
    const { name, bytes } = await saved();
    expect(fresh.served.requests.slice(before)).toEqual([]);
    expect(name).toBe("model.small.onnx");
    const folder = onCommandLine(await tab.textContent("#command"), "model.onnx", model);
    expect(hash(bytes)).toBe(hash(bytesOf(folder, "model.small.onnx")));
    // Predicted is a size at most, to a few bytes of metadata.
    expect(bytes.length).toBeLessThanOrEqual(predicted < 1000 ? predicted * 1e6 : predicted);
  });

  test("is predicted by its spectrum, for the rank that the slider gives", async () => {
    await openModel();
    await slide(tab, 40);
    await untilText(tab, "command", /--keep 0\.4 --dtype f32$/);
    await until(tab, "/^\\d/.test(document.querySelector('.layers td[data-label=error]').textContent)");
    const cell = (label: string) => tab.textContent(`.layers td[data-label=${label}]`);
    const rank = Number(await cell("rank"));
    expect(rank).toBe(rankForKeep(0.4, 700, 24));
    const loewner = await createLoewner();
    const squares = (await loewner.singularValues(tableOf(700, 24))).map((x) => x * x);
    loewner.dispose();
    const sum = (values: Float64Array) => values.reduce((a, b) => a + b, 0);
    expect(Number(await cell("error"))).toBeCloseTo(Math.sqrt(sum(squares.subarray(rank)) / sum(squares)), 3);
    // And drawn.
    await until(tab, "document.querySelector('#plot-spectrum canvas') && document.querySelector('#plot-error canvas')");
    expect(await tab.evaluate("document.getElementById('plot-error').getAttribute('aria-label')")).toContain(tableName);
  });

  test("by other options, and of chosen layers alone", async () => {
    await openModel();
    await openSizes();
    await tab.uncheck("#layer-0");
    await tab.check("#layer-1");
    await tab.fill("#p", "1.5");
    await tab.selectOption("#method", "lewis");
    await tab.selectOption("#type", "f16");
    await untilText(tab, "command", /--dtype f16 --p 1\.5 --method lewis$/);
    await compress();
    const { bytes } = await saved();
    const folder = onCommandLine(await tab.textContent("#command"), "model.onnx", model);
    expect(hash(bytes)).toBe(hash(bytesOf(folder, "model.small.onnx")));
  });

  test("to a size of the whole file", async () => {
    await openModel();
    await openSizes();
    await tab.click("label[for=mode-bytes]");
    await tab.fill("#amount", "0.06");
    await untilText(tab, "command", /--bytes 60000 .*--dtype f32$/);
    await untilText(tab, "outcome-note", /predicted error/);
    await compress();
    const { bytes } = await saved();
    expect(bytes.length).toBeLessThanOrEqual(60000);
    const folder = onCommandLine(await tab.textContent("#command"), "model.onnx", model);
    expect(hash(bytes)).toBe(hash(bytesOf(folder, "model.small.onnx")));
  });

  test("rows that pay most have names once a tokenizer comes along, and both models run in the page", async () => {
    await openModel(file("tokenizer.json", tokenizer()));
    await untilText(tab, "model-facts", /700 tokens/);
    await compress();
    await until(tab, "document.querySelectorAll('.worst tbody tr').length === 8");
    expect(await tab.textContent(".worst tbody th")).toMatch(/^w\d+$/);
    await tab.click("#verify");
    await until(tab, "document.querySelector('.compared tbody td')");
    const cosine = Number(await tab.textContent(".compared tbody td"));
    expect(cosine).toBeGreaterThan(0.5);
    expect(cosine).toBeLessThanOrEqual(1);
  });

  test("goes into a file as it is written, where the browser can do that", async () => {
    const picker =
      "globalThis.showSaveFilePicker = async ({ suggestedName }) => (await navigator.storage.getDirectory()).getFileHandle(suggestedName, { create: true })";
    await tab.evaluate(`void (${picker})`);
    await openModel();
    await compress();
    await tab.click("#result .downloads button");
    await untilText(tab, "live", /is saved/);
    const written = await tab.evaluate<number[]>(`(async () => {
      const folder = await navigator.storage.getDirectory();
      const file = await (await folder.getFileHandle("model.small.onnx")).getFile();
      return Array.from(new Uint8Array(await file.arrayBuffer()));
    })()`);
    const { bytes } = await (async () => {
      await tab.evaluate("void delete globalThis.showSaveFilePicker");
      return saved();
    })();
    expect(hash(Uint8Array.from(written))).toBe(hash(bytes));
  });
});

test("external data is dropped beside its model, and said to be missing without", async () => {
  const far = withExternalData();
  await drop(tab, [file("far.onnx", far.model)]);
  await untilText(tab, "intake-fault", /"far\.onnx_data".*beside it/);
  await drop(tab, [file("far.onnx_data", far.data), file("far.onnx", far.model)]);
  await untilText(tab, "model-name", /far\.onnx/);
  await compress();
  const folder = onCommandLine(await tab.textContent("#command"), "far.onnx", far.model, { "far.onnx_data": far.data });
  const count = await tab.evaluate<number>("document.querySelectorAll('#result .downloads button').length");
  const names: string[] = [];
  for (let i = 1; i <= count; ++i) {
    const { name, bytes } = await saved(`#result .downloads button:nth-of-type(${i})`);
    expect(hash(bytes)).toBe(hash(bytesOf(folder, name)));
    names.push(name);
  }
  expect(names.sort()).toEqual(listing(folder).filter((name) => name.includes("small")));
});

test("a matrix becomes two factors, those of the command line", async () => {
  const sink = memorySink();
  await writeNpy(sink, { data: matrix("heavy-tailed rows", 300, 20, { f32: true }).data, shape: [300, 20] });
  await drop(tab, [file("A.npy", sink.bytes())]);
  await untilText(tab, "model-name", /A\.npy/);
  await slide(tab, 40);
  await untilText(tab, "command", /--keep 0\.4 /);
  await compress();
  const left = await saved();
  const right = await saved("#result .downloads button:nth-of-type(2)");
  const folder = onCommandLine(await tab.textContent("#command"), "A.npy", sink.bytes());
  for (const { name, bytes } of [left, right]) expect(hash(bytes)).toBe(hash(bytesOf(folder, name)));
});

test("is cancelled in the middle, and goes on working", async () => {
  await drop(tab, [file("big.safetensors", await slowModel())]);
  await untilText(tab, "model-name", /big/);
  await tab.click("#compress");
  await untilText(tab, "progress-text", /^[1-9]/);
  expect(await tab.isVisible("#result-title")).toBe(false);
  await tab.click("#cancel");
  await untilText(tab, "live", /Cancelled/);
  expect(await tab.isVisible("#cancel")).toBe(false);
  expect(await tab.isVisible("#result-title")).toBe(false);
  await openModel();
  await compress();
});

describe("what is wrong is said where it is", () => {
  const cases: Record<string, [files: Parameters<typeof drop>[1], message: RegExp]> = {
    "a model of llama.cpp": [
      [file("model.gguf", "GGUF\x03\0\0\0 and more")],
      /It is a GGUF file: start from the model's safetensors/,
    ],
    "a file of another kind": [[file("notes.txt", "plain text, and no model")], /notes\.txt is neither an ONNX model/],
    "nothing in it": [[file("empty.onnx", "")], /empty\.onnx.*empty/],
    "a model that is cut off": [[file("cut.onnx", model.subarray(0, 5000))], /cut\.onnx/],
    "two models at once": [[file("a.onnx", model), file("b.onnx", model)], /2 models at once: a\.onnx, b\.onnx/],
    "a shard that is missing": [
      [file("model.safetensors.index.json", '{"metadata":{},"weight_map":{"w":"part-1.safetensors"}}')],
      /part-1\.safetensors/,
    ],
    "a tokenizer alone": [[file("tokenizer.json", tokenizer())], /is a tokenizer/],
  };
  test(Object.keys(cases).join(", "), async () => {
    for (const [files, message] of Object.values(cases)) {
      await drop(tab, files);
      await untilText(tab, "intake-fault", message);
      expect(await tab.isVisible("#opened")).toBe(false);
    }
  });

  test("a number that is none, in a layer", async () => {
    await drop(tab, [file("nan.onnx", classifier({ nan: true }))]);
    await untilText(tab, "model-name", /nan/);
    await openSizes();
    await tab.click("#compress");
    await untilText(tab, "run-fault", new RegExp(`${tableName}.*row 5`));
    // Of a quality other layers get smaller all the same.
    await tab.click("label[for=quality-high]");
    await tab.click("#compress");
    await untilText(tab, "result", new RegExp(`${tableName}.*row 5`));
  });

  test("a size that is none", async () => {
    await openModel();
    await openSizes();
    await tab.fill("#amount", "140");
    await untilText(tab, "form-fault", /at most 100 %/);
    expect(await tab.evaluate("document.getElementById('compress').disabled")).toBe(true);
    await tab.click("label[for=mode-bytes]");
    await tab.fill("#amount", "0.001");
    await untilText(tab, "form-fault", /1000 bytes are too few for model\.onnx/);
  });

  test("a worker that ends: the message has the command that does the same, and the next run works", async () => {
    await tab.addInitScript(`globalThis.Worker = class extends Worker {
      constructor(...given) { super(...given); globalThis.lastWorker = this; }
    }`);
    await tab.reload();
    await drop(tab, [file("big.safetensors", await slowModel())]);
    await untilText(tab, "model-name", /big/);
    await tab.click("#compress");
    await untilText(tab, "progress-text", /^[1-9]/);
    await tab.evaluate(`void lastWorker.dispatchEvent(new ErrorEvent("error", { message: "out of memory" }))`);
    await untilText(
      tab,
      "run-fault",
      /out of memory.*npx loewner compress big\.safetensors -o big\.small\.safetensors$/,
    );
    await tab.click("#compress");
    await untilText(tab, "progress-text", /^[1-9]/);
    await tab.click("#cancel");
    await untilText(tab, "live", /Cancelled/);
  });
});

test("a file of 5 GB is read by pieces", async () => {
  await tab.evaluate(`(async () => {
    const header = JSON.stringify({
      "embeddings.word_embeddings.weight": { dtype: "F32", shape: [512, 16], data_offsets: [0, 32768] },
      rest: { dtype: "U8", shape: [5e9], data_offsets: [32768, 5000032768] },
    });
    const text = new TextEncoder().encode(header.padEnd(Math.ceil(header.length / 8) * 8));
    const table = Float32Array.from({ length: 8192 }, (_, i) => ((i * 7919) % 1031) / 100);
    const piece = new Blob([new Uint8Array(1e7)]);
    const parts = [new BigUint64Array([BigInt(text.length)]), text, table, ...Array(500).fill(piece)];
    const transfer = new DataTransfer();
    transfer.items.add(new File(parts, "huge.safetensors"));
    document.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
  })()`);
  await untilText(tab, "model-facts", /5000\.03 MB/);
  // Too little of it for a quality to care.
  await untilText(tab, "outcome-note", /Choose at least one layer/);
  await openSizes();
  await compress();
  expect(await tab.textContent("#result .downloads button")).toMatch(/Save huge\.small\.safetensors, 5000\.0\d\sMB/);
});

describe("manners", () => {
  test("works without a network after the first visit", async () => {
    await untilShown(tab, "offline");
    await fresh.context.setOffline(true);
    await tab.reload();
    await tab.click("#sample");
    await untilText(tab, "model-name", /sample\.onnx/);
    await compress();
    const { bytes } = await saved();
    expect(bytes.length).toBeGreaterThan(1e5);
    await fresh.context.setOffline(false);
  });

  test("no accessibility rule is broken, light and dark, on a phone and on a desk", async () => {
    await tab.click("#sample");
    await untilText(tab, "outcome-note", /should agree/);
    await compress();
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

  test("by keyboard alone", async () => {
    await tab.press("#sample", "Enter");
    await untilText(tab, "model-name", /sample/);
    await tab.press("#quality-high", "ArrowRight");
    await untilText(tab, "command", /--quality small$/);
    await tab.press("#advanced summary", "Enter");
    await tab.press("#slider", "ArrowLeft");
    await untilText(tab, "command", /--keep 0\.49 --dtype f32$/);
    await tab.press("#p", "Enter");
    await untilShown(tab, "result-title");
    expect(await tab.evaluate("document.activeElement.id")).toBe("result-title");
  });

  test("is on the screen for less than 150 kB, compressed, with its picture", async () => {
    await until(tab, "document.querySelector('[data-drawn]')");
    const loaded = await tab.evaluate<string[]>("performance.getEntriesByType('resource').map(({ name }) => name)");
    const folder = new URL("../../dist/web/", import.meta.url);
    const files = ["index.html", ...loaded.map((name) => name.slice(fresh.served.address.length))];
    const bytes = files.map((name) => gzipSync(readFileSync(new URL(name, folder))).length);
    expect(files.length).toBeGreaterThan(2);
    expect(bytes.reduce((sum, each) => sum + each, 0)).toBeLessThan(150e3);
  });
});
