// Factors of a few bytes may describe products of any size: an error of the library's own, before anything of that size is asked for.
import { describe, expect, test } from "vitest";
import { createLoewner } from "../../src/create.js";
import { bytesSource, memorySink, openSafetensors, writeSafetensors } from "../../src/formats/index.js";
import type { SafetensorsDtype } from "../../src/formats/index.js";
import { expandModel, safetensorsModel, verifyLayers } from "../../src/model/index.js";
import { identity } from "../../src/model/stored-certificate.js";
import { failure } from "../formats/fixtures.js";
import { safetensorsOf } from "./in-memory.js";

const objective = { lp: 1, l1: 1, l21: 1, l2: 1, worstRow: { row: 0, norm: 1 } };
const certificate = { lower: 0, upper: 1, slack: 0, sigmaNext: 1, bound: 1, rounding: 0 };
const common = { dtype: "F32", p: 1, objective, certificate, tolerance: 0.01, rowWeights: false, seed: 0 };

type Part = [name: string, dtype: SafetensorsDtype, shape: number[], bytes: Uint8Array];

async function describing(parts: readonly Part[], layer: object) {
  const tensors = parts.map(([name, dtype, shape, bytes]) => ({
    ...{ name, dtype, shape, byteLength: bytes.length },
    chunks: () => [bytes],
  }));
  const sink = memorySink();
  const loewner = JSON.stringify({ version: 1, layers: { W: { ...common, ...layer } } });
  await writeSafetensors(sink, { tensors, metadata: { loewner } });
  return openSafetensors(bytesSource(sink.bytes(), "small.safetensors"));
}

describe("expand", () => {
  const loewner = createLoewner({ threads: 1 });

  test("a transposed product that no memory holds", async () => {
    const n = 2 ** 17;
    const zeros = new Uint8Array(4 * n);
    const part = (tensor: string) => ({ tensor, transposed: true });
    const file = await describing(
      [
        ["L", "F32", [1, n], zeros],
        ["R", "F32", [n, 1], zeros],
      ],
      { rows: n, cols: n, rank: 1, type: "f32", method: "svd", transposed: true, left: part("L"), right: part("R") },
    );
    const { tensors } = await expandModel(await loewner, file);
    const error = await failure(async () => {
      for await (const chunk of tensors[0].chunks()) void chunk;
    }, "OUT_OF_MEMORY");
    expect(error.message).toMatch(
      /^small\.safetensors: tensor "W" of shape \[131072, 131072\] takes 68719476736 bytes/,
    );
    expect(error.place).toEqual({ file: "small.safetensors", tensor: "W" });
  });

  test("a table in few bits is decoded without a matrix of its width squared", async () => {
    const cols = 2 ** 18;
    const codes = Int8Array.from({ length: 2 * cols }, (_, i) => (i % 5) - 2);
    const file = await describing(
      [
        ["c", "I8", [2, cols], new Uint8Array(codes.buffer)],
        ["s", "F16", [2, 1], new Uint8Array(Uint16Array.of(0x3c00, 0x4000).buffer)], // 1 and 2
      ],
      {
        ...{ rows: 2, cols, rank: cols, type: "int8", method: "dense" },
        left: { codes: ["c"], scales: "s", bits: 8, block: cols, paddedCols: cols, levels: 0.5 },
      },
    );
    const { tensors } = await expandModel(await loewner, file);
    const all: number[] = [];
    for await (const chunk of tensors[0].chunks()) all.push(...new Float32Array(chunk.slice().buffer).subarray(0, 5));
    expect(tensors[0].byteLength).toBe(8 * cols);
    expect(all.slice(0, 5)).toEqual([-1, -0.5, 0, 0.5, 1]);
    const original = await safetensorsOf([{ name: "W", rows: 2, cols, data: new Float32Array(2 * cols) }]);
    const verifying = verifyLayers(await loewner, original, safetensorsModel(file));
    expect((await failure(verifying, "OUT_OF_MEMORY")).message).toMatch(/^A table of 262144 columns in few bits/);
  });
});

test("an identity of the widest table's size, and one wider", () => {
  expect([...identity(3).data]).toEqual([1, 0, 0, 0, 1, 0, 0, 0, 1]);
  expect(() => identity(2 ** 14 + 1)).toThrow(/A table of 16385 columns/);
});
