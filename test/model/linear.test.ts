// Linear layers and tied tables of safetensors: X = X.left X.right as they stand in the file, whichever way X was fitted.
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { memorySink, tensorRows, writeSafetensors, type SafetensorsFile } from "../../src/formats/index.js";
import { createLoewner, type Loewner } from "../../src/index.js";
import { readRows } from "../../src/matrix.js";
import {
  compressModel,
  expandModel,
  safetensorsModel,
  verifyLayers,
  type CompressOptions,
} from "../../src/model/index.js";
import type { StoredType } from "../../src/model/stored.js";
import { mainFile, openBytes, safetensorsBytes, type Table } from "./in-memory.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

async function compressed(tables: readonly Table[], options: CompressOptions, metadata?: Record<string, string>) {
  const original = await openBytes(await safetensorsBytes(tables, metadata));
  const result = await compressModel(loewner, safetensorsModel(original), options);
  return { original, result, small: await openBytes(await mainFile(result.files)) };
}

const numbers = async (file: SafetensorsFile, name: string) => readRows(tensorRows(file, name));

async function expanded(small: SafetensorsFile): Promise<SafetensorsFile> {
  const sink = memorySink();
  await writeSafetensors(sink, await expandModel(loewner, small));
  return openBytes(sink.bytes());
}

function norm(a: ArrayLike<number>, b?: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; ++i) sum += (a[i] - (b?.[i] ?? 0)) ** 2;
  return Math.sqrt(sum);
}

const shapes = fc.record({
  rows: fc.integer({ min: 12, max: 70 }),
  cols: fc.integer({ min: 12, max: 70 }),
  type: fc.constantFrom<StoredType | undefined>(undefined, "f16", "int8", "int4"),
});

test("X.left has X's rows and X.right its columns, their product errs by what the report says, and expand gives it", async () => {
  await fc.assert(
    fc.asyncProperty(shapes, async ({ rows, cols, type }) => {
      const tables = [{ name: "fc.weight", rows, cols }];
      const { original, result, small } = await compressed(tables, { layers: ["all"], rank: 3, type });
      const [layer] = result.layers;
      expect(Math.max(rows, cols)).toBe(layer.rows);
      const A = await numbers(original, "fc.weight");
      if (!type?.startsWith("int")) {
        const [L, R] = [await numbers(small, "fc.weight.left"), await numbers(small, "fc.weight.right")];
        expect([small.tensors.get("fc.weight.left")!.shape, small.tensors.get("fc.weight.right")!.shape]).toEqual([
          [rows, 3],
          [3, cols],
        ]);
        const product = Float64Array.from({ length: rows * cols }, (_, at) => {
          const [i, j] = [Math.floor(at / cols), at % cols];
          return L[i * 3] * R[j] + L[i * 3 + 1] * R[cols + j] + L[i * 3 + 2] * R[2 * cols + j];
        });
        expect(Math.abs(norm(A, product) - layer.objective.l2)).toBeLessThanOrEqual(1e-5 * norm(A));
      }
      const dense = await expanded(small);
      expect(dense.tensors.get("fc.weight")).toMatchObject({ shape: [rows, cols], dtype: "F32" });
      const X = await numbers(dense, "fc.weight");
      expect(Math.abs(norm(A, X) - layer.objective.l2)).toBeLessThanOrEqual(1e-5 * norm(A));
      const models = [safetensorsModel(original), safetensorsModel(small)] as const;
      expect((await verifyLayers(loewner, ...models)).ok).toBe(true);
    }),
    { numRuns: 20 },
  );
});

describe("a model of several layers", () => {
  const tables: Table[] = [
    { name: "model.embed_tokens.weight", rows: 320, cols: 16 },
    { name: "model.layers.0.mlp.up_proj.weight", rows: 24, cols: 60, type: "bf16" },
    { name: "model.layers.0.mlp.down_proj.weight", rows: 60, cols: 24, type: "f64" },
    { name: "model.norm.weight", rows: 1, cols: 16 },
  ];

  test("a table whose head is absent is one tied layer: once in the file, once when expanded", async () => {
    const { result, small } = await compressed(tables, { keep: 0.5 });
    expect(result.layers).toMatchObject([{ name: "model.embed_tokens.weight", kind: "tied", rows: 320, cols: 16 }]);
    expect([...small.tensors.keys()].filter((name) => /embed|head/.test(name)).sort()).toEqual([
      "model.embed_tokens.weight.left",
      "model.embed_tokens.weight.right",
    ]);
    expect([...(await expanded(small)).tensors.keys()].sort()).toEqual(tables.map(({ name }) => name).sort());
  });

  test("expand keeps types, other tensors and metadata; what was compressed twice comes back as well", async () => {
    const first = await compressed(tables, { keep: 0.5 }, { format: "pt" });
    const again = await compressModel(loewner, safetensorsModel(first.small), { layers: ["*proj*"], keep: 0.5 });
    const dense = await expanded(await openBytes(await mainFile(again.files)));
    for (const [name, { dtype, shape }] of first.original.tensors)
      expect(dense.tensors.get(name)).toMatchObject({ dtype, shape });
    expect(dense.tensors.size).toBe(tables.length);
    expect(dense.metadata).toEqual({ format: "pt" });
    expect(await numbers(dense, "model.norm.weight")).toEqual(await numbers(first.original, "model.norm.weight"));
  });

  test("a table in few bits of full rank keeps its name for its parts, and expands", async () => {
    const options: CompressOptions = { layers: ["all"], keep: 0.3, type: "auto" };
    const flat = Float32Array.from({ length: 320 * 16 }, (_, i) => Math.sin(i * i)); // no rank is low enough
    const { original, result, small } = await compressed(
      [{ name: "wte.weight", rows: 320, cols: 16, data: flat }],
      options,
    );
    expect(result.layers).toMatchObject([{ method: "dense", rank: 16 }]);
    expect([...small.tensors.keys()].every((name) => /^wte\.weight\.(codes\d?|scales)$/.test(name))).toBe(true);
    const A = await numbers(original, "wte.weight");
    const X = await numbers(await expanded(small), "wte.weight");
    expect(Math.abs(norm(A, X) - result.layers[0].objective.l2)).toBeLessThanOrEqual(1e-5 * norm(A));
  });
});
