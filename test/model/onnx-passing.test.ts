// Weights in other dimensions, or scaled, before something reads them: rows are looked up first, and scaled after.
import { fromBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ModelProtoSchema, type NodeProto } from "../../src/formats/onnx/onnx_pb.js";
import { createLoewner, type Loewner } from "../../src/index.js";
import type { CompressOptions } from "../../src/model/index.js";
import { type BuiltModel, ids, type InputTensor, plain, randomFloats, weight } from "./onnx-models/cases.js";
import { compress } from "./onnx-models/compressing.js";
import { floats, model, node, tensor, Type, value } from "./onnx-models/graph.js";
import { run } from "./onnx-models/session.js";
import { putBack } from "./onnx-models/stored.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner({ threads: 1 });
});
afterAll(() => loewner.dispose());

const [rows, cols] = [300, 24];
const y = ["y"];

interface Case {
  dims: number[];
  nodes: NodeProto[];
  inputs: Record<string, InputTensor>;
}

const looked = { ids: ids([2, 5], rows) };
const multiplied = { x: randomFloats([2, 3, cols], 3) };
const turned = { attributes: { perm: [1, 0] } };
const gather = (from: string) => node("Gather", [from, "ids"], y);
const cases: Record<string, Case> = {
  "a table times a number": { dims: [rows, cols], nodes: [node("Mul", ["W", "two"], ["v"]), gather("v")], inputs: looked }, // prettier-ignore
  "a number times a table": { dims: [rows, cols], nodes: [node("Mul", ["three", "W"], ["v"]), gather("v")], inputs: looked }, // prettier-ignore
  "a table, divided, and times a number": { dims: [rows, cols], nodes: [node("Div", ["W", "three"], ["u"]), node("Mul", ["u", "two"], ["v"]), gather("v")], inputs: looked }, // prettier-ignore
  "a table with a dimension of one": { dims: [1, rows, cols], nodes: [node("Squeeze", ["W"], ["v"]), gather("v")], inputs: looked }, // prettier-ignore
  "a table, flat and shaped again": { dims: [rows, cols], nodes: [node("Unsqueeze", ["W", "zero"], ["u"]), node("Reshape", ["u", "shape"], ["v"]), gather("v")], inputs: looked }, // prettier-ignore
  "a layer, scaled and turned": { dims: [rows, cols], nodes: [node("Mul", ["W", "two"], ["u"]), node("Transpose", ["u"], ["v"], turned), node("MatMul", ["x", "v"], y)], inputs: multiplied }, // prettier-ignore
  "a layer, turned and scaled": { dims: [rows, cols], nodes: [node("Transpose", ["W"], ["u"], turned), node("Div", ["u", "two"], ["v"]), node("MatMul", ["x", "v"], y)], inputs: multiplied }, // prettier-ignore
  "a layer in three dimensions, made two": { dims: [4, 6, rows], nodes: [node("Flatten", ["W"], ["v"], { attributes: { axis: 2 } }), node("MatMul", ["x", "v"], y)], inputs: multiplied }, // prettier-ignore
  "a layer that is scaled for Gemm, which adds what is not": { dims: [cols, rows], nodes: [node("Mul", ["W", "two"], ["v"]), node("Gemm", ["m", "v", "bias"], y, { attributes: { alpha: { float: 0.5 } } })], inputs: { m: randomFloats([4, cols], 3) } }, // prettier-ignore
};

function built({ dims, nodes, inputs }: Case): BuiltModel {
  const used = new Set(nodes.flatMap(({ input }) => input));
  const constants = [
    ...[floats("two", [], Float32Array.of(2.5)), floats("three", [1], Float32Array.of(-3))],
    ...[floats("bias", [rows], randomFloats([rows], 9).data as Float32Array)],
    ...[tensor("zero", Type.int64, [1], BigInt64Array.of(0n)), tensor("shape", Type.int64, [2], BigInt64Array.of(-1n, BigInt(cols)))], // prettier-ignore
  ];
  const { data } = dims[0] !== rows && dims[1] !== rows ? weight("W", cols, rows, 12) : weight("W", rows, cols, 12);
  return plain(
    model({
      nodes,
      initializers: [floats("W", dims, data), ...constants.filter(({ name }) => used.has(name))],
      inputs: Object.entries(inputs).map(([name, { dims: shape }]) =>
        value(name, name === "ids" ? Type.int64 : Type.float, [...shape]),
      ),
      outputs: [value("y", Type.float)],
    }),
  );
}

const ways: [string, CompressOptions][] = [
  ["factors", { rank: 7, type: "f32" }],
  ["factors in 8 bits", { rank: 6, type: "int8" }],
  ["factors in 4 bits, by onnxruntime's operators", { rank: 16, type: "int4", operators: "onnxruntime" }],
  ["transform codes", { keep: 0.5, type: "transform" }],
  ["trellis codes", { keep: 0.3, type: "trellis" }],
];

describe.each(ways)("%s", (way, options) => {
  test.each(Object.entries(cases))("%s", async (_, each) => {
    if (way === "trellis codes" && each.inputs === looked) return; // rows are read one by one
    const original = built(each);
    const small = await compress(loewner, original, { ...options, layers: ["W"] });
    expect(small.report.layers.map(({ name }) => name)).toEqual(["W"]);
    const [got, wanted] = [await run(small, each.inputs), await run(putBack(original, small), each.inputs)];
    expect(got.y.dims).toEqual(wanted.y.dims);
    const size = wanted.y.data.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    const difference = wanted.y.data.reduce((most, x, i) => Math.max(most, Math.abs(x - got.y.data[i])), 0);
    expect(difference).toBeLessThanOrEqual(2e-6 * size);
    // Nothing is left of what passed the weight on but the products with numbers, after the rows.
    const { node: nodes } = fromBinary(ModelProtoSchema, small.bytes).graph!;
    const isWhole = each.nodes.some(({ opType }) => opType === "Gemm");
    expect(nodes.flatMap(({ output }) => output).includes("W")).toBe(isWhole);
  });
});

test("numbers of more dimensions, or of another type, are not moved behind the product", async () => {
  const nodes = [node("Mul", ["W", "square"], ["v"]), gather("v")];
  const scalar = model({
    nodes,
    initializers: [floats("W", [rows, cols], weight("W", rows, cols, 12).data), floats("square", [1, 1], Float32Array.of(2))], // prettier-ignore
    inputs: [value("ids", Type.int64, [])],
    outputs: [value("y", Type.float)],
  });
  const small = await compress(loewner, plain(scalar), { rank: 7, layers: ["W"] });
  const feed = { ids: ids([], rows) };
  expect((await run(small, feed)).y.dims).toEqual((await run(plain(scalar), feed)).y.dims);
});
