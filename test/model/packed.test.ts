// Made for memory: weights as onnxruntime's own operators compute with them, never unpacked as a whole.
import { fromBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ModelProtoSchema } from "../../src/formats/onnx/onnx_pb.js";
import { createLoewner, type Loewner } from "../../src/index.js";
import { type BuiltModel, plain, randomFloats, weight } from "./onnx-models/cases.js";
import { gathers, type Reader, reader, readers, tied } from "./onnx-models/coded.js";
import { compress } from "./onnx-models/compressing.js";
import { floats, model, node, Type, value } from "./onnx-models/graph.js";
import { run } from "./onnx-models/session.js";
import { storedProduct } from "./onnx-models/stored.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner({ threads: 1 });
});
afterAll(() => loewner.dispose());

/** x W + b, W inputs x outputs, x with two dimensions before the last. */
const product = (inputs: number, outputs: number) =>
  reader(
    inputs,
    outputs,
    { x: randomFloats([2, 5, inputs]) },
    {
      nodes: [node("MatMul", ["x", "W"], ["y"])],
      inputs: [value("x", Type.float, ["batch", "sequence", inputs])],
      outputs: [value("y", Type.float, ["batch", "sequence", outputs])],
    },
  );

/** Gemm with a bias, W outputs x inputs. */
const biased = (outputs: number, inputs: number): Reader => ({
  inputs: { x: randomFloats([7, inputs]) },
  build: (data) =>
    plain(
      model({
        nodes: [node("Gemm", ["x", "W", "b"], ["y"], { attributes: { transB: 1 } })],
        initializers: [
          floats("W", [outputs, inputs], data),
          floats("b", [outputs], randomFloats([outputs]).data as Float32Array),
        ],
        inputs: [value("x", Type.float, ["n", inputs])],
        outputs: [value("y", Type.float, ["n", outputs])],
      }),
    ),
});

const cases: [string, Reader, [number, number], string[]][] = [
  ["more inputs than outputs", product(256, 96), [256, 96], ["MatMulNBits"]],
  ["more outputs than inputs", product(96, 256), [96, 256], ["MatMulNBits"]],
  ["as many", product(128, 128), [128, 128], ["MatMulNBits"]],
  ["Gemm with a bias", biased(160, 128), [160, 128], ["MatMulNBits"]],
  ["a head", readers["head of rank 3"](640, 64), [640, 64], ["MatMulNBits"]],
  ["a table", gathers["ids of rank 2"](640, 64), [640, 64], ["GatherBlockQuantized"]],
  ["a tied table", tied(640, 64), [640, 64], ["GatherBlockQuantized", "MatMulNBits"]],
];

const own = ({ bytes }: BuiltModel) =>
  [...new Set(fromBinary(ModelProtoSchema, bytes).graph!.node.map(({ opType }) => opType))].filter((name) =>
    /Block|NBits/.test(name),
  );

describe.each(cases)("%s", (_, read, [rows, cols], operators) => {
  test.each([0.16, 0.3])(
    "in a share of %f of its bytes, computed with as it lies, to what it decodes to",
    async (keep) => {
      const options = { layers: ["all"], type: "auto", purpose: "memory", operators: "onnxruntime", keep } as const;
      const small = await compress(loewner, read.build(weight("W", rows, cols).data), options);
      expect(small.report.layers).toHaveLength(1);
      expect(small.report.layers[0]).toMatchObject({ method: "dense", dtype: keep < 0.2 ? "int4" : "int8" });
      expect(own(small).sort()).toEqual(operators);
      const wanted = await run(read.build(storedProduct(small, "W")), read.inputs);
      const actual = await run(small, read.inputs);
      for (const [name, { dims, data }] of Object.entries(wanted)) {
        expect(actual[name].dims).toEqual(dims);
        const size = data.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
        const difference = data.reduce((most, x, i) => Math.max(most, Math.abs(x - actual[name].data[i])), 0);
        expect(difference).toBeLessThanOrEqual(2e-5 * size);
      }
    },
  );
});

test("of 8 bits, large ones are multiplied with in integers, for unpacking them at each run takes longer; answers differ by little", async () => {
  const [inputs, outputs] = [256, 512];
  const read = product(inputs, outputs);
  const options = { layers: ["all"], type: "auto", purpose: "memory", operators: "onnxruntime", keep: 0.3 } as const;
  const small = await compress(loewner, read.build(weight("W", inputs, outputs).data), options);
  const { node: nodes } = fromBinary(ModelProtoSchema, small.bytes).graph!;
  const { attribute } = nodes.find(({ opType }) => opType === "MatMulNBits")!;
  expect(Object.fromEntries(attribute.map(({ name, i }) => [name, Number(i)]))).toMatchObject({
    bits: 8,
    accuracy_level: 4,
  });
  const wanted = await run(read.build(storedProduct(small, "W")), read.inputs);
  const [one, other] = [wanted.y.data, (await run(small, read.inputs)).y.data];
  const squares = (x: ArrayLike<number>, y?: ArrayLike<number>) =>
    Array.from(x).reduce((sum, value, i) => sum + (value - (y?.[i] ?? 0)) ** 2, 0);
  expect(squares(one, other)).toBeLessThan(1e-4 * squares(one));
});
