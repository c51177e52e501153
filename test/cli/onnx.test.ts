// The command line on ONNX models: every option, files beside the model, and what cannot be read.
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { externalTensor, model, node, tensor, valueInfo } from "../formats/onnx/build.js";
import { weight } from "../model/onnx-models/cases.js";
import { uniform } from "../model/onnx-models/random.js";
import { bytesOf, listing, run, temporaryFolder, writeMatrix } from "./run.js";

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
  writeFileSync(join(folder, "model.onnx"), small());
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const [words, inner] = [weight("word_embeddings.weight", 2000, 24), weight("dense.weight", 24, 96)];

/** Rows of a table, a product with a linear layer. `table` replaces the tensor, as one whose data lie elsewhere. */
function small(table = tensor(words.name, [words.rows, words.cols], words.data)): Uint8Array {
  return model({
    inputs: [valueInfo("ids", ["n"], 7)],
    outputs: [valueInfo("y", ["n", 96])],
    nodes: [node("Gather", [words.name, "ids"], ["h"]), node("MatMul", ["h", inner.name], ["y"])],
    initializers: [table, tensor(inner.name, [inner.rows, inner.cols], inner.data)],
  });
}

/** The table's bytes in a file beside the model, somewhere in its middle. */
function withExternal(where: string, entries: Record<string, string> = {}): void {
  const data = new Uint8Array(4096 + words.data.byteLength);
  data.set(new Uint8Array(words.data.buffer), 4096);
  if (where !== "") writeFileSync(join(folder, where), data);
  const place = { location: where || "model.data", offset: "4096", length: String(words.data.byteLength), ...entries };
  writeFileSync(join(folder, "model.onnx"), small(externalTensor(words.name, [words.rows, words.cols], place)));
}

const compress = (...args: string[]) => run(folder, "compress", "model.onnx", "-o", "small.onnx", ...args);
const json = (...args: string[]) => {
  const { status, stdout, stderr } = compress(...args, "--json");
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return JSON.parse(stdout);
};

/** One line that names what it should, the exit code, and the folder as it was. */
function refused(done: ReturnType<typeof run>, code: number, message: RegExp, before: string[]): void {
  expect(done.stderr).toMatch(message);
  expect(done.stderr.trimEnd().split("\n")).toHaveLength(1);
  expect([done.status, done.stdout]).toEqual([code, ""]);
  expect(listing(folder)).toEqual(before);
}

describe("options", () => {
  test("--json is one document, with the keys that are documented; verify and inspect agree with it", () => {
    const report = json("--keep", "0.5", "--dtype", "f32");
    expect(Object.keys(report)).toEqual(
      ["command", "version", "input", "output", "bytesBefore", "bytesAfter", "layers", "skipped", "seconds", "seed"], // prettier-ignore
    );
    const [layer] = report.layers;
    for (const key of [
      "name",
      "kind",
      "shape",
      "rank",
      "keep",
      "method",
      "p",
      "objective",
      "candidates",
      "certificate",
      "seconds",
    ])
      // prettier-ignore
      expect(layer).toHaveProperty(key);
    expect(layer).toMatchObject({ name: words.name, kind: "embedding", shape: [2000, 24], rank: 11, dtype: "f32" });
    expect(report.skipped).toEqual([{ name: inner.name, reason: expect.stringMatching(/--layers/) }]);
    expect(report.bytesAfter).toBe(bytesOf(folder, "small.onnx").length);
    const inspected = JSON.parse(run(folder, "inspect", "small.onnx", "--json").stdout);
    expect(JSON.stringify(inspected)).toContain(words.name);
    const verified = run(folder, "verify", "model.onnx", "small.onnx", "--runtime", "web", "--json");
    expect(verified.status).toBe(0);
    expect(JSON.stringify(JSON.parse(verified.stdout))).toContain('"ok":true');
  });

  test("--verify of a model that nothing can be done to: no file, and the reason", () => {
    const { status, stderr } = compress("--keep", "0.01", "--dtype", "f32", "--verify");
    expect(status).toBe(1);
    expect(stderr).toMatch(/^loewner: Nothing of model\.onnx was compressed, .*keep 0\.01 leaves it no rank at all/);
    expect(listing(folder)).toEqual(["model.onnx"]);
  });

  test("--dry-run says what would be done, and nothing is written", () => {
    const planned = json("--dry-run", "--keep", "0.4", "--dtype", "f32");
    expect(listing(folder)).toEqual(["model.onnx"]);
    expect(planned).toMatchObject({ dryRun: true, layers: [{ name: words.name, rank: 9, dtype: "f32" }] });
    const done = json("--keep", "0.4", "--dtype", "f32");
    expect(done.bytesAfter).toBeLessThanOrEqual(planned.bytesAfter);
    expect(done.bytesAfter).toBeGreaterThan(0.99 * planned.bytesAfter);
  });

  test("--bytes and --budget: at most that, and at most 1 % less", () => {
    const whole = bytesOf(folder, "model.onnx").length;
    for (const [option, asked] of [
      ["--bytes=100kB", 100_000],
      ["--budget=0.7", Math.floor(0.7 * whole)],
    ] as const) {
      // prettier-ignore
      const { bytesAfter } = json(option, "--dtype", "f32", "--layers", "all", "--force");
      expect(bytesAfter).toBeLessThanOrEqual(asked);
      // A rank of the table is 8096 bytes, one of the linear layer 480.
      expect(bytesAfter).toBeGreaterThan(asked - 480 - 0.01 * asked);
      expect(bytesOf(folder, "small.onnx").length).toBe(bytesAfter);
    }
  });

  test.each(["f64", "f32", "f16", "bf16", "int8", "int4", "int3", "int2", "auto"])("--dtype %s", (dtype) => {
    for (const operators of dtype.startsWith("int") ? ["standard", "onnxruntime"] : ["standard"]) {
      const { layers } = json("--keep", "0.45", "--dtype", dtype, "--operators", operators, "--force");
      if (dtype === "auto") expect(layers[0].bytesAfter).toBeLessThanOrEqual(0.45 * layers[0].bytesBefore);
      else expect(layers[0].dtype).toBe(dtype);
      expect(run(folder, "verify", "model.onnx", "small.onnx", "--runtime", "web", "--quiet").status).toBe(0);
    }
  });

  test("--plan: each layer by its own", () => {
    expect(run(folder, "inspect", "model.onnx", "--plan", "plan.json").status).toBe(0);
    const plan = JSON.parse(bytesOf(folder, "plan.json").toString());
    expect(plan.layers).toMatchObject({ [words.name]: { keep: 0.5, dtype: "auto" }, [inner.name]: { skip: true } });
    plan.layers[words.name] = { keep: 0.5 };
    plan.layers[inner.name] = { rank: 5, dtype: "f16", method: "svd" };
    writeFileSync(join(folder, "plan.json"), JSON.stringify(plan));
    const { layers } = json("--plan", "plan.json");
    expect(layers).toMatchObject([
      { name: words.name, rank: 11, dtype: "f32" },
      { name: inner.name, rank: 5, dtype: "f16", method: "svd", shape: [96, 24] },
    ]);
  });

  test("--row-weights: recorded, and wanted by verify", async () => {
    const counts = Float64Array.from({ length: words.rows }, (_, i) => Math.floor(100 / (i + 1)));
    await writeMatrix(folder, "counts.npy", counts, [words.rows]);
    const { layers } = json("--keep", "0.5", "--dtype", "f32", "--row-weights", "counts.npy");
    expect(layers[0].rowWeights).toMatch(/counts\.npy: 2000 counts, to the power/);
    const verify = (...more: string[]) =>
      run(folder, "verify", "model.onnx", "small.onnx", "--runtime", "web", ...more);
    expect(verify().stderr).toMatch(/was compressed with row weights; pass the same ones with --row-weights/);
    expect(verify("--row-weights", "counts.npy").status).toBe(0);
  });
});

describe("files beside the model", () => {
  test("external data in, external data out, also in another folder; either all files or none", () => {
    withExternal("model.data");
    mkdirSync(join(folder, "out"));
    expect(
      run(folder, "compress", "model.onnx", "-o", "out/small.onnx", "--keep", "0.5", "--dtype", "f32").status,
    ).toBe(0);
    expect(listing(join(folder, "out"))).toEqual(["small.onnx", "small.onnx_data"]);
    expect(run(folder, "verify", "model.onnx", "out/small.onnx", "--runtime", "web").status).toBe(0);
    expect(listing(folder)).toEqual(["model.data", "model.onnx", "out"]);
  });

  test("a data file that is there already is kept, and so is the folder; --force replaces both", () => {
    withExternal("model.data");
    writeFileSync(join(folder, "small.onnx_data"), "mine");
    const before = listing(folder);
    refused(
      compress("--keep", "0.5", "--dtype", "f32", "--quiet"),
      1,
      /small\.onnx_data exists already.*--force/,
      before,
    );
    expect(bytesOf(folder, "small.onnx_data").toString()).toBe("mine");
    expect(compress("--keep", "0.5", "--dtype", "f32", "--force").status).toBe(0);
    expect(bytesOf(folder, "small.onnx_data").length).toBeGreaterThan(1000);
  });

  test("an output that would lie on the model's own data is refused, --force or not", () => {
    withExternal("small.onnx_data");
    const data = bytesOf(folder, "small.onnx_data");
    refused(
      compress("--keep", "0.5", "--dtype", "f32", "--force"),
      1,
      /small\.onnx_data.*(is|belongs to) the (input|model)/,
      listing(folder),
    );
    expect(bytesOf(folder, "small.onnx_data").equals(data)).toBe(true);
  });

  test("the output is there already, or is the model, or a safetensors file", () => {
    writeFileSync(join(folder, "small.onnx"), "mine");
    const before = listing(folder);
    refused(compress("--keep", "0.5", "--dtype", "f32"), 1, /small\.onnx exists already.*--force/, before);
    const onto = (output: string) =>
      run(folder, "compress", "model.onnx", "-o", output, "--keep", "0.5", "--dtype", "f32", "--force");
    refused(onto("model.onnx"), 1, /model\.onnx is the input itself/, before);
    refused(onto("./model.onnx"), 1, /is the input itself/, before);
    refused(onto("small.safetensors"), 1, /an ONNX model.*name the output \.onnx/, before);
  });
});

describe("what cannot be read", () => {
  const bad = (content: Uint8Array | string) => writeFileSync(join(folder, "model.onnx"), content);

  test.each<[string, Uint8Array | string, RegExp]>([
    ["text", "once upon a time", /model\.onnx/],
    ["an empty file", "", /model\.onnx.*empty/],
    ["a zip archive", "PK\x03\x04\x14\x00\x00\x00", /model\.onnx.*zip/],
    ["a cycle", cyclic(), /model\.onnx.*(cycle|before|order)/],
    [
      "a shape and data at odds",
      small(tensor(words.name, [words.rows, 25], words.data)),
      /model\.onnx.*word_embeddings\.weight.*\d+ bytes/,
    ],
    ["two tensors of one name", twice(), /model\.onnx.*dense\.weight/],
  ])("%s", (_, content, message) => {
    bad(content);
    refused(compress("--keep", "0.5", "--dtype", "f32"), 1, message, ["model.onnx"]);
  });

  test("truncated at 20 places", () => {
    const whole = small();
    for (let i = 0; i < 20; ++i) {
      bad(whole.subarray(0, Math.floor(whole.length * uniform(3, i))));
      refused(compress("--keep", "0.5", "--dtype", "f32"), 1, /model\.onnx/, ["model.onnx"]);
    }
  });

  test.each<[string, () => void, RegExp]>([
    ["missing", () => withExternal(""), /model\.data/],
    ["short", () => withExternal("model.data", { offset: "8192" }), /model\.data.*bytes/],
    ["above the folder", () => withExternal("", { location: "../model.data" }), /\.\.\/model\.data/],
    ["absolute", () => withExternal("", { location: "/etc/passwd" }), /\/etc\/passwd/],
    ["a link to outside", linkOut, /model\.data/],
  ])("external data: %s", (_, prepare, message) => {
    prepare();
    refused(compress("--keep", "0.5", "--dtype", "f32"), 1, message, listing(folder));
    expect(existsSync(join(folder, "small.onnx"))).toBe(false);
  });

  test("a plan with layers that do not exist, a tokenizer that does not fit: names and sizes", () => {
    writeFileSync(join(folder, "plan.json"), '{"version":1,"layers":{"wte":{"keep":0.5}}}');
    const before = ["model.onnx", "plan.json"];
    refused(
      compress("--plan", "plan.json"),
      1,
      /The plan names "wte", which model\.onnx does not have; it has .*word_emb/,
      before,
    );
    refused(compress("--plan", "none.json"), 1, /Cannot read the plan none\.json/, before);
    const tokenizer = fileURLToPath(new URL("../fixtures/tokenizers/counts.json", import.meta.url));
    refused(compress("--keep", "0.5", "--dtype", "f32", "--row-weights", tokenizer), 1, /counts\.json/, before);
  });

  test("a tokenizer of more tokens than the table has rows: both sizes", () => {
    const table = weight(words.name, 60, 4);
    bad(small(tensor(words.name, [60, 4], table.data)));
    const tokenizer = fileURLToPath(new URL("../fixtures/tokenizers/unigram.json", import.meta.url));
    refused(compress("--keep", "0.5", "--dtype", "f32", "--row-weights", tokenizer), 1, /105 tokens.*60 rows/, [
      "model.onnx",
    ]);
  });
});

function cyclic(): Uint8Array {
  return model({
    inputs: [valueInfo("ids", ["n"], 7)],
    outputs: [valueInfo("y")],
    nodes: [
      node("Gather", [words.name, "ids"], ["h"]),
      node("Add", ["h", "b"], ["a"]),
      node("Relu", ["a"], ["b"]),
      node("Relu", ["b"], ["y"]),
    ],
    initializers: [tensor(words.name, [words.rows, words.cols], words.data)],
  });
}

function twice(): Uint8Array {
  const one = tensor(inner.name, [inner.rows, inner.cols], inner.data);
  return model({
    inputs: [valueInfo("x", ["n", 24])],
    outputs: [valueInfo("y", ["n", 96])],
    nodes: [node("MatMul", ["x", inner.name], ["y"])],
    initializers: [one, one],
  });
}

function linkOut(): void {
  const outside = temporaryFolder();
  writeFileSync(join(outside, "secret"), new Uint8Array(4096 + words.data.byteLength));
  withExternal("");
  symlinkSync(join(outside, "secret"), join(folder, "model.data"));
}
