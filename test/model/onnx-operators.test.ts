// Tables in few bits inside the graph: every way to store them, every way to read them, with standard operators and with
// onnxruntime's own. What onnxruntime computes must be what the original computes with the decoded product in the weight's place.
import { fromBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { codedBytes } from "../../src/codes.js";
import { f32ToF16 } from "../../src/half.js";
import { type GraphProto, ModelProtoSchema } from "../../src/formats/onnx/onnx_pb.js";
import type { CodeBits } from "../../src/index.js";
import type { Operators } from "../../src/model/model.js";
import { type BuiltModel, ids, plain, randomFloats, weight } from "./onnx-models/cases.js";
import { gathers, layerOf, type Reader, reader, readers, type Shape, store, tied } from "./onnx-models/coded.js";
import { model, node, tensor, Type, value } from "./onnx-models/graph.js";
import { run } from "./onnx-models/session.js";
import { storedProduct } from "./onnx-models/stored.js";

const graphOf = ({ bytes }: BuiltModel): GraphProto => fromBinary(ModelProtoSchema, bytes).graph!;
const operatorsIn = (built: BuiltModel) => new Set(graphOf(built).node.map(({ opType }) => opType));

/** Outputs agree to `tolerance` of the largest number in them, which is returned. */
async function expectSame(small: BuiltModel, { build, inputs }: Reader, tolerance = 1e-5): Promise<number> {
  let largest = 0;
  const wanted = await run(build(storedProduct(small, "W")), inputs);
  const actual = await run(small, inputs);
  for (const [name, { dims, data }] of Object.entries(wanted)) {
    expect(actual[name].dims).toEqual(dims);
    const size = data.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    largest = Math.max(largest, size);
    const difference = data.reduce((most, x, i) => Math.max(most, Math.abs(x - actual[name].data[i])), 0);
    expect(difference, `difference of ${name}, largest number ${size}`).toBeLessThanOrEqual(tolerance * size);
  }
  return largest;
}

const allBits: readonly CodeBits[] = [8, 4, 3, 2];
const sets: readonly Operators[] = ["standard", "onnxruntime"];
/** 48 columns are three blocks of 16 for MatMulNBits; 5 fill no byte, and no block. */
const forms: Record<string, [Shape, number | undefined]> = {
  "rank 48": [{ rows: 300, cols: 61, bits: 8 }, 48],
  "rank 5": [{ rows: 90, cols: 13, bits: 8 }, 5],
  dense: [{ rows: 300, cols: 40, bits: 8, block: 32 }, undefined],
};

describe.each(sets)("with operators: %s", (operators) => {
  describe.each(Object.keys(forms))("%s", (form) => {
    it.each(allBits.flatMap((bits) => Object.keys(readers).map((name) => [bits, name] as const)))(
      "%i bits, %s",
      async (bits, name) => {
        const [shape, rank] = forms[form];
        const read = readers[name](shape.rows, shape.cols);
        const layer = layerOf({ ...shape, bits }, rank);
        const small = await store(read.build(weight("W", shape.rows, shape.cols).data), layer, operators);
        expect(await expectSame(small, read)).toBeGreaterThan(0);
      },
    );
  });
});

describe("onnxruntime's own operators", () => {
  const [n, d] = [300, 61];
  const stored = async (
    read: Reader,
    shape: Partial<Shape>,
    rank: number | undefined,
    operators: Operators = "onnxruntime",
  ) => {
    const layer = layerOf({ rows: n, cols: d, bits: 4, ...shape }, rank);
    return store(read.build(weight("W", n, d).data), layer, operators);
  };

  it("are written when asked for alone", async () => {
    const standard = fromBinary(ModelProtoSchema, (await stored(tied(n, d), {}, 48, "standard")).bytes);
    expect(standard.opsetImport.map(({ domain }) => domain)).toEqual([""]);
    expect(standard.graph!.node.every(({ domain }) => domain === "")).toBe(true);
    const own = fromBinary(ModelProtoSchema, (await stored(tied(n, d), {}, 48)).bytes);
    expect(own.opsetImport.map(({ domain, version }) => [domain, version])).toContainEqual(["com.microsoft", 1n]);
  });

  it("read one tensor for rows and for products", async () => {
    const { node: nodes, initializer } = graphOf(await stored(tied(n, d), {}, 48));
    const codes = initializer.find(({ name }) => name === "W.left.codes")!;
    expect(codes.dims).toEqual([300n, 3n, 8n]);
    expect(codes.rawData).toHaveLength(codedBytes(n, 48, 4) - 2 * n);
    for (const opType of ["GatherBlockQuantized", "MatMulNBits"]) {
      const used = nodes.filter((each) => each.opType === opType);
      expect(used.map(({ input }) => input.includes("W.left.codes"))).toEqual([true]);
    }
    expect(initializer.filter(({ rawData }) => rawData.length >= codes.rawData.length)).toHaveLength(1);
  });

  it.each([
    ["of 3 bits", { bits: 3 }, 48],
    ["with uneven levels", { levels: "uneven" }, 48],
  ] as const)("leave a table %s to standard ones", async (_, shape, rank) => {
    const read = gathers["ids of rank 2"](n, d);
    const small = await stored(read, shape, rank);
    expect(operatorsIn(small)).not.toContain("GatherBlockQuantized");
    await expectSame(small, read);
  });

  it("take levels in any even steps", async () => {
    for (const read of [tied(n, d), gathers["ids of rank 2"](n, d)]) {
      const small = await stored(read, { levels: 0.37 }, 48);
      expect(operatorsIn(small)).toContain("GatherBlockQuantized");
      await expectSame(small, read);
    }
  });

  it.each([
    ["16 does not divide", 40, []],
    ["16 divides", 48, ["GatherBlockQuantized", "MatMulNBits"]],
  ] as const)("read a tied table whose rank %s (%i)", async (_, rank, wanted) => {
    const read = tied(n, d);
    const small = await stored(read, {}, rank);
    const own = [...operatorsIn(small)].filter((name) => /Block|NBits/.test(name)).sort();
    expect(own).toEqual(wanted);
    await expectSame(small, read);
  });

  it("serve a product that they have no form of", async () => {
    // Gemm adds twice its bias: no reader but the whole table does.
    const attributes = { transB: 1, beta: { float: 2 } };
    const nodes = [node("Gather", ["W", "ids"], ["rows"]), node("Gemm", ["x", "W", "x0"], ["logits"], { attributes })];
    const read = reader(
      n,
      d,
      { ids: ids([7], n), x: randomFloats([7, d]), x0: randomFloats([7, 1], 3) },
      {
        nodes,
        inputs: [value("ids", Type.int64, ["n"]), value("x", Type.float, ["n", d]), value("x0", Type.float, ["n", 1])],
        outputs: [value("rows", Type.float, ["n", d]), value("logits", Type.float, ["n", n])],
      },
    );
    await expectSame(await stored(read, {}, 48), read);
  });

  it.each(
    allBits.flatMap((bits) =>
      sets.flatMap((operators) => [1, 2 ** -27].map((step) => [bits, operators, step] as const)),
    ),
  )("serve a model in half precision: %i bits, %s, levels in steps of %d", async (bits, operators, levels) => {
    const read: Reader = {
      inputs: tied(n, d).inputs,
      build: (data) =>
        plain(
          model({
            nodes: [
              node("Gather", ["W", "ids"], ["looked"]),
              node("Transpose", ["W"], ["t"]),
              node("Cast", ["x"], ["halves"], { attributes: { to: Type.float16 } }),
              node("MatMul", ["halves", "t"], ["product"]),
              node("Cast", ["looked"], ["rows"], { attributes: { to: Type.float } }),
              node("Cast", ["product"], ["logits"], { attributes: { to: Type.float } }),
            ],
            initializers: [tensor("W", Type.float16, [n, d], f32ToF16(data))],
            inputs: [value("ids", Type.int64, ["a", "b"]), value("x", Type.float, ["a", "b", d])],
            outputs: [value("rows", Type.float, ["a", "b", d]), value("logits", Type.float, ["a", "b", n])],
          }),
        ),
    };
    const small = await stored(read, { bits, levels }, 48, operators);
    expect(operatorsIn(small).has("MatMulNBits")).toBe(bits !== 3 && operators === "onnxruntime");
    expect(await expectSame(small, read, 4e-3)).toBeGreaterThan(0);
  });

  it("leave a linear layer to standard ones", async () => {
    const layer = layerOf({ rows: 64, cols: 40, bits: 4 }, 32, true);
    const read = reader(
      40,
      64,
      { x: randomFloats([7, 40]) },
      {
        nodes: [node("MatMul", ["x", "W"], ["y"])],
        inputs: [value("x", Type.float, ["n", 40])],
        outputs: [value("y", Type.float, ["n", 64])],
      },
    );
    const small = await store(read.build(weight("W", 40, 64).data), layer, "onnxruntime");
    expect([...operatorsIn(small)].filter((name) => /Block|NBits/.test(name))).toEqual([]);
    await expectSame(small, read);
  });

  it("write down the shapes that inference cannot know", async () => {
    const { valueInfo, node: nodes } = graphOf(await stored(tied(n, d), {}, 48));
    const looked = nodes.find(({ opType }) => opType === "GatherBlockQuantized")!.output[0];
    const { dim } = valueInfo.find(({ name }) => name === looked)!.type!.tensorType!.shape!;
    expect(dim.map(({ dimValue, dimParam }) => dimParam || dimValue)).toEqual(["batch", "sequence", 3n, 16n]);
  });

  it("agree with the decoded product whatever the sizes", async () => {
    const shapes = fc.record({
      rows: fc.integer({ min: 2, max: 70 }),
      cols: fc.integer({ min: 2, max: 70 }),
      bits: fc.constantFrom(...allBits),
      block: fc.constantFrom(undefined, 8, 16, 24, 32, 48),
      rank: fc.option(fc.integer({ min: 1, max: 70 }), { nil: undefined }),
      name: fc.constantFrom(...Object.keys(readers)),
      levels: fc.constantFrom(1, 0.37, 2 ** -20),
      operators: fc.constantFrom(...sets),
    });
    await fc.assert(
      fc.asyncProperty(shapes, async ({ rank, name, operators, ...shape }) => {
        const read = readers[name](shape.rows, shape.cols);
        const layer = layerOf(shape, rank);
        await expectSame(await store(read.build(weight("W", shape.rows, shape.cols).data), layer, operators), read);
      }),
      { numRuns: 60, seed: 20268 },
    );
  });
});
