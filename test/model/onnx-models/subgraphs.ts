// Weights that are read, or lie, inside the branches of If and the bodies of Loop.
import type { NodeProto, TensorProto } from "../../../src/formats/onnx/onnx_pb.js";
import { ids, type InputTensor, type OnnxCase, plain, randomFloats, weight, type Weight } from "./cases.js";
import { floats, graph, type ModelParts, model, node, tensor, Type, value } from "./graph.js";

const W = weight("W", 40, 24, 2);
const x = randomFloats([3, 40]);

function inside(
  name: string,
  inputs: Record<string, InputTensor>,
  parts: (data: Float32Array) => ModelParts,
  w: Weight = W,
): OnnxCase {
  const build = (data: Float32Array) => plain(model(parts(data)));
  return { name, weight: w, inputs, expect: "compressed", build };
}

const when = (condition: boolean): InputTensor => ({ type: "bool", dims: [], data: Uint8Array.of(Number(condition)) });
const condition = when(true);
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

const table = weight("W", 96, 16, 6);
/** A merged decoder: both branches look rows up and multiply with the table, the first by a Transpose of its own. */
const decoder = (data: Float32Array): ModelParts => {
  const logits = (name: string) => [value(name, Type.float, ["batch", "sequence", 96])];
  const first = graph({
    nodes: [
      node("Gather", ["W", "ids"], ["rows"], { name: "embedding" }),
      node("Tanh", ["rows"], ["hidden"]),
      node("Transpose", ["W"], ["turned"], { attributes: { perm: [1, 0] } }),
      node("MatMul", ["hidden", "turned"], ["logits"]),
    ],
    outputs: logits("logits"),
  });
  const second = graph({
    nodes: [
      node("Gather", ["W", "ids"], ["rows"], { name: "embedding" }),
      node("Relu", ["rows"], ["hidden"]),
      node("MatMul", ["hidden", "outer"], ["logits"]),
    ],
    outputs: logits("logits"),
  });
  return {
    nodes: [
      node("Transpose", ["W"], ["outer"], { attributes: { perm: [1, 0] } }),
      node("If", ["c"], ["y"], { attributes: { then_branch: first, else_branch: second } }),
    ],
    initializers: [floats("W", [96, 16], data)],
    inputs: [value("c", Type.bool, []), value("ids", Type.int64, ["batch", "sequence"])],
    outputs: logits("y"),
  };
};

/** A loop in a branch, and the weight read in it as a whole. */
const deep = (data: Float32Array): ModelParts => {
  const body = graph({
    nodes: [
      node("Identity", ["go"], ["go_on"]),
      node("MatMul", ["h", "W"], ["product"]),
      node("ReduceSum", ["W"], ["sum"], { attributes: { keepdims: 0 } }),
      node("Add", ["product", "sum"], ["h_out"]),
    ],
    inputs: [value("i", Type.int64, []), value("go", Type.bool, []), value("h", Type.float, [3, 24])],
    outputs: [value("go_on", Type.bool, []), value("h_out", Type.float, [3, 24])],
  });
  const then = graph({
    nodes: [node("Loop", ["three", "", "h"], ["last"], { attributes: { body } })],
    outputs: [value("last", Type.float, [3, 24])],
  });
  const otherwise = graph({ nodes: [node("Neg", ["h"], ["n"])], outputs: [value("n", Type.float, [3, 24])] });
  return {
    nodes: [node("If", ["c"], ["y"], { attributes: { then_branch: then, else_branch: otherwise } })],
    initializers: [floats("W", [24, 24], data), tensor("three", Type.int64, [], BigInt64Array.of(3n))],
    inputs: [value("c", Type.bool, []), value("h", Type.float, [3, 24])],
    outputs: [value("y", Type.float, [3, 24])],
  };
};

/** Two branches that call what they have by the same names, of which one reads its weight as a whole. */
const namesakes = (data: Float32Array): ModelParts => {
  const own = (nodes: NodeProto[], numbers: Float32Array) => branch(nodes, [floats("W", [40, 24], numbers)]);
  const product = node("MatMul", ["x", "W"], ["a"]);
  const sum = [node("ReduceSum", ["W"], ["sum"], { attributes: { keepdims: 0 } }), product];
  return {
    nodes: [
      node("If", ["c"], ["y"], {
        attributes: {
          then_branch: own([...sum, node("Add", ["a", "sum"], ["b"])], data),
          else_branch: own([product], weight("W", 40, 24, 5).data),
        },
      }),
    ],
    inputs: [value("c", Type.bool, []), value("x", Type.float, [3, 40])],
    outputs: [value("y", Type.float, [3, 24])],
  };
};

const ofTable = { ids: ids([2, 5], 96) };

export const subgraphCases: readonly OnnxCase[] = [
  inside("merged decoder, first branch", { c: when(true), ...ofTable }, decoder, table),
  inside("merged decoder, second branch", { c: when(false), ...ofTable }, decoder, table),
  inside("weight read as a whole in a Loop in an If", { c: condition, h: randomFloats([3, 24]) }, deep, square),
  inside("weights of one name in two branches, one read as a whole", { c: when(true), x }, namesakes),
  inside("weights of one name in two branches, the other", { c: when(false), x }, namesakes),
  inside("weight read inside an If", { c: condition, x }, (data) =>
    conditional(branch([node("MatMul", ["x", "W"], ["a"])]), data),
  ),
  inside("weight that is the result of a branch", { c: condition, x }, (data) =>
    conditional(branch([node("MatMul", ["x", "W"], ["a0"]), node("Relu", ["a0"], ["a"])]), data),
  ),
  inside("weight inside an If", { c: condition, x }, (data) =>
    conditional(branch([node("MatMul", ["x", "W"], ["a"])], [floats("W", [40, 24], data)])),
  ),
  inside("Constant inside an If", { c: condition, x }, (data) =>
    conditional(
      branch([
        node("Constant", [], ["W"], { attributes: { value: floats("", [40, 24], data) } }),
        node("MatMul", ["x", "W"], ["a"]),
      ]),
    ),
  ),
  inside(
    "weight read inside a Loop",
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
