// inspect: its table, its JSON, the plan that compress reads.
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { inspectionReport } from "../../src/cli/inspect-report.js";
import { shortenNames } from "../../src/cli/shorten.js";
import type { InspectedLayer, Inspection } from "../../src/model/index.js";
import { graph, model, node, tensor as onnxTensor, valueInfo } from "../formats/onnx/build.js";
import { matrix } from "../library/matrices.js";
import { bytesOf, listing, run, smallModel, temporaryFolder, writeModel } from "./run.js";

let folder: string;
beforeAll(async () => {
  folder = temporaryFolder();
  await writeModel(folder, "model.safetensors", smallModel());
  writeFileSync(join(folder, "model.onnx"), onnxModel());
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const word = "embeddings.word_embeddings.weight";
const inspect = (...args: string[]) => run(folder, "inspect", ...args);
const json = (...args: string[]) => JSON.parse(inspect(...args, "--json").stdout) as Inspection;

/** A table, a product with it (so: tied), two matrices that the model puts out, one in a subgraph. */
function onnxModel(): Uint8Array {
  const weight = (name: string, rows: number, cols: number) =>
    onnxTensor(name, [rows, cols], matrix("plain", rows, cols, { f32: true, seed: rows }).data as Float32Array);
  const branch = graph({
    nodes: [node("MatMul", ["h", "inner"], ["t"])],
    outputs: [valueInfo("t")],
    initializers: [weight("inner", 16, 16)],
  });
  return model({
    inputs: [valueInfo("ids", ["n"], 7), valueInfo("flag", [], 9)],
    outputs: [valueInfo("logits", ["n", 300]), valueInfo("odd", [40, 16]), valueInfo("even", [41, 16])],
    initializers: [weight("tokens", 300, 16), weight("odd", 40, 16), weight("even", 41, 16)],
    nodes: [
      node("Gather", ["tokens", "ids"], ["h"]),
      node("If", ["flag"], ["g"], { then_branch: branch, else_branch: branch }),
      node("Transpose", ["tokens"], ["across"], { perm: [1, 0] }),
      node("MatMul", ["g", "across"], ["logits"]),
      node("Einsum", ["h", "odd"], ["unused"], { equation: "ij,kj->ik" }),
    ],
  });
}

/** Cells of the line of the table that begins with a name. */
function cells(report: string, name: string): string[] {
  const line = report.split("\n").find((each) => each.startsWith(`${name} `));
  expect(line, `a line of ${name} in\n${report}`).toBeDefined();
  return line!.split(/ {2,}/);
}

describe("the table", () => {
  test("says of each layer what the JSON says, largest first", () => {
    const { stdout, status } = inspect("model.safetensors", "--spectrum", "all");
    expect(status).toBe(0);
    const { layers, bytes } = json("model.safetensors", "--spectrum", "all");
    const known = layers.filter(({ spectrum }) => spectrum);
    expect(known).toHaveLength(3);
    for (const { name, kind, shape, bytes: size, spectrum, atKeep } of known) {
      const megabytes = (x: number) => (x >= 1e4 ? (x / 1e6).toFixed(2) : (x / 1e6).toFixed(3));
      expect(cells(stdout, name)).toEqual([
        ...[name, kind, shape.join(" x "), "F32", megabytes(size), ((100 * size) / bytes).toFixed(1)],
        ...[spectrum!.stableRank.toFixed(1), String(spectrum!.rankAt90), String(spectrum!.rankAt99)],
        ...[megabytes(atKeep!.bytesSaved), atKeep!.error!.toFixed(3)],
      ]);
    }
    const order = ["embeddings.word", "embeddings.position", "layer.0.ffn", "1 smaller", "rest of"];
    const at = order.map((name) => stdout.indexOf(`\n${name}`));
    expect(at).toEqual([...at].sort((a, b) => a - b));
    expect(at[0]).toBeGreaterThan(0);
    expect(stdout).toContain(`Compress takes ${word} by default: at keep 0.5`);
  });

  test("shares and sizes of its lines add up to the model", () => {
    const { stdout } = inspect("model.safetensors", "--all", "--no-spectrum");
    const { layers, bytes } = json("model.safetensors", "--no-spectrum");
    for (const { name } of layers) cells(stdout, name);
    expect(stdout).not.toContain("smaller (--all)");
    expect(layers.reduce((sum, { share }) => sum + share, 0)).toBeLessThan(1);
    const rest = bytes - layers.reduce((sum, layer) => sum + layer.bytes, 0);
    expect(stdout).toContain((rest / 1e6).toFixed(3));
  });

  test("spectra as asked for; --no-spectrum is --spectrum none", () => {
    const known = (...args: string[]) => json("model.safetensors", ...args).layers.filter((l) => l.spectrum).length;
    expect([known(), known("--spectrum", "default"), known("--spectrum", "all")]).toEqual([1, 1, 3]);
    expect([known("--spectrum", "none"), known("--no-spectrum")]).toEqual([0, 0]);
    expect(inspect("model.safetensors").stdout).toContain("Spectra of 1 of 3 layers; --spectrum all");
    const { status, stderr } = inspect("model.safetensors", "--spectrum", "some");
    expect(status).toBe(2);
    expect(stderr).toMatch(/all, default, none/);
  });

  test("ONNX: a tied table is one layer; what cannot be factored stands with its reason", () => {
    const { stdout, status } = inspect("model.onnx");
    expect(status).toBe(0);
    expect(cells(stdout, "tokens").slice(0, 5)).toEqual(["tokens", "tied", "300 x 16", "F32", "0.02"]);
    expect(cells(stdout, "odd").slice(6)).toEqual(["-", "-", "-", "-", "-"]);
    const blocked = stdout.slice(stdout.indexOf("Cannot be factored:"));
    // The reason is told once.
    expect(blocked).toMatch(/\n {2}even, odd: is an output of the model itself/);
    // Both branches have the same one.
    expect(cells(stdout, "inner").slice(0, 4)).toEqual(["inner", "linear", "16 x 16", "F32"]);
  });

  test("a compressed layer is one line, with rank, dtype and bound", () => {
    expect(run(folder, "compress", "model.safetensors", "-o", "small.safetensors", "--rank", "5", "--dtype", "int8", "--method", "lewis").status).toBe(0); // prettier-ignore
    const { stdout } = inspect("small.safetensors");
    expect(cells(stdout, word).slice(0, 4)).toEqual([word, "factors", "400 x 16", "int8"]);
    expect(stdout).not.toMatch(/\.left|\.right|scales/);
    const stored = json("small.safetensors").layers.find(({ name }) => name === word)!.stored!;
    const lines = stdout.slice(stdout.indexOf("Stored as factors"));
    const [name, rank, dtype, p, bound, before] = cells(lines, word);
    expect([name, rank, dtype, p, before]).toEqual([word, "5", "int8", "1", "0.03"]);
    expect(Number(bound) / stored.bound).toBeCloseTo(1, 4);
  });
});

describe("the table of models that are too large to write here", () => {
  const large = (name: string, bytes: number, exceeds?: InspectedLayer["exceeds"]): InspectedLayer => ({
    ...{ name, kind: "embedding", shape: [250002, 384], dtype: "F32", bytes, byDefault: true, transposed: false },
    ...{ share: bytes / 1e9, ...(exceeds && { exceeds }) },
  });
  const inspection = (layers: InspectedLayer[]): Inspection => ({
    ...{ file: "m.onnx", format: "onnx", bytes: 1e9, keep: 0.5, layers },
  });

  test("marks what WebGPU need not take, and explains only the marks that stand there", () => {
    const one = inspectionReport(inspection([large("a", 2e8, "128 MiB"), large("b", 1e8)]));
    expect(one).toMatch(/^a .*200\.00 {2}\* +20\.0/m);
    expect(one).toMatch(/^b .*100\.00 +10\.0/m);
    expect(one).toMatch(/^ {2}\* a tensor above 128 MiB.*binding/m);
    expect(one).not.toContain("256 MiB");
    const two = inspectionReport(inspection([large("a", 3e8, "256 MiB")]));
    expect(two).toMatch(/300\.00 {2}\*\* +30\.0/);
    expect(two).toMatch(/^ \*\* a tensor above 256 MiB.*buffer/m);
    expect(inspectionReport(inspection([large("a", 1e8)]))).not.toContain("*");
  });

  const bert = Array.from({ length: 12 }, (_, i) =>
    ["query", "key", "value"].map((part) => `bert.encoder.layer.${i}.attention.self.${part}.weight`),
  ).flat();

  test("fits 100 columns, and names in it stay apart", () => {
    const report = inspectionReport(inspection(bert.map((name) => large(name, 2e6))), { width: 100 });
    const lines = report.split("\n");
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
    const names = lines.filter((line) => line.includes("250002 x 384")).map((line) => line.split(" ")[0]);
    expect(new Set(names).size).toBe(36);
    expect(names.slice(0, 3)).toEqual(["bert…0…self.query…", "bert…0…self.key…", "bert…0…self.value…"]);
  });

  test("names are whole where they fit", () => {
    expect(shortenNames(bert, 60)).toEqual(bert);
    expect(shortenNames(["a.very_long_name_of_one_segment"], 11)).toEqual(["a.ver…gment"]);
  });

  test("no shortened name is wider than asked", () => {
    const segment = fc.stringMatching(/^[a-z0-9_]{0,30}$/);
    fc.assert(
      fc.property(
        fc.array(fc.array(segment, { minLength: 1, maxLength: 8 })),
        fc.integer({ min: 3, max: 60 }),
        (lists, width) => {
          const names = lists.map((list) => list.join("."));
          shortenNames(names, width).forEach((short, i) => {
            expect(short.length).toBeLessThanOrEqual(width);
            if (names[i].length <= width) expect(short).toBe(names[i]);
          });
        },
      ),
      { seed: 5 },
    );
  });
});

describe("--json", () => {
  test("has the keys that docs/inspect.md names", () => {
    const inspection = json("model.safetensors");
    expect(Object.keys(inspection)).toEqual(["command", "version", "input", "format", "bytes", "keep", "layers"]);
    expect(inspection).toMatchObject({ input: "model.safetensors", format: "safetensors", keep: 0.5 });
    const layer = inspection.layers.find(({ name }) => name === word)!;
    expect(Object.keys(layer).sort()).toEqual(
      ["atKeep", "byDefault", "bytes", "dtype", "kind", "name", "shape", "share", "spectrum", "transposed"].sort(),
    );
    const keys = ["singularValues", "stableRank", "rankAt90", "rankAt99", "errors", "auto"];
    expect(Object.keys(layer.spectrum!)).toEqual(keys);
    expect(layer.spectrum!.errors.map(({ keep }) => keep)).toEqual([0.9, 0.72, 0.5, 0.3, 0.15]);
    expect(Object.keys(layer.atKeep!)).toEqual(["rank", "bytesSaved", "error"]);
    const documented = readFileSync(new URL("../../docs/inspect.md", import.meta.url), "utf8");
    for (const key of [
      ...Object.keys(inspection),
      ...Object.keys(layer),
      ...Object.keys(layer.spectrum!),
      ...Object.keys(layer.atKeep!),
    ])
      expect(documented).toContain(`\`${key}\``);
  });

  test("is the same for any run, and alone on stdout", () => {
    const once = inspect("model.safetensors", "--json");
    expect(once.stderr).toBe("");
    expect(inspect("model.safetensors", "--json").stdout).toBe(once.stdout);
  });
});

describe("--plan", () => {
  const compress = (...args: string[]) => run(folder, "compress", "model.safetensors", "-o", ...args, "--force");
  beforeAll(() => inspect("model.safetensors", "--keep", "0.4", "--plan", "plan.json"));
  const edit = (change: (layers: Record<string, Record<string, unknown>>) => void) => {
    const plan = JSON.parse(bytesOf(folder, "plan.json").toString());
    change(plan.layers);
    writeFileSync(join(folder, "edited.json"), JSON.stringify(plan));
  };

  test("compress --plan does what compress --keep does", () => {
    const { status, stdout } = inspect("model.safetensors", "--keep", "0.4", "--plan", "again.json");
    expect(status).toBe(0);
    expect(stdout).toContain("Plan written: again.json");
    expect(bytesOf(folder, "again.json")).toEqual(bytesOf(folder, "plan.json"));
    expect(JSON.parse(bytesOf(folder, "plan.json").toString())).toEqual({
      version: 1,
      layers: {
        "embeddings.position_embeddings.weight": { skip: true, keep: 0.4, dtype: "auto" },
        [word]: { keep: 0.4, dtype: "auto" },
        "layer.0.ffn.weight": { skip: true, keep: 0.4, dtype: "auto" },
      },
    });
    expect(compress("planned.safetensors", "--plan", "plan.json").status).toBe(0);
    expect(compress("kept.safetensors", "--keep", "0.4").status).toBe(0);
    expect(bytesOf(folder, "planned.safetensors").equals(bytesOf(folder, "kept.safetensors"))).toBe(true);
  });

  test("edited: layers by their own rank and type", () => {
    edit((layers) => {
      layers["layer.0.ffn.weight"] = { rank: 3, method: "svd" };
      layers[word] = { rank: 4, dtype: "bf16" };
    });
    const { layers } = JSON.parse(compress("edited.safetensors", "--plan", "edited.json", "--json").stdout);
    expect(layers.map(({ name, rank, dtype }: Record<string, unknown>) => [name, rank, dtype])).toEqual([
      [word, 4, "bf16"],
      ["layer.0.ffn.weight", 3, "f32"],
    ]);
  });

  test.each<[string, Record<string, unknown>, RegExp]>([
    ["a layer that does not exist", { nothing: { keep: 0.5 } }, /plan names "nothing".*it has .*word_embeddings/],
    ["a layer that cannot be factored", { ids: { keep: 0.5 } }, /"ids", which cannot be factored/],
    ["a share above 1", { [word]: { keep: 1.5 } }, /edited\.json: layer ".*word_embeddings\.weight": keep is 1\.5/],
    ["a rank that is no whole number", { [word]: { rank: "4" } }, /layer ".*": rank is "4"; a whole number/],
    ["two sizes", { [word]: { rank: 4, keep: 0.5 } }, /layer ".*": has rank and keep/],
    ["a type that there is not", { [word]: { dtype: "int5" } }, /dtype is "int5"; auto or one of f64, .*int2/],
    ["a key that there is not", { [word]: { ranks: 4 } }, /has "ranks"; only skip, rank/],
    ["a layer without an object", { [word]: 3 }, /is 3; an object was expected/],
  ])("%s", (_, layers, message) => {
    writeFileSync(join(folder, "edited.json"), JSON.stringify({ version: 1, layers }));
    const { status, stderr } = compress("never.safetensors", "--plan", "edited.json");
    expect(status).toBe(1);
    expect(stderr).toMatch(message);
    expect(listing(folder)).not.toContain("never.safetensors");
  });
});

describe("files that exist", () => {
  test.each(["--plan", "--html"])("%s replaces one only with --force", (option) => {
    writeFileSync(join(folder, "there"), "mine");
    const { status, stderr, stdout } = inspect("model.safetensors", option, "there");
    expect([status, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(/there exists already.*--force/);
    expect(bytesOf(folder, "there").toString()).toBe("mine");
    expect(inspect("model.safetensors", option, "there", "--force").status).toBe(0);
    expect(bytesOf(folder, "there").toString()).not.toBe("mine");
  });

  test("the model itself is never replaced", () => {
    const before = bytesOf(folder, "model.safetensors");
    const { status, stderr } = inspect("model.safetensors", "--plan", "model.safetensors", "--force");
    expect(status).toBe(1);
    expect(stderr).toMatch(/is the input itself/);
    expect(bytesOf(folder, "model.safetensors").equals(before)).toBe(true);
  });

  test("one name for both is refused, and neither is written", () => {
    expect(inspect("model.safetensors", "--plan", "both", "--html", "both").status).toBe(2);
    expect(listing(folder)).not.toContain("both");
  });
});
