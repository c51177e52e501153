// Fully connected layers: MatMul and Gemm with a constant side, in every form that exporters write.
import { type InputTensor, type OnnxCase, plain, randomFloats, weight } from "./cases.js";
import { floats, model, node, type NodeOptions, Type, value } from "./graph.js";

const W = weight("W", 40, 24, 2);
const tall = weight("W", 24, 40, 3);

/** x W or W x, whatever dimensions x has. */
function matmul(name: string, side: "left" | "right", given: InputTensor, out: number[], w = W, opset = 17): OnnxCase {
  return {
    ...{ name, weight: w, inputs: { x: given }, expect: "compressed" },
    build: (data) =>
      plain(
        model({
          nodes: [node("MatMul", side === "right" ? ["x", "W"] : ["W", "x"], ["y"], { name: "dense" })],
          initializers: [floats("W", [w.rows, w.cols], data)],
          inputs: [value("x", Type.float, [...given.dims])],
          outputs: [value("y", Type.float, out)],
          opset,
        }),
      ),
  };
}

/** x W' with a Transpose, or other steps, between the weight and its use. */
function through(name: string, steps: [string, NodeOptions?][], given: InputTensor, out: number[]): OnnxCase {
  const nodes = steps.map(([op, options], i) =>
    node(op, [i ? `w${i}` : "W"], [`w${i + 1}`], { name: `step${i}`, ...options }),
  );
  return {
    ...{ name, weight: W, inputs: { x: given }, expect: "compressed" },
    build: (data) =>
      plain(
        model({
          nodes: [...nodes, node("MatMul", ["x", `w${steps.length}`], ["y"], { name: "dense" })],
          initializers: [floats("W", [W.rows, W.cols], data)],
          inputs: [value("x", Type.float, [...given.dims])],
          outputs: [value("y", Type.float, out)],
        }),
      ),
  };
}

const swap: NodeOptions = { attributes: { perm: [1, 0] } };

const matmuls: OnnxCase[] = [
  matmul("MatMul, constant right", "right", randomFloats([3, 40]), [3, 24]),
  matmul("MatMul, constant right, wide weight", "right", randomFloats([3, 24]), [3, 40], tall),
  matmul("MatMul, constant right, x of rank 1", "right", randomFloats([40]), [24]),
  matmul("MatMul, constant right, x of rank 3", "right", randomFloats([2, 5, 40]), [2, 5, 24]),
  matmul("MatMul, constant right, x of rank 4", "right", randomFloats([2, 3, 2, 40]), [2, 3, 2, 24]),
  matmul("MatMul, constant left", "left", randomFloats([24, 3]), [40, 3]),
  matmul("MatMul, constant left, wide weight", "left", randomFloats([40, 3]), [24, 3], tall),
  matmul("MatMul, constant left, x of rank 1", "left", randomFloats([24]), [40]),
  matmul("MatMul, constant left, batched x", "left", randomFloats([5, 24, 3]), [5, 40, 3]),
  matmul("MatMul, nothing in the batch", "right", randomFloats([0, 40]), [0, 24]),
  matmul("MatMul, odd sizes", "right", randomFloats([3, 37]), [3, 21], weight("W", 37, 21, 18)),
  matmul("MatMul, odd sizes, wide weight", "right", randomFloats([3, 21]), [3, 37], weight("W", 21, 37, 19)),
  matmul("MatMul, opset 11", "right", randomFloats([3, 40]), [3, 24], W, 11),
  matmul("MatMul, opset 21", "right", randomFloats([3, 40]), [3, 24], W, 21),
];

const between: OnnxCase[] = [
  through("MatMul, Transpose between", [["Transpose", swap]], randomFloats([3, 24]), [3, 40]),
  through("MatMul, Transpose without perm between", [["Transpose"]], randomFloats([3, 24]), [3, 40]),
  through("MatMul, Transpose between, x of rank 1", [["Transpose", swap]], randomFloats([24]), [40]),
  through("MatMul, Transpose between, x of rank 3", [["Transpose", swap]], randomFloats([2, 5, 24]), [2, 5, 40]),
  through("MatMul, two Transposes between", [["Transpose", swap], ["Transpose"]], randomFloats([3, 40]), [3, 24]),
  through(
    "MatMul, Transpose that keeps the order",
    [["Transpose", { attributes: { perm: [0, 1] } }]],
    randomFloats([3, 40]),
    [3, 24],
  ),
  through("MatMul, Identity between", [["Identity"]], randomFloats([3, 40]), [3, 24]),
  through(
    "MatMul, Identity and Transpose between",
    [["Identity"], ["Transpose", swap], ["Identity"]],
    randomFloats([3, 24]),
    [3, 40],
  ),
];

const leftTransposed: OnnxCase = {
  ...{
    name: "MatMul, Transpose of a constant left side",
    weight: W,
    inputs: { x: randomFloats([40, 3]) },
    expect: "compressed",
  },
  build: (data) =>
    plain(
      model({
        nodes: [node("Transpose", ["W"], ["t"], swap), node("MatMul", ["t", "x"], ["y"])],
        initializers: [floats("W", [W.rows, W.cols], data)],
        inputs: [value("x", Type.float, [40, 3])],
        outputs: [value("y", Type.float, [24, 3])],
      }),
    ),
};

const constantNode: OnnxCase = {
  ...{
    name: "MatMul, weight in a Constant node",
    weight: W,
    inputs: { x: randomFloats([3, 40]) },
    expect: "compressed",
  },
  build: (data) =>
    plain(
      model({
        nodes: [
          node("Constant", [], ["W"], { attributes: { value: floats("", [W.rows, W.cols], data) } }),
          node("MatMul", ["x", "W"], ["y"]),
        ],
        inputs: [value("x", Type.float, ["n", 40])],
        outputs: [value("y", Type.float, ["n", 24])],
      }),
    ),
};

/** Two layers that share one weight, one of them reading it transposed. */
const shared: OnnxCase = {
  ...{ name: "MatMul, one weight read by two", weight: W, inputs: { x: randomFloats([3, 40]) }, expect: "compressed" },
  build: (data) =>
    plain(
      model({
        nodes: [
          node("MatMul", ["x", "W"], ["h"]),
          node("Transpose", ["W"], ["t"], swap),
          node("MatMul", ["h", "t"], ["y"]),
        ],
        initializers: [floats("W", [W.rows, W.cols], data)],
        inputs: [value("x", Type.float, [3, 40])],
        outputs: [value("h", Type.float, [3, 24]), value("y", Type.float, [3, 40])],
      }),
    ),
};

interface GemmOptions {
  transA?: number;
  transB?: number;
  alpha?: number;
  beta?: number;
  bias?: number[];
}

/** With the weight as B (or, `side` left, as A); its shape follows from the flags, so that every case multiplies the same sizes. */
function gemm(side: "left" | "right", { transA = 0, transB = 0, alpha, beta, bias }: GemmOptions): OnnxCase {
  const [m, k, n] = side === "right" ? [5, 40, 24] : [40, 24, 5];
  const a = transA ? [k, m] : [m, k];
  const b = transB ? [n, k] : [k, n];
  const [rows, cols] = side === "right" ? b : a;
  const w = weight("W", rows, cols, 4);
  const xDims = side === "right" ? a : b;
  const flags = [transA && "transA", transB && "transB", alpha && `alpha ${alpha}`, beta && `beta ${beta}`];
  const told = [...flags.filter(Boolean), bias ? `bias [${bias.join(", ")}]` : "no bias"];
  const attributes = {
    transA,
    transB,
    ...(alpha && { alpha: { float: alpha } }),
    ...(beta && { beta: { float: beta } }),
  };
  const C = bias && randomFloats(bias, 11).data;
  return {
    ...{
      name: `Gemm, constant ${side}, ${told.join(", ")}`,
      weight: w,
      inputs: { x: randomFloats(xDims) },
      expect: "compressed",
    },
    build: (data) =>
      plain(
        model({
          nodes: [
            node("Gemm", [...(side === "right" ? ["x", "W"] : ["W", "x"]), ...(bias ? ["C"] : [])], ["y"], {
              ...{ name: "dense", attributes },
            }),
          ],
          initializers: [floats("W", [rows, cols], data), ...(C ? [floats("C", bias, C as Float32Array)] : [])],
          inputs: [value("x", Type.float, xDims)],
          outputs: [value("y", Type.float, [m, n])],
        }),
      ),
  };
}

const flags = [0, 1];
const gemms: OnnxCase[] = (["left", "right"] as const).flatMap((side) => [
  ...flags.flatMap((transA) =>
    flags.map((transB) => gemm(side, { transA, transB, bias: [side === "right" ? 24 : 5] })),
  ),
  ...flags.map((transB) => gemm(side, { transB })),
  gemm(side, { transB: 1, alpha: 0.5, beta: 2, bias: [1] }),
  gemm(side, { transA: 1, alpha: -1.5, bias: side === "right" ? [5, 24] : [40, 5] }),
  gemm(side, { alpha: 3, bias: side === "right" ? [5, 1] : [40, 1] }),
]);

/** The layers of two matrices that meet: the product of two constants, and what is made of it. */
const bothSides: OnnxCase = {
  ...{
    name: "MatMul, constants on both sides",
    others: true,
    weight: W,
    inputs: { x: randomFloats([30]) },
    expect: "compressed",
  },
  build: (data) =>
    plain(
      model({
        nodes: [node("MatMul", ["W", "V"], ["h"], { name: "constants" }), node("MatMul", ["h", "x"], ["y"])],
        initializers: [floats("W", [W.rows, W.cols], data), floats("V", [24, 30], weight("V", 24, 30, 9).data)],
        inputs: [value("x", Type.float, [30])],
        outputs: [value("y", Type.float, [40])],
      }),
    ),
};

/** A chain as of a feed-forward block: the second layer stays when only W is named. */
const chain: OnnxCase = {
  ...{ name: "Gemm, Relu, Gemm", others: true, weight: W, inputs: { x: randomFloats([3, 40]) }, expect: "compressed" },
  build: (data) =>
    plain(
      model({
        nodes: [
          node("Gemm", ["x", "W", "b"], ["h"], { name: "up" }),
          node("Relu", ["h"], ["r"]),
          node("Gemm", ["r", "V"], ["y"], { name: "down", attributes: { transB: 1 } }),
        ],
        initializers: [
          floats("W", [W.rows, W.cols], data),
          floats("V", [10, 24], weight("V", 10, 24, 9).data),
          floats("b", [24], randomFloats([24], 12).data as Float32Array),
        ],
        inputs: [value("x", Type.float, [3, 40])],
        outputs: [value("y", Type.float, [3, 10])],
        valueInfo: [value("h", Type.float, [3, 24]), value("r", Type.float, [3, 24])],
      }),
    ),
};

export const productCases: readonly OnnxCase[] = [
  ...matmuls,
  ...between,
  ...[leftTransposed, constantNode, shared],
  ...gemms,
  ...[bothSides, chain],
];
