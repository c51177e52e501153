import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { memorySink, type OnnxModel, writeNpy } from "../../src/formats/index.js";
import { readCalibrationData, readTexts } from "../../src/node/calibration-data.js";
import { loadTokenizer } from "../../src/node/tokenizers.js";
import { failure, fixturePath } from "../formats/fixtures.js";
import { model, node, open, tensor, valueInfo } from "../formats/onnx/build.js";

const tokenizer = fileURLToPath(new URL("../fixtures/tokenizers/wordpiece.json", import.meta.url));
let folder: string;
let encoder: OnnxModel;
const at = (name: string, text?: string | Uint8Array) => {
  const path = join(folder, name);
  if (text !== undefined) writeFileSync(path, text);
  return path;
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "loewner-calibration-"));
  encoder = await open(
    model({
      inputs: [valueInfo("input_ids", ["batch", "sequence"], 7), valueInfo("attention_mask", ["batch", "sequence"], 7)],
      outputs: [valueInfo("y")],
      initializers: [tensor("table", [200, 2], new Float32Array(400))],
      nodes: [node("Gather", ["table", "input_ids"], ["y"])],
    }),
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("texts", () => {
  test("lines of a .txt file; empty ones and a mark at its beginning are left out", async () => {
    expect(await readTexts(at("a.txt", "\ufeffthe cat\r\n\n  \nx\n"))).toEqual(["the cat", "x"]);
  });
  test("a field of a .jsonl file, or several", async () => {
    const path = at("a.jsonl", '{"text": "one", "b": "two"}\n\n{"b": "four", "text": "three"}\n');
    expect(await readTexts(path)).toEqual(["one", "three"]);
    expect(await readTexts(path, ["b", "text"])).toEqual(["two", "four", "one", "three"]);
    const error = await failure(readTexts(path, ["c"]), "INVALID_INPUT");
    expect(error.message).toBe(`${path} has no column "c"; it has "text", "b".`);
    const list = await failure(readTexts(at("b.jsonl", '{"text": ""}\n[1]')), "INVALID_FORMAT");
    expect(list.message).toMatch(/line 2 is no JSON object; a \.jsonl file has one a line\.$/);
  });
  test("columns of a .tsv file by their names", async () => {
    const path = at("a.tsv", 'a\tb\tscore\n"one\ttwo\t1\nthree\t\t2\n');
    expect(await readTexts(path, ["b", "a"])).toEqual(["two", '"one', "three"]);
    expect(await readTexts(at("b.tsv", "only\none\ntwo"))).toEqual(["one", "two"]);
    const unnamed = await failure(readTexts(path), "INVALID_INPUT");
    expect(unnamed.message).toBe(`${path} has the columns "a", "b", "score": say which of them hold texts.`);
    const missing = await failure(readTexts(path, ["c"]), "INVALID_INPUT");
    expect(missing.message).toBe(
      `${path} has no column "c"; it has "a", "b", "score" by its first line. If that line is a row already, say what the columns are.`,
    );
    expect(await readTexts(at("a.csv", 'a,b\n"one, two",3\n'), ["a"])).toEqual(["one, two"]);
  });
  test("bytes that are no UTF-8, a file that is not there", async () => {
    await failure(readTexts(at("latin1.txt", Uint8Array.of(0x63, 0xe9))), "FILE");
    await failure(readTexts(at("none.txt")), "FILE");
  });
});

describe("files to feeds", () => {
  test("texts through a tokenizer, as many as are asked for at even distances", async () => {
    const path = at("many.txt", Array.from({ length: 10 }, (_, i) => "the ".repeat(i + 1)).join("\n"));
    const { feeds, source } = await readCalibrationData(encoder, [path], { tokenizer, mostTexts: 5 });
    expect(source).toBe(`5 of 10 texts of ${path}`);
    const lengths = Array.from({ length: 5 }, (_, i) =>
      Array.from(feeds[0].attention_mask.data as BigInt64Array)
        .slice(11 * i, 11 * i + 11)
        .reduce((sum, x) => sum + Number(x), 0),
    );
    expect(lengths).toEqual([3, 5, 7, 9, 11]);
    expect((await readCalibrationData(encoder, [path], { tokenizer, maxLength: 4 })).feeds[0].input_ids.shape).toEqual([
      10, 4,
    ]);
  });

  test("an archive of arrays, and arrays by name or without", async () => {
    const archive = await readCalibrationData(
      await open(
        model({
          inputs: [valueInfo("input_ids", ["b", 15], 7), valueInfo("x.y", [3, 5]), valueInfo("flag", [], 9)],
          outputs: [valueInfo("y")],
          nodes: [node("Abs", ["x.y"], ["y"])],
        }),
      ),
      [fixturePath("deflated.npz")],
    );
    expect(archive.feeds.map(({ input_ids }) => input_ids.shape)).toEqual([[20, 15]]);
    expect(archive.source).toBe(fixturePath("deflated.npz"));
    const sink = memorySink();
    await writeNpy(sink, { data: Float32Array.of(1, 2, 3), shape: [3] });
    const path = at("x.npy", sink.bytes());
    const plain = await open(
      model({
        inputs: [valueInfo("a", [3]), valueInfo("b", [3])],
        outputs: [valueInfo("y")],
        nodes: [node("Add", ["a", "b"], ["y"])],
      }),
    );
    const { feeds, source } = await readCalibrationData(plain, [`b=${path}`, path]);
    expect(feeds.map(({ a, b }) => [a.data, b.data])).toEqual([[Float32Array.of(1, 2, 3), Float32Array.of(1, 2, 3)]]);
    expect(source).toBe(`b=${path}, ${path}`);
    const twice = await failure(readCalibrationData(plain, [`b=${path}`, `b=${path}`]), "INVALID_INPUT");
    expect(twice.message).toBe('--calibrate gives "b" twice.');
  });
});

describe("what is refused, and how", () => {
  const message = async (work: Promise<unknown>) => (await failure(work, "INVALID_INPUT")).message;

  test("texts without a tokenizer, a tokenizer without texts, no files, others", async () => {
    const texts = at("t.txt", "the");
    expect(await message(readCalibrationData(encoder, [texts]))).toBe(
      `${texts} holds texts, which a tokenizer must cut into tokens: give the model's tokenizer.json too (--tokenizer).`,
    );
    expect(await message(readCalibrationData(encoder, [fixturePath("stored.npz")], { tokenizer }))).toBe(
      `${tokenizer} is a tokenizer, but there are no texts (.txt, .jsonl, .tsv, .csv) for it to cut; arrays hold token ids already.`,
    );
    expect(await message(readCalibrationData(encoder, []))).toMatch("no files were given");
    expect(await message(readCalibrationData(encoder, ["a.xls"]))).toBe(
      "a.xls: a model is calibrated on arrays (.npz, .npy) or texts (.txt, .jsonl, .tsv, .csv), told by the end of the name.",
    );
    expect(await message(readCalibrationData(encoder, [texts], { tokenizer, mostTexts: 0 }))).toMatch("mostTexts");
  });
  test("arrays that do not fit: names and shapes are said", async () => {
    expect(await message(readCalibrationData(encoder, [fixturePath("stored.npz")]))).toBe(
      'm.onnx has no input "x.y"; it takes input_ids (int64, batch x sequence), attention_mask (int64, batch x sequence).',
    );
  });
  test("a tokenizer that is none", async () => {
    await failure(loadTokenizer(at("tokenizer.json", "[]")), "INVALID_FORMAT");
    await failure(loadTokenizer(at("none.json")), "FILE");
  });
});
