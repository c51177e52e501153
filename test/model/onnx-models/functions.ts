// Weights that the model's own functions read: in functions of functions, in branches and loops, with attributes of the call.
import { AttributeProto_AttributeType as Kind, type NodeProto } from "../../../src/formats/onnx/onnx_pb.js";
import { ids, type InputTensor, type OnnxCase, plain, randomFloats, weight, type Weight } from "./cases.js";
import {
  floats,
  type FunctionOptions,
  functionField,
  graph,
  type ModelParts,
  model,
  node,
  referring,
  tensor,
  Type,
  value,
} from "./graph.js";

const W = weight("W", 40, 24, 2);
const square = weight("W", 24, 24, 3);
const table = weight("W", 96, 16, 1);
const x = randomFloats([3, 40]);
const mine = "mine";

/** A function: its name, inputs, outputs, nodes. */
type Own = [name: string, inputs: string[], outputs: string[], nodes: NodeProto[], options?: FunctionOptions];

const call = (name: string, inputs: string[], outputs: string[], attributes = {}) =>
  node(name, inputs, outputs, { domain: mine, attributes });

function withFunctions(
  name: string,
  inputs: Record<string, InputTensor>,
  parts: (data: Float32Array) => Partial<ModelParts> & { functions: Own[] },
  w: Weight = W,
): OnnxCase {
  const build = (data: Float32Array) => {
    const { functions, ...rest } = parts(data);
    const bytes = model({
      initializers: [floats("W", [w.rows, w.cols], data)],
      inputs: [value("x", Type.float, [3, w.rows])],
      outputs: [value("y", Type.float, [3, w.cols])],
      ...{ domains: { [mine]: 1 }, nodes: [], ...rest },
    });
    const fields = functions.map(([own, ins, outs, nodes, options = {}]) =>
      functionField({ domain: mine, name: own }, ins, outs, nodes, {
        ...options,
        opsets: { "": 17, [mine]: 1, ...options.opsets },
      }),
    );
    return plain(Uint8Array.of(...bytes, ...fields.flatMap((field) => [...field])));
  };
  return { name, weight: w, inputs, expect: "compressed", build };
}

const dense: Own = ["Dense", ["a", "b"], ["c"], [node("MatMul", ["a", "b"], ["c"])]];
const bias = (size: number) => floats("bias", [size], weight("bias", 2, size, 8).data.subarray(0, size));

export const functionCases: readonly OnnxCase[] = [
  withFunctions("weight that a function multiplies with", { x }, () => ({
    nodes: [call("Dense", ["x", "W"], ["y"])],
    functions: [dense],
  })),
  withFunctions(
    "functions of functions, called twice, whose values have names of the graph",
    { x: randomFloats([3, 24]) },
    (data) => ({
      nodes: [call("Block", ["x", "W", "bias"], ["y_1"]), call("Block", ["y_1", "V", "bias"], ["y"])],
      initializers: [floats("W", [24, 24], data), floats("V", [24, 24], weight("V", 24, 24, 5).data), bias(24)],
      functions: [
        ["Block", ["x", "y", "V"], ["W"], [call("Linear", ["x", "y", "V"], ["y_1"]), node("Tanh", ["y_1"], ["W"])]],
        [
          "Linear",
          ["x", "w", "b"],
          ["y"],
          [node("Transpose", ["w"], ["t"]), node("MatMul", ["x", "t"], ["z"]), node("Add", ["z", "b"], ["y"])],
        ],
      ],
    }),
    square,
  ),
  withFunctions(
    "attributes that the call has, and such that the function has",
    { x: randomFloats([3, 24]) },
    () => ({
      nodes: [call("Turned", ["x", "W"], ["y"], { order: [1, 0] })],
      functions: [
        [
          "Turned",
          ["a", "b"],
          ["c"],
          [
            referring(node("Transpose", ["b"], ["t"]), "perm", "order", Kind.INTS),
            node("MatMul", ["a", "t"], ["d"]),
            referring(node("LeakyRelu", ["d"], ["c"]), "alpha", "slope", Kind.FLOAT),
          ],
          { attributes: ["order"], defaults: { slope: { float: 0.25 } } },
        ],
      ],
    }),
    square,
  ),
  withFunctions("attribute that neither has", { x }, () => ({
    nodes: [call("Leaky", ["x", "W"], ["y"])],
    functions: [
      [
        "Leaky",
        ["a", "b"],
        ["c"],
        [node("MatMul", ["a", "b"], ["d"]), referring(node("LeakyRelu", ["d"], ["c"]), "alpha", "slope", Kind.FLOAT)],
        { attributes: ["slope"] },
      ],
    ],
  })),
  withFunctions("branches in a function", { x, flag: { type: "bool", dims: [], data: Uint8Array.of(1) } }, () => {
    const branch = (name: string, nodes: NodeProto[]) =>
      graph({
        name,
        nodes,
        initializers: [floats("one", [1], Float32Array.of(1))],
        outputs: [value("out", Type.float)],
      });
    const first = branch("first", [
      node("MatMul", ["a", "b"], ["d"]),
      referring(node("LeakyRelu", ["d"], ["e"]), "alpha", "slope", Kind.FLOAT),
      node("Add", ["e", "one"], ["out"]),
    ]);
    const second = branch("second", [node("MatMul", ["a", "b"], ["d"]), node("Sub", ["d", "one"], ["out"])]);
    return {
      nodes: [call("Either", ["flag", "x", "W"], ["y"], { slope: { float: 0.5 } })],
      inputs: [value("x", Type.float, [3, 40]), value("flag", Type.bool, [])],
      functions: [
        [
          "Either",
          ["f", "a", "b"],
          ["c"],
          [node("If", ["f"], ["c"], { attributes: { then_branch: first, else_branch: second } })],
          { attributes: ["slope"] },
        ],
      ],
    };
  }),
  withFunctions(
    "a loop in a function that calls another",
    { x: randomFloats([3, 24]) },
    () => {
      const body = graph({
        name: "body",
        nodes: [node("Identity", ["on"], ["still"]), call("Dense", ["h", "b"], ["next"])],
        inputs: [value("i", Type.int64, []), value("on", Type.bool, []), value("h", Type.float, [3, 24])],
        outputs: [value("still", Type.bool, []), value("next", Type.float, [3, 24])],
      });
      return {
        nodes: [call("Thrice", ["x", "W"], ["y"])],
        functions: [
          dense,
          [
            "Thrice",
            ["a", "b"],
            ["c"],
            [
              node("Constant", [], ["count"], {
                attributes: { value: tensor("", Type.int64, [], BigInt64Array.of(3n)) },
              }),
              node("Constant", [], ["true"], { attributes: { value: tensor("", Type.bool, [], Uint8Array.of(1)) } }),
              node("Loop", ["count", "true", "a"], ["c"], { attributes: { body } }),
            ],
          ],
        ],
      };
    },
    square,
  ),
  withFunctions("a call in a branch", { x, flag: { type: "bool", dims: [], data: Uint8Array.of(0) } }, () => {
    const branch = (name: string, by: string) =>
      graph({
        name,
        nodes: [call("Dense", ["x", "W"], ["d"]), node(by, ["d"], ["out"])],
        outputs: [value("out", Type.float, [3, 24])],
      });
    return {
      nodes: [
        node("If", ["flag"], ["y"], {
          attributes: { then_branch: branch("t", "Neg"), else_branch: branch("e", "Tanh") },
        }),
      ],
      inputs: [value("x", Type.float, [3, 40]), value("flag", Type.bool, [])],
      functions: [dense],
    };
  }),
  withFunctions("an input that is left out", { x }, () => ({
    nodes: [call("Odd", ["x", "W"], ["y"])],
    functions: [
      ["Odd", ["a", "b", "least"], ["c"], [node("MatMul", ["a", "b"], ["d"]), node("Clip", ["d", "least"], ["c"])]],
    ],
  })),
  withFunctions(
    "numbers in attributes of Constant",
    { ids: ids([2, 3], 96) },
    () => ({
      nodes: [call("Embed", ["ids", "W"], ["y"], { shape: [-1, 4, 4] })],
      inputs: [value("ids", Type.int64, [2, 3])],
      outputs: [value("y", Type.float, [6, 4, 4])],
      functions: [
        [
          "Embed",
          ["i", "w"],
          ["y"],
          [
            node("Gather", ["w", "i"], ["g"]),
            referring(node("Constant", [], ["s"]), "value_ints", "shape", Kind.INTS),
            node("Reshape", ["g", "s"], ["y"]),
          ],
          { attributes: ["shape"] },
        ],
      ],
    }),
    table,
  ),
  withFunctions("operators of a domain that only the function imports", { x }, () => ({
    nodes: [call("Fused", ["x", "W"], ["y"])],
    functions: [
      [
        "Fused",
        ["a", "b"],
        ["c"],
        [node("MatMul", ["a", "b"], ["d"]), node("FastGelu", ["d"], ["c"], { domain: "com.microsoft" })],
        { opsets: { "com.microsoft": 1 } },
      ],
    ],
  })),
  withFunctions("function of another opset than the model's", { x }, () => ({
    nodes: [call("Dense", ["x", "W"], ["y"])],
    functions: [["Dense", ["a", "b"], ["c"], [node("MatMul", ["a", "b"], ["c"])], { opsets: { "": 13 } }]],
  })),
];
