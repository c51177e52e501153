// Tensors that hold the same numbers, or each other's transpose, are one layer, and one tensor of any result.
import { fromBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ModelProtoSchema } from "../../src/formats/onnx/onnx_pb.js";
import { f16ToF32, f32ToF16 } from "../../src/half.js";
import { createLoewner, type Loewner } from "../../src/index.js";
import { ids, plain, weight } from "./onnx-models/cases.js";
import { compress, open } from "./onnx-models/compressing.js";
import { floats, graph, model, type ModelParts, node, tensor, Type, value } from "./onnx-models/graph.js";
import { type OutputTensor, run } from "./onnx-models/session.js";
import { storedProduct } from "./onnx-models/stored.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

const [rows, cols] = [96, 16];
const table = weight("W", rows, cols, 6).data;
const turned = (data: Float32Array) =>
  Float32Array.from({ length: rows * cols }, (_, i) => data[(i % rows) * cols + Math.floor(i / rows)]);
const inputs = { ids: ids([2, 5], rows) };
const parts: ModelParts = {
  inputs: [value("ids", Type.int64, [2, 5])],
  outputs: [value("logits", Type.float, [2, 5, rows])],
};
const look = [node("Gather", ["W", "ids"], ["rows"]), node("Tanh", ["rows"], ["h"])];

const models: Record<string, { copy: string; transposed: boolean; build: (data: Float32Array) => Uint8Array }> = {
  "a table and its transpose, an initializer": {
    ...{ copy: "V", transposed: true },
    build: (data) =>
      model({
        ...parts,
        nodes: [...look, node("MatMul", ["h", "V"], ["logits"])],
        initializers: [floats("V", [cols, rows], turned(data)), floats("W", [rows, cols], data)],
      }),
  },
  "a table and its transpose, a Constant": {
    ...{ copy: "V", transposed: true },
    build: (data) =>
      model({
        ...parts,
        nodes: [
          node("Constant", [], ["V"], { attributes: { value: floats("", [cols, rows], turned(data)) } }),
          ...look,
          node("MatMul", ["h", "V"], ["logits"]),
        ],
        initializers: [floats("W", [rows, cols], data)],
      }),
  },
  "a table twice": {
    ...{ copy: "V", transposed: false },
    build: (data) =>
      model({
        ...parts,
        nodes: [...look, node("Transpose", ["V"], ["t"]), node("MatMul", ["h", "t"], ["logits"])],
        initializers: [floats("W", [rows, cols], data), floats("V", [rows, cols], data)],
      }),
  },
  "a copy that is read as a whole": {
    ...{ copy: "V", transposed: true },
    build: (data) =>
      model({
        ...parts,
        nodes: [
          ...look,
          node("MatMul", ["h", "V"], ["product"]),
          node("ReduceMax", ["V"], ["max"], { attributes: { keepdims: 0 } }),
          node("Mul", ["product", "max"], ["logits"]),
        ],
        initializers: [floats("W", [rows, cols], data), floats("V", [cols, rows], turned(data))],
      }),
  },
  "a copy of other dimensions": {
    ...{ copy: "V", transposed: false },
    build: (data) =>
      model({
        ...parts,
        nodes: [
          ...look,
          node("Squeeze", ["V"], ["matrix"]),
          node("Transpose", ["matrix"], ["t"]),
          node("MatMul", ["h", "t"], ["logits"]),
        ],
        initializers: [floats("W", [rows, cols], data), floats("V", [1, rows, cols], data)],
      }),
  },
  "a table of other dimensions, and a copy turned": {
    ...{ copy: "V", transposed: true },
    build: (data) =>
      model({
        ...parts,
        nodes: [
          node("Squeeze", ["W"], ["matrix"]),
          node("Gather", ["matrix", "ids"], ["rows"]),
          node("Tanh", ["rows"], ["h"]),
          node("Squeeze", ["V"], ["t"]),
          node("MatMul", ["h", "t"], ["logits"]),
        ],
        initializers: [floats("W", [1, rows, cols], data), floats("V", [cols, 1, rows], turned(data))],
      }),
  },
  "a copy in a branch": {
    ...{ copy: "V", transposed: true },
    build: (data) => {
      const then = graph({
        nodes: [node("MatMul", ["h", "V"], ["a"])],
        initializers: [floats("V", [cols, rows], turned(data))],
        outputs: [value("a", Type.float, [2, 5, rows])],
      });
      const otherwise = graph({
        nodes: [node("MatMul", ["h", "zero"], ["b"])],
        initializers: [floats("zero", [cols, rows], new Float32Array(rows * cols))],
        outputs: [value("b", Type.float, [2, 5, rows])],
      });
      return model({
        ...parts,
        nodes: [
          ...look,
          node("Cast", ["one"], ["c"], { attributes: { to: Type.bool } }),
          node("If", ["c"], ["logits"], { attributes: { then_branch: then, else_branch: otherwise } }),
        ],
        initializers: [floats("W", [rows, cols], data), floats("one", [1], Float32Array.of(1))],
      });
    },
  },
};

function expectClose(actual: Record<string, OutputTensor>, wanted: Record<string, OutputTensor>, tolerance: number) {
  const [a, b] = [actual.logits.data, wanted.logits.data];
  const size = b.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  expect(b.reduce((most, x, i) => Math.max(most, Math.abs(x - a[i])), 0)).toBeLessThanOrEqual(tolerance * size);
}

describe.each(Object.entries(models))("%s", (_, { copy, transposed, build }) => {
  const original = plain(build(table));

  it("is one layer", async () => {
    const { layers } = await open(original);
    const named = layers.filter(({ name }) => name === "W" || name === "V");
    expect(named).toMatchObject([
      { name: "W", kind: "tied", copies: [{ name: copy, transposed, bytes: 4 * rows * cols }] },
    ]);
  });

  it.each(["f32", "int8", "transform"] as const)("is compressed once, as %s", async (type) => {
    const size = type === "transform" ? { keep: 0.6 } : { rank: 6 };
    const small = await compress(loewner, original, { layers: ["W"], type, ...size });
    expect(small.report.layers.map(({ name }) => name)).toEqual(["W"]);
    expectClose(await run(small, inputs), await run(plain(build(storedProduct(small, "W"))), inputs), 2e-6);
  });

  it("is stored once where nothing is compressed", async () => {
    const small = await compress(loewner, original, { names: [], keep: 0.5 });
    expect(small.report.layers).toEqual([]);
    expect(small.bytes.length).toBeLessThan(original.bytes.length - 4 * rows * cols + 300);
    const { graph: after } = fromBinary(ModelProtoSchema, small.bytes);
    expect(after!.initializer.map(({ name }) => name)).not.toContain(copy);
    expectClose(await run(small, inputs), await run(original, inputs), 2e-6);
  });
});

describe("a table in f32, and in halves", () => {
  const halves = f32ToF16(table);
  const both = (numbers: Float32Array, half: Uint16Array) =>
    model({
      ...parts,
      nodes: [
        ...look,
        node("Cast", ["V"], ["wide"], { attributes: { to: Type.float } }),
        node("MatMul", ["h", "wide"], ["logits"]),
      ],
      initializers: [
        floats("W", [rows, cols], numbers),
        tensor("V", Type.float16, [cols, rows], Uint16Array.from(half, (_, i) => half[(i % rows) * cols + Math.floor(i / rows)])), // prettier-ignore
      ],
    });
  const exact = plain(both(f16ToF32(halves), halves));
  const rounded = plain(both(table, halves));

  it.each([
    ["whose numbers halves hold: halves stay", exact, "V", "W", 4],
    ["whose numbers round to the halves: f32 stays", rounded, "W", "V", 2],
  ] as const)("%s", async (_, original, kept, copy, size) => {
    const { layers } = await open(original);
    const bytes = size * rows * cols;
    expect(layers).toMatchObject([{ name: kept, kind: "tied", copies: [{ name: copy, transposed: true, bytes }] }]);
    const small = await compress(loewner, original, { names: [], keep: 0.5 });
    expect(small.bytes.length).toBeLessThan(original.bytes.length - bytes + 400);
    const { graph: after } = fromBinary(ModelProtoSchema, small.bytes);
    expect(after!.initializer.map(({ name }) => name)).not.toContain(copy);
    expectClose(await run(small, inputs), await run(original, inputs), 0);
  });

  it.each(["f32", "int8", "transform"] as const)("is compressed once, as %s", async (type) => {
    const size = type === "transform" ? { keep: 0.9 } : { rank: 6 };
    for (const [original, name] of [
      [exact, "V"],
      [rounded, "W"],
    ] as const) {
      const small = await compress(loewner, original, { layers: ["all"], type, ...size });
      expect(small.report.layers.map((layer) => layer.name)).toEqual([name]);
      const product = storedProduct(small, name);
      const numbers = name === "W" ? product : Float32Array.from(product, (_, i) => product[(i % cols) * rows + Math.floor(i / cols)]); // prettier-ignore
      expectClose(await run(small, inputs), await run(plain(both(numbers, f32ToF16(numbers))), inputs), 2e-3);
    }
  });

  it("whose halves are a Constant: f32 stays", async () => {
    const half = f32ToF16(turned(table));
    const original = plain(
      model({
        ...parts,
        nodes: [
          node("Constant", [], ["V"], { attributes: { value: tensor("", Type.float16, [cols, rows], half) } }),
          ...look,
          node("Cast", ["V"], ["wide"], { attributes: { to: Type.float } }),
          node("MatMul", ["h", "wide"], ["logits"]),
        ],
        initializers: [floats("W", [rows, cols], f16ToF32(halves))],
      }),
    );
    const { layers } = await open(original);
    expect(layers).toMatchObject([{ name: "W", kind: "tied", copies: [{ name: "V", transposed: true }] }]);
    const small = await compress(loewner, original, { names: [], keep: 0.5 });
    expect(small.bytes.length).toBeLessThan(original.bytes.length - 2 * rows * cols + 400);
    expectClose(await run(small, inputs), await run(original, inputs), 0);
  });

  it("whose halves are others stays apart", async () => {
    const { layers } = await open(plain(both(table, halves.with(700, halves[700] ^ 1))));
    expect(layers.flatMap(({ copies }) => copies ?? [])).toEqual([]);
  });
});

describe("tensors that differ", () => {
  it.each([
    ["in one number", 1],
    ["in the sign of a zero", -0],
  ])("%s stay apart", async (_, number) => {
    const bytes = model({
      nodes: [node("MatMul", ["x", "W"], ["y"]), node("MatMul", ["x", "V"], ["z"])],
      initializers: [floats("W", [rows, cols], table.with(700, 0)), floats("V", [rows, cols], table.with(700, number))],
      inputs: [value("x", Type.float, [3, rows])],
      outputs: [value("y", Type.float, [3, cols]), value("z", Type.float, [3, cols])],
    });
    const { layers } = await open(plain(bytes));
    expect(layers.map(({ name, copies }) => [name, copies])).toEqual([
      ["W", undefined],
      ["V", undefined],
    ]);
  });
});
