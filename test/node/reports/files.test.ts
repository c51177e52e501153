// Kinds of files that people reported of other tools, by the number of the kind: what is made of each, or what is said of it.
import { describe, expect, test } from "vitest";
import { readRowWeights } from "../../../src/cli/row-weights.js";
import { memorySink, writeNpy } from "../../../src/formats/index.js";
import { createLoewner } from "../../../src/index.js";
import { compressModel, safetensorsModel, tokenWeights } from "../../../src/model/index.js";
import { openModelPath } from "../../../src/node/open.js";
import { failure, safetensorsBytes } from "../../formats/fixtures.js";
import { safetensorsBytes as tablesBytes } from "../../model/in-memory.js";
import { weight } from "../../model/onnx-models/cases.js";
import { cols, data, opened, reportFolder, rows, table } from "./folder.js";

const { path: folder, put } = reportFolder();

describe("report 15: folders as a hub has them", () => {
  const small = () => tablesBytes([{ name: "W", rows, cols, data }]);

  test("of several models that none is the usual name, which there are is said", async () => {
    for (const name of ["encoder_model", "decoder_model"]) put(`onnx/${name}.onnx`, table());
    const { message } = await failure(opened(folder()), "FILE");
    expect(message).toMatch(/holds several models.*onnx\/decoder_model\.onnx, onnx\/encoder_model\.onnx/);
  });

  test("a single file beside an index of its shards: which was taken, and what else is there", async () => {
    put("model.safetensors", await small());
    put("model-00001-of-00001.safetensors", await small());
    put("model.safetensors.index.json", JSON.stringify({ weight_map: { W: "model-00001-of-00001.safetensors" } }));
    expect((await opened(folder())).others).toEqual(["model.safetensors.index.json"]);
  });

  test("a model in both formats: which was taken, and what else is there", async () => {
    put("model.safetensors", await small());
    put("onnx/model.onnx", table());
    expect((await opened(folder())).others).toEqual(["onnx/model.onnx"]);
  });

  test("pickled weights alone are to be converted first", async () => {
    put("pytorch_model.bin", "x");
    expect((await failure(opened(folder()), "FILE")).message).toMatch(/it has pytorch_model\.bin\. Convert/);
  });

  test("an adapter's two factors are layers", async () => {
    const factors = [
      { name: "q.lora_A.weight", rows: 8, cols: 64 },
      { name: "q.lora_B.weight", rows: 64, cols: 8 },
    ];
    put("adapter_model.safetensors", await tablesBytes(factors));
    expect((await opened(folder())).layers).toHaveLength(2);
  });
});

describe("report 18: headers of safetensors files", () => {
  const bytes = rows * cols * 4;
  const entry = `"W": {"dtype": "F32", "shape": [${rows}, ${cols}], "data_offsets": [0, ${bytes}]}`;
  const other = (dtype: string, shape: number[], [from, to]: number[]) =>
    `"other": {"dtype": "${dtype}", "shape": ${JSON.stringify(shape)}, "data_offsets": [${from}, ${to}]}`;

  test.each([
    ["metadata that is null", `{"__metadata__": null, ${entry}}`, 0],
    ["empty metadata", `{"__metadata__": {}, ${entry}}`, 0],
    ["metadata at the end", `{${entry}, "__metadata__": {"format": "pt"}}`, 0],
    ["a scalar", `{${entry}, ${other("F32", [], [bytes, bytes + 4])}}`, 4],
    ["an empty tensor first", `{${other("F32", [0, 8], [0, 0])}, ${entry}}`, 0],
    ["an empty tensor at the end", `{${entry}, ${other("F32", [0, 8], [bytes, bytes])}}`, 0],
    ["numbers of 8 bits", `{${entry}, ${other("F8_E4M3", [4, 4], [bytes, bytes + 16])}}`, 16],
    ["scales of 8 bits", `{${entry}, ${other("F8_E8M0", [4, 4], [bytes, bytes + 16])}}`, 16],
    ["a header whose length is no multiple of 8", `{${entry}} `, 0],
  ])("%s: read", async (_, header, more) => {
    const { layers } = await opened(put("model.safetensors", safetensorsBytes(header, bytes + more)));
    const found = layers.find(({ name }) => name === "W");
    expect(found).toMatchObject({ shape: [rows, cols] });
    expect(found!.blocked).toBeUndefined();
  });

  test.each([
    ["a number in the metadata", `{"__metadata__": {"step": 1000}, ${entry}}`, 0, /has a number under "step"/],
    [
      "an entry without a dtype",
      `{${entry}, ${other("", [], [0, 0])}}`,
      0,
      /"other" has the unknown dtype ""; known are BOOL/,
    ],
    ["a dtype that is none", `{${entry}, ${other("I4", [4, 4], [bytes, bytes + 8])}}`, 8, /unknown dtype "I4"/],
    ["two tensors in one place", `{${entry}, ${other("F32", [rows, cols], [0, bytes])}}`, 0, /overlaps tensor/],
    ["bytes behind the last tensor", `{${entry}}`, 16, /16 bytes after the last tensor, "W", belong to no tensor/],
  ])("%s: refused, with the reason", async (_, header, more, reason) => {
    const path = put("model.safetensors", safetensorsBytes(header, bytes + more));
    expect((await failure(opened(path), "INVALID_FORMAT")).message).toMatch(reason);
  });
});

describe("report 19: indexes of shards", () => {
  const [first, second] = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
  async function sharded(
    map: Record<string, string>,
    { metadata, files = [first, second] }: { metadata?: object; files?: string[] } = {},
  ) {
    for (const [i, name] of files.entries()) put(name, await tablesBytes([{ name: `t${i}`, rows, cols }]));
    put("model.safetensors.index.json", JSON.stringify({ ...(metadata && { metadata }), weight_map: map }));
    return opened(folder());
  }

  test.each([
    ["without metadata", undefined],
    ["with a size that is no whole number", { total_size: 4096.5 }],
  ])("%s: read", async (_, metadata) => {
    const { layers } = await sharded({ t0: first, t1: second }, { metadata });
    expect(layers.map(({ name }) => name)).toEqual(["t0", "t1"]);
  });

  test("shards named by ./ and a tensor that the index leaves out: read", async () => {
    const { layers } = await sharded({ t0: `./${first}` }, { files: [first] });
    expect(layers).toHaveLength(1);
    put(
      first,
      await tablesBytes([
        { name: "t0", rows, cols },
        { name: "extra", rows, cols },
      ]),
    );
    expect((await opened(folder())).layers.map(({ name }) => name).sort()).toEqual(["extra", "t0"]);
  });

  test("a shard that is missing, or was renamed: who names it, and what lies there", async () => {
    const { message } = await failure(sharded({ t0: first, t1: "model-00002-of-00030.safetensors" }), "FILE");
    expect(message).toMatch(
      /index\.json has tensors in "model-00002-of-00030\.safetensors": No such file.*has model-00001-of-00002/,
    );
  });

  test("a tensor that its shard has not, or that two have: refused", async () => {
    const absent = await failure(sharded({ t0: first, gone: second, t1: second }), "INVALID_FORMAT");
    expect(absent.message).toMatch(
      /tensor "gone" should be in "model-00002-of-00002\.safetensors", but that file has no such tensor/,
    );
    put(
      second,
      await tablesBytes([
        { name: "t0", rows, cols },
        { name: "t1", rows, cols },
      ]),
    );
    put("model.safetensors.index.json", JSON.stringify({ weight_map: { t0: first, t1: second } }));
    expect((await failure(opened(folder()), "INVALID_FORMAT")).message).toMatch(/stands in .* and again in/);
  });
});

test("report 22: counts shorter than a padded table are padded, and that is said; far too few or too many do not fit", async () => {
  const counts = async (length: number) => {
    const sink = memorySink();
    await writeNpy(sink, { data: Float64Array.from({ length }, (_, i) => i + 1), shape: [length] });
    return readRowWeights(put("counts.npy", sink.bytes()));
  };
  const padded = await counts(505);
  expect(padded.note).toBeUndefined();
  expect(padded.weightsFor(512)).toHaveLength(512);
  expect(padded.note).toMatch(/has 505 counts, the table 512 rows: those beyond them count as never read/);
  expect(padded.description).toMatch(/505 counts, .*rows of a table beyond them count as never read/);
  for (const length of [300, 520]) {
    const other = await counts(length);
    expect(other.weightsFor(512)).toBeUndefined();
    expect(other.misfit(512).message).toMatch(`has ${length} counts, but the table has 512 rows`);
  }
});

test("report 24: one NaN row blocks its layer, with the row and --exclude; other layers go on", async () => {
  const broken = Float32Array.from(weight("b", 128, 16).data);
  broken[125 * 16] = NaN;
  const tables = [
    { name: "first.weight", rows: 128, cols: 16, data: broken },
    { name: "second.weight", rows: 128, cols: 16 },
  ];
  const open = await openModelPath(put("model.safetensors", await tablesBytes(tables)));
  const loewner = await createLoewner({ threads: 1 });
  try {
    if (open.kind !== "safetensors") throw new Error("not as it was written");
    const { layers, skipped } = await compressModel(loewner, safetensorsModel(open.file), {
      keep: 0.5,
      layers: ["all"],
    });
    expect(layers.map(({ name }) => name)).toEqual(["second.weight"]);
    expect(skipped).toMatchObject([
      {
        name: "first.weight",
        reason: expect.stringMatching(/^holds NaN or infinity at row 125, column 0.*--exclude first\.weight/),
      },
    ]);
  } finally {
    await open.close();
    await loewner.dispose();
  }
});

test("report 44: an added token under an id that is taken, or past the table, is left out, and that is said", () => {
  const vocab = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`token${i}`, i]));
  const added = [
    { id: 0, content: "token0", special: true },
    { id: 1, content: "<|im_end|>", special: true },
    { id: 300, content: "<past>", special: true },
  ];
  const json = JSON.stringify({ added_tokens: added, model: { type: "WordLevel", unk_token: "token0", vocab } });
  const { weights, tokens, source, omitted } = tokenWeights(json, 300);
  expect(weights).toHaveLength(300);
  expect(tokens[1]).toBe("token1");
  expect(omitted).toBe(`without "<|im_end|>", whose id another token has, and 1 added token past the table's 300 rows`);
  expect(source).toContain(omitted);
});
