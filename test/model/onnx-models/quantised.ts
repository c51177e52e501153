// A weight in codes, in each form that operators have, and the float model that it stands for.
import type { NodeProto, TensorProto } from "../../../src/formats/onnx/onnx_pb.js";
import { ids, type InputTensor, randomFloats } from "./cases.js";
import { floats, graph, type ModelParts, model, node, tensor, Type, value } from "./graph.js";

const microsoft = "com.microsoft";
export const [rows, cols] = [96, 32];
const block = 16;
const groups = cols / block;

export interface QuantisedForm {
  readonly name: string;
  /** Of the layer. */
  readonly layer: string;
  readonly operator: string;
  /** What the codes stand for, as `shape` of the tensor. */
  readonly numbers: Float32Array;
  readonly shape: readonly [number, number];
  readonly inputs: Readonly<Record<string, InputTensor>>;
  readonly bytes: Uint8Array;
  /** The model in floats, with these numbers as its weight. */
  inFloats(numbers: Float32Array): Uint8Array;
}

/** Codes of `bits`: every one of them, with no pattern that a low rank could hold. */
const codeAt = (bits: number) => (i: number) => ((i * 37 + (i >> 5) * 101 + (i >> 3)) >>> 0) % 2 ** bits;
const list = (n: number, at: (i: number) => number) => Array.from({ length: n }, (_, i) => at(i));
const scaleAt = (i: number) => Math.fround(0.01 + 0.001 * (i % 13));
const packed = (codes: number[], bits: number) =>
  Uint8Array.from({ length: (codes.length * bits) / 8 }, (_, b) => {
    const each = 8 / bits;
    return codes.slice(b * each, (b + 1) * each).reduce((byte, code, i) => byte | (code << (bits * i)), 0);
  });

const all = rows * cols;
const bytes = list(all, codeAt(8));
const nibbles = list(all, codeAt(4));
const u8 = (name: string, dims: number[], codes: number[]) => tensor(name, Type.uint8, dims, Uint8Array.from(codes));
const i8 = (name: string, dims: number[], codes: number[]) => tensor(name, Type.int8, dims, Int8Array.from(codes));
const scales = (name: string, dims: number[]) =>
  floats(
    name,
    dims,
    Float32Array.from(
      list(
        dims.reduce((n, d) => n * d, 1),
        scaleAt,
      ),
    ),
  );
const int8 = bytes.map((code) => code - 128);
const make = (at: (i: number, j: number) => number) =>
  Float32Array.from({ length: all }, (_, n) => at(Math.floor(n / cols), n % cols));

const lookInputs = { ids: ids([2, 5], rows) };
const look = { inputs: [value("ids", Type.int64, [2, 5])], outputs: [value("y", Type.float, [2, 5, cols])] };
const xInputs = { x: randomFloats([3, rows]) };
const times = { inputs: [value("x", Type.float, [3, rows])], outputs: [value("y", Type.float, [3, cols])] };
const turnedInputs = { x: randomFloats([3, cols]) };
const timesTurned = { inputs: [value("x", Type.float, [3, cols])], outputs: [value("y", Type.float, [3, rows])] };
const bias = (n: number) => floats("bias", [n], Float32Array.from(list(n, (i) => i / n)));

type Floats = (w: TensorProto) => ModelParts;
const gathered: Floats = (w) => ({ ...look, nodes: [node("Gather", ["W", "ids"], ["y"])], initializers: [w] });
const multiplied: Floats = (w) => ({ ...times, nodes: [node("MatMul", ["x", "W"], ["y"])], initializers: [w] });
const withBias = (parts: ModelParts, n: number): ModelParts => ({
  ...parts,
  nodes: [
    ...parts.nodes!.slice(0, -1),
    node("MatMul", parts.nodes!.at(-1)!.input, ["p"]),
    node("Add", ["p", "bias"], ["y"]),
  ],
  initializers: [...parts.initializers!, bias(n)],
});
const turned: Floats = (w) => ({
  ...timesTurned,
  nodes: [node("Transpose", ["W"], ["t"], { attributes: { perm: [1, 0] } }), node("MatMul", ["x", "t"], ["y"])],
  initializers: [w],
});

function form(
  [name, operator, layer]: [string, string, string],
  at: (i: number, j: number) => number,
  parts: ModelParts & { feed: QuantisedForm["inputs"] },
  plain: Floats,
): QuantisedForm {
  const { feed: inputs, ...rest } = parts;
  return {
    ...{ name, operator, layer, numbers: make(at), shape: [rows, cols], inputs },
    bytes: model({ opset: 21, irVersion: 10, domains: { [microsoft]: 1 }, ...rest }),
    inFloats: (numbers) => model({ opset: 21, irVersion: 10, ...plain(floats("W", [rows, cols], numbers)) }),
  };
}

const product = (a: number, b: number) => Math.fround(a * b);
const code = (i: number, j: number) => bytes[i * cols + j];
const nibble = (i: number, j: number) => nibbles[i * cols + j];
const dequantise = (inputs: string[], attributes = {}, outputs = ["W"]) =>
  node("DequantizeLinear", inputs, outputs, { attributes });
const contrib = (opType: string, inputs: string[], attributes = {}): NodeProto =>
  node(opType, inputs, ["y"], { domain: microsoft, attributes });
const dynamic = [
  node("DynamicQuantizeLinear", ["x"], ["q", "qs", "qz"]),
  node("Mul", ["qs", "s"], ["ss"]),
  node("MatMulInteger", ["q", "Q", "qz", "z"], ["i"]),
  node("Cast", ["i"], ["c"], { attributes: { to: 1 } }),
  node("Mul", ["c", "ss"], ["y"]),
];
const scale0 = floats("s", [], Float32Array.of(scaleAt(0)));
const zero = u8("z", [], [120]);
const inRows = { bits: 4, block_size: block };
const blocked = packed(nibbles, 4);
const blockScale = (i: number, j: number) => scaleAt(i * groups + Math.floor(j / block));
const zeros = list(rows * groups, codeAt(4));

export const quantisedForms: readonly QuantisedForm[] = [
  form(
    ["DequantizeLinear with a scale a row, then Gather", "DequantizeLinear", "W"],
    (i, j) => product(code(i, j) - 128, scaleAt(i)),
    {
      ...{ ...look, feed: lookInputs, initializers: [i8("Q", [rows, cols], int8), scales("s", [rows])] },
      nodes: [dequantise(["Q", "s"], { axis: 0 }), node("Gather", ["W", "ids"], ["y"])],
    },
    gathered,
  ),
  form(
    ["DequantizeLinear with a scale a column, the last axis", "DequantizeLinear", "W"],
    (i, j) => product(code(i, j) - 128, scaleAt(j)),
    {
      ...{ ...times, feed: xInputs, initializers: [i8("Q", [rows, cols], int8), scales("s", [cols])] },
      nodes: [dequantise(["Q", "s"], { axis: -1 }), node("MatMul", ["x", "W"], ["y"])],
    },
    multiplied,
  ),
  form(
    ["DequantizeLinear in blocks of rows, of 4 bits", "DequantizeLinear", "W"],
    (i, j) => product(nibble(i, j) - (nibble(i, j) > 7 ? 16 : 0), scaleAt(Math.floor(i / block) * cols + j)),
    {
      ...{ ...times, feed: xInputs },
      initializers: [tensor("Q", 22, [rows, cols], blocked), scales("s", [rows / block, cols])],
      nodes: [dequantise(["Q", "s"], { axis: 0, block_size: block }), node("MatMul", ["x", "W"], ["y"])],
    },
    multiplied,
  ),
  form(
    ["DequantizeLinear twice, of one set of codes in a Constant", "DequantizeLinear", "W"],
    (i, j) => product(code(i, j) - 120, scaleAt(0)),
    {
      ...{ ...look, feed: lookInputs, outputs: [value("y", Type.float, [2, 5, rows])] },
      nodes: [
        node("Constant", [], ["Q"], { attributes: { value: u8("", [rows, cols], bytes) } }),
        dequantise(["Q", "s", "z"]),
        dequantise(["Q", "s", "z"], {}, ["V"]),
        node("Gather", ["W", "ids"], ["e"]),
        node("Transpose", ["V"], ["t"], { attributes: { perm: [1, 0] } }),
        node("MatMul", ["e", "t"], ["y"]),
      ],
      initializers: [scale0, zero],
    },
    (w) => ({
      ...{ ...look, outputs: [value("y", Type.float, [2, 5, rows])], initializers: [w] },
      nodes: [
        node("Gather", ["W", "ids"], ["e"]),
        node("Transpose", ["W"], ["t"], { attributes: { perm: [1, 0] } }),
        node("MatMul", ["e", "t"], ["y"]),
      ],
    }),
  ),
  form(
    ["Gather, then DequantizeLinear of the rows", "DequantizeLinear", "Q"],
    (i, j) => product(code(i, j) - 120, scaleAt(0)),
    {
      ...{ ...look, feed: lookInputs, initializers: [u8("Q", [rows, cols], bytes), scale0, zero] },
      nodes: [node("Gather", ["Q", "ids"], ["rows"]), dequantise(["rows", "s", "z"], {}, ["y"])],
    },
    gathered,
  ),
  form(
    ["MatMulInteger of inputs that are quantised as they come", "MatMulInteger", "Q"],
    (i, j) => product(code(i, j) - 120, scaleAt(0)),
    { ...times, feed: xInputs, nodes: dynamic, initializers: [u8("Q", [rows, cols], bytes), scale0, zero] },
    multiplied,
  ),
  form(
    ["MatMulInteger in both branches of If", "MatMulInteger", "Q"],
    (i, j) => product(code(i, j) - 120, scaleAt(0)),
    {
      ...{ ...times, feed: xInputs },
      nodes: [
        node("ReduceMax", ["x"], ["most"], { attributes: { keepdims: 0 } }),
        node("Cast", ["most"], ["is"], { attributes: { to: Type.bool } }),
        node("If", ["is"], ["y"], {
          attributes: {
            then_branch: graph({ nodes: dynamic, outputs: [value("y", Type.float)] }),
            else_branch: graph({
              nodes: [...dynamic, node("Neg", ["y"], ["minus"])],
              outputs: [value("minus", Type.float)],
            }),
          },
        }),
      ],
      initializers: [u8("Q", [rows, cols], bytes), scale0, zero],
    },
    multiplied,
  ),
  form(
    ["MatMulIntegerToFloat with a bias", "MatMulIntegerToFloat", "Q"],
    (i, j) => product(code(i, j) - 128, scaleAt(j)),
    {
      ...{ ...times, feed: xInputs },
      initializers: [i8("Q", [rows, cols], int8), scales("s", [cols]), bias(cols)],
      nodes: [
        node("DynamicQuantizeLinear", ["x"], ["q", "qs", "qz"]),
        contrib("MatMulIntegerToFloat", ["q", "Q", "qs", "s", "qz", "", "bias"]),
      ],
    },
    (w) => withBias(multiplied(w), cols),
  ),
  form(
    ["DynamicQuantizeMatMul", "DynamicQuantizeMatMul", "Q"],
    (i, j) => product(code(i, j) - 128, scaleAt(j)),
    {
      ...{ ...times, feed: xInputs, initializers: [i8("Q", [rows, cols], int8), scales("s", [cols])] },
      nodes: [contrib("DynamicQuantizeMatMul", ["x", "Q", "s"])],
    },
    multiplied,
  ),
  form(
    ["MatMulNBits with zero points in codes and a bias", "MatMulNBits", "Q"],
    (i, j) => product(nibble(i, j) - zeros[i * groups + Math.floor(j / block)], blockScale(i, j)),
    {
      ...{ ...timesTurned, feed: turnedInputs },
      initializers: [
        tensor("Q", Type.uint8, [rows, groups, block / 2], blocked),
        scales("s", [rows, groups]),
        tensor("z", Type.uint8, [rows, groups / 2], packed(zeros, 4)),
        bias(rows),
      ],
      nodes: [contrib("MatMulNBits", ["x", "Q", "s", "z", "", "bias"], { ...inRows, K: cols, N: rows })],
    },
    (w) => withBias(turned(w), rows),
  ),
  form(
    ["GatherBlockQuantized and MatMulNBits of the same codes", "GatherBlockQuantized", "Q"],
    (i, j) => product(nibble(i, j) - 8, blockScale(i, j)),
    {
      ...{ ...look, feed: lookInputs, outputs: [value("y", Type.float, [2, 5, rows])] },
      initializers: [
        tensor("Q", Type.uint8, [rows, groups, block / 2], blocked),
        scales("s", [rows, groups]),
        tensor("shape", Type.int64, [2], BigInt64Array.of(BigInt(rows), -1n)),
      ],
      nodes: [
        node("Reshape", ["Q", "shape"], ["flat"]),
        node("GatherBlockQuantized", ["flat", "ids", "s"], ["e"], {
          domain: microsoft,
          attributes: { ...inRows, quantize_axis: 1 },
        }),
        contrib("MatMulNBits", ["e", "Q", "s"], { ...inRows, K: cols, N: rows }),
      ],
    },
    (w) => ({
      ...{ ...look, outputs: [value("y", Type.float, [2, 5, rows])], initializers: [w] },
      nodes: [
        node("Gather", ["W", "ids"], ["e"]),
        node("Transpose", ["W"], ["t"], { attributes: { perm: [1, 0] } }),
        node("MatMul", ["e", "t"], ["y"]),
      ],
    }),
  ),
  form(
    ["GatherBlockQuantized of a type of 4 bits, whose zero is 0", "GatherBlockQuantized", "Q"],
    (i, j) => product(nibble(i, j), blockScale(i, j)),
    {
      ...{
        ...look,
        feed: lookInputs,
        initializers: [tensor("Q", 21, [rows, cols], blocked), scales("s", [rows, groups])],
      },
      nodes: [
        node("GatherBlockQuantized", ["Q", "ids", "s"], ["y"], {
          domain: microsoft,
          attributes: { block_size: block, quantize_axis: 1 },
        }),
      ],
    },
    gathered,
  ),
];
