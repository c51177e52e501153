import { fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type ByteSource,
  layOutOnnx,
  MAX_ONNX_FILE,
  memorySink,
  type NewTensor,
  type OnnxEdits,
  type OnnxModel,
  onnxRows,
  openOnnx,
  type StreamedBytes,
  writeOnnx,
} from "../../../src/formats/index.js";
import { ModelProtoSchema, NodeProtoSchema, ValueInfoProtoSchema } from "../../../src/formats/onnx/onnx_pb.js";
import { readRows } from "../../../src/matrix.js";
import { concat, failure } from "../fixtures.js";
import { collect, externalTensor, graph, message, model, node, open, tensor, valueInfo, varint } from "./build.js";
import { sample, strange } from "./samples.js";

async function written(bytes: StreamedBytes): Promise<Uint8Array> {
  const sink = memorySink();
  expect(await writeOnnx(sink, bytes)).toBe(sink.size);
  expect(sink.size).toBe(bytes.byteLength);
  return sink.bytes();
}

/** The changed model as a file, decoded, and opened again (which checks every length and name). */
async function changed(opened: OnnxModel, edits: OnnxEdits) {
  const { main, external } = layOutOnnx(opened, edits);
  expect(external).toEqual([]);
  const bytes = await written(main);
  return { bytes, proto: fromBinary(ModelProtoSchema, bytes), again: await open(bytes) };
}

const newTensor = (name: string, dims: number[], values: number[]): NewTensor => {
  const data = new Uint8Array(new Float32Array(values).buffer);
  return {
    name,
    dataType: 1,
    dims,
    data: { byteLength: data.length, chunks: () => [data.subarray(0, 1), data.subarray(1)] },
  };
};
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
      dropTensors: new Set(["table"]),
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
    expect(text(after)).toContain(text(bytes.subarray(opened.graphField.end)));
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
    const { start, end } = again.graphField;
    expect(bytes.subarray(start, end)).toEqual(sample().subarray(opened.graphField.start, opened.graphField.end));
  });

  test("before IR version 4 initializers are inputs of the graph as well", async () => {
    const inputs = [valueInfo("x", [2, 2]), valueInfo("w", [2, 2]), valueInfo("b", [2])];
    const initializers = [tensor("w", [2, 2], [1, 2, 3, 4]), tensor("b", [2], [0, 0])];
    const nodes = [node("Gemm", ["x", "w", "b"], ["y"])];
    const opened = await open(model({ irVersion: 3, nodes, inputs, initializers, outputs: [valueInfo("y")] }));
    const { again } = await changed(opened, {
      replaceNodes: new Map([[opened.graph.nodes[0], [encode("Gemm", ["x", "v", "b"], ["y"])]]]),
      dropTensors: new Set(["w"]),
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
            dropTensors: new Set(initializers.filter((_, i) => dropped[i]).map(({ name }) => name)),
            addTensors: [newTensor("new", [2], [1, 2])],
          });
          expect(proto).toEqual(expected);
        },
      ),
    );
  });

  test("what cannot be done says so", async () => {
    const opened = await open(sample());
    const other = await open(sample());
    const refusal = async (edits: OnnxEdits) =>
      (await failure(() => layOutOnnx(opened, edits), "INVALID_INPUT")).message;
    expect(await refusal({ dropNodes: new Set([other.graph.nodes[0]]) })).toMatch(
      /node "look up" .* is no node of the main graph/,
    );
    expect(await refusal({ dropTensors: new Set(["nope"]) })).toBe(
      `m.onnx: initializer "nope" is to go, but there is none.`,
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

describe("external data", () => {
  const numbers = (n: number, from: number) => Float32Array.from({ length: n }, (_, i) => from + i);
  const raw = (values: Float32Array) => new Uint8Array(values.buffer);
  const a = numbers(600, 0);
  const b = numbers(300, 1000);
  const files = { "one.bin": concat(new Uint8Array(64), raw(a)), "sub/two.bin": raw(b) };
  const place = (location: string, offset?: string, length?: string) => ({
    location,
    ...(offset !== undefined && { offset }),
    ...(length !== undefined && { length }),
    checksum: "of the old file",
  });
  const body = graph({
    nodes: [node("Constant", [], ["k"], { value: externalTensor("deep", [300], place("sub/two.bin")) })],
    initializers: [externalTensor("inner", [20, 30], place("one.bin", "64"))],
    outputs: [valueInfo("k")],
  });
  const bytes = model({
    initializers: [
      externalTensor("a", [20, 30], place("one.bin", "64", "2400")),
      externalTensor("tied", [30, 20], place("one.bin", "64", "2400")),
      tensor("small", [2], [1, 2]),
      externalTensor("b", [300], place("sub/two.bin")),
    ],
    nodes: [
      node("Constant", [], ["c"], { value: externalTensor("", [300], place("sub/two.bin")) }),
      node("If", ["x"], ["y"], { then_branch: body, else_branch: body }),
    ],
    inputs: [valueInfo("x")],
  });
  const reopened = async (opened: OnnxModel, edits: OnnxEdits) => {
    const { main, external } = layOutOnnx(opened, edits);
    const data: Record<string, Uint8Array> = {};
    for (const file of external) data[file.name] = await written(file.bytes);
    return { data, again: await open(await written(main), data) };
  };

  test("moves to one file: aligned, tied ranges once, wherever the tensors are", async () => {
    const opened = await open(bytes, files);
    expect([opened.hasExternalData, opened.byteLength]).toEqual([true, bytes.length + 2400 + 1200]);
    const c = numbers(256, 5000);
    const { data, again } = await reopened(opened, {
      addTensors: [newTensor("e", [256], [...c]), newTensor("d", [1], [9])],
    });
    expect(Object.keys(data)).toEqual(["m.onnx_data"]);
    expect(data["m.onnx_data"]).toEqual(
      concat(raw(a), new Uint8Array(4096 - 2400), raw(b), new Uint8Array(4096 - 1200), raw(c)),
    );
    const { initializers, nodes } = again.graph;
    const where = (name: string) => initializers.get(name)!.data;
    expect(where("a")).toEqual({ kind: "external", location: "m.onnx_data", offset: 0, length: 2400 });
    expect(where("tied")).toEqual(where("a"));
    expect(where("b")).toMatchObject({ offset: 4096, length: 1200 });
    expect(where("e")).toMatchObject({ offset: 8192, length: 1024 });
    expect([where("small").kind, where("d").kind]).toEqual(["inline", "inline"]);
    expect(nodes[0].tensors.get("value")!.data).toEqual(where("b"));
    expect(again.nested.map(({ tensor }) => [tensor.name, tensor.data])).toEqual([
      ["", where("b")],
      ["deep", where("b")],
      ["inner", where("a")],
      ["deep", where("b")],
      ["inner", where("a")],
    ]);
    expect(await readRows(onnxRows(again, initializers.get("tied")!))).toEqual(new Float64Array(a));
  });

  test("goes with the nodes and tensors that go", async () => {
    const opened = await open(bytes, files);
    const { data, again } = await reopened(opened, {
      dropTensors: new Set(["a", "tied"]),
      dropNodes: new Set([opened.graph.nodes[1]]),
    });
    expect(data["m.onnx_data"]).toEqual(raw(b));
    expect(again.nested.length).toBe(1);
  });

  test("the name is the caller's, and stays in the folder", async () => {
    const opened = await open(bytes, files);
    expect(layOutOnnx(opened, {}, { externalName: "w.bin" }).external.map(({ name }) => name)).toEqual(["w.bin"]);
    const error = await failure(() => layOutOnnx(opened, {}, { externalName: "../w.bin" }), "INVALID_INPUT");
    expect(error.message).toMatch(/"\.\.\/w\.bin", which leads out/);
  });

  test("the fields of a tensor that are not about its data stay", async () => {
    const fields = concat(message(12, "doc"), varint(1, 300), message(8, "t"), message(900, "unknown"), varint(2, 1));
    const entry = message(13, message(1, "location"), message(2, "sub/two.bin"));
    const odd = concat(varint(1, 8), message(7, message(5, fields, entry, varint(14, 1))), message(8, varint(2, 17)));
    const main = await written(layOutOnnx(await open(odd, files)).main);
    const text = (part: Uint8Array) => Buffer.from(part).toString("latin1");
    expect(text(main)).toContain(text(fields));
    expect(text(main)).not.toContain("two.bin");
  });
});

describe("past 2 GiB", () => {
  const zeros = (byteLength: number): StreamedBytes => ({
    byteLength,
    *chunks() {
      for (let at = 0; at < byteLength; at += 1 << 22) yield new Uint8Array(Math.min(1 << 22, byteLength - at));
    },
  });
  const big = (name: string, megabytes: number): NewTensor => ({
    name,
    dataType: 2,
    dims: [megabytes, 1_000_000],
    data: zeros(megabytes * 1_000_000),
  });

  /** A model of two tensors of raw zeros that are nowhere in memory. */
  function sparseModel(megabytes: number): ByteSource {
    const head = (name: string) => concat(message(8, name), varint(2, 2), varint(1, megabytes), varint(1, 1_000_000));
    const size = megabytes * 1_000_000;
    // The header of a field is its empty form with the length in place of the 0.
    const prefix = (number: number, length: number) =>
      concat(varint(number, length)).map((byte, i) => (i === 0 ? byte + 2 : byte));
    const tensors = ["old", "older"].map((name) => {
      const inner = concat(head(name), prefix(9, size));
      return concat(prefix(5, inner.length + size), inner);
    });
    const graphBytes = tensors.reduce((sum, part) => sum + part.length + size, 0);
    const tail = message(8, varint(2, 17));
    const first = concat(varint(1, 8), prefix(7, graphBytes), tensors[0]);
    const second = first.length + size;
    const last = second + tensors[1].length + size;
    const parts: [number, Uint8Array][] = [
      [0, first],
      [second, tensors[1]],
      [last, tail],
    ];
    return {
      name: "big.onnx",
      size: last + tail.length,
      async slice(start, end) {
        const bytes = new Uint8Array(end - start);
        for (const [at, part] of parts)
          for (let i = Math.max(start, at); i < Math.min(end, at + part.length); i++) bytes[i - start] = part[i - at];
        return bytes;
      },
    };
  }

  test("the result stays one file up to protocol buffers' limit", async () => {
    const opened = await openOnnx(sparseModel(900));
    const { main, external } = layOutOnnx(opened, { addTensors: [big("new", 300)] });
    expect(external).toEqual([]);
    expect(main.byteLength).toBeGreaterThan(2_100_000_000);
    expect(main.byteLength).toBeLessThan(MAX_ONNX_FILE);
  });

  test("past it all large tensors go to external files of less than 2 GiB", async () => {
    const opened = await openOnnx(sparseModel(900));
    const { main, external } = layOutOnnx(opened, { addTensors: [big("new", 500), big("huge", 3000), big("rest", 1)] });
    expect(external.map(({ name, bytes }) => [name, bytes.byteLength])).toEqual([
      ["big.onnx_data", Math.ceil(900e6 / 4096) * 4096 + 900e6],
      ["big.onnx_data_1", 500e6],
      ["big.onnx_data_2", 3000e6],
      ["big.onnx_data_3", 1e6],
    ]);
    const bytes = await collect(main.chunks());
    expect(bytes.length).toBeLessThan(1000);
    const resolver = (location: string) => ({
      name: location,
      size: external.find(({ name }) => name === location)!.bytes.byteLength,
      slice: async (start: number, end: number) => new Uint8Array(end - start),
    });
    const again = await openOnnx(
      { name: "again", size: bytes.length, slice: async (s, e) => bytes.subarray(s, e) },
      { external: resolver },
    );
    expect([...again.graph.initializers.values()].map(({ name, data }) => [name, data])).toMatchObject([
      ["old", { location: "big.onnx_data", offset: 0, length: 900e6 }],
      ["older", { location: "big.onnx_data", offset: Math.ceil(900e6 / 4096) * 4096 }],
      ["new", { location: "big.onnx_data_1", offset: 0 }],
      ["huge", { location: "big.onnx_data_2", offset: 0, length: 3000e6 }],
      ["rest", { location: "big.onnx_data_3", offset: 0 }],
    ]);
  });
});
