// Trellis codes inside the graph: any bits and windows, every way to multiply by a layer. What onnxruntime computes must be what the
// original computes with the decoded matrix in the weight's place.
import { fromBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesSource, memorySink } from "../../src/formats/index.js";
import { ModelProtoSchema } from "../../src/formats/onnx/onnx_pb.js";
import { openOnnx } from "../../src/formats/onnx/open.js";
import { f32ToF16 } from "../../src/half.js";
import type { TrellisBits, WindowBits } from "../../src/index.js";
import { onnxModel } from "../../src/model/index.js";
import { outputsByInputs } from "../../src/model/model.js";
import type { StoredLayer } from "../../src/model/stored.js";
import { TrellisDecoder } from "../../src/trellis-codes.js";
import { type BuiltModel, type InputTensor, plain, randomFloats, weight } from "./onnx-models/cases.js";
import { store } from "./onnx-models/coded.js";
import { floats, model, node, tensor, Type, value } from "./onnx-models/graph.js";
import { run } from "./onnx-models/session.js";
import { storedProduct } from "./onnx-models/stored.js";
import { trellisLayer, trellisOf, type TrellisShape } from "./onnx-models/trellis.js";

const allBits: readonly TrellisBits[] = [1, 2, 3, 4, 5, 6, 7, 8];
const allWindows: readonly WindowBits[] = [10, 12];

interface Built {
  small: BuiltModel;
  put: BuiltModel;
}

async function expectSame({ small, put }: Built, inputs: Record<string, InputTensor>, tolerance = 1e-5): Promise<void> {
  const wanted = await run(put, inputs);
  const actual = await run(small, inputs);
  for (const [name, { dims, data }] of Object.entries(wanted)) {
    expect(actual[name].dims).toEqual(dims);
    const size = data.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    const difference = data.reduce((most, x, i) => Math.max(most, Math.abs(x - actual[name].data[i])), 0);
    expect(size).toBeGreaterThan(0);
    expect(difference, `difference of ${name}, largest number ${size}`).toBeLessThanOrEqual(tolerance * size);
  }
}

interface Product {
  op: "MatMul" | "Gemm";
  /** What runs over the outputs: rows of W, or its columns. */
  outputsAre: "rows" | "cols";
  opset?: number;
  /** Weight and product in half precision. */
  half?: boolean;
}

/** y = x W or x W', in half precision where the weight is stored so. */
function product({ rows, cols }: TrellisShape, { op, outputsAre, opset = 17, half = false }: Product) {
  const dims = outputsAre === "rows" ? [rows, cols] : [cols, rows];
  const turned = outputsAre === "rows" && op === "MatMul";
  const [x, y] = half ? ["halves", "product"] : ["x", "y"];
  const cast = (from: string, to: string, type: number) => node("Cast", [from], [to], { attributes: { to: type } });
  return (data: Float32Array) =>
    plain(
      model({
        opset,
        nodes: [
          ...(half ? [cast("x", x, Type.float16)] : []),
          ...(turned ? [node("Transpose", ["W"], ["t"], { attributes: { perm: [1, 0] } })] : []),
          node(op, [x, turned ? "t" : "W"], [y], {
            name: "dense",
            ...(op === "Gemm" && { attributes: { transB: outputsAre === "rows" ? 1 : 0 } }),
          }),
          ...(half ? [cast(y, "y", Type.float)] : []),
        ],
        initializers: [half ? tensor("W", Type.float16, dims, f32ToF16(data)) : floats("W", dims, data)],
        inputs: [value("x", Type.float, ["n", cols])],
        outputs: [value("y", Type.float, ["n", rows])],
      }),
    );
}

/** Puts the code into the model, runs both, and looks whether they agree to `tolerance` of the largest number. */
async function expectProduct(shape: TrellisShape, how: Product, tolerance?: number): Promise<void> {
  const { rows, cols } = shape;
  const build = product(shape, how);
  const transposed = how.outputsAre === "cols";
  const layer = trellisLayer(shape, "W", transposed);
  const small = await store(build(weight("W", rows, cols).data), layer, "standard");
  const put = build(storedProduct(small, "W"));
  await expectSame({ small, put }, { x: randomFloats([3, cols]) }, tolerance);
}

const graphOf = ({ bytes }: BuiltModel) => fromBinary(ModelProtoSchema, bytes).graph!;

describe.each(allWindows)("windows of %i bits", (windowBits) => {
  it.each(allBits)("in codes of %i bits", async (bits) => {
    await expectProduct({ rows: 40, cols: 24, bits, windowBits }, { op: "MatMul", outputsAre: "cols" });
    await expectProduct({ rows: 21, cols: 13, bits, windowBits }, { op: "Gemm", outputsAre: "rows" });
  });
});

describe("every way to multiply", () => {
  const ways = (["MatMul", "Gemm"] as const).flatMap((op) =>
    (["rows", "cols"] as const).flatMap((outputsAre) =>
      ([11, 13, 17, 21] as const).map((opset) => ({ op, outputsAre, opset })),
    ),
  );
  it.each(ways)("$op, outputs are $outputsAre, opset $opset", async (how) => {
    await expectProduct({ rows: 30, cols: 48 }, how);
  });

  it("weights in half precision", async () => {
    for (const op of ["MatMul", "Gemm"] as const)
      for (const outputsAre of ["rows", "cols"] as const)
        await expectProduct({ rows: 30, cols: 48 }, { op, outputsAre, half: true }, 4e-3);
  });

  it.each([
    [2, 2],
    [2, 40],
    [40, 2],
    [9, 129],
    [257, 16],
    [300, 40],
    [513, 8],
    [8, 768],
  ])("%i outputs of %i inputs", async (rows, cols) => {
    await expectProduct({ rows, cols, bits: 2 }, { op: "MatMul", outputsAre: "cols" });
    await expectProduct({ rows, cols, bits: 5 }, { op: "Gemm", outputsAre: "rows" });
  });

  it("as a factor on the left, plain and transposed", async () => {
    for (const turned of [false, true]) {
      const shape = { rows: 21, cols: 40 };
      const build = (data: Float32Array) =>
        plain(
          model({
            nodes: [
              ...(turned ? [node("Transpose", ["W"], ["t"], { attributes: { perm: [1, 0] } })] : []),
              node("MatMul", [turned ? "t" : "W", "x"], ["y"]),
            ],
            initializers: [floats("W", turned ? [40, 21] : [21, 40], data)],
            inputs: [value("x", Type.float, [40, "n"])],
            outputs: [value("y", Type.float, [21, "n"])],
          }),
        );
      const small = await store(build(weight("W", 21, 40).data), trellisLayer(shape, "W", turned), "standard");
      await expectSame({ small, put: build(storedProduct(small, "W")) }, { x: randomFloats([40, 3]) });
    }
  });
});

it("agrees with the decoded matrix whatever the sizes", async () => {
  const shapes = fc.record({
    rows: fc.oneof(fc.integer({ min: 2, max: 60 }), fc.integer({ min: 250, max: 270 })),
    cols: fc.oneof(fc.integer({ min: 2, max: 60 }), fc.constantFrom(130, 192)),
    bits: fc.constantFrom(...allBits),
    windowBits: fc.constantFrom(...allWindows),
    seed: fc.nat(1000),
    op: fc.constantFrom("MatMul" as const, "Gemm" as const),
    outputsAre: fc.constantFrom("rows" as const, "cols" as const),
    opset: fc.constantFrom(11, 17),
  });
  await fc.assert(
    fc.asyncProperty(shapes, ({ op, outputsAre, opset, ...shape }) => expectProduct(shape, { op, outputsAre, opset })),
    { numRuns: 40, seed: 20272 },
  );
});

it("decodes as the library does", async () => {
  const shape: TrellisShape = { rows: 300, cols: 24, bits: 2, windowBits: 12 };
  const build = product(shape, { op: "Gemm", outputsAre: "rows" });
  const small = await store(build(weight("W", 300, 24).data), trellisLayer(shape), "standard");
  const decoded = new TrellisDecoder(trellisOf(shape)).rows(0, 300);
  storedProduct(small, "W").forEach((x, i) => expect(x).toBeCloseTo(decoded[i], 5));
});

describe("several layers", () => {
  const names = ["A", "B", "C"];
  /** x A' B' C', each 24 x 24. */
  const build = (data: Record<string, Float32Array>) =>
    plain(
      model({
        nodes: names.map((name, i) =>
          node("Gemm", [i ? `h${i}` : "x", name], [i === 2 ? "y" : `h${i + 1}`], { attributes: { transB: 1 } }),
        ),
        initializers: names.map((name) => floats(name, [24, 24], data[name])),
        inputs: [value("x", Type.float, ["n", 24])],
        outputs: [value("y", Type.float, ["n", 24])],
      }),
    );
  const original = build(Object.fromEntries(names.map((name, i) => [name, weight(name, 24, 24, i + 1).data])));

  async function stored(layers: readonly StoredLayer[]): Promise<BuiltModel> {
    const opened = await onnxModel(await openOnnx(bytesSource(original.bytes, "model.onnx")));
    expect(opened.layers.map((layer) => outputsByInputs(layer).transposed)).toEqual([false, false, false]);
    const [file] = await opened.layOut(layers, { operators: "standard" });
    const sink = memorySink();
    await file.write(sink);
    return { bytes: sink.bytes() };
  }

  const shape = { rows: 24, cols: 24 };
  const layersOf = (bits: TrellisBits[], turned = [9, 9, 9]) =>
    names.map((name, i) => trellisLayer({ ...shape, bits: bits[i], seed: i + 1, turned: turned[i] }, name));

  it.each([
    ["alike", [3, 3, 3], [9, 9, 9], 1, 1],
    ["of different bits", [3, 1, 8], [9, 9, 9], 3, 1],
    ["with rotations of their own", [3, 3, 3], [9, 10, 9], 1, 2],
  ] as [string, TrellisBits[], number[], number, number][])(
    "%s share what is alike",
    async (_, bits, turned, tables, rotations) => {
      const small = await stored(layersOf(bits, turned));
      const put = build(Object.fromEntries(names.map((name) => [name, storedProduct(small, name)])));
      await expectSame({ small, put }, { x: randomFloats([3, 24]) });
      const { initializer, node: nodes } = graphOf(small);
      const count = (pattern: RegExp) => initializer.filter(({ name }) => pattern.test(name)).length;
      expect(count(/trellis\d_10/)).toBe(tables);
      expect(count(/mixing24/)).toBe(rotations);
      expect(count(/signs24/)).toBe(rotations);
      // What makes them comes before the first that uses it.
      const known = new Set(["x", "", ...initializer.map(({ name }) => name)]);
      for (const { input, output } of nodes) {
        for (const name of input) expect(known).toContain(name);
        for (const name of output) known.add(name);
      }
      const ofOne = graphOf(await stored(layersOf(bits, turned).slice(0, 1))).node.length - 2;
      if (tables + rotations === 2) expect(nodes.length).toBeLessThan(3 * ofOne - 40);
    },
  );

  it("takes the operators of ai.onnx alone", async () => {
    const small = await stored(layersOf([2, 2, 2]));
    const { opsetImport } = fromBinary(ModelProtoSchema, small.bytes);
    const { initializer, node: nodes } = graphOf(small);
    expect(opsetImport.map(({ domain }) => domain)).toEqual([""]);
    expect(nodes.every(({ domain }) => domain === "")).toBe(true);
    expect(initializer.find(({ name }) => name === "A.codes")!.dims).toEqual([24n, 6n]);
    expect(initializer.map(({ name }) => name)).not.toContain("A");
  });

  it("beside one that was stored before: the file is compressed again, and both stay what they are", async () => {
    const first = await stored(layersOf([3, 3, 3]).slice(0, 1));
    const opened = await onnxModel(await openOnnx(bytesSource(first.bytes, "model.onnx")));
    const [file] = await opened.layOut(layersOf([3, 3, 3]).slice(1, 2), { operators: "standard" });
    const sink = memorySink();
    await file.write(sink);
    const small = { bytes: sink.bytes() };
    const put = build({
      ...{ A: storedProduct(small, "A"), B: storedProduct(small, "B") },
      C: weight("C", 24, 24, 3).data,
    });
    await expectSame({ small, put }, { x: randomFloats([3, 24]) });
  });
});
