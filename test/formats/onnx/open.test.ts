import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  bytesSource,
  onnxDtypeName,
  type OnnxModel,
  onnxRows,
  onnxTensorChunks,
  openOnnx,
  readNode,
} from "../../../src/formats/index.js";
import { TensorProtoSchema } from "../../../src/formats/onnx/onnx_pb.js";
import { readRows } from "../../../src/matrix.js";
import { concat, failure } from "../fixtures.js";
import { collect, graph, message, model, node, open, tensor, valueInfo, varint } from "./build.js";
import { sample, strange } from "./samples.js";

const bytesOf = (opened: OnnxModel, name: string) =>
  collect(onnxTensorChunks(opened, opened.graph.initializers.get(name)!));

/** A model with one initializer, given as the fields of its TensorProto. */
const withTensor = (...fields: Uint8Array[]) =>
  open(concat(varint(1, 8), message(7, message(5, ...fields)), message(8, varint(2, 17))));

describe("what is in a model", () => {
  test("header, values, initializers", async () => {
    const opened = await open(sample({ metadata: { a: "1", __proto: "x" } }));
    expect([opened.irVersion, opened.producer, opened.graph.name]).toEqual([8, "test", "g"]);
    expect([...opened.opsets]).toEqual([["", 17]]);
    expect([...opened.metadata]).toEqual([
      ["a", "1"],
      ["__proto", "x"],
    ]);
    expect(opened.hasExternalData).toBe(false);
    expect(opened.byteLength).toBe(opened.source.size);
    const { inputs, outputs, valueInfo, initializers } = opened.graph;
    expect(inputs.map(({ name, elemType, dims }) => [name, elemType, dims])).toEqual([
      ["ids", 7, ["batch", 2]],
      ["cond", 9, []],
    ]);
    expect(outputs.map(({ name, dims }) => [name, dims])).toEqual([["out", undefined]]);
    expect(valueInfo.get("hidden")!.dims).toEqual([0, ""]);
    expect(
      [...initializers.values()].map(({ name, dims, byteLength, rowType }) => [name, dims, byteLength, rowType]),
    ).toEqual([
      ["table", [4, 3], 48, "f32"],
      ["w", [3, 3], 36, "f32"],
      ["count", [], 8, undefined],
      ["max", [], 4, "f32"],
    ]);
  });

  test("nodes, and their attributes when asked for", async () => {
    const opened = await open(sample());
    const [gather, , constant, , , clip] = opened.graph.nodes;
    expect(gather).toMatchObject({
      opType: "Gather",
      domain: "",
      name: "look up",
      inputs: ["table", "ids"],
      outputs: ["rows"],
    });
    expect(gather.tensors.size).toBe(0);
    expect([...constant.tensors].map(([name, { dims }]) => [name, dims])).toEqual([["value", [2, 3]]]);
    expect(await readRows(onnxRows(opened, constant.tensors.get("value")!))).toEqual(
      new Float64Array([1, 2, 3, 4, 5, 6]),
    );
    expect(clip.inputs).toEqual(["y", "", "max"]);
    const { attribute } = await readNode(opened, clip);
    expect(attribute.map(({ name, f, ints }) => [name, f, ints])).toEqual([
      ["half", 0.5, []],
      ["name", 0, []],
      ["ints", 0, [1n, -1n]],
    ]);
  });

  test("the standard operators' domain under its long name is the empty one", async () => {
    const nodes = [node("Relu", ["x"], ["y"], {}, { domain: "ai.onnx" })];
    const bytes = model({ nodes, inputs: [valueInfo("x")], outputs: [valueInfo("y")], opsets: { "ai.onnx": 13 } });
    const opened = await open(bytes);
    expect(opened.graph.nodes[0].domain).toBe("");
    expect([...opened.opsets]).toEqual([["", 13]]);
  });

  test("what subgraphs read from outside: scopes, loops in branches, outputs that are outer values", async () => {
    const { graph } = await open(sample());
    const choose = graph.nodes.find(({ name }) => name === "choose")!;
    expect([...choose.captured].sort()).toEqual(["cond", "count", "hidden", "outer", "y"]);
    expect(choose.subgraphs.map(({ attribute }) => attribute)).toEqual(["then_branch", "else_branch"]);
    const [{ graph: then }] = choose.subgraphs;
    expect([...then.initializers.keys()]).toEqual(["w2"]);
    expect(then.nodes[0].subgraphs.map((each) => each.graph.name)).toEqual(["body"]);
    expect(graph.nodes[0].captured).toEqual([]);
    for (const name of [
      "sum",
      "next",
      "state",
      "unused",
      "inner add",
      "w2",
      "go",
      "table",
      "ids",
      "look up",
      "c",
      "out",
    ])
      expect(graph.names).toContain(name);
  });

  test("a value that is written inside only later is read from outside first", async () => {
    const branch = graph({
      nodes: [node("Relu", ["x"], ["t"]), node("Relu", ["t"], ["x"])],
      outputs: [valueInfo("x")],
    });
    const opened = await open(
      model({ nodes: [node("If", ["c"], ["z"], { then_branch: branch })], inputs: [valueInfo("c"), valueInfo("x")] }),
    );
    expect(opened.graph.nodes[0].captured).toEqual(["x"]);
  });

  test("functions, training, sparse tensors, annotations, repeated value_info", async () => {
    const { graph, functions, opsets, metadata } = await open(strange());
    expect([...functions]).toMatchObject([["local:f", { constants: [], nodes: [{ opType: "Relu" }] }]]);
    expect([...opsets]).toEqual([
      ["", 17],
      ["local", 1],
    ]);
    expect([...metadata.keys()]).toEqual(["first", "second"]);
    expect([...graph.sparse]).toEqual(["s"]);
    expect([...graph.annotated]).toEqual(["w"]);
    expect(graph.repeatedValueInfo.map(({ name }) => name)).toEqual(["y"]);
    expect(graph.initializers.get("w")!.dims).toEqual([4]);
  });

  test("a graph without nodes", async () => {
    const { graph } = await open(model({}));
    expect([graph.nodes, graph.initializers.size]).toEqual([[], 0]);
  });

  test("weights are not read", async () => {
    const inner = bytesSource(model({ initializers: [tensor("w", [1024, 1024], new Float32Array(1 << 20))] }), "m");
    let read = 0;
    const slice = (start: number, end: number) => ((read += end - start), inner.slice(start, end));
    const opened = await openOnnx({ ...inner, slice });
    expect(read).toBeLessThan(100_000);
    read = 0;
    await onnxRows(opened, opened.graph.initializers.get("w")!).read(5, 2);
    expect(read).toBe(8192);
  });

  test("30 000 nodes", async () => {
    const nodes = Array.from({ length: 30_000 }, (_, i) => node("Relu", [`v${i}`], [`v${i + 1}`]));
    const bytes = model({ nodes, inputs: [valueInfo("v0")], outputs: [valueInfo("v30000")] });
    const { graph } = await open(bytes);
    expect(graph.nodes[29_999]).toMatchObject({ inputs: ["v29999"], outputs: ["v30000"] });
    const limits = { graphNodes: 29_999 };
    const error = await failure(openOnnx(bytesSource(bytes, "m.onnx"), { limits }), "LIMIT");
    expect(error.message).toMatch(/^m\.onnx: it has more than 29999 nodes/);
  });
});

describe("where numbers lie", () => {
  const floats = new Float32Array([1.5, -2, 0, 3e-40]);

  test.each([
    ["raw_data", message(9, new Uint8Array(floats.buffer)), "inline"],
    ["packed float_data", message(4, new Uint8Array(floats.buffer)), "inline"],
    [
      "two runs of packed float_data",
      concat(...[0, 8].map((at) => message(4, new Uint8Array(floats.buffer, at, 8)))),
      "typed",
    ],
    [
      "float_data one by one",
      concat(...[0, 4, 8, 12].map((at) => concat(Uint8Array.of(0x25), new Uint8Array(floats.buffer, at, 4)))),
      "typed",
    ],
  ])("%s", async (_, data, kind) => {
    const opened = await withTensor(data, varint(1, 2), varint(1, 2), varint(2, 1), message(8, "w"));
    const w = opened.graph.initializers.get("w")!;
    expect([w.data.kind, w.byteLength]).toEqual([kind, 16]);
    expect(await readRows(onnxRows(opened, w))).toEqual(new Float64Array(floats));
    expect(await bytesOf(opened, "w")).toEqual(new Uint8Array(floats.buffer));
  });

  test("typed fields of every kind, as the bytes of raw_data", async () => {
    const typed: [number, number[], object, ArrayBufferView][] = [
      [10, [3], { int32Data: [0x3c00, 0xbc00, 0x7c00] }, new Uint16Array([0x3c00, 0xbc00, 0x7c00])],
      [16, [2], { int32Data: [0x3f80, 0xff80] }, new Uint16Array([0x3f80, 0xff80])],
      [3, [3], { int32Data: [-1, -128, 127] }, new Int8Array([-1, -128, 127])],
      [2, [2], { int32Data: [255, 0] }, new Uint8Array([255, 0])],
      [5, [2], { int32Data: [-2, 300] }, new Int16Array([-2, 300])],
      [6, [2], { int32Data: [-2, 2 ** 31 - 1] }, new Int32Array([-2, 2 ** 31 - 1])],
      [9, [2], { int32Data: [1, 0] }, new Uint8Array([1, 0])],
      [21, [3], { int32Data: [0x21, 0x03] }, new Uint8Array([0x21, 0x03])],
      [7, [2], { int64Data: [-1n, 2n ** 62n] }, new BigInt64Array([-1n, 2n ** 62n])],
      [11, [2], { doubleData: [0.1, -0] }, new Float64Array([0.1, -0])],
    ];
    for (const [dataType, dims, data, expected] of typed) {
      const proto = create(TensorProtoSchema, { name: "w", dataType, dims: dims.map(BigInt), ...data });
      const opened = await withTensor(toBinary(TensorProtoSchema, proto));
      const bytes = new Uint8Array(expected.buffer);
      expect(opened.graph.initializers.get("w")!.byteLength).toBe(bytes.length);
      expect([onnxDtypeName(dataType), await bytesOf(opened, "w")]).toEqual([onnxDtypeName(dataType), bytes]);
    }
    const wide = await withTensor(message(8, "w"), varint(1, 2), varint(2, 13), varint(11, -1), varint(11, 7));
    expect(await bytesOf(wide, "w")).toEqual(new Uint8Array(new BigUint64Array([2n ** 64n - 1n, 7n]).buffer));
    const narrow = await withTensor(
      message(8, "w"),
      varint(1, 1),
      varint(2, 12),
      message(11, Uint8Array.of(0xff, 0x01)),
    );
    expect(await bytesOf(narrow, "w")).toEqual(Uint8Array.of(0xff, 0, 0, 0));
  });

  test("half-precision rows from int32_data are decoded once", async () => {
    const half = create(TensorProtoSchema, {
      name: "h",
      dataType: 10,
      dims: [2n, 2n],
      int32Data: [0x3c00, 0x4000, 0xc000, 0],
    });
    const opened = await withTensor(toBinary(TensorProtoSchema, half));
    const rows = onnxRows(opened, opened.graph.initializers.get("h")!);
    expect([rows.dtype, await readRows(rows)]).toEqual(["f16", new Float64Array([1, 2, -2, 0])]);
    expect((await rows.read(1, 1)).buffer).toBe((await rows.read(0, 1)).buffer);
  });

  test("strings, empty tensors, types that are not known", async () => {
    const text = await withTensor(message(8, "t"), varint(1, 2), varint(2, 8), message(6, "one"), message(6, ""));
    expect(text.graph.initializers.get("t")).toMatchObject({ byteLength: 3, data: { kind: "typed" } });
    expect((await failure(bytesOf(text, "t"), "INVALID_INPUT")).message).toMatch(
      /"t" is STRING, which has no raw form/,
    );
    const empty = await withTensor(message(8, "e"), varint(1, 0), varint(1, 7), varint(2, 1));
    expect([empty.graph.initializers.get("e")!.data.kind, await bytesOf(empty, "e")]).toEqual([
      "none",
      new Uint8Array(0),
    ]);
    const future = await withTensor(message(8, "f"), varint(1, 3), varint(2, 99), message(9, "abcd"));
    expect(await bytesOf(future, "f")).toEqual(new TextEncoder().encode("abcd"));
    expect(onnxDtypeName(99)).toBe("TYPE_99");
  });

  test("tensors that are no matrix of floats", async () => {
    const opened = await open(
      model({
        initializers: [tensor("v", [3], [1, 2, 3]), tensor("i", [1, 1], new BigInt64Array(1)), tensor("e", [0, 2], [])],
      }),
    );
    const refusal = (name: string) =>
      failure(() => onnxRows(opened, opened.graph.initializers.get(name)!), "INVALID_INPUT");
    expect((await refusal("v")).message).toBe(
      `m.onnx: tensor "v" is F32 of shape [3]; a matrix of 2 dimensions is needed.`,
    );
    expect((await refusal("i")).message).toMatch(/is I64 of shape \[1, 1\]; only F16/);
    expect((await refusal("e")).message).toMatch(/at least one row/);
  });

  test("any matrix: rows are the rows", async () => {
    const size = fc.integer({ min: 1, max: 9 });
    await fc.assert(
      fc.asyncProperty(size, size, fc.nat(), async (rows, cols, seed) => {
        const data = Float32Array.from({ length: rows * cols }, (_, i) => Math.fround(((i + seed) * 7919) % 1013));
        const opened = await open(model({ initializers: [tensor("a", [rows, cols], data)] }));
        const source = onnxRows(opened, opened.graph.initializers.get("a")!);
        expect(await readRows(source)).toEqual(new Float64Array(data));
        await expect(async () => source.read(rows, 1)).rejects.toThrow(/rows \d+ to \d+ were asked for/);
      }),
    );
  });
});
