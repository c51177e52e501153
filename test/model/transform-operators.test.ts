// Transform codes inside the graph: any bits and windows, every way to read a table. What onnxruntime computes must be what the
// original computes with the decoded table in the weight's place.
import { fromBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { f32ToBf16, f32ToF16 } from "../../src/formats/half.js";
import { ModelProtoSchema } from "../../src/formats/onnx/onnx_pb.js";
import type { TrellisBits, WindowBits } from "../../src/index.js";
import { TransformDecoder } from "../../src/transform-codes.js";
import { type BuiltModel, plain, randomFloats, weight } from "./onnx-models/cases.js";
import { gathers, reader, readers, store, tied, type Reader } from "./onnx-models/coded.js";
import { model, node, tensor, Type, value } from "./onnx-models/graph.js";
import { run } from "./onnx-models/session.js";
import { storedProduct } from "./onnx-models/stored.js";
import { transformLayer, transformOf, type TransformShape } from "./onnx-models/transform.js";

const allBits: readonly TrellisBits[] = [1, 2, 3, 4, 5, 6, 7, 8];
const allWindows: readonly WindowBits[] = [10, 12];

/** Puts the code into the model, runs both, and looks whether they agree to `tolerance` of the largest number. */
async function expectSame(shape: TransformShape, read: Reader, tolerance = 2e-6, transposed = false): Promise<void> {
  const { rows, cols } = shape;
  const [n, d] = transposed ? [cols, rows] : [rows, cols];
  const layer = transformLayer(shape, "W", transposed);
  const small = await store(read.build(weight("W", n, d).data), layer, "standard");
  const product = storedProduct(small, "W");
  const wanted = await run(read.build(product), read.inputs);
  const actual = await run(small, read.inputs);
  for (const [name, { dims, data }] of Object.entries(wanted)) {
    expect(actual[name].dims).toEqual(dims);
    const size = data.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    const difference = data.reduce((most, x, i) => Math.max(most, Math.abs(x - actual[name].data[i])), 0);
    expect(size).toBeGreaterThan(0);
    expect(difference, `difference of ${name}, largest number ${size}`).toBeLessThanOrEqual(tolerance * size);
  }
}

const graphOf = ({ bytes }: BuiltModel) => fromBinary(ModelProtoSchema, bytes).graph!;

describe.each(allWindows)("windows of %i bits", (windowBits) => {
  it.each(allBits)("in codes of %i bits, alone and beside a band of another", async (bits) => {
    const read = gathers["ids of rank 2"](40, 13);
    for (const components of [8, 24]) await expectSame({ rows: 40, cols: 13, windowBits, bands: [[bits, components]] }, read); // prettier-ignore
    const other = bits === 1 ? 3 : 1;
    const bands = [[bits, 16], [other, 8, 4]] as const; // prettier-ignore
    await expectSame({ rows: 40, cols: 13, windowBits, bands, exact: [0, 11, 39] }, read);
  });
});

const full: TransformShape = {
  ...{ rows: 90, cols: 21, zeros: true, exact: [2, 3, 11, 89] },
  bands: [[5, 8], [3, 16], [1, 8, 4]], // prettier-ignore
};

describe("every reader of a table", () => {
  it.each(Object.keys(readers))("%s", async (name) => {
    await expectSame(full, readers[name](90, 21), 1e-5);
  });

  it("by ids from the end, and of int32", async () => {
    const data = Int32Array.from([-1, -90, 11, 89, -88, 0, 2]);
    const read = reader(90, 21, { ids: { type: "int32", dims: [7], data } }, {
      nodes: [node("Gather", ["W", "ids"], ["y"])],
      inputs: [value("ids", Type.int32, ["n"])],
      outputs: [value("y", Type.float, ["n", 21])],
    }); // prettier-ignore
    await expectSame(full, read);
  });

  it("by no ids at all", async () => {
    const read = gathers["ids of rank 1"](90, 21);
    const none = { ids: { type: "int64" as const, dims: [0], data: new BigInt64Array() } };
    const small = await store(read.build(weight("W", 90, 21).data), transformLayer(full), "standard");
    expect((await run(small, none)).y.dims).toEqual([0, 21]);
  });

  it("as a factor on the left, whose transpose was stored", async () => {
    const read = reader(21, 90, { x: randomFloats([90, 4]) }, {
      nodes: [node("MatMul", ["W", "x"], ["y"])],
      inputs: [value("x", Type.float, [90, "n"])],
      outputs: [value("y", Type.float, [21, "n"])],
    }); // prettier-ignore
    await expectSame(full, read, 1e-5, true);
  });

  it.each([11, 12, 13, 16, 18, 21])("in opset %i", async (opset) => {
    const read: Reader = {
      inputs: tied(90, 21).inputs,
      build: (data) =>
        plain(
          model({
            opset,
            nodes: [
              node("Gather", ["W", "ids"], ["rows"]),
              node("Transpose", ["W"], ["t"]),
              node("MatMul", ["x", "t"], ["logits"]),
            ],
            initializers: [tensor("W", Type.float, [90, 21], data)],
            inputs: [value("ids", Type.int64, ["a", "b"]), value("x", Type.float, ["a", "b", 21])],
            outputs: [value("rows", Type.float, ["a", "b", 21]), value("logits", Type.float, ["a", "b", 90])],
          }),
        ),
    };
    await expectSame(full, read, 1e-5);
  });

  it.each([
    ["half precision", Type.float16, f32ToF16, 2e-3],
    ["bf16", Type.bfloat16, f32ToBf16, 1e-2],
  ] as const)("in %s", async (_, type, encode, tolerance) => {
    const half = type === Type.float16;
    const read: Reader = {
      inputs: half ? tied(90, 21).inputs : gathers["ids of rank 2"](90, 21).inputs,
      build: (data) =>
        plain(
          model({
            nodes: [
              node("Gather", ["W", "ids"], ["looked"]),
              node("Cast", ["looked"], ["rows"], { attributes: { to: Type.float } }),
              ...(half
                ? [
                    node("Transpose", ["W"], ["t"]),
                    node("Cast", ["x"], ["halves"], { attributes: { to: type } }),
                    node("MatMul", ["halves", "t"], ["product"]),
                    node("Cast", ["product"], ["logits"], { attributes: { to: Type.float } }),
                  ]
                : []),
            ],
            initializers: [tensor("W", type, [90, 21], encode(data))],
            inputs: [value("ids", Type.int64, ["a", "b"]), ...(half ? [value("x", Type.float, ["a", "b", 21])] : [])],
            outputs: [
              value("rows", Type.float, ["a", "b", 21]),
              ...(half ? [value("logits", Type.float, ["a", "b", 90])] : []),
            ],
          }),
        ),
    };
    await expectSame(full, read, tolerance);
  });
});

it("agrees with the decoded table whatever the sizes", async () => {
  const shapes = fc.record({
    rows: fc.integer({ min: 2, max: 60 }),
    cols: fc.integer({ min: 2, max: 40 }),
    windowBits: fc.constantFrom(...allWindows),
    bands: fc.uniqueArray(
      fc.tuple(fc.constantFrom(...allBits), fc.integer({ min: 1, max: 5 }).map((n) => 8 * n), fc.constantFrom(8 as const, 4 as const)), // prettier-ignore
      { maxLength: 4, selector: ([bits]) => bits },
    ),
    zeros: fc.boolean(),
    levels: fc.integer({ min: 2, max: 256 }),
    exact: fc.uniqueArray(fc.nat(59), { maxLength: 9 }),
    seed: fc.nat(1000),
    name: fc.constantFrom(...Object.keys(readers)),
  });
  await fc.assert(
    fc.asyncProperty(shapes, async ({ name, exact, ...shape }) => {
      const { rows, cols } = shape;
      const far = exact.filter((row) => row < rows).sort((a, b) => a - b);
      await expectSame({ ...shape, exact: far }, readers[name](rows, cols), 1e-5);
    }),
    { numRuns: 40, seed: 20271 },
  );
});

it("decodes as the library does", async () => {
  const shape = { ...full, windowBits: 12 as const };
  const read = gathers["ids of rank 1"](90, 21);
  const small = await store(read.build(weight("W", 90, 21).data), transformLayer(shape), "standard");
  const decoded = new TransformDecoder(transformOf(shape)).rows(0, 90);
  storedProduct(small, "W").forEach((x, i) => expect(x).toBeCloseTo(decoded[i], 5));
});

it("takes the operators of ai.onnx alone, and one tensor of codes for all bands", async () => {
  const read = tied(90, 21);
  const { bytes } = await store(read.build(weight("W", 90, 21).data), transformLayer(full), "standard");
  const { opsetImport } = fromBinary(ModelProtoSchema, bytes);
  const { initializer, node: nodes } = graphOf({ bytes });
  expect(opsetImport.map(({ domain }) => domain)).toEqual([""]);
  expect(nodes.every(({ domain }) => domain === "")).toBe(true);
  expect(initializer.find(({ name }) => name === "W.codes")!.dims).toEqual([90n, 12n]);
  expect(initializer.map(({ name }) => name)).not.toContain("W");
});
