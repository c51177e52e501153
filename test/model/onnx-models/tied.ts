// Tied tables: one initializer that is looked into by Gather and multiplied with by the output projection.
import { ids, type OnnxCase, plain, randomFloats, weight, type Weight } from "./cases.js";
import { floats, type ModelParts, model, node, type NodeOptions, Type, value } from "./graph.js";
import type { NodeProto } from "../../../src/formats/onnx/onnx_pb.js";

const even = weight("W", 96, 16, 6);
const odd = weight("W", 91, 21, 17);
const swap: NodeOptions = { attributes: { perm: [1, 0] } };

function tied(
  name: string,
  idDims: number[],
  head: NodeProto[],
  {
    declared = idDims,
    table = even,
    ...parts
  }: { declared?: (number | string)[]; table?: Weight } & Partial<ModelParts> = {},
): OnnxCase {
  return {
    ...{ name: `Tied table, ${name}`, weight: table, inputs: { ids: ids(idDims, table.rows) }, expect: "compressed" },
    build: (data) =>
      plain(
        model({
          nodes: [
            node("Gather", ["W", "ids"], ["rows"], { name: "embedding" }),
            node("Tanh", ["rows"], ["hidden"]),
            ...head,
          ],
          inputs: [value("ids", Type.int64, declared)],
          outputs: [value("logits", Type.float, [...declared, table.rows])],
          ...parts,
          initializers: [floats("W", [table.rows, table.cols], data), ...(parts.initializers ?? [])],
        }),
      ),
  };
}

const transposed = [
  node("Transpose", ["W"], ["Wt"], swap),
  node("MatMul", ["hidden", "Wt"], ["logits"], { name: "head" }),
];
const gemm = node("Gemm", ["hidden", "W"], ["logits"], { name: "head", attributes: { transB: 1 } });

/** The table as the head has it, turned for whoever looks rows up. */
function headLayout(name: string, nodes: NodeProto[], idDims: number[], parts: Partial<ModelParts> = {}): OnnxCase {
  const table = weight("W", even.cols, even.rows, 6);
  return {
    ...{ name: `Tied table in head layout, ${name}`, weight: table, inputs: { ids: ids(idDims, even.rows) } },
    expect: "compressed",
    build: (data) =>
      plain(
        model({
          nodes: [
            node("Transpose", ["W"], ["t"], swap),
            node("Gather", ["t", "ids"], ["rows"], { name: "embedding" }),
            node("Tanh", ["rows"], ["hidden"]),
            ...nodes,
          ],
          inputs: [value("ids", Type.int64, idDims)],
          outputs: [value("logits", Type.float, [...idDims, even.rows])],
          ...parts,
          initializers: [floats("W", [table.rows, table.cols], data), ...(parts.initializers ?? [])],
        }),
      ),
  };
}

/** With the hidden state an input of its own. */
function withHidden(name: string, parts: Partial<ModelParts>): OnnxCase {
  const one = tied(name, [5], [], parts);
  return { ...one, inputs: { ...one.inputs, h: randomFloats([5, even.cols]) } };
}

export const tiedCases: readonly OnnxCase[] = [
  tied("Transpose and MatMul, hidden of rank 2", [5], transposed),
  tied("Transpose and MatMul, hidden of rank 3", [2, 5], transposed),
  tied("Transpose and MatMul, hidden of rank 4", [2, 3, 2], transposed),
  tied("Transpose and MatMul, symbols for sizes", [2, 5], transposed, { declared: ["batch", "sequence"] }),
  tied("Transpose and MatMul, rank of hidden in value_info", [2, 5], transposed, {
    declared: ["batch", "sequence"],
    valueInfo: [value("hidden", Type.float, ["batch", "sequence", even.cols])],
  }),
  tied("rank 2 known from value_info", [5], transposed, {
    declared: ["n"],
    valueInfo: [value("hidden", Type.float, ["n", even.cols]), value("Wt", Type.float, [even.cols, even.rows])],
  }),
  tied("nothing in the batch", [2, 0], transposed, { declared: ["batch", "sequence"] }),
  tied("Gemm with transB", [5], [gemm]),
  tied(
    "Gemm with transB and bias",
    [5],
    [node("Gemm", ["hidden", "W", "b"], ["logits"], { attributes: { transB: 1 } })],
    {
      initializers: [floats("b", [even.rows], weight("b", even.rows, 1, 8).data)],
    },
  ),
  tied("Transpose and Gemm", [5], [node("Transpose", ["W"], ["Wt"]), node("Gemm", ["hidden", "Wt"], ["logits"])]),
  tied("Transpose and MatMul, odd sizes", [2, 5], transposed, { table: odd }),
  tied("Gemm with transB, odd sizes", [5], [gemm], { table: odd }),
  tied("opset 13", [2, 5], transposed, { opset: 13 }),
  headLayout("MatMul", [node("MatMul", ["hidden", "W"], ["logits"], { name: "head" })], [2, 5]),
  headLayout("Gemm", [node("Gemm", ["hidden", "W"], ["logits"], { name: "head" })], [5]),
  headLayout("two transposes", [node("Transpose", ["t"], ["u"]), node("MatMul", ["hidden", "u"], ["logits"])], [2, 5]),
  withHidden("the head first in the file", {
    inputs: [value("ids", Type.int64, [5]), value("h", Type.float, [5, even.cols])],
    nodes: [
      node("Transpose", ["W"], ["Wt"], swap),
      node("MatMul", ["h", "Wt"], ["logits"]),
      node("Gather", ["W", "ids"], ["rows"]),
    ],
    outputs: [value("logits", Type.float, [5, even.rows]), value("rows", Type.float, [5, even.cols])],
  }),
];
