// Weights that stay as they are, and why: quantised already, put out by the model, not read.
import type { NodeProto } from "../../../src/formats/onnx/onnx_pb.js";
import { ids, type InputTensor, type OnnxCase, plain, randomFloats, weight, type Weight } from "./cases.js";
import { floats, type ModelParts, model, node, tensor, Type, value } from "./graph.js";

const W = weight("W", 40, 24, 2);
const table = weight("W", 96, 16, 1);
const x = randomFloats([3, 40]);
const microsoft = "com.microsoft";

function skipped(
  name: string,
  reason: RegExp | undefined,
  inputs: Record<string, InputTensor>,
  parts: (data: Float32Array) => ModelParts | Uint8Array,
  w: Weight = W,
): OnnxCase {
  const build = (data: Float32Array) => {
    const made = parts(data);
    return plain(made instanceof Uint8Array ? made : model(made));
  };
  return { name, weight: w, inputs, expect: "skipped", reason, build };
}

/** y = x W, and what else is done with W. */
const layer = (data: Float32Array, nodes: NodeProto[], parts: Partial<ModelParts> = {}): ModelParts => ({
  nodes: [node("MatMul", ["x", "W"], ["y"], { name: "dense" }), ...nodes],
  initializers: [floats("W", [W.rows, W.cols], data), ...(parts.initializers ?? [])],
  inputs: [value("x", Type.float, [3, 40])],
  outputs: [value("y", Type.float, [3, 24]), ...(parts.outputs ?? [])],
});

const others: OnnxCase[] = [
  skipped("weight that is a graph output", /is an output of the model/, { x }, (data) =>
    layer(data, [], { outputs: [value("W", Type.float, [40, 24])] }),
  ),
  skipped("transposed weight that is a graph output", /is an output of the model/, { x }, (data) =>
    layer(data, [node("Transpose", ["W"], ["t"])], { outputs: [value("t", Type.float, [24, 40])] }),
  ),
  skipped("weight that nothing reads", /not read by any node/, { x }, (data) => ({
    nodes: [node("Neg", ["x"], ["y"])],
    initializers: [floats("W", [40, 24], data)],
    inputs: [value("x", Type.float, [3, 40])],
    outputs: [value("y", Type.float, [3, 40])],
  })),
];

const bytesOf = (n: number, seed: number) =>
  Uint8Array.from({ length: n }, (_, i) => (i * 37 + seed * 11 + (i >> 3)) & 255);
const int8 = (n: number) => new Int8Array(bytesOf(n, 1).buffer);
const scale = (name: string, n = 1) => floats(name, n === 1 ? [] : [n], new Float32Array(n).fill(0.02));
/** TensorProto.DataType of FLOAT8E4M3FN. */
const float8 = 17;
const zero = tensor("zero", Type.int8, [], Int8Array.of(0));

const quantised: OnnxCase[] = [
  skipped(
    "DequantizeLinear, then Gather",
    /quantised already/,
    { ids: ids([2, 5], 96) },
    () => ({
      nodes: [node("DequantizeLinear", ["W", "scale", "zero"], ["w"]), node("Gather", ["w", "ids"], ["y"])],
      initializers: [tensor("W", Type.int8, [96, 16], int8(1536)), scale("scale"), zero],
      inputs: [value("ids", Type.int64, [2, 5])],
      outputs: [value("y", Type.float, [2, 5, 16])],
    }),
    table,
  ),
  skipped("DequantizeLinear, then MatMul", /quantised already/, { x }, () => ({
    nodes: [node("DequantizeLinear", ["W", "scale", "zero"], ["w"]), node("MatMul", ["x", "w"], ["y"])],
    initializers: [tensor("W", Type.int8, [40, 24], int8(960)), scale("scale"), zero],
    inputs: [value("x", Type.float, [3, 40])],
    outputs: [value("y", Type.float, [3, 24])],
  })),
  skipped("QuantizeLinear and DequantizeLinear around a float weight", /quantised already/, { x }, (data) => ({
    nodes: [
      node("QuantizeLinear", ["W", "scale", "zero"], ["q"]),
      node("DequantizeLinear", ["q", "scale", "zero"], ["w"]),
      node("MatMul", ["x", "w"], ["y"]),
    ],
    initializers: [floats("W", [40, 24], data), scale("scale"), zero],
    inputs: [value("x", Type.float, [3, 40])],
    outputs: [value("y", Type.float, [3, 24])],
  })),
  skipped("floats of 8 bits, cast as they are read", /quantised already \(Cast\)/, { x }, () => ({
    nodes: [node("Cast", ["W"], ["w"], { attributes: { to: Type.float } }), node("MatMul", ["x", "w"], ["y"])],
    initializers: [
      tensor(
        "W",
        float8,
        [40, 24],
        bytesOf(960, 5).map((byte) => byte & 0x7b),
      ),
    ],
    ...{ inputs: [value("x", Type.float, [3, 40])], outputs: [value("y", Type.float, [3, 24])], opset: 19 },
  })),
  skipped("MatMulInteger", /quantised already/, { x: { type: "uint8", dims: [3, 40], data: bytesOf(120, 2) } }, () => ({
    nodes: [node("MatMulInteger", ["x", "W"], ["y"])],
    initializers: [tensor("W", Type.int8, [40, 24], int8(960))],
    inputs: [value("x", Type.uint8, [3, 40])],
    outputs: [value("y", Type.int32, [3, 24])],
  })),
  skipped("MatMulNBits", /quantised already/, { x }, () => ({
    nodes: [
      node("MatMulNBits", ["x", "W", "scales"], ["y"], {
        domain: microsoft,
        attributes: { K: 40, N: 24, bits: 4, block_size: 16 },
      }),
    ],
    initializers: [tensor("W", Type.uint8, [24, 3, 8], bytesOf(576, 3)), scale("scales", 72)],
    inputs: [value("x", Type.float, [3, 40])],
    outputs: [value("y", Type.float, [3, 24])],
    domains: { [microsoft]: 1 },
  })),
  skipped(
    "GatherBlockQuantized",
    /quantised already/,
    { ids: ids([2, 5], 96) },
    () => ({
      nodes: [
        node("GatherBlockQuantized", ["W", "ids", "scales"], ["y"], {
          domain: microsoft,
          attributes: { gather_axis: 0, quantize_axis: 1, block_size: 16, bits: 4 },
        }),
      ],
      initializers: [
        tensor("W", Type.uint8, [96, 8], bytesOf(768, 4)),
        floats("scales", [96, 1], new Float32Array(96).fill(0.1)),
      ],
      inputs: [value("ids", Type.int64, [2, 5])],
      outputs: [value("y", Type.float, [2, 5, 16])],
      domains: { [microsoft]: 1 },
    }),
    table,
  ),
];

export const skippedCases: readonly OnnxCase[] = [...others, ...quantised];
