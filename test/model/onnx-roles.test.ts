// What a weight is for, by what reads it, however many operators lie between.
import { describe, expect, it } from "vitest";
import type { NodeProto } from "../../src/formats/onnx/onnx_pb.js";
import { select } from "../../src/model/layers.js";
import { plain, weight } from "./onnx-models/cases.js";
import { open } from "./onnx-models/compressing.js";
import { floats, graph, model, node, tensor, Type, value } from "./onnx-models/graph.js";

async function layerRead(dims: number[], nodes: NodeProto[], name = "W") {
  const size = dims.reduce((a, b) => a * b, 1);
  const bytes = model({
    nodes,
    initializers: [
      floats(name, dims, weight("W", size, 1).data),
      floats("two", [], Float32Array.of(2)),
      tensor("shape", Type.int64, [2], BigInt64Array.of(-1n, 16n)),
    ],
    inputs: [value("x", Type.float), value("ids", Type.int64, ["n"])],
    outputs: [],
    domains: { "com.microsoft": 1 },
  });
  const opened = await open(plain(bytes));
  const layer = opened.layers.find((each) => each.name === name)!;
  const { chosen, skipped } = select(opened, { layers: ["all"] });
  return { layer, chosen: chosen.map((each) => each.name), skipped };
}

const microsoft = { domain: "com.microsoft" };
const turned = { attributes: { perm: [1, 0] } };
const cases: [string, number[], NodeProto[], { kind: string; byDefault: boolean }][] = [
  [
    "a table that is scaled before rows are looked up",
    [512, 16],
    [node("Mul", ["two", "W"], ["v"]), node("Gather", ["v", "ids"], ["y"])],
    { kind: "embedding", byDefault: true },
  ],
  [
    "a scaled table whose transpose is the head",
    [512, 16],
    [
      node("Gather", ["W", "ids"], ["y"]),
      node("Div", ["W", "two"], ["v"]),
      node("Transpose", ["v"], ["t"], turned),
      node("MatMul", ["x", "t"], ["z"]),
    ],
    { kind: "tied", byDefault: true },
  ],
  [
    "a table that is looked into by GatherND",
    [512, 16],
    [node("GatherND", ["W", "ids"], ["y"])],
    { kind: "embedding", byDefault: true },
  ],
  [
    "a table of a fused embedding",
    [512, 16],
    [node("EmbedLayerNormalization", ["ids", "", "W", "p", "", "g", "b"], ["y", "m"], microsoft)],
    { kind: "embedding", byDefault: true },
  ],
  [
    "a table with a dimension of one around it",
    [1, 512, 16],
    [node("Squeeze", ["W"], ["v"]), node("Gather", ["v", "ids"], ["y"])],
    { kind: "embedding", byDefault: true },
  ],
  [
    "a table whose rows are matrices",
    [512, 4, 4],
    [node("Gather", ["W", "ids"], ["y"])],
    { kind: "embedding", byDefault: true },
  ],
  [
    "a table that takes the type of another tensor",
    [512, 16],
    [node("CastLike", ["W", "two"], ["v"]), node("Gather", ["v", "ids"], ["y"])],
    { kind: "embedding", byDefault: true },
  ],
  [
    "a layer that another constant is added to",
    [64, 16],
    [node("Add", ["W", "two"], ["v"]), node("Neg", ["v"], ["u"]), node("MatMul", ["x", "u"], ["y"])],
    { kind: "linear", byDefault: false },
  ],
  ["a convolution", [512, 16, 1], [node("Conv", ["x", "W"], ["y"])], { kind: "linear", byDefault: false }],
  [
    "a layer of three dimensions that Einsum multiplies with",
    [32, 4, 8],
    [node("Einsum", ["x", "W"], ["y"])],
    { kind: "linear", byDefault: false },
  ],
  [
    "experts of which one is looked up",
    [8, 64, 16],
    [node("Gather", ["W", "ids"], ["v"]), node("MatMul", ["x", "v"], ["y"])],
    { kind: "linear", byDefault: false },
  ],
];

describe("a weight of a layer", () => {
  it.each(cases)("%s", async (_, dims, nodes, expected) => {
    const read = new Set(nodes.flatMap(({ input }) => input));
    const missing = ["p", "g", "b"].filter((name) => read.has(name)).map((name) => node("Identity", ["two"], [name]));
    const { layer, chosen } = await layerRead(dims, [...missing, ...nodes]);
    expect(layer).toMatchObject(expected);
    expect(chosen).toContain("W");
  });

  it("inside a branch", async () => {
    const nodes = [node("Mul", ["W", "two"], ["v"]), node("Gather", ["v", "ids"], ["y"])];
    const branch = graph({ nodes, outputs: [value("y", Type.float)] });
    const all = [node("If", ["x"], ["z"], { attributes: { then_branch: branch, else_branch: branch } })];
    expect((await layerRead([512, 16], all)).layer).toMatchObject({ kind: "embedding", byDefault: true });
  });
});

describe("what is no weight of a layer", () => {
  it.each([
    ["a cache that is multiplied entry by entry", [512, 16], [node("Mul", ["x", "W"], ["y"])]],
    [
      "a matrix whose size is looked at",
      [512, 16],
      [node("Shape", ["W"], ["s"]), node("Gather", ["s", "ids"], ["y"]), node("Add", ["x", "W"], ["z"])],
    ],
    ["a bias of two dimensions", [32, 16], [node("Add", ["x", "W"], ["y"])]],
    ["a cache of a fused operator", [512, 16], [node("RotaryEmbedding", ["x", "ids", "W", "W"], ["y"], microsoft)]],
  ])("%s is left out of all layers, and by default", async (_, dims, nodes) => {
    const { layer, chosen, skipped } = await layerRead(dims, nodes);
    expect(layer.byDefault).toBe(false);
    expect(chosen).toEqual([]);
    expect(skipped.find(({ name }) => name === "W")?.reason).toBe(
      "is neither looked into nor multiplied with; name it with --layers",
    );
  });
});

describe("float tensors that are no weights", () => {
  it("are listed from 0.1 % of the model on, each with the reason", async () => {
    const bytes = model({
      nodes: [node("Add", ["x", "bias"], ["a"]), node("Add", ["a", "row"], ["y"]), node("Add", ["a", "small"], ["z"])],
      initializers: [
        floats("bias", [4000], new Float32Array(4000)),
        floats("row", [1, 4000], new Float32Array(4000)),
        floats("small", [4], new Float32Array(4)),
      ],
      inputs: [value("x", Type.float)],
      outputs: [value("y", Type.float)],
    });
    const { layers } = await open(plain(bytes));
    expect(layers.map(({ name, kind, blocked, readers }) => [name, kind, blocked, readers])).toEqual([
      ["bias", "other", "has one dimension", ["Add"]],
      ["row", "other", "is a single row or column", ["Add"]],
    ]);
  });
});

it("a narrow projection is no head, however many outputs it has", async () => {
  const name = "model.layers.0.mamba.dt_proj.MatMul.weight";
  const { layer } = await layerRead([16, 512], [node("MatMul", ["x", name], ["y"])], name);
  expect(layer.kind).toBe("linear");
  const other = "onnx::MatMul_12";
  expect((await layerRead([16, 512], [node("MatMul", ["x", other], ["y"])], other)).layer.kind).toBe("head");
});

it("experts that a fused layer multiplies with are layers; of experts in codes it is said that they are", async () => {
  const experts = node("MoE", ["x", "x", "W", "", "x"], ["y"], microsoft);
  const { layer, chosen } = await layerRead([4, 32, 16], [experts]);
  expect(layer).toMatchObject({ kind: "linear", shape: [128, 16], dims: [4, 32, 16] });
  expect(layer.blocked).toBeUndefined();
  expect(chosen).toEqual(["W"]);
  for (const [op, at] of [
    ["QMoE", ["x", "probabilities", "codes"]],
    ["QAttention", ["x", "codes"]],
  ] as const) {
    const bytes = model({
      nodes: [node(op, [...at], ["y"], microsoft)],
      initializers: [tensor("codes", Type.uint8, [64, 64], new Uint8Array(64 * 64))],
      inputs: [value("x", Type.float), value("probabilities", Type.float)],
      outputs: [value("y", Type.float)],
      domains: { "com.microsoft": 1 },
    });
    const [codes] = (await open(plain(bytes))).layers;
    expect(codes.blocked).toMatch(`is quantised already (${op}): start from the float file`);
  }
});
