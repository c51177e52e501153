// Layers whose rows are in groups, stored in either format: read back, run, verified, expanded; and files that cannot be what they say.
import { beforeAll, describe, expect, test } from "vitest";
import { bytesSource } from "../../src/formats/index.js";
import { createLoewner, type Loewner } from "../../src/index.js";
import { readRows } from "../../src/matrix.js";
import { descriptionText, readDescription } from "../../src/model/description.js";
import {
  compressModel,
  planCompression,
  safetensorsModel,
  verifyLayers,
  type CompressOptions,
  type Model,
} from "../../src/model/index.js";
import { factorsOf, openValue, packValue, unpackValue } from "../../src/model/kinds/index.js";
import { matrixOf } from "../../src/model/model.js";
import type { StoredClusters } from "../../src/model/stored.js";
import { failure } from "../formats/fixtures.js";
import { strays, unionOfSubspaces } from "../library/unions.js";
import { mainFile, onnxBytes, openBytes, openOnnxBytes, safetensorsBytes, type Table } from "./in-memory.js";
import { floats, model, node, Type, value } from "./onnx-models/graph.js";
import { run } from "./onnx-models/session.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner({ threads: 1 });
  return () => loewner.dispose();
});

const openers = {
  safetensors: async (bytes: Uint8Array) => safetensorsModel(await openBytes(bytes)),
  onnx: openOnnxBytes,
};
const name = "word_embeddings.weight";
const union = unionOfSubspaces(600, 32, { groups: 3, rank: 4, far: 50 });
const table: Table = { name, rows: 600, cols: 32, data: union.a.data };
const whole = async (format: keyof typeof openers): Promise<Model> =>
  openers[format](format === "onnx" ? onnxBytes([table]) : await safetensorsBytes([table]));
const wanted: CompressOptions = { layers: ["all"], rank: 4, method: "clusters", groups: 3 };

/** What is stored, all of it. */
async function decoded(small: Model): Promise<Float64Array> {
  const described = small.described.get(name)!;
  const { left, right } = await factorsOf(await openValue(small, described));
  const rows = await readRows(left);
  const product = new Float64Array(600 * 32);
  for (let i = 0; i < 600; ++i)
    for (let k = 0; k < left.cols; ++k)
      for (let j = 0; j < 32; ++j) product[i * 32 + j] += rows[i * left.cols + k] * right!.data[k * 32 + j];
  return product;
}

describe.each(["safetensors", "onnx"] as const)("%s", (format) => {
  test.each(["f32", "f16", "int8", "int4", "int3", "int2"] as const)(
    "in %s: each row with its kind, verified, no more bytes than were planned, the same again from a journal",
    async (type) => {
      const original = await whole(format);
      const options = { ...wanted, type };
      const plan = await planCompression(loewner, original, options);
      const { files, layers } = await compressModel(loewner, original, options);
      const bytes = await mainFile(files);
      expect(bytes.length).toBeLessThanOrEqual(plan.bytesAfter);
      expect(layers[0]).toMatchObject({ rank: 4, groups: 3, method: "clusters", dtype: type });
      const small = await openers[format](bytes);
      const described = small.described.get(name)!;
      expect(described).toMatchObject({ rows: 600, cols: 32, rank: 4, type, dtype: "F32" });
      expect(readDescription(descriptionText(small.described), "again", small.shape)).toEqual(small.described);
      const stored = (await openValue(small, described)) as StoredClusters;
      expect(stored).toMatchObject({ kind: "clusters", count: 3 });
      expect(strays(union.truth, stored.groups, 3)).toBe(0);
      const { layers: verified, ok } = await verifyLayers(loewner, original, small);
      expect(verified[0].faults).toEqual([]);
      expect(ok).toBe(true);
      const { text, parts } = await packValue(stored);
      const sources = parts.map((part) => (part instanceof Uint8Array ? bytesSource(part, "part") : part));
      const again = await unpackValue(JSON.parse(JSON.stringify(text)) as object, sources, name);
      const dataOf = async (each: typeof again) => readRows((await factorsOf(each)).left);
      expect(await dataOf(again)).toEqual(await dataOf(stored));
    },
  );

  test("by a share of the layer: as large a rank as fits with all right factors and a byte a row", async () => {
    const { layers } = await compressModel(loewner, await whole(format), { ...wanted, rank: undefined, keep: 0.25 });
    const [{ rank, bytesAfter, bytesBefore }] = layers;
    expect(bytesAfter).toBe(4 * rank * (600 + 3 * 32) + 600);
    expect(bytesAfter).toBeLessThanOrEqual(0.25 * bytesBefore);
    expect(bytesAfter + 4 * (600 + 3 * 32)).toBeGreaterThan(0.25 * bytesBefore);
  });

  test("with one group: the same file as by method subspace, to the byte", async () => {
    for (const type of ["f32", "int4"] as const) {
      const [one, subspace] = await Promise.all(
        ([{ method: "clusters", groups: 1 }, { method: "subspace" }] as const).map(async (by) => {
          const { files } = await compressModel(loewner, await whole(format), {
            layers: ["all"],
            rank: 8,
            type,
            ...by,
          });
          return mainFile(files);
        }),
      );
      expect(one).toEqual(subspace);
    }
  });
});

describe("run by onnxruntime", () => {
  const ids = [0, 5, 599, -1, 49, 5];
  const expected = async (small: Model) => {
    const all = await decoded(small);
    return ids.flatMap((id) => {
      const row = (id + 600) % 600;
      return Array.from(all.subarray(row * 32, row * 32 + 32));
    });
  };
  const compressed = async (bytes: Uint8Array, options: CompressOptions) => {
    const { files } = await compressModel(loewner, await openOnnxBytes(bytes), options);
    return mainFile(files);
  };

  test.each(["f32", "f16", "int8", "int4", "int3"] as const)("rows of %s that are looked up", async (type) => {
    for (const operators of ["standard", "onnxruntime"] as const) {
      const bytes = await compressed(onnxBytes([table]), { ...wanted, rank: 5, type, operators });
      const outputs = await run(
        { bytes },
        { ids: { type: "int64", dims: [6], data: BigInt64Array.from(ids, BigInt) } },
      );
      const rows = outputs[`${name} rows`].data;
      const own = await expected(await openOnnxBytes(bytes));
      rows.forEach((x, i) => expect(x).toBeCloseTo(own[i], 2));
    }
  });

  test("a table that is looked up and multiplied with, both ways", async () => {
    const bytes = model({
      nodes: [
        node("Gather", [name, "ids"], ["rows"]),
        node("Transpose", [name], ["turned"]),
        node("MatMul", ["rows", "turned"], ["logits"]),
        node("MatMul", ["logits", name], ["back"]),
      ],
      initializers: [floats(name, [600, 32], union.a.data)],
      inputs: [value("ids", Type.int64, ["a", "b"])],
      outputs: [value("logits", Type.float, ["a", "b", 600]), value("back", Type.float, ["a", "b", 32])],
    });
    const small = await compressed(bytes, wanted);
    const all = await decoded(await openOnnxBytes(small));
    const input = { ids: { type: "int64", dims: [2, 3], data: BigInt64Array.from(ids, BigInt) } } as const;
    const outputs = await run({ bytes: small }, input);
    const [logits, back] = [outputs.logits.data, outputs.back.data];
    const products = await expected(await openOnnxBytes(small));
    for (let i = 0; i < 6; ++i) {
      const sums = new Float64Array(32);
      for (let r = 0; r < 600; ++r) {
        let product = 0;
        for (let j = 0; j < 32; ++j) product += products[i * 32 + j] * all[r * 32 + j];
        expect(logits[i * 600 + r] - product).toBeCloseTo(0, 1);
        for (let j = 0; j < 32; ++j) sums[j] += product * all[r * 32 + j];
      }
      for (let j = 0; j < 32; ++j)
        expect(Math.abs(back[i * 32 + j] - sums[j])).toBeLessThan(1e-3 * (1 + Math.abs(sums[j])));
    }
  });
});

describe("files that cannot be what they say", () => {
  test("groups past those that there are, of another length, and counts that no file has", async () => {
    const { files } = await compressModel(loewner, await whole("safetensors"), wanted);
    const small = await openers.safetensors(await mainFile(files));
    const described = small.described.get(name)!;
    const text = (change: object) => {
      const { clusters } = described as unknown as { clusters: object };
      const layer = { ...described, clusters: { ...clusters, ...change } };
      return descriptionText(new Map([[name, layer as unknown as typeof described]]));
    };
    const read = (change: object) => () => readDescription(text(change), "model.safetensors", small.shape);
    expect(read({ count: 0 })).toThrow("has 0 groups of rows; 1 to 256 can be");
    expect(read({ count: 2 })).toThrow("in 2 groups of rank 4, which its factors are not");
    expect(read({ groups: `${name}.left` })).toThrow("keeps its groups of rows in");
    expect(read({ extra: 1 })).toThrow();
    const broken = { ...small, bytes: () => Promise.resolve(new Uint8Array(600).fill(3)) };
    const error = await failure(openValue(broken, described), "INVALID_FORMAT");
    expect(error.message).toContain("puts row 0 in group 3; there are 3");
  });

  test("the original's rows are where they were when the file is expanded", async () => {
    const { files } = await compressModel(loewner, await whole("safetensors"), wanted);
    const small = await openers.safetensors(await mainFile(files));
    const before = await readRows(matrixOf(await whole("safetensors"), { name, transposed: false }));
    const after = await decoded(small);
    const near = after.filter((x, at) => Math.abs(x - before[at]) < 0.5).length;
    expect(near / after.length).toBeGreaterThan(0.97);
  });
});
