// Weights that stay as they are, and why: quantised, fused, read by something that takes no factors, inside a subgraph.
import type { NodeProto, TensorProto } from "../../../src/formats/onnx/onnx_pb.js";
import { ids, type InputTensor, type OnnxCase, plain, randomFloats, weight, type Weight } from "./cases.js";
import { floats, functionField, graph, type ModelParts, model, node, tensor, Type, value } from "./graph.js";

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
  skipped("weight read by Add as well", /read by Add "regulariser"/, { x }, (data) =>
    layer(data, [node("Add", ["W", "one"], ["z"], { name: "regulariser" })], {
      initializers: [floats("one", [1], Float32Array.of(1))],
      outputs: [value("z", Type.float, [40, 24])],
    }),
  ),
  skipped("weight read by Reshape as well", /read by Reshape/, { x }, (data) =>
    layer(data, [node("Reshape", ["W", "shape"], ["z"])], {
      initializers: [tensor("shape", Type.int64, [1], BigInt64Array.of(-1n))],
      outputs: [value("z", Type.float, [960])],
    }),
  ),
  skipped("weight that is a graph output", /is an output of the model/, { x }, (data) =>
    layer(data, [], { outputs: [value("W", Type.float, [40, 24])] }),
  ),
  skipped("transposed weight that is a graph output", /is an output of the model/, { x }, (data) =>
    layer(data, [node("Transpose", ["W"], ["t"])], { outputs: [value("t", Type.float, [24, 40])] }),
  ),
  skipped("weight as the bias of Gemm", /bias of Gemm/, { x: randomFloats([40, 3]) }, (data) => ({
    nodes: [node("Gemm", ["x", "V", "W"], ["y"], { name: "dense" })],
    initializers: [floats("W", [40, 24], data), floats("V", [3, 24], weight("V", 3, 24, 9).data)],
    inputs: [value("x", Type.float, [40, 3])],
    outputs: [value("y", Type.float, [40, 24])],
  })),
  skipped("weight times its own transpose", /both sides of MatMul/, { x }, (data) =>
    layer(data, [node("Transpose", ["W"], ["t"]), node("MatMul", ["W", "t"], ["z"], { name: "gram" })], {
      outputs: [value("z", Type.float, [40, 40])],
    }),
  ),
  skipped(
    "table transposed before Gather",
    /transposed before Gather/,
    { ids: ids([3], 16) },
    (data) => ({
      nodes: [node("Transpose", ["W"], ["t"]), node("Gather", ["t", "ids"], ["y"])],
      initializers: [floats("W", [96, 16], data)],
      inputs: [value("ids", Type.int64, [3])],
      outputs: [value("y", Type.float, [3, 96])],
    }),
    table,
  ),
  skipped("weight that nothing reads", /not read by any node/, { x }, (data) => ({
    nodes: [node("Neg", ["x"], ["y"])],
    initializers: [floats("W", [40, 24], data)],
    inputs: [value("x", Type.float, [3, 40])],
    outputs: [value("y", Type.float, [3, 40])],
  })),
  skipped("weight in the model's own function", /own function mine\.Dense/, { x }, (data) => {
    const bytes = model({
      nodes: [node("Dense", ["x", "W"], ["y"], { domain: "mine" })],
      initializers: [floats("W", [40, 24], data)],
      inputs: [value("x", Type.float, [3, 40])],
      outputs: [value("y", Type.float, [3, 24])],
      domains: { mine: 1 },
    });
    const dense = functionField(
      { domain: "mine", name: "Dense" },
      ["a", "b"],
      ["c"],
      [node("MatMul", ["a", "b"], ["c"])],
    );
    return Uint8Array.of(...bytes, ...dense);
  }),
];

const condition: InputTensor = { type: "bool", dims: [], data: Uint8Array.of(1) };
const branch = (nodes: NodeProto[], initializers: TensorProto[] = []) =>
  graph({ nodes, initializers, outputs: [value(nodes.at(-1)!.output[0], Type.float, [3, 24])] });
const conditional = (thenBranch: ReturnType<typeof branch>, data?: Float32Array): ModelParts => ({
  nodes: [
    node("If", ["c"], ["y"], {
      name: "choice",
      attributes: { then_branch: thenBranch, else_branch: branch([node("MatMul", ["x", "zero"], ["b"])]) },
    }),
  ],
  initializers: [floats("zero", [40, 24], new Float32Array(960)), ...(data ? [floats("W", [40, 24], data)] : [])],
  inputs: [value("c", Type.bool, []), value("x", Type.float, [3, 40])],
  outputs: [value("y", Type.float, [3, 24])],
});

const loop = graph({
  nodes: [node("Identity", ["go"], ["go_on"]), node("MatMul", ["h", "W"], ["h_out"])],
  inputs: [value("i", Type.int64, []), value("go", Type.bool, []), value("h", Type.float, [3, 24])],
  outputs: [value("go_on", Type.bool, []), value("h_out", Type.float, [3, 24])],
});
const square = weight("W", 24, 24, 13);

const subgraphs: OnnxCase[] = [
  skipped("weight read inside an If", /inside a subgraph of If "choice"/, { c: condition, x }, (data) =>
    conditional(branch([node("MatMul", ["x", "W"], ["a"])]), data),
  ),
  skipped("weight that is the result of a branch", /inside a subgraph of If "choice"/, { c: condition, x }, (data) =>
    conditional(branch([node("MatMul", ["x", "W"], ["a0"]), node("Relu", ["a0"], ["a"])]), data),
  ),
  skipped("weight inside an If", /inside a subgraph of If "choice"/, { c: condition, x }, (data) =>
    conditional(branch([node("MatMul", ["x", "W"], ["a"])], [floats("W", [40, 24], data)])),
  ),
  skipped(
    "Constant inside an If",
    /inside a subgraph of If "choice"/,
    { c: condition, x },
    (data) =>
      conditional(
        branch([
          node("Constant", [], ["W"], { attributes: { value: floats("", [40, 24], data) } }),
          node("MatMul", ["x", "W"], ["a"]),
        ]),
      ),
    weight('a constant in If "choice"', 40, 24, 2),
  ),
  skipped(
    "weight read inside a Loop",
    /inside a subgraph of Loop "steps"/,
    { h: randomFloats([3, 24]) },
    (data) => ({
      nodes: [node("Loop", ["three", "", "h"], ["y"], { name: "steps", attributes: { body: loop } })],
      initializers: [floats("W", [24, 24], data), tensor("three", Type.int64, [], BigInt64Array.of(3n))],
      inputs: [value("h", Type.float, [3, 24])],
      outputs: [value("y", Type.float, [3, 24])],
    }),
    square,
  ),
];

const bytesOf = (n: number, seed: number) =>
  Uint8Array.from({ length: n }, (_, i) => (i * 37 + seed * 11 + (i >> 3)) & 255);
const int8 = (n: number) => new Int8Array(bytesOf(n, 1).buffer);
const scale = (name: string, n = 1) => floats(name, n === 1 ? [] : [n], new Float32Array(n).fill(0.02));
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

const fused: OnnxCase[] = [
  skipped(
    "EmbedLayerNormalization",
    /fused operator com\.microsoft\.EmbedLayerNormalization/,
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
  skipped(
    "Attention",
    /fused operator com\.microsoft\.Attention/,
    { h: randomFloats([2, 5, 16]) },
    (data) => ({
      nodes: [node("Attention", ["h", "W", "b"], ["y"], { domain: microsoft, attributes: { num_heads: 2 } })],
      initializers: [floats("W", [16, 48], data), floats("b", [48], new Float32Array(48))],
      inputs: [value("h", Type.float, [2, 5, 16])],
      outputs: [value("y", Type.float, [2, 5, 16])],
      domains: { [microsoft]: 1 },
    }),
    weight("W", 16, 48, 14),
  ),
];

/** Weights of other shapes: no layers, so not in any list. */
const otherShapes: OnnxCase[] = [
  skipped(
    "Conv",
    undefined,
    { x: randomFloats([1, 3, 6, 6]) },
    (data) => ({
      nodes: [node("Conv", ["x", "W"], ["y"])],
      initializers: [floats("W", [4, 3, 3, 3], data)],
      inputs: [value("x", Type.float, [1, 3, 6, 6])],
      outputs: [value("y", Type.float, [1, 4, 4, 4])],
    }),
    weight("W", 4, 27, 15),
  ),
  skipped(
    "LSTM",
    undefined,
    { x: randomFloats([4, 2, 6]) },
    (data) => ({
      nodes: [node("LSTM", ["x", "W", "R"], ["y"], { attributes: { hidden_size: 5 } })],
      initializers: [floats("W", [1, 20, 6], data), floats("R", [1, 20, 5], weight("R", 20, 5, 9).data)],
      inputs: [value("x", Type.float, [4, 2, 6])],
      outputs: [value("y", Type.float, [4, 1, 2, 5])],
    }),
    weight("W", 20, 6, 16),
  ),
  skipped("batched MatMul weight of rank 3", undefined, { x: randomFloats([2, 3, 20]) }, (data) => ({
    nodes: [node("MatMul", ["x", "W"], ["y"])],
    initializers: [floats("W", [2, 20, 24], data)],
    inputs: [value("x", Type.float, [2, 3, 20])],
    outputs: [value("y", Type.float, [2, 3, 24])],
  })),
];

export const skippedCases: readonly OnnxCase[] = [...others, ...subgraphs, ...quantised, ...fused, ...otherShapes];
