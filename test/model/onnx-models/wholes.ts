// Weights that something reads as a whole: operators that take no rows of them and do not multiply, fused ones; of any shape.
import type { NodeProto } from "../../../src/formats/onnx/onnx_pb.js";
import { ids, type InputTensor, type OnnxCase, plain, randomFloats, weight, type Weight } from "./cases.js";
import { floats, type ModelParts, model, node, tensor, Type, value } from "./graph.js";

const W = weight("W", 40, 24, 2);
const table = weight("W", 96, 16, 1);
const x = randomFloats([3, 40]);
const microsoft = "com.microsoft";

function whole(
  name: string,
  inputs: Record<string, InputTensor>,
  parts: (data: Float32Array) => ModelParts,
  w: Weight = W,
): OnnxCase {
  return { name, weight: w, inputs, expect: "compressed", build: (data) => plain(model(parts(data))) };
}

/** y = x W, and what else is done with W. */
const layer = (data: Float32Array, nodes: NodeProto[], parts: Partial<ModelParts> = {}): ModelParts => ({
  nodes: [node("MatMul", ["x", "W"], ["y"], { name: "dense" }), ...nodes],
  initializers: [floats("W", [W.rows, W.cols], data), ...(parts.initializers ?? [])],
  inputs: [value("x", Type.float, [3, 40])],
  outputs: [value("y", Type.float, [3, 24]), ...(parts.outputs ?? [])],
});

export const wholeCases: readonly OnnxCase[] = [
  whole("weight read by Add as well", { x }, (data) =>
    layer(data, [node("Add", ["W", "one"], ["z"], { name: "regulariser" })], {
      initializers: [floats("one", [1], Float32Array.of(1))],
      outputs: [value("z", Type.float, [40, 24])],
    }),
  ),
  whole("weight read by Reshape as well", { x }, (data) =>
    layer(data, [node("Reshape", ["W", "shape"], ["z"])], {
      initializers: [tensor("shape", Type.int64, [1], BigInt64Array.of(-1n))],
      outputs: [value("z", Type.float, [960])],
    }),
  ),
  whole("weight as the bias of Gemm", { x: randomFloats([40, 3]) }, (data) => ({
    nodes: [node("Gemm", ["x", "V", "W"], ["y"], { name: "dense" })],
    initializers: [floats("W", [40, 24], data), floats("V", [3, 24], weight("V", 3, 24, 9).data)],
    inputs: [value("x", Type.float, [40, 3])],
    outputs: [value("y", Type.float, [40, 24])],
  })),
  whole("weight times its own transpose", { x }, (data) =>
    layer(data, [node("Transpose", ["W"], ["t"]), node("MatMul", ["W", "t"], ["z"], { name: "gram" })], {
      outputs: [value("z", Type.float, [40, 40])],
    }),
  ),
  whole(
    "table looked into by its rows and by its columns",
    { ids: ids([3], 16), rows: ids([2, 5], 96) },
    (data) => ({
      nodes: [
        node("Gather", ["W", "rows"], ["z"]),
        node("Transpose", ["W"], ["t"]),
        node("Gather", ["t", "ids"], ["y"]),
      ],
      initializers: [floats("W", [96, 16], data)],
      inputs: [value("ids", Type.int64, [3]), value("rows", Type.int64, [2, 5])],
      outputs: [value("y", Type.float, [3, 96]), value("z", Type.float, [2, 5, 16])],
    }),
    table,
  ),
  whole(
    "EmbedLayerNormalization",
    { ids: ids([2, 5], 96, "int32") },
    (data) => ({
      nodes: [
        node("EmbedLayerNormalization", ["ids", "", "W", "positions", "", "gamma", "beta"], ["y", "mask"], {
          domain: microsoft,
        }),
      ],
      initializers: [
        floats("W", [96, 16], data),
        floats("positions", [8, 16], weight("positions", 8, 16, 9).data),
        floats("gamma", [16], new Float32Array(16).fill(1)),
        floats("beta", [16], new Float32Array(16)),
      ],
      inputs: [value("ids", Type.int32, [2, 5])],
      outputs: [value("y", Type.float, [2, 5, 16])],
      domains: { [microsoft]: 1 },
    }),
    table,
  ),
  whole(
    "EmbedLayerNormalization with segments, a mask and positions, and all that it puts out",
    {
      ids: ids([2, 5], 96, "int32"),
      segments: ids([2, 5], 2, "int32"),
      mask: { type: "int32", dims: [2, 5], data: Int32Array.of(1, 1, 1, 0, 0, 1, 1, 1, 1, 0) },
      places: ids([2, 5], 8, "int32"),
    },
    (data) => ({
      nodes: [
        node(
          "EmbedLayerNormalization",
          ["ids", "segments", "W", "positions", "kinds", "gamma", "beta", "mask", "places"],
          ["y", "count", "sum"],
          { domain: microsoft, attributes: { epsilon: { float: 1e-3 } } },
        ),
      ],
      initializers: [
        floats("W", [96, 16], data),
        floats("positions", [8, 16], weight("positions", 8, 16, 9).data),
        floats("kinds", [2, 16], weight("kinds", 2, 16, 10).data),
        floats("gamma", [16], weight("gamma", 2, 8, 11).data),
        floats("beta", [16], weight("beta", 2, 8, 12).data),
      ],
      inputs: ["ids", "segments", "mask", "places"].map((name) => value(name, Type.int32, [2, 5])),
      outputs: [
        value("y", Type.float, [2, 5, 16]),
        value("count", Type.int32, [2]),
        value("sum", Type.float, [2, 5, 16]),
      ],
      domains: { [microsoft]: 1 },
    }),
    table,
  ),
  whole(
    "Conv",
    { x: randomFloats([1, 3, 6, 6]) },
    (data) => ({
      nodes: [node("Conv", ["x", "W"], ["y"])],
      initializers: [floats("W", [16, 3, 3, 3], data)],
      inputs: [value("x", Type.float, [1, 3, 6, 6])],
      outputs: [value("y", Type.float, [1, 16, 4, 4])],
    }),
    weight("W", 16, 27, 15),
  ),
  whole(
    "LSTM",
    { x: randomFloats([4, 2, 16]) },
    (data) => ({
      nodes: [node("LSTM", ["x", "W", "R"], ["y"], { attributes: { hidden_size: 8 } })],
      initializers: [floats("W", [1, 32, 16], data), floats("R", [1, 32, 8], weight("R", 32, 8, 9).data)],
      inputs: [value("x", Type.float, [4, 2, 16])],
      outputs: [value("y", Type.float, [4, 1, 2, 8])],
    }),
    weight("W", 32, 16, 16),
  ),
  whole("batched MatMul weight of rank 3", { x: randomFloats([2, 3, 20]) }, (data) => ({
    nodes: [node("MatMul", ["x", "W"], ["y"])],
    initializers: [floats("W", [2, 20, 24], data)],
    inputs: [value("x", Type.float, [2, 3, 20])],
    outputs: [value("y", Type.float, [2, 3, 24])],
  })),
];
