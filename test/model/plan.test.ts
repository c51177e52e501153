// Which rank and which way to store it each layer gets, and how large the file becomes.
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createLoewner, rankForKeep, type Loewner } from "../../src/index.js";
import {
  compressModel,
  planCompression,
  safetensorsModel,
  type CompressOptions,
  type Model,
} from "../../src/model/index.js";
import { fitLayer, type PairTarget, type Target } from "../../src/model/fit.js";
import { valueBytes } from "../../src/model/kinds/index.js";
import { matrixOf, shapeOf } from "../../src/model/model.js";
import type { LayerPlan } from "../../src/model/plan-file.js";
import { targetBytes } from "../../src/model/sizes.js";
import { failure } from "../formats/fixtures.js";
import { mainFile, onnxBytes, openBytes, openOnnxBytes, safetensorsOf, type Table } from "./in-memory.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

const tables: Table[] = [
  { name: "wte.weight", rows: 300, cols: 24 },
  { name: "h.0.mlp.weight", rows: 40, cols: 56 },
  { name: "h.1.mlp.weight", rows: 96, cols: 32 },
];
const formats: [string, () => Promise<Model>][] = [
  ["safetensors", () => safetensorsOf(tables)],
  ["ONNX", () => openOnnxBytes(onnxBytes(tables))],
];

const all = { layers: ["all"] };
const plan = (model: Model, options: CompressOptions) => planCompression(loewner, model, { ...all, ...options });
const ranksOf = async (model: Model, options: CompressOptions) =>
  (await plan(model, options)).chosen.map(({ targets }) => targets.map(rankOf));
const rankOf = (target: Target) => ("rank" in target ? target.rank : 0);

describe.each(formats)("%s", (_, open) => {
  test("names are exact, in place of globs", async () => {
    const model = await open();
    const names = ["h.1.mlp.weight"];
    const { chosen } = await planCompression(loewner, model, { names, rank: 2 });
    expect(chosen.map(({ layer }) => layer.name)).toEqual(names);
  });

  test("keep: the largest rank whose factors take that share of the bytes, in steps where they are asked for; in few bits all of it where that fits", async () => {
    const model = await open();
    const wanted = model.layers.map((layer) => {
      const [rows, cols] = shapeOf(layer);
      return [Math.floor((0.6 * rows * cols) / (rows + cols) + 1e-9)];
    });
    expect(await ranksOf(model, { keep: 0.6 })).toEqual(wanted);
    expect(await ranksOf(model, { keep: 0.6, multipleOf: 4 })).toEqual(wanted.map(([k]) => [k - (k % 4)]));
    const { chosen } = await plan(model, { keep: 0.2, type: "int8" });
    for (const { layer, targets } of chosen) {
      const [rank, shape] = [rankOf(targets[0]), shapeOf(layer)];
      expect(targetBytes(...shape, { rank, type: "int8" })).toBeLessThanOrEqual(0.2 * layer.bytes);
      expect(targetBytes(...shape, { rank: rank + 1, type: "int8" })).toBeGreaterThan(0.2 * layer.bytes);
    }
    expect(chosen).toHaveLength(3);
    for (const { layer, targets } of (await plan(model, { keep: 0.6, type: "int4" })).chosen)
      expect(targets).toEqual([{ rank: shapeOf(layer)[1], type: "int4", dense: true }]);
  });

  test("rank for each, energy by the spectrum", async () => {
    const model = await open();
    expect(await ranksOf(model, { rank: 5 })).toEqual([[5], [5], [5]]);
    const { chosen } = await plan(model, { energy: 0.9 });
    for (const { layer, targets } of chosen) {
      const { singularValues } = (await safetensorsSpectra())[layer.name];
      const squares = [...singularValues].map((x) => x * x);
      const total = squares.reduce((a, b) => a + b);
      const held = (k: number) => squares.slice(0, k).reduce((a, b) => a + b, 0) / total;
      expect(held(rankOf(targets[0]))).toBeGreaterThanOrEqual(0.9);
      expect(held(rankOf(targets[0]) - 1)).toBeLessThan(0.9);
    }
  });

  const stored: CompressOptions[] = [
    { keep: 0.5 },
    { keep: 0.5, type: "f16" },
    { rank: 8, type: "int8" },
    { rank: 8, type: "int4" },
    { rank: 8, type: "int4", operators: "onnxruntime" },
    { rank: 8, type: "int3" },
    { rank: 8, type: "int2", p: 1.25, seed: 123456789, method: "svd" },
  ];
  test.each(stored)("the size of the file is known before: %o", async (options) => {
    const model = await open();
    const { bytesAfter } = await plan(model, options);
    const result = await compressModel(loewner, model, { ...all, ...options });
    const { length } = await mainFile(result.files);
    expect(result.bytesAfter).toBe(length);
    expect(length).toBeLessThanOrEqual(bytesAfter);
    // A node and a tensor for a step other than 1 may turn out not to be needed.
    const slack = model.format === "onnx" && options.type?.startsWith("int") ? 600 : 120;
    expect(bytesAfter).toBeGreaterThanOrEqual(length);
    expect(bytesAfter - length).toBeLessThanOrEqual(slack * result.layers.length);
  });

  test.each([0.1, 0.3, 0.6])(
    "transform codes of a share of %f: what the file takes at most is known before",
    async (keep) => {
      const model = await open();
      const { bytesAfter, chosen } = await plan(model, { keep, type: "transform" });
      const result = await compressModel(loewner, model, { ...all, keep, type: "transform" });
      const { length } = await mainFile(result.files);
      expect(result.bytesAfter).toBe(length);
      expect(length).toBeLessThanOrEqual(bytesAfter);
      for (const { bytesAfter: bytes, bytesBefore } of result.layers)
        expect(bytes).toBeLessThanOrEqual(keep * bytesBefore);
      // Tables, nodes and words of bands that may turn out not to be there.
      const unused = result.layers.reduce((sum, layer, i) => sum + targetBytes(layer.rows, layer.cols, chosen[i].targets[0]) - layer.bytesAfter, 0); // prettier-ignore
      expect(bytesAfter - length - unused).toBeLessThanOrEqual(8500 + 3000 * result.layers.length);
    },
  );

  test.each<CompressOptions>([
    {},
    { type: "int8" },
    { type: "int4" },
    { type: "auto" },
    { type: "auto", operators: "onnxruntime" },
    { weights: { weightsFor: (rows) => new Float64Array(rows).fill(2), power: 0.25 } },
  ])("a budget is never passed, and nearly spent: %o", async (options) => {
    const model = await open();
    const smallest = await least(model, options);
    let finest = 0;
    for (const share of [0.02, 0.1, 0.3, 0.6, 0.93]) {
      const bytes = Math.round(smallest + share * (model.byteLength - smallest));
      const { files, layers } = await compressModel(loewner, model, { ...all, ...options, bytes });
      const { length } = await mainFile(files);
      expect(length).toBeLessThanOrEqual(bytes);
      // With a layer left whole, or at its full rank, there may be nothing else to spend on.
      const open = layers.filter(({ rank, rows, cols }) => rank < Math.min(rows, cols) - 8);
      if (open.length < tables.length) continue;
      // A step of the largest layer, and numbers that turn out shorter than they might be.
      const step = options.type === undefined ? 4 * 324 : 8 * 324;
      expect(length).toBeGreaterThan(bytes - step - 600 * tables.length);
      ++finest;
    }
    if (options.type !== "auto") expect(finest).toBeGreaterThanOrEqual(1);
  });

  test("too small a budget says how small it may be, and that much is enough", async () => {
    const model = await open();
    const { message, place } = await failure(plan(model, { bytes: 100 }), "INVALID_INPUT");
    expect(message).toMatch(
      /^100 bytes are too few for model\.(onnx|safetensors): the chosen layers at their smallest/,
    );
    expect(place.file).toBe(model.name);
    const smallest = Number(/smallest make (\d+) bytes/.exec(message)![1]);
    expect((await plan(model, { bytes: smallest })).bytesAfter).toBe(smallest);
    await failure(plan(model, { bytes: smallest - 1 }), "INVALID_INPUT");
  });

  test("budget is a share of all files; what it leaves whole is said so", async () => {
    const model = await open();
    const half = await plan(model, { budget: 0.5 });
    expect(half.bytesAfter).toBeLessThanOrEqual(0.5 * model.byteLength);
    const { chosen, skipped, bytesAfter } = await plan(model, { budget: 1 });
    expect(bytesAfter).toBeLessThanOrEqual(model.byteLength);
    const reasons = new Set(skipped.map(({ reason }) => reason));
    expect([...reasons]).toEqual(["the budget has room for it as it is"]);
    expect(chosen.length + skipped.length).toBe(tables.length);
  });

  test("ranks under a budget are at least minRank and multiples of multipleOf", async () => {
    const model = await open();
    const ranks = await ranksOf(model, { budget: 0.6, minRank: 6, multipleOf: 4 });
    for (const [rank] of ranks) expect([8, 12, 16, 20, 24, 28]).toContain(rank);
  });

  test("a plan's own layers come first, the budget is spread over the others", async () => {
    const model = await open();
    const bytes = Math.round(0.5 * model.byteLength);
    const own: Record<string, LayerPlan> = { "h.0.mlp.weight": { rank: 3 }, "wte.weight": {}, "h.1.mlp.weight": {} };
    const file = { version: 1 as const, layers: own };
    const { chosen, bytesAfter } = await planCompression(loewner, model, { bytes, plan: file });
    expect(chosen.map(({ layer }) => layer.name)).toEqual(model.layers.map(({ name }) => name));
    expect(chosen.find(({ layer }) => layer.name === "h.0.mlp.weight")!.targets).toEqual([{ rank: 3, type: "f32" }]);
    expect(bytesAfter).toBeLessThanOrEqual(bytes);
    expect(bytesAfter).toBeGreaterThan(0.9 * bytes);
  });

  test("a size that a plan's own sizes pass is refused, though nothing is left to spread", async () => {
    const model = await open();
    const layers: Record<string, LayerPlan> = Object.fromEntries(model.layers.map(({ name }) => [name, { keep: 0.9 }]));
    const own = { version: 1 as const, layers };
    const { bytesAfter } = await planCompression(loewner, model, { plan: own });
    expect((await planCompression(loewner, model, { plan: own, bytes: bytesAfter })).bytesAfter).toBe(bytesAfter);
    const bytes = bytesAfter - 1;
    const { message } = await failure(planCompression(loewner, model, { plan: own, bytes }), "INVALID_INPUT");
    expect(message).toContain(
      `${bytes} bytes are too few for ${model.name}: what was chosen makes ${bytesAfter} bytes`,
    );
  });
});

/** The least that a budget can be. */
async function least(model: Model, options: CompressOptions): Promise<number> {
  const { message } = await failure(plan(model, { ...options, bytes: 1 }), "INVALID_INPUT");
  return Number(/smallest make (\d+) bytes/.exec(message)![1]);
}

async function safetensorsSpectra() {
  const spectra: Record<string, { singularValues: Float64Array }> = {};
  const model = await safetensorsOf(tables);
  for (const { name } of model.layers)
    spectra[name] = { singularValues: await loewner.singularValues(model.rows(name), {}) };
  return spectra;
}

test("what a target takes is what its numbers and padding take, to the byte", async () => {
  const targets = fc.record({
    rows: fc.integer({ min: 8, max: 70 }),
    cols: fc.integer({ min: 2, max: 40 }),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    type: fc.constantFrom<PairTarget["type"]>("f64", "f32", "f16", "bf16", "int8", "int4", "int3", "int2"),
    dense: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(targets, async ({ rows, cols, share, type, dense }) => {
      const model = await safetensorsOf([{ name: "W", rows, cols }]);
      const [layer] = model.layers;
      const [n, d] = shapeOf(layer);
      const isTable = dense && type.startsWith("int");
      const rank = isTable ? d : 1 + Math.floor(share * (Math.min(rows, cols) - 1));
      const target = { rank, type, ...(isTable && { dense: true }) };
      const { value } = await fitLayer(loewner, layer, matrixOf(model, layer), target, { method: "svd" });
      const right = value.kind === "pair" ? value.right : undefined;
      // An ONNX graph multiplies left with its padding, so right has as many rows there.
      const padding = right?.kind === "codes" ? ((8 - (rank % 8)) % 8) * (8 * Math.ceil(d / 8) + 2) : 0;
      expect(valueBytes(value) + padding).toBe(targetBytes(n, d, target));
    }),
    { numRuns: 40 },
  );
});

describe("dtype auto", () => {
  test.each([0.06, 0.1, 0.2, 0.4])(
    "at %f of the bytes: never worse than the table in few bits, nor than plain factors",
    async (keep) => {
      const model = await safetensorsOf([{ name: "wte.weight", rows: 640, cols: 48 }]);
      const { layers, files } = await compressModel(loewner, model, { keep, type: "auto" });
      const [{ objective, bytesAfter, bytesBefore }] = layers;
      expect(bytesAfter).toBeLessThanOrEqual(keep * bytesBefore);
      const rivals: Target[] = ([8, 4, 3, 2] as const).map((bits) => ({ rank: 48, type: `int${bits}`, dense: true }));
      const rank = rankForKeep(keep, 640, 48);
      if (rank) rivals.push({ rank, type: "f32" });
      for (const rival of rivals) {
        if (targetBytes(640, 48, rival) > keep * bytesBefore) continue;
        const [layer] = model.layers;
        const fitted = await fitLayer(loewner, layer, matrixOf(model, layer), rival, { objective: "l21" });
        expect(objective.l21).toBeLessThanOrEqual(fitted.objective.l21);
      }
      const written = safetensorsModel(await openBytes(await mainFile(files)));
      expect([...written.described.keys()]).toEqual(["wte.weight"]);
    },
  );

  test("needs a size in bytes", async () => {
    const model = await safetensorsOf(tables);
    for (const size of [{ rank: 4 }, { energy: 0.9 }]) {
      const { message } = await failure(plan(model, { ...size, type: "auto" }), "INVALID_INPUT");
      expect(message).toMatch(/dtype auto chooses rank and bits for a size: give keep, budget or bytes for \S+/);
    }
    const { chosen, skipped } = await plan(model, { keep: 0.001, type: "auto" });
    expect(chosen).toEqual([]);
    expect(skipped[0].reason).toMatch(/^nothing fits into \d+ bytes, 0\.001 of it$/);
  });
});

describe("dtype transform", () => {
  test.each(formats)("spends a budget on transform codes of the layers that it takes: %s", async (_, open) => {
    const model = await open();
    const [least] = /\d+(?= bytes\. Allow)/.exec((await failure(plan(model, { bytes: 1, type: "transform" }), "INVALID_INPUT")).message)!; // prettier-ignore
    for (const bytes of [Number(least), Number(least) + 9000]) {
      const { files, layers } = await compressModel(loewner, model, { ...all, bytes, type: "transform" });
      const { length } = await mainFile(files);
      expect(length).toBeLessThanOrEqual(bytes);
      expect(layers.every(({ dtype, method }) => dtype === "transform" && method === "transform")).toBe(true);
      expect(layers.length).toBeGreaterThan(0);
    }
  });

  test("reports bits of the components, rows that are kept nearly exactly, and the share of components that have bits", async () => {
    const model = await safetensorsOf([{ name: "wte.weight", rows: 3000, cols: 48 }]);
    const { layers } = await compressModel(loewner, model, { keep: 0.07, type: "transform" });
    const [{ bands, rank, keep, exactRows, explain, bytesAfter, bytesBefore }] = layers;
    expect(bands!.reduce((sum, { components }) => sum + components, 0)).toBe(rank);
    expect(keep).toBe(rank / 48);
    expect(exactRows!.length).toBeGreaterThan(0);
    expect(explain).toMatch(
      /^at most \d+ bytes, 0\.07 of its 576000; components: \d+ in \d bits.*; \d+ rows nearly exact$/,
    );
    expect(bytesAfter).toBeLessThanOrEqual(0.07 * bytesBefore);
    expect(bytesAfter).toBeGreaterThan(0.065 * bytesBefore);
  });

  test("takes a size in bytes that holds a centre and scales", async () => {
    const model = await safetensorsOf(tables);
    for (const size of [{ rank: 4 }, { energy: 0.9 }]) {
      const { message } = await failure(plan(model, { ...size, type: "transform" }), "INVALID_INPUT");
      expect(message).toMatch(/dtype transform spends bytes, not a rank: give keep, budget or bytes for \S+/);
    }
    const { chosen, skipped } = await plan(model, { keep: 0.001, type: "transform" });
    expect(chosen).toEqual([]);
    expect(skipped[0].reason).toMatch(
      /^keep 0\.001 leaves it \d+ bytes: centre and scales of transform codes take \d+$/,
    );
    expect((await plan(model, { keep: 1, type: "transform" })).skipped[0].reason).toMatch(/^would not shrink/);
  });

  test("in a plan file stands beside others", async () => {
    const model = await safetensorsOf(tables);
    const [first, second] = model.layers;
    const file = { version: 1 as const, layers: { [first.name]: { keep: 0.3, dtype: "transform" as const }, [second.name]: { rank: 2 } } }; // prettier-ignore
    const { layers } = await compressModel(loewner, model, { plan: file });
    expect(layers.map(({ dtype }) => dtype).sort()).toEqual(["f32", "transform"]);
  });
});

describe("what cannot be", () => {
  test.each<[string, CompressOptions, RegExp]>([
    ["no size", {}, /exactly one of rank, keep, energy, budget and bytes for h\.0\.mlp\.weight; got none/],
    ["two sizes", { rank: 3, keep: 0.5 }, /for h\.0\.mlp\.weight; got rank and keep/],
    [
      "a rank above the layer's",
      { rank: 33 },
      /rank 33 is above min\(rows, cols\) = 32 of h\.1\.mlp\.weight \(96 x 32\)/,
    ],
  ])("%s", async (_, options, message) => {
    const error = await failure(plan(await safetensorsOf(tables), options), "INVALID_INPUT");
    expect(error.message).toMatch(message);
    expect(error.message).toContain(error.place.tensor);
  });

  test("row weights that fit no table of tokens: told before a spectrum is computed, and by a dry run alike", async () => {
    const model = await safetensorsOf(tables);
    const stages: string[] = [];
    const options: CompressOptions = {
      ...{ energy: 0.9, onProgress: ({ stage }) => void stages.push(stage) },
      weights: { weightsFor: (rows) => (rows === 96 ? new Float64Array(96).fill(1) : undefined) },
    };
    const wanted = /fit no chosen layer of .*: a table of tokens .* chosen are .*wte\.weight \(300\)/;
    await expect(plan(model, options)).rejects.toThrow(wanted);
    await expect(compressModel(loewner, model, { ...all, ...options })).rejects.toThrow(wanted);
    // The largest table of tokens is what is spoken of.
    const misfit = (rows: number) => new RangeError(`not ${rows}`);
    const told = { ...options, weights: { weightsFor: () => undefined, misfit } };
    await expect(plan(model, told)).rejects.toThrow("not 300");
    expect(stages).toEqual([]);
  });

  test("a name that a factor would need: in safetensors an error that names it, in ONNX another name", async () => {
    const taken: Table[] = [tables[0], { name: "wte.weight.left", rows: 3, cols: 2 }];
    const options: CompressOptions = { keep: 0.5, layers: ["wte.weight"] };
    const error = await failure(plan(await safetensorsOf(taken), options), "INVALID_INPUT");
    expect(error.message).toMatch(/already has a tensor named wte\.weight\.left; leave wte\.weight out with --exclude/);
    expect(error.place).toEqual({ file: "model.safetensors", tensor: "wte.weight.left" });
    const model = await openOnnxBytes(onnxBytes(taken));
    const { files } = await compressModel(loewner, model, options);
    const written = await openOnnxBytes(await mainFile(files));
    expect(written.described.get("wte.weight")).toMatchObject({ left: "wte.weight.left_2", right: "wte.weight.right" });
  });

  test("what stays is said so, with the reason", async () => {
    const model = await safetensorsOf([...tables, { name: "tiny.weight", rows: 2, cols: 2 }]);
    const reasons = async (options: CompressOptions) =>
      Object.fromEntries(
        (await plan(model, { layers: ["*"], ...options })).skipped.map(({ name, reason }) => [name, reason]),
      );
    expect(await reasons({ keep: 0.02 })).toMatchObject({ "tiny.weight": "keep 0.02 leaves it no rank at all" });
    expect(await reasons({ keep: 0.1, multipleOf: 8 })).toMatchObject({
      "h.0.mlp.weight": "keep 0.1 leaves it no rank that is a multiple of 8",
    });
    expect(await reasons({ rank: 2 })).toEqual({
      "tiny.weight": "would not shrink: rank 2 takes 32 bytes, the layer has 16",
    });
    expect(await reasons({ budget: 0.5 })).toEqual({ "tiny.weight": "no rank would make it smaller" });
    const own = { version: 1 as const, layers: { "wte.weight": { keep: 0.3 }, "h.0.mlp.weight": { skip: true } } };
    const { chosen, skipped } = await planCompression(loewner, model, { plan: own });
    expect(chosen.map(({ layer }) => layer.name)).toEqual(["wte.weight"]);
    expect(skipped.find(({ name }) => name === "h.0.mlp.weight")?.reason).toBe("not in the plan");
    const named = await planCompression(loewner, model, { keep: 0.1, names: ["wte.weight"] });
    expect(named.skipped.find(({ name }) => name === "h.0.mlp.weight")?.reason).toBe(
      "not among the names that were given",
    );
  });
});
