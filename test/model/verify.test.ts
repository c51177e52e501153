// What verify says is true: honest files pass, and no word of a description can be changed without its being found.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { encodeNumbers, memorySink, tensorRows, writeSafetensors } from "../../src/formats/index.js";
import { createLoewner, type Loewner } from "../../src/index.js";
import { readRows, type Matrix, type RowType } from "../../src/matrix.js";
import { compressModel, safetensorsModel, verifyLayers, type CompressOptions } from "../../src/model/index.js";
import { failure } from "../formats/fixtures.js";
import { apply, matrix, norm, residualOf, uniform } from "../library/matrices.js";
import { mainFile, openBytes, safetensorsBytes } from "./in-memory.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner({ threads: 1 });
});
afterAll(() => loewner.dispose());

const name = "wte.weight";
const modelOf = async (bytes: Uint8Array) => safetensorsModel(await openBytes(bytes));

async function compressed(
  a: Matrix,
  { tensor = name, ...options }: CompressOptions & { tensor?: string },
  type: RowType = "f32",
) {
  const original = await safetensorsBytes([{ name: tensor, ...a, type }]);
  const { files, layers } = await compressModel(loewner, await modelOf(original), { layers: ["all"], ...options });
  return { original, small: await mainFile(files), layers };
}

const verified = async (original: Uint8Array, small: Uint8Array, options?: Parameters<typeof verifyLayers>[3]) =>
  verifyLayers(loewner, await modelOf(original), await modelOf(small), options);

interface Described {
  version: number;
  layers: Record<string, Record<string, unknown>>;
}

/** The file with another description, and with other bytes of some tensors. */
async function rewritten(
  bytes: Uint8Array,
  change: (description: Described) => void,
  replaced: Record<string, Uint8Array> = {},
) {
  const file = await openBytes(bytes);
  const description = JSON.parse(file.metadata.loewner) as Described;
  change(description);
  const sink = memorySink();
  const tensors = [...file.tensors.values()].map(({ name, dtype, shape, byteLength, start, end }) => ({
    ...{ name, dtype, shape, byteLength },
    chunks: async function* () {
      yield replaced[name] ?? (await file.source.slice(start, end));
    },
  }));
  await writeSafetensors(sink, { tensors, metadata: { loewner: JSON.stringify(description) } });
  return sink.bytes();
}

/** Refused by an error, or by what is found. */
async function isRefused(original: Uint8Array, small: Uint8Array, options?: Parameters<typeof verifyLayers>[3]) {
  try {
    return !(await verified(original, small, options)).ok;
  } catch (error) {
    expect(error).toMatchObject({ code: expect.stringMatching(/^INVALID_(FORMAT|INPUT)$/) });
    return true;
  }
}

describe("each field of a description, forged", () => {
  type Path = (string | number)[];
  /** Every value that is no object, with the way to it. */
  function* leaves(tree: unknown, path: Path = []): Generator<{ path: Path; value: unknown }> {
    if (typeof tree !== "object" || tree === null) yield { path, value: tree };
    else
      for (const [key, value] of Object.entries(tree))
        yield* leaves(value, [...path, Array.isArray(tree) ? Number(key) : key]);
  }
  const put = (tree: unknown, path: Path, value: unknown) => {
    const owner = path.slice(0, -1).reduce((at, key) => (at as Record<string, unknown>)[key], tree);
    const key = path.at(-1)!;
    if (value === undefined) Reflect.deleteProperty(owner as object, key);
    else (owner as Record<string, unknown>)[key] = value;
  };
  const forgeries = (value: unknown): unknown[] => {
    if (typeof value === "number") return [value === 0 ? 1 : 0, value * 1000 + 1, value * 1.5 + 0.1, -value - 1];
    if (typeof value === "boolean") return [!value, null, "yes"];
    return [`${String(value)}x`, "", "f16", "BF16", "wte.weight.right", "wte.weight.left", 7];
  };

  const a = matrix("plain", 700, 24, { f32: true, seed: 5 });
  const flat = { data: Float32Array.from({ length: 320 * 16 }, (_, i) => Math.sin(i * i)), rows: 320, cols: 16 };
  const far = matrix("heavy-tailed rows", 600, 16, { f32: true, seed: 6 });
  const weightsFor = (rows: number, power = 1) => Float64Array.from({ length: rows }, (_, i) => (1 + (i % 7)) ** power);

  test.each<[string, Matrix, CompressOptions, string?]>([
    ["float factors", a, { rank: 9, method: "lewis" }],
    ["float factors in f16, p = 3", a, { rank: 9, method: "svd", type: "f16", p: 3 }],
    ["float factors of a transpose", { ...a, rows: 24, cols: 700 }, { rank: 9, method: "svd" }, "fc.weight"],
    ["factors that do not project", far, { rank: 5, method: "entrywise" }],
    ["factors in 4 bits", a, { rank: 9, type: "int4", method: "lewis" }],
    ["factors in 3 bits, p = 1.5", a, { rank: 9, type: "int3", method: "svd", p: 1.5 }],
    ["the table itself in few bits", flat, { keep: 0.3, type: "auto" }],
    ["transform codes", a, { keep: 0.12, type: "transform" }],
    ["transform codes of a transpose, p = 3", { ...a, rows: 24, cols: 700 }, { keep: 0.15, type: "transform", p: 3 }, "fc.weight"], // prettier-ignore
    ["trellis codes", a, { keep: 0.12, type: "trellis" }, "fc.weight"],
    ["trellis codes of few rows, p = 3", { ...a, rows: 24, cols: 700 }, { keep: 0.15, type: "trellis", p: 3 }, "fc.weight"], // prettier-ignore
    [
      "factors of weighted rows",
      a,
      { rank: 9, method: "lewis", weights: { weightsFor: (rows) => weightsFor(rows, 0.5), power: 0.5 } },
    ],
  ])("%s: three forgeries of each, all refused", async (_, table, options, tensor) => {
    const { original, small } = await compressed(table, { ...options, tensor });
    expect((await verified(original, small, { weightsFor })).layers[0].faults).toEqual([]);
    const description = JSON.parse((await openBytes(small)).metadata.loewner) as Described;
    const passed: string[] = [];
    let tried = 0;
    for (const { path, value } of leaves(description)) {
      const forged = [...forgeries(value), undefined].filter((other) => other !== value);
      expect(forged.length).toBeGreaterThanOrEqual(3);
      for (const other of forged) {
        ++tried;
        const bad = await rewritten(small, (tree) => put(tree, path, other));
        if (!(await isRefused(original, bad, { weightsFor })))
          passed.push(`${path.join(".")}: ${String(value)} -> ${String(other)}`);
      }
    }
    expect(passed).toEqual([]);
    expect(tried).toBeGreaterThan(50);
  });

  test("what version 2 has no place for is refused: a method, a seed, a certificate by its parts", async () => {
    const { original, small } = await compressed(a, { rank: 9, method: "lewis" });
    const more = { method: "svd", seed: 4, tolerance: 1, certificate: { sigmaNext: 0 }, dtypes: "F32" };
    for (const [key, value] of Object.entries(more)) {
      const bad = await rewritten(small, ({ layers }) => void (layers[name][key] = value));
      await expect(verified(original, bad)).rejects.toThrow(`says "${key}" of "${name}", which version 2 does not`);
    }
  });
});

describe("transform codes whose tensors are not what they should be", () => {
  const a = matrix("plain", 700, 24, { f32: true, seed: 5 });
  const f32 = (...values: number[]) => encodeNumbers(Float32Array.from(values), "f32");
  const int32 = (...values: number[]) => new Uint8Array(Int32Array.from(values).buffer);
  let whole: Awaited<ReturnType<typeof compressed>>;
  beforeAll(async () => {
    whole = await compressed(a, { keep: 0.12, type: "transform" });
  });

  test("as they are they hold, and bytes of codes that are others do not", async () => {
    const { original, small } = whole;
    expect(await verified(original, small)).toMatchObject({ ok: true });
    const file = await openBytes(small);
    const codes = `${name}.band0.codes`;
    const { start, end } = file.tensors.get(codes)!;
    const other = (await file.source.slice(start, end)).map((byte, i) => (i === 77 ? byte ^ 255 : byte));
    const bad = await rewritten(small, () => undefined, { [codes]: other });
    const [{ ok, faults }] = (await verified(original, bad)).layers;
    expect([ok, faults.length > 0]).toEqual([false, true]);
  });

  test.each<[string, string, (bytes: Uint8Array) => Uint8Array, RegExp]>([
    [
      "a level past the last",
      "scales",
      (bytes) => bytes.map((level, i) => (i === 3 ? 255 : level)),
      /gives row 3 the level 255; there are \d+/,
    ],
    [
      "levels that fall",
      "levels",
      (bytes) => f32(...new Float32Array(bytes.slice().buffer).reverse()),
      /as level 1; they ascend, from 0 at least/,
    ],
    [
      "a level below 0",
      "levels",
      (bytes) => f32(-1, ...new Float32Array(bytes.slice().buffer).slice(1)),
      /has -1 as level 0/,
    ],
    [
      "a centre that is no number",
      "centre",
      (bytes) => f32(...new Float32Array(bytes.slice().buffer).fill(NaN, 5, 6)),
      /has NaN at place 5/,
    ],
    [
      "exact rows that do not ascend",
      "exact",
      (bytes) => int32(...new Int32Array(bytes.slice().buffer).fill(9)),
      /has 9 as exact row 1; they ascend/,
    ],
    [
      "an exact row past the last",
      "exact",
      (bytes) => int32(...new Int32Array(bytes.slice().buffer).fill(700, -1)),
      /has 700 as exact row \d+; they ascend, and are below 700/,
    ],
    [
      "an exact row before the first",
      "exact",
      (bytes) => int32(-1, ...new Int32Array(bytes.slice().buffer).slice(1)),
      /has 4294967295 as exact row 0/,
    ],
  ])("%s", async (_, part, change, message) => {
    const { original, small } = whole;
    const file = await openBytes(small);
    const { start, end } = file.tensors.get(`${name}.${part}`)!;
    const changed = change(await file.source.slice(start, end));
    const bad = await rewritten(small, () => undefined, { [`${name}.${part}`]: changed });
    const error = await failure(verified(original, bad), "INVALID_FORMAT");
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(
      /^model\.safetensors: tensor "wte\.weight\.\w+" .*damaged, or not written by loewner\.$/,
    );
    expect(error.place).toMatchObject({ file: "model.safetensors", tensor: `${name}.${part}` });
  });

  test("another table than that of its bits", async () => {
    const { original, small } = whole;
    const file = await openBytes(small);
    const table = [...file.tensors.keys()].find((each) => each.startsWith("loewner.trellis"))!;
    const { start, end } = file.tensors.get(table)!;
    const other = (await file.source.slice(start, end)).map((byte, i) => (i === 0 ? byte ^ 1 : byte));
    const bad = await rewritten(small, () => undefined, { [table]: other });
    const error = await failure(verified(original, bad), "INVALID_FORMAT");
    expect(error.message).toMatch(/is not the table of \d bits in windows of 10/);
    expect(error.place.tensor).toBe(table);
  });
});

describe("the proof is of left and right as they are stored", () => {
  const a = matrix("plain", 900, 24, { f32: true, seed: 8 });

  test.each<[string, CompressOptions]>([
    ["svd", { method: "svd" }],
    ["lewis", { method: "lewis" }],
    ["subspace", { method: "subspace" }],
    ["level-set", { method: "level-set" }],
    ["entrywise", { method: "entrywise" }],
    ["lewis, bf16", { method: "lewis", type: "bf16" }],
    ["svd, p = 3", { method: "svd", p: 3 }],
    ["lewis, p = 0.5", { method: "lewis", p: 0.5 }],
    ["svd, p = 2", { method: "svd", p: 2 }],
  ])("%s: left times -3, its errors rewritten to match, is refused", async (method, options) => {
    const table = method === "level-set" ? matrix("plain", 400, 5, { f32: true }) : a;
    const { original, small } = await compressed(table, { rank: method === "level-set" ? 2 : 9, ...options });
    const file = await openBytes(small);
    const rows = async (part: string) => readRows(tensorRows(file, `${name}.${part}`));
    const right = { data: await rows("right"), rows: file.tensors.get(`${name}.right`)!.shape[0], cols: table.cols };
    const p = options.p ?? 1;
    const { bound } = JSON.parse(file.metadata.loewner).layers[name];
    for (const factor of [-3, 5]) {
      const left = { data: (await rows("left")).map((x) => factor * x), rows: table.rows, cols: right.rows };
      const bad = await rewritten(small, () => undefined, {
        [`${name}.left`]: encodeNumbers(left.data, options.type === "bf16" ? "bf16" : "f32"),
      });
      const stored = { ...left, data: await readRows(tensorRows(await openBytes(bad), `${name}.left`)) };
      const objective = await loewner.residual(table, { left: stored, right }, { p });
      const forged = await rewritten(bad, ({ layers }) => void (layers[name].objective = objective));
      const [layer] = (await verified(original, forged)).layers;
      expect([layer.ok, layer.boundHolds]).toEqual([false, false]);
      expect(layer.faults).toEqual([expect.stringMatching(/^its bound is /)]);
      // What the file says was false indeed.
      const x = right.data.subarray(0, table.cols);
      expect(norm(apply(residualOf(table, stored, right), x), p)).toBeGreaterThan(bound);
    }
  });

  test("a bound that the stored pair breaks is never proved, wherever left was changed", async () => {
    const { original, small } = await compressed(a, { rank: 9, method: "lewis" });
    const file = await openBytes(small);
    const right = { data: await readRows(tensorRows(file, `${name}.right`)), rows: 9, cols: 24 };
    for (let k = 0; k < 12; ++k) {
      const left = { data: await readRows(tensorRows(file, `${name}.left`)), rows: 900, cols: 9 };
      const many = 1 + Math.floor(uniform(k, 0) * 900);
      for (let i = 0; i < many * 9; ++i) left.data[i] += 10 ** (-4 + 6 * uniform(k, 1)) * (uniform(k, i + 2) - 0.5);
      const changed = await rewritten(small, () => undefined, { [`${name}.left`]: encodeNumbers(left.data, "f32") });
      const objective = await loewner.residual(a, { left, right });
      const bad = await rewritten(changed, ({ layers }) => void (layers[name].objective = objective));
      const [{ computed, boundHolds, saved }] = (await verified(original, bad)).layers;
      const rest = residualOf(a, left, right);
      let worst = 0;
      for (let i = 0; i < 60; ++i) {
        // Climbs |Rx|_1 from a row: x <- R' sign(R x).
        let x = Float64Array.from(rest.data.subarray(i * 24, (i + 1) * 24));
        for (let step = 0; step < 8; ++step) {
          const y = apply(rest, x);
          const next = new Float64Array(24);
          for (let r = 0; r < 900; ++r) for (let j = 0; j < 24; ++j) next[j] += Math.sign(y[r]) * rest.data[r * 24 + j];
          x = next.map((value) => value / norm(next, 2));
        }
        worst = Math.max(worst, norm(apply(rest, x), 1));
      }
      expect(worst).toBeLessThanOrEqual(computed.bound);
      if (boundHolds) expect(worst).toBeLessThanOrEqual(saved.bound);
    }
  });
});

describe("honest files that were once refused", () => {
  const table = (rows: number, cols: number, entry: (i: number, j: number) => number): Matrix => {
    const data = new Float32Array(rows * cols);
    for (let i = 0; i < rows; ++i) for (let j = 0; j < cols; ++j) data[i * cols + j] = entry(i, j);
    return { data, rows, cols };
  };
  const plain = (seed: number, cols: number) => (i: number, j: number) =>
    matrix("plain", 1, 1, { seed: seed + i * cols + j }).data[0];

  test.each<[string, Matrix, CompressOptions, ("f64" | "f32" | "bf16")?]>([
    [
      "a thousand tiny rows and two huge ones, rank 3 of 4",
      table(1002, 4, (i, j) => plain(1, 4)(i, j) * (i < 1000 ? 1e-4 : 1e4)),
      { rank: 3 },
    ],
    [
      "three rows 10^4 times larger, p = 3",
      table(40000, 32, (i, j) => plain(2, 32)(i, j) * (i % 13000 === 77 && i < 39000 ? 1e4 : 1)),
      { rank: 24, p: 3 },
    ],
    [
      "rows 10^6 times others, in 8 bits",
      table(3000, 32, (i, j) => plain(3, 32)(i, j) * (i % 300 === 3 ? 1e6 : 1)),
      { rank: 20, type: "int8" },
    ],
    [
      "rows 10^6 times others, in 4 bits",
      table(3000, 32, (i, j) => plain(3, 32)(i, j) * (i % 300 === 3 ? 1e6 : 1)),
      { rank: 20, type: "int4" },
    ],
    ["equal rows in bf16", table(5000, 48, (_, j) => plain(4, 48)(0, j)), { rank: 20 }, "bf16"],
    [
      "a few far rows in 2 bits, to a tolerance that moves the bound by half",
      table(1500, 33, (i, j) => plain(5, 33)(i, j) * (i % 500 === 7 ? 1e3 : 1)),
      { rank: 18, type: "int2", tolerance: 1e-4 },
    ],
    ["rank 2 in f64, p = 0.3", matrix("rank 2", 1500, 16), { rank: 10, p: 0.3, method: "lewis" }, "f64"],
    [
      "equal rows of bf16 in f32, p = 0.3",
      table(1500, 7, (_, j) => plain(6, 7)(0, j)),
      { rank: 1, p: 0.3, type: "f32" },
      "bf16",
    ],
    ["equal rows stored in bf16", table(5000, 48, (_, j) => plain(4, 48)(0, j)), { rank: 20, type: "bf16" }],
  ])("%s", async (_, a, options, type) => {
    const { original, small } = await compressed(a, options, type);
    const verification = await verified(original, small);
    expect(verification.layers[0].faults).toEqual([]);
    expect(verification.ok).toBe(true);
  });

  test.each([0.3, 1e-5])("compressed to a tolerance of %d", async (tolerance) => {
    const a = matrix("heavy-tailed rows", 3000, 16, { f32: true, seed: 3 });
    for (const p of [1, 3]) {
      const { original, small } = await compressed(a, { rank: 7, p, method: "lewis", tolerance });
      expect((await verified(original, small)).layers[0].faults).toEqual([]);
    }
  });

  test("a file of version 1 is read and proved, and nothing is told of what it says besides", async () => {
    const a = matrix("plain", 500, 16, { f32: true });
    const { original, small, layers: reports } = await compressed(a, { rank: 7, method: "lewis" });
    const { certificate } = reports[0];
    const old = await rewritten(small, (tree) => {
      tree.version = 1;
      const layer = tree.layers[name];
      Reflect.deleteProperty(layer, "bound");
      tree.layers[name] = { ...layer, certificate, method: "svd", seed: 3, tolerance: 0.5 };
    });
    const verification = await verified(original, old);
    expect(verification.ok).toBe(true);
    expect(JSON.stringify(verification)).not.toMatch(/svd|seed|tolerance|sigmaNext|lower/);
    const weaker = await rewritten(old, ({ layers }) => {
      layers[name].certificate = { ...certificate, bound: 0.5 * certificate.bound };
    });
    expect((await verified(original, weaker)).ok).toBe(false);
  });
});

describe("two files that leave nothing to prove", () => {
  const a = matrix("plain", 300, 16, { f32: true });

  test("the same file twice: told, and not ok", async () => {
    const { small } = await compressed(a, { rank: 5 });
    expect(await verified(small, small)).toEqual({
      ...{ layers: [], missing: [], unproved: [name], altered: [] },
      ok: false,
    });
  });

  test("an original with the same description, and other bytes or another description: not ok", async () => {
    const { small } = await compressed(a, { rank: 5 });
    const file = await openBytes(small);
    const left = (await readRows(tensorRows(file, `${name}.left`))).map((x) => -3 * x);
    const other = await rewritten(small, () => undefined, { [`${name}.left`]: encodeNumbers(left, "f32") });
    const retold = await rewritten(small, ({ layers }) => void (layers[name].bound = 1));
    for (const bad of [other, retold]) {
      expect(await verified(small, bad)).toMatchObject({ layers: [], unproved: [], altered: [name], ok: false });
    }
  });

  test("the wrong way round: said", async () => {
    const { original, small } = await compressed(a, { rank: 5 });
    expect((await failure(verified(small, original), "INVALID_INPUT")).message).toMatch(/given the wrong way round/);
    const none = (await failure(verified(original, original), "INVALID_INPUT")).message;
    expect(none).toMatch(/holds no factors: there is nothing to verify/);
  });

  test("compressed in two steps: each step is proved by the file before it, and the first one's layers are told", async () => {
    const tables = [
      { name, rows: 300, cols: 16 },
      { name: "fc.weight", rows: 200, cols: 16 },
    ];
    const original = await safetensorsBytes(tables);
    const step = async (bytes: Uint8Array, layers: string[]) =>
      mainFile((await compressModel(loewner, await modelOf(bytes), { layers, rank: 5 })).files);
    const first = await step(original, [name]);
    const second = await step(first, ["fc.weight"]);
    expect(await verified(first, second)).toMatchObject({
      unproved: [name],
      layers: [{ name: "fc.weight" }],
      ok: true,
    });
    expect(await verified(original, second)).toMatchObject({ unproved: [], layers: [{ name }, {}], ok: true });
    const back = await failure(verified(second, first), "INVALID_INPUT");
    expect(back.message).toMatch(/holds "fc\.weight" as factors, .* the wrong way round/);
  });
});
