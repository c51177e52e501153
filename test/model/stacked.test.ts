// Tensors of more than two dimensions in safetensors: experts side by side, kernels of convolutions.
import { beforeAll, describe, expect, test } from "vitest";
import { bytesSource, memorySink, openSafetensors, tensorChunks, writeSafetensors } from "../../src/formats/index.js";
import { createLoewner, type Loewner } from "../../src/index.js";
import {
  compressModel,
  type CompressOptions,
  expandModel,
  safetensorsModel,
  verifyLayers,
} from "../../src/model/index.js";
import { select } from "../../src/model/layers.js";
import { failure } from "../formats/fixtures.js";
import { mainFile, openBytes, safetensorsBytes, type Table } from "./in-memory.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner({ threads: 1 });
  return () => loewner.dispose();
});

const experts: Table = { name: "layers.0.experts.gate_up_proj", rows: 4 * 24, cols: 40, shape: [4, 24, 40] };
const wide: Table = { name: "layers.0.experts.down_proj", rows: 16, cols: 120, shape: [2, 8, 120] };
const kernel: Table = { name: "patch.projection.weight", rows: 32, cols: 48, shape: [32, 3, 4, 4] };
const all = [wide, experts, kernel];

const opened = async (tables: readonly Table[]) => safetensorsModel(await openBytes(await safetensorsBytes(tables)));

async function numbersIn(bytes: Uint8Array, name: string): Promise<Float32Array> {
  const file = await openSafetensors(bytesSource(bytes, "whole.safetensors"));
  const parts: Uint8Array[] = [];
  for await (const chunk of tensorChunks(file, name)) parts.push(chunk.slice());
  return new Float32Array(Buffer.concat(parts).buffer.slice(0));
}

test("are layers: matrices as square as can be, multiplied with, none by default", async () => {
  const { layers } = await opened(all);
  expect(layers.map(({ name, kind, shape, dims, byDefault }) => ({ name, kind, shape, dims, byDefault }))).toEqual(
    all.map(({ name, rows, cols, shape }) => ({
      ...{ name, kind: "linear", shape: [rows, cols], dims: shape, byDefault: false },
    })),
  );
  expect(select(await opened(all), { layers: ["all"] }).chosen).toHaveLength(3);
});

test("with a dimension of one are judged by those that are left", async () => {
  const { layers } = await opened([
    { name: "conv1d.weight", rows: 64, cols: 4, shape: [64, 1, 4] },
    { name: "scale", rows: 1, cols: 64, shape: [1, 1, 64] },
  ]);
  expect(layers).toMatchObject([
    { kind: "linear", shape: [64, 4] },
    { kind: "other", shape: [1, 1, 64], blocked: "is a single row or column" },
  ]);
});

test("of other types have the reason", async () => {
  const sink = memorySink();
  const bytes = new Uint8Array(24);
  const tensor = {
    name: "experts",
    dtype: "F8_E4M3" as const,
    shape: [2, 3, 4],
    byteLength: 24,
    chunks: () => [bytes],
  };
  await writeSafetensors(sink, { tensors: [tensor] });
  const { layers } = safetensorsModel(await openBytes(sink.bytes()));
  expect(layers[0].blocked).toMatch(/^is F8_E4M3: only F16/);
});

const ways: [string, CompressOptions][] = [
  ["factors", { rank: 6, type: "f32" }],
  ["factors in 8 bits", { rank: 8, type: "int8" }],
  ["transform codes", { keep: 0.4, type: "transform" }],
  ["trellis codes", { keep: 0.3, type: "trellis" }],
];

describe.each(ways)("in %s", (_, options) => {
  test.each(all)("$name is compressed, proved, and made whole again in its own dimensions", async (table) => {
    const original = await opened([table]);
    const made = await compressModel(loewner, original, { ...options, layers: ["all"] });
    expect(made.layers.map(({ name }) => name)).toEqual([table.name]);
    const small = await mainFile(made.files);
    const file = await openBytes(small);
    const compressed = safetensorsModel(file);
    expect(compressed.described.get(table.name)).toMatchObject({ shape: table.shape });
    expect(await verifyLayers(loewner, original, compressed)).toMatchObject({ ok: true });
    const { tensors, metadata } = await expandModel(loewner, file);
    expect(tensors).toMatchObject([{ name: table.name, shape: table.shape }]);
    const sink = memorySink();
    await writeSafetensors(sink, { tensors, metadata });
    const before = await numbersIn(await safetensorsBytes([table]), table.name);
    const after = await numbersIn(sink.bytes(), table.name);
    const norm = (x: Float32Array) => Math.sqrt(x.reduce((sum, each) => sum + each * each, 0));
    expect(norm(before.map((x, i) => x - after[i])) / norm(before)).toBeCloseTo(
      made.layers[0].objective.l2 / norm(before),
      4,
    );
  });
});

describe("a file that says of a stack what it is not", () => {
  const stored = async (shape: unknown) => {
    const made = await compressModel(loewner, await opened([experts]), { rank: 6, type: "f32", layers: ["all"] });
    const file = await openBytes(await mainFile(made.files));
    const text = file.metadata.loewner.replace("[4,24,40]", JSON.stringify(shape));
    const tensors = [...file.tensors.values()].map(({ name, dtype, shape: dims, byteLength }) => ({
      ...{ name, dtype, shape: dims, byteLength, chunks: () => tensorChunks(file, name) },
    }));
    const sink = memorySink();
    await writeSafetensors(sink, { tensors, metadata: { loewner: text } });
    return openBytes(sink.bytes());
  };

  test.each([[[4, 24, 41]], [[96, 40]], ["4 x 24 x 40"], [[4, 24, -40]], [[96, 4, 10, 1.5]]])(
    "%j is refused",
    async (shape) => {
      const file = await stored(shape);
      const error = await failure(() => safetensorsModel(file), "INVALID_FORMAT");
      expect(error.message).toMatch(/says that "layers.0.experts.gate_up_proj" is .*, not 96 x 40/);
    },
  );

  test("other dimensions of the same matrix are found by whoever has the original", async () => {
    const compressed = safetensorsModel(await stored([2, 48, 40]));
    const { ok, layers } = await verifyLayers(loewner, await opened([experts]), compressed);
    expect(ok).toBe(false);
    expect(layers[0].faults).toEqual(["it was 2 x 48 x 40, but the original is 4 x 24 x 40"]);
  });
});
