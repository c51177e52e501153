// Layers in trellis codes laid out in either format and read back, and descriptions and tensors that cannot be what they say.
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { bytesSource } from "../../src/formats/index.js";
import { createLoewner, type Loewner, type TrellisBits, type TrellisCode } from "../../src/index.js";
import { readRows } from "../../src/matrix.js";
import { descriptionText, readDescription } from "../../src/model/description.js";
import { compressModel, planCompression, safetensorsModel, verifyLayers, type Model } from "../../src/model/index.js";
import { openValue, packValue, unpackValue } from "../../src/model/kinds/index.js";
import { matrixOf, outputsByInputs, shapeOf } from "../../src/model/model.js";
import { TrellisDecoder } from "../../src/trellis-codes.js";
import { failure } from "../formats/fixtures.js";
import { bell, relative } from "../library/matrices.js";
import { mainFile, onnxBytes, openBytes, openOnnxBytes, safetensorsBytes, type Table } from "./in-memory.js";
import { weight } from "./onnx-models/cases.js";
import { floats, model, node, Type, value } from "./onnx-models/graph.js";
import { trellisLayer, trellisOf } from "./onnx-models/trellis.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner({ threads: 1 });
  return () => loewner.dispose();
});

const openers = {
  safetensors: async (bytes: Uint8Array) => safetensorsModel(await openBytes(bytes)),
  onnx: openOnnxBytes,
};
const allBits: TrellisBits[] = [1, 2, 3, 4, 5, 6, 7, 8];

/** A model of products with each of these weights, x W. */
function products(tables: readonly Table[]): Uint8Array {
  return model({
    nodes: tables.map(({ name }) => node("MatMul", [`${name} in`, name], [`${name} out`])),
    initializers: tables.map(({ name, rows, cols, data }) =>
      floats(name, [rows, cols], Float32Array.from(data ?? weight(name, rows, cols, rows).data)),
    ),
    inputs: tables.map(({ name, rows }) => value(`${name} in`, Type.float, ["n", rows])),
    outputs: tables.map(({ name, cols }) => value(`${name} out`, Type.float, ["n", cols])),
  });
}

const opened = async (format: keyof typeof openers, tables: readonly Table[]): Promise<Model> =>
  openers[format](format === "onnx" ? products(tables) : await safetensorsBytes(tables));

describe.each(["safetensors", "onnx"] as const)("%s", (format) => {
  const shapes = fc.record({
    rows: fc.oneof(fc.integer({ min: 2, max: 30 }), fc.constantFrom(257, 300)),
    cols: fc.oneof(fc.integer({ min: 2, max: 30 }), fc.constantFrom(130)),
    bits: fc.constantFrom(...allBits),
    windowBits: fc.constantFrom(10 as const, 12 as const),
    seed: fc.nat(1000),
  });

  test("read back to the same numbers", async () => {
    await fc.assert(
      fc.asyncProperty(shapes, async ({ rows, cols, ...shape }) => {
        const name = "fc.weight";
        const whole = await opened(format, [{ name, rows, cols }]);
        const own = outputsByInputs(whole.layers[0]);
        const [n, d] = shapeOf(own);
        const layer = trellisLayer({ ...shape, rows: n, cols: d }, name, own.transposed);
        const again = await openers[format](await mainFile(await whole.layOut([layer])));
        const described = again.described.get(name)!;
        expect(described).toMatchObject({ rows: n, cols: d, rank: d, type: "trellis", dtype: "F32" });
        expect(await openValue(again, described)).toEqual(layer.value);
        expect(again.layers.map((each) => each.name)).toEqual([]);
        expect(readDescription(descriptionText(again.described), "again", again.shape)).toEqual(again.described);
      }),
      { numRuns: 40 },
    );
  });

  test("tables and rotations stand once in a file, and stay when another layer comes", async () => {
    const names = ["a.fc.weight", "b.fc.weight", "c.fc.weight"];
    // Equal ones would be joined.
    const data = (i: number) => Float32Array.from({ length: 24 * 24 }, (_, at) => Math.sin((i + 1) * at));
    const tables = names.map((name, i) => ({ name, rows: 24, cols: 24, data: data(i) }));
    const whole = await opened(format, tables);
    const { transposed } = outputsByInputs(whole.layers[0]);
    const layers = names.map((name, i) =>
      trellisLayer({ rows: 24, cols: 24, bits: i === 2 ? 2 : 3, seed: i }, name, transposed),
    );
    const first = await mainFile(await whole.layOut(layers.slice(0, 2)));
    const alone = await mainFile(await whole.layOut(layers.slice(0, 1)));
    const shared = 4 * 12 * 12 + 24 + 2 * 512;
    const own = 24 * 9 + 24 + 4 * 24;
    // Less the 2304 bytes of floats: what the second adds is less than what both share and its own.
    expect(first.length - alone.length + 2304).toBeLessThan(own + shared + (format === "onnx" ? 1500 : 1000));
    const again = await openers[format](await mainFile(await (await openers[format](first)).layOut(layers.slice(2))));
    for (const [i, name] of names.entries())
      expect(await openValue(again, again.described.get(name)!)).toEqual(layers[i].value);
  });

  test("compressed, verified: as many bits as fit, an error as is told, the file not above what was planned", async () => {
    const tables = [
      { name: "a.fc.weight", rows: 96, cols: 64 },
      { name: "b.fc.weight", rows: 64, cols: 300 },
    ];
    const whole = await opened(format, tables);
    const options = { layers: ["all"], keep: 0.125, type: "trellis" } as const;
    const plan = await planCompression(loewner, whole, options);
    const { files, layers } = await compressModel(loewner, whole, options);
    const bytes = await mainFile(files);
    expect(bytes.length).toBeLessThanOrEqual(plan.bytesAfter);
    const small = await openers[format](bytes);
    for (const { name, bits, keep, method, dtype, bytesAfter, bytesBefore, explain } of layers) {
      expect([bits, keep, method, dtype]).toEqual([3, 1, "trellis", "trellis"]);
      expect(bytesAfter).toBeLessThanOrEqual(0.125 * bytesBefore);
      expect(explain).toBe(`3 bits an entry: the most that 0.125 of its ${bytesBefore} bytes hold; all entries in 3 bits, after a fixed rotation`); // prettier-ignore
      const described = small.described.get(name)!;
      const code = (await openValue(small, described)) as TrellisCode;
      const decoded = new TrellisDecoder(code).rows(0, code.rows);
      const before = await readRows(matrixOf(whole, { name, transposed: described.transposed ?? false }));
      const squares = decoded.reduce((sum, x, i) => sum + (x - before[i]) ** 2, 0);
      expect(relative(described.objective.l2, Math.sqrt(squares))).toBeLessThan(1e-4);
    }
    const { ok } = await verifyLayers(loewner, whole, small);
    expect(ok).toBe(true);
  });

  test("spends a budget on the bits of all layers", async () => {
    const tables = [96, 160, 64].map((rows, i) => ({ name: `${"abc"[i]}.fc.weight`, rows, cols: 128 }));
    const whole = await opened(format, tables);
    const ask = (bytes: number) => compressModel(loewner, whole, { layers: ["all"], bytes, type: "trellis" });
    const [least] = /\d+(?= bytes\. Allow)/.exec((await failure(ask(1), "INVALID_INPUT")).message)!;
    for (const bytes of [Number(least), Number(least) + 9000]) {
      const { files, layers } = await ask(bytes);
      expect((await mainFile(files)).length).toBeLessThanOrEqual(bytes);
      expect(layers.length).toBeGreaterThan(0);
      expect(layers.every(({ dtype }) => dtype === "trellis")).toBe(true);
    }
  });
});

describe("planned", () => {
  test("keep is what is asked for, and a layer that is read row by row stays as it is", async () => {
    const whole = await opened("onnx", [{ name: "fc.weight", rows: 64, cols: 48 }]);
    for (const size of [{ rank: 4 }, { energy: 0.9 }]) {
      const asked = planCompression(loewner, whole, { layers: ["all"], ...size, type: "trellis" });
      const { message } = await failure(asked, "INVALID_INPUT");
      expect(message).toMatch(/dtype trellis spends bits, not a rank: give keep, budget or bytes for fc\.weight/);
    }
    const less = await planCompression(loewner, whole, { layers: ["all"], keep: 0.02, type: "trellis" });
    expect(less.skipped.map(({ reason }) => reason)).toEqual(["keep 0.02 leaves it less than a bit an entry"]);
    const table = await openOnnxBytes(onnxBytes([{ name: "wte.weight", rows: 300, cols: 48 }]));
    for (const size of [{ keep: 0.2 }, { bytes: 1e6 }]) {
      const { chosen, skipped } = await planCompression(loewner, table, { layers: ["all"], ...size, type: "trellis" });
      expect(chosen).toEqual([]);
      expect(skipped[0].reason).toMatch(/^rows of it are read one by one: trellis codes are for weights/);
    }
  });

  test("auto takes trellis codes for a product of flat spectrum, and no others beside them", async () => {
    const data = Float32Array.from({ length: 256 * 128 }, (_, i) => bell(3, i));
    const whole = await opened("onnx", [{ name: "fc.weight", rows: 256, cols: 128, data }]);
    const options = { layers: ["all"], keep: 0.13, type: "auto" } as const;
    const { chosen } = await planCompression(loewner, whole, options);
    expect(chosen.map(({ targets }) => targets)).toEqual([[{ type: "trellis", bits: 4 }]]);
    const { layers } = await compressModel(loewner, whole, options);
    expect(layers[0]).toMatchObject({ dtype: "trellis", bits: 4, rows: 128, cols: 256 });
  });
});

test("in a journal: packed and unpacked it is the same", async () => {
  for (const rows of [5, 300]) {
    const value = trellisOf({ rows, cols: 130, bits: 5, windowBits: 12 });
    const { text, parts } = await packValue(value);
    const sources = parts.map((part) => bytesSource(part as Uint8Array, "part"));
    expect(await unpackValue(JSON.parse(JSON.stringify(text)) as object, sources, "W")).toEqual(value);
  }
});

describe("a damaged description", () => {
  // 300 rows in two circles of 152; 130 columns are 65 x 2 coordinates.
  const parts: Record<string, number[]> = {
    ...{ c: [260, 57], s: [300], l: [9], T: [512], T12: [2048], m: [65, 65], g: [130, 1], flat: [130] },
  };
  const trellis = {
    ...{ bits: 3, windowBits: 10, codes: "c", scales: "s", scaleLevels: "l", table: "T", mixing: "m", signs: "g" },
  };
  const described = {
    ...{ rows: 300, cols: 130, rank: 130, dtype: "F32", type: "trellis", p: 1, bound: 1, rowWeights: false },
    ...{ objective: { lp: 1, l1: 1, l21: 1, l2: 1, worstRow: { row: 0, norm: 1 } }, trellis },
  };
  const read = (layer: unknown) =>
    readDescription(JSON.stringify({ version: 2, layers: { W: layer } }), "small.onnx", (name) => parts[name]);
  const changed = (change: object) => ({ ...described, trellis: { ...trellis, ...change } });

  test("whole, it is read, signs in a row or a column", () => {
    expect(read(described).get("W")).toMatchObject({ trellis });
    expect(read(changed({ signs: "flat" })).size).toBe(1);
  });

  test.each<[string, unknown, RegExp]>([
    ["no codes at all", { ...described, trellis: undefined }, /lacks the bound or the error of "W"|does not say where/],
    ["codes that are text", { ...described, trellis: "c" }, /does not say where/],
    ["no table", changed({ table: undefined }), /does not say where/],
    ["bits in text", changed({ bits: "3" }), /does not say where/],
    ["left beside it", { ...described, left: "c" }, /says "(left|trellis)" of "W", which version 2 does not/],
    ["more of the code", changed({ seed: 1 }), /says "seed" of "W"/],
    ["windows of 11 bits", changed({ windowBits: 11 }), /"W" has windows of 11 bits; they have 10 or 12/],
    ["9 bits", changed({ bits: 9 }), /"W" has codes of 9 bits, not 1 to 8/],
    ["no bits", changed({ bits: 0 }), /has codes of 0 bits, not 1 to 8/],
    ["half a bit", changed({ bits: 2.5 }), /has codes of 2\.5 bits, not 1 to 8/],
    ["a rank below its columns", { ...described, rank: 20 }, /is of rank 20, but trellis codes hold all of its 130/],
    ["codes of other bits", changed({ bits: 4 }), /keeps the codes in "c" of shape \[260, 57\], not \[260, 76\]/],
    ["other rows", { ...described, rows: 299 }, /keeps the scales in "s" of shape \[300\], not \[299\]/],
    ["scales that are levels", changed({ scales: "l" }), /keeps the scales in "l" of shape \[9\], not \[300\]/],
    ["a table of other windows", changed({ table: "T12" }), /keeps a table in "T12" of shape \[2048\], not \[512\]/],
    ["windows of another table", changed({ windowBits: 12 }), /keeps a table in "T" of shape \[512\], not \[2048\]/],
    ["a mixing matrix that is not square", changed({ mixing: "c" }), /keeps the rotation in "c" of shape/],
    ["signs in a square", changed({ signs: "m" }), /keeps the signs in "m" of shape \[65, 65\], not \[130, 1\]/],
    [
      "levels in a column",
      changed({ scaleLevels: "g" }),
      /keeps its levels of scales in "g" of shape \[130, 1\]; 1 to/,
    ],
    ["too many levels", changed({ scaleLevels: "s" }), /keeps its levels of scales in "s" of shape \[300\]; 1 to 256/],
    ["a part that is not there", changed({ scales: "nothing" }), /names factors of "W" that are not in the file/],
  ])("%s", async (_, layer, message) => {
    const error = await failure(() => read(layer), "INVALID_FORMAT");
    expect(error.message).toMatch(message);
    expect(error.place.file).toBe("small.onnx");
  });
});

describe("tensors that are not what they should be", () => {
  const name = "fc.weight";
  const part = (
    key: "scales" | "scaleLevels" | "mixing" | "signs" | "table" | "codes",
    change: (x: Uint8Array) => void,
  ) => [key, change] as const;
  const f32 = (bytes: Uint8Array, at: number, x: number) =>
    new DataView(bytes.buffer, bytes.byteOffset).setFloat32(4 * at, x, true);

  test.each<[string, ReturnType<typeof part>, RegExp]>([
    ["a level past the last", part("scales", (x) => x.fill(40, 3, 4)), /gives row 3 the level 40; there are 40/],
    ["levels that fall", part("scaleLevels", (x) => f32(x, 1, 0)), /has 0 as level 1; they ascend, from 0 at least/],
    ["a level below 0", part("scaleLevels", (x) => f32(x, 0, -1)), /has -1 as level 0; they ascend/],
    ["a level that is no number", part("scaleLevels", (x) => f32(x, 39, NaN)), /has NaN at place 39/],
    ["a rotation that is endless", part("mixing", (x) => f32(x, 5, Infinity)), /has Infinity at place 5/],
    ["a sign of 0", part("signs", (x) => x.fill(0, 7, 8)), /has 0 at place 7, which is no sign/],
    ["a sign of 2", part("signs", (x) => x.fill(2, 9, 10)), /has 2 at place 9, which is no sign/],
    ["another table", part("table", (x) => x.fill(9, 4, 5)), /is not the table of 3 bits in windows of 10/],
  ])("%s", async (_, [key, change], message) => {
    for (const format of ["safetensors", "onnx"] as const) {
      const whole = await opened(format, [{ name, rows: 40, cols: 24 }]);
      const { transposed } = outputsByInputs(whole.layers[0]);
      const [rows, cols] = transposed ? [24, 40] : [40, 24];
      const layer = trellisLayer({ rows, cols, levels: 40 }, name, transposed);
      const small = await openers[format](await mainFile(await whole.layOut([layer])));
      const described = small.described.get(name)!;
      const tensor = (described as unknown as { trellis: Record<string, string> }).trellis[key];
      const bad: Model = {
        ...small,
        async bytes(asked) {
          const bytes = (await small.bytes(asked)).slice();
          if (asked === tensor) change(bytes);
          return bytes;
        },
      };
      const error = await failure(openValue(bad, described), "INVALID_FORMAT");
      expect(error.message).toMatch(message);
      expect(error.message).toMatch(/damaged, or not written by loewner\.$/);
      expect(error.place).toMatchObject({ tensor });
    }
  });
});
