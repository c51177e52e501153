import { fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  layOutOnnx,
  memorySink,
  type NewTensor,
  type OnnxEdits,
  type OnnxModel,
  type OnnxNode,
  onnxRows,
  writeOnnx,
} from "../../../src/formats/index.js";
import { ModelProtoSchema, NodeProtoSchema, ValueInfoProtoSchema } from "../../../src/formats/onnx/onnx_pb.js";
import { readRows } from "../../../src/matrix.js";
import { failure } from "../fixtures.js";
import { initializersOf, model, newTensor, node, open, tensor, valueInfo, written } from "./build.js";
import { sample, strange } from "./samples.js";

/** The changed model as a file, decoded, and opened again (which checks every length and name). */
async function changed(opened: OnnxModel, edits: OnnxEdits) {
  const { main, external } = layOutOnnx(opened, edits);
  expect(external).toEqual([]);
  const bytes = await written(main);
  return { bytes, proto: fromBinary(ModelProtoSchema, bytes), again: await open(bytes) };
}

const encode = (...args: Parameters<typeof node>) => toBinary(NodeProtoSchema, node(...args));

describe("nothing changed, nothing differs", () => {
  test.each([
    ["a model with subgraphs", sample({ metadata: { a: "b" } })],
    ["unknown fields at every level, odd order, long lengths, functions, training", strange()],
    ["no nodes", model({})],
  ])("%s", async (_, bytes) => {
    expect(await written(layOutOnnx(await open(bytes)).main)).toEqual(bytes);
  });
});

describe("changes", () => {
  test("two nodes for one, a node gone, tensors gone and new, all else in its place", async () => {
    const opened = await open(sample());
    const [gather, , constant] = opened.graph.nodes;
    const { proto, again } = await changed(opened, {
      replaceNodes: new Map([
        [gather, [encode("Gather", ["left", "ids"], ["small"]), encode("MatMul", ["small", "right"], ["rows"])]],
      ]),
      dropNodes: new Set([constant]),
      dropTensors: initializersOf(opened, "table"),
      dropValueInfo: new Set(["c"]),
      addTensors: [newTensor("left", [4, 1], [1, 2, 3, 4]), newTensor("right", [1, 3], [5, 6, 7])],
      addValueInfo: [toBinary(ValueInfoProtoSchema, valueInfo("small", ["batch", 2, 1]))],
    });
    expect(again.graph.nodes.map(({ opType }) => opType)).toEqual([
      "Gather",
      "MatMul",
      "MatMul",
      "Identity",
      "Identity",
      "Clip",
      "If",
    ]);
    expect([...again.graph.initializers.keys()]).toEqual(["w", "count", "max", "left", "right"]);
    expect([...again.graph.valueInfo.keys()]).toEqual(["rows", "hidden", "small"]);
    expect(await readRows(onnxRows(again, again.graph.initializers.get("left")!))).toEqual(
      new Float64Array([1, 2, 3, 4]),
    );
    expect(proto.graph!.node.at(-1)).toEqual(fromBinary(ModelProtoSchema, sample()).graph!.node.at(-1));
    expect(proto.graph!.input.map(({ name }) => name)).toEqual(["ids", "cond"]);
  });

  test("unknown fields stay where they were around a change", async () => {
    const bytes = strange();
    const opened = await open(bytes);
    const { bytes: after, again } = await changed(opened, {
      setMetadata: new Map([["first", "one"]]),
      dropValueInfo: new Set(["y"]),
    });
    expect([...again.metadata]).toEqual([
      ["first", "one"],
      ["second", "2"],
    ]);
    expect(again.graph.valueInfo.size + again.graph.repeatedValueInfo.length).toBe(0);
    const { start, end } = opened.graph.nodes[1].field;
    const text = (part: Uint8Array) => Buffer.from(part).toString("latin1");
    expect(text(after)).toContain(text(bytes.subarray(start, end)));
    expect(text(after)).toContain(text(bytes.subarray(opened.graph.message.end)));
  });

  test("metadata is replaced or added, an opset import added once", async () => {
    const opened = await open(sample({ metadata: { kept: "k", old: "1" } }));
    const setMetadata = new Map([
      ["old", "longer than before"],
      ["new", "é"],
    ]);
    const { again, bytes } = await changed(opened, {
      setMetadata,
      addOpsets: new Map([
        ["", 21],
        ["com.microsoft", 1],
      ]),
    });
    expect([...again.metadata]).toEqual([["kept", "k"], ...setMetadata]);
    expect([...again.opsets]).toEqual([
      ["", 17],
      ["com.microsoft", 1],
    ]);
    const { start, end } = again.graph.message;
    expect(bytes.subarray(start, end)).toEqual(sample().subarray(opened.graph.message.start, opened.graph.message.end));
  });

  test("before IR version 4 initializers are inputs of the graph as well", async () => {
    const inputs = [valueInfo("x", [2, 2]), valueInfo("w", [2, 2]), valueInfo("b", [2])];
    const initializers = [tensor("w", [2, 2], [1, 2, 3, 4]), tensor("b", [2], [0, 0])];
    const nodes = [node("Gemm", ["x", "w", "b"], ["y"])];
    const opened = await open(model({ irVersion: 3, nodes, inputs, initializers, outputs: [valueInfo("y")] }));
    const { again } = await changed(opened, {
      replaceNodes: new Map([[opened.graph.nodes[0], [encode("Gemm", ["x", "v", "b"], ["y"])]]]),
      dropTensors: initializersOf(opened, "w"),
      addTensors: [newTensor("v", [2, 2], [1, 1, 1, 1])],
    });
    expect(again.graph.inputs.map(({ name, elemType, dims }) => [name, elemType, dims])).toEqual([
      ["x", 1, [2, 2]],
      ["b", 1, [2]],
      ["v", 1, [2, 2]],
    ]);
  });

  test("a model without initializers, value_info or metadata takes some", async () => {
    const opened = await open(model({ nodes: [node("Relu", ["x"], ["y"])], inputs: [valueInfo("x")] }));
    const { again } = await changed(opened, {
      addTensors: [newTensor("t", [1], [7])],
      addValueInfo: [toBinary(ValueInfoProtoSchema, valueInfo("y"))],
      setMetadata: new Map([["k", "v"]]),
    });
    expect([[...again.graph.initializers.keys()], [...again.graph.valueInfo.keys()]]).toEqual([["t"], ["y"]]);
    expect(again.metadata.get("k")).toBe("v");
  });

  test("any changes of a chain of nodes agree with changing the message itself", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom("keep", "drop", "one", "two"), { minLength: 1, maxLength: 12 }),
        fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
        fc.integer({ min: 0, max: 200 }),
        async (fates, dropped, padding) => {
          const nodes = fates.map((_, i) => node("Relu", ["x"], [`v${i}`], {}, { name: "n".repeat(padding) }));
          const initializers = dropped.map((_, i) => tensor(`t${i}`, [i + 1], new Float32Array(i + 1)));
          const bytes = model({ nodes, initializers, inputs: [valueInfo("x")] });
          const opened = await open(bytes);
          const expected = fromBinary(ModelProtoSchema, bytes);
          const made = (i: number, n: number) =>
            Array.from({ length: n }, (_, k) => node("Abs", ["x"], [`v${i}_${k}`], {}, { name: "m".repeat(padding) }));
          const count = { keep: 0, drop: 0, one: 1, two: 2 };
          expected.graph!.node = nodes.flatMap((one, i) => (fates[i] === "keep" ? [one] : made(i, count[fates[i]])));
          expected.graph!.initializer = initializers.filter((_, i) => !dropped[i]).concat(tensor("new", [2], [1, 2]));
          const replaceNodes = new Map(
            opened.graph.nodes.flatMap((one, i) =>
              count[fates[i]]
                ? [[one, made(i, count[fates[i]]).map((n) => toBinary(NodeProtoSchema, n))] as const]
                : [],
            ),
          );
          const { proto } = await changed(opened, {
            replaceNodes,
            dropNodes: new Set(opened.graph.nodes.filter((_, i) => fates[i] === "drop")),
            dropTensors: initializersOf(opened, ...initializers.filter((_, i) => dropped[i]).map(({ name }) => name)),
            addTensors: [newTensor("new", [2], [1, 2])],
          });
          expect(proto).toEqual(expected);
        },
      ),
    );
  });

  test("nodes and tensors of subgraphs, at any depth; nodes before one that stays", async () => {
    const opened = await open(sample());
    const choose = opened.graph.nodes.at(-1)!;
    const [then] = choose.subgraphs.map(({ graph }) => graph);
    const [add, mul] = then.nodes[0].subgraphs[0].graph.nodes;
    const { again } = await changed(opened, {
      replaceNodes: new Map([
        [mul, [encode("Neg", ["sum"], ["negative"]), encode("Mul", ["negative", "factor"], ["next"])]],
      ]),
      insertNodes: new Map([
        [choose, [encode("Identity", ["new"], ["factor"])]],
        [add, [encode("Abs", ["state"], ["size"])]],
      ]),
      dropNodes: new Set([then.nodes[1]]),
      dropTensors: new Set(then.initializers.values()),
      addTensors: [newTensor("new", [1], [3])],
    });
    const names = (nodes: readonly OnnxNode[]) => nodes.map(({ opType }) => opType);
    expect(names(again.graph.nodes).slice(-2)).toEqual(["Identity", "If"]);
    const [{ graph: after }] = again.graph.nodes.at(-1)!.subgraphs;
    expect(names(after.nodes)).toEqual(["Loop"]);
    expect(after.initializers.size).toBe(0);
    expect(names(after.nodes[0].subgraphs[0].graph.nodes)).toEqual(["Abs", "Add", "Neg", "Mul"]);
  });

  test("what cannot be done says so", async () => {
    const opened = await open(sample());
    const other = await open(sample());
    const refusal = async (edits: OnnxEdits) =>
      (await failure(() => layOutOnnx(opened, edits), "INVALID_INPUT")).message;
    expect(await refusal({ dropNodes: new Set([other.graph.nodes[0]]) })).toMatch(
      /node "look up" .* is no node of the model/,
    );
    expect(await refusal({ dropTensors: initializersOf(other, "table") })).toBe(
      `m.onnx: initializer "table" is to go, but there is none.`,
    );
    expect(await refusal({ addTensors: [newTensor("w", [1], [1])] })).toMatch(
      /"w" is to be added, but that name is taken/,
    );
    expect(await refusal({ addTensors: [newTensor("v", [3], [1])] })).toMatch(/F32 of shape \[3\] with 4 bytes/);
    const short: NewTensor = {
      ...newTensor("v", [2], [1, 2]),
      data: { byteLength: 8, chunks: () => [new Uint8Array(7)] },
    };
    const { main } = layOutOnnx(opened, { addTensors: [short] });
    expect((await failure(writeOnnx(memorySink(), main), "INVALID_INPUT")).message).toMatch(
      /gave 7 bytes instead of the 8/,
    );
    await failure(writeOnnx(memorySink(), main, { signal: AbortSignal.abort() }), "ABORTED");
  });
});
