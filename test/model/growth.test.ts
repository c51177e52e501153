// Models so small that what is written beside the numbers of a layer takes more than is saved.
import { beforeAll, describe, expect, test } from "vitest";
import { createLoewner, type Loewner } from "../../src/index.js";
import { compressModel, type CompressOptions, type Model, safetensorsModel } from "../../src/model/index.js";
import { openBytes, openOnnxBytes, safetensorsBytes, type Table } from "./in-memory.js";
import { weight } from "./onnx-models/cases.js";
import { floats, model, node, Type, value } from "./onnx-models/graph.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner({ threads: 1 });
  return () => loewner.dispose();
});

/** Products, each with a weight of its own. */
function products(tables: readonly Table[]): Promise<Model> {
  return openOnnxBytes(
    model({
      nodes: tables.map(({ name }) => node("MatMul", [`${name} in`, name], [`${name} out`])),
      initializers: tables.map(({ name, rows, cols }, i) =>
        floats(
          name,
          [rows, cols],
          weight(name, rows, cols, rows).data.map((x) => x + i / 100),
        ),
      ),
      inputs: tables.map(({ name, rows }) => value(`${name} in`, Type.float, ["n", rows])),
      outputs: tables.map(({ name, cols }) => value(`${name} out`, Type.float, ["n", cols])),
    }),
  );
}

const openers = {
  onnx: products,
  safetensors: async (tables: readonly Table[]) => safetensorsModel(await openBytes(await safetensorsBytes(tables))),
};
const ways: [string, CompressOptions][] = [
  ["factors", { keep: 0.5, type: "f32" }],
  ["8 bits", { keep: 0.25, type: "int8" }],
  ["2 bits", { keep: 0.9, type: "int2" }],
  ["transform codes", { keep: 0.7, type: "transform" }],
  ["trellis codes", { keep: 0.4, type: "trellis" }],
  ["whatever is best", { keep: 0.4, type: "auto" }],
];

describe.each(Object.entries(openers))("%s", (_, opened) => {
  test.each(ways)("in %s, no model is larger than it was, however small", async (_, options) => {
    for (const size of [8, 12, 16, 24, 40]) {
      const original = await opened([{ name: "W", rows: size, cols: size }]);
      const { layers, skipped, bytesAfter, bytesBefore } = await compressModel(loewner, original, {
        ...{ ...options, layers: ["all"], mayGrow: false },
      });
      if (layers.length > 0) expect(bytesAfter).toBeLessThan(bytesBefore);
      else {
        expect(bytesAfter).toBe(bytesBefore);
        expect(skipped).toMatchObject([{ name: "W" }]);
      }
    }
  });

  test("a small layer stays beside a large one that shrinks, and the reason is said", async () => {
    const original = await opened([
      { name: "large", rows: 200, cols: 120 },
      { name: "small", rows: 13, cols: 13 },
    ]);
    const options = { keep: 0.5, type: "int8", layers: ["all"] } as const;
    const grown = await compressModel(loewner, original, options);
    expect(grown.layers.map(({ name }) => name)).toEqual(["large", "small"]);
    const made = await compressModel(loewner, original, { ...options, mayGrow: false });
    expect(made.layers.map(({ name }) => name)).toEqual(["large"]);
    expect(made.skipped).toMatchObject([
      {
        name: "small",
        reason: expect.stringMatching(/^would not shrink: with it as int8 the file would be \d+ bytes larger/),
      },
    ]);
    expect(made.bytesAfter).toBeLessThan(grown.bytesAfter);
  });
});

test("layers that pay for a table together are judged together", async () => {
  const tables = ["a", "b", "c", "d"].map((name) => ({ name, rows: 16, cols: 16 }));
  const original = await products(tables);
  const alone = await compressModel(loewner, original, {
    ...{ keep: 0.9, type: "int2", layers: ["a"], mayGrow: false },
  });
  expect(alone.layers).toEqual([]);
  const all = await compressModel(loewner, original, { keep: 0.9, type: "int2", layers: ["all"], mayGrow: false });
  expect(all.layers.length === 0 || all.bytesAfter < all.bytesBefore).toBe(true);
});
