// A model is read through a window: wherever its edge falls, the same is found. And faults that only rare fields can have.
import { toBinary } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { bytesSource, onnxTensorChunks, openOnnx, type OnnxModel } from "../../../src/formats/index.js";
import { NodeProtoSchema, TensorProtoSchema, ValueInfoProtoSchema } from "../../../src/formats/onnx/onnx_pb.js";
import { concat, failure } from "../fixtures.js";
import { collect, externalTensor, message, model, node, open, tensor, valueInfo, varint } from "./build.js";

const opset = message(8, varint(2, 17));
const tensorBytes = (...parts: Parameters<typeof tensor>) => toBinary(TensorProtoSchema, tensor(...parts));
const outside = (name: string) => toBinary(TensorProtoSchema, externalTensor(name, [1], { location: `${name}.bin` }));
const sparse = (name: string) => [
  message(1, tensorBytes(name, [1], [1])),
  message(2, tensorBytes("", [1], new BigInt64Array(1))),
  varint(3, 4),
];
const nodeBytes = (...parts: Parameters<typeof node>) => toBinary(NodeProtoSchema, node(...parts));
const valueBytes = (name: string) => toBinary(ValueInfoProtoSchema, valueInfo(name, [1, "n"]));

/** Every kind of field that is looked into, in the order in which libraries write them. */
const graphFields = [
  message(1, nodeBytes("Constant", [], ["c"], { value: tensor("in a node", [2], [1, 2]) }, { name: "first" })),
  // A list of graphs, of tensors, of sparse tensors: attributes that no operator has yet.
  message(
    1,
    message(1, "x"),
    message(2, "y"),
    message(3, "second"),
    message(4, "Later"),
    message(
      5,
      message(1, "graphs"),
      message(11, message(2, "inner"), message(5, outside("nested")), message(12, valueBytes("x"))),
    ),
    message(5, message(1, "tensors"), message(10, outside("listed"))),
    message(5, message(1, "sparse"), message(22, ...sparse("value")), message(23, ...sparse("value"))),
    message(7, "own.domain"),
  ),
  message(2, "a graph"),
  message(5, tensorBytes("w", [2, 1], [3, 4])),
  message(11, valueBytes("x")),
  message(12, valueBytes("y")),
  message(13, valueBytes("c")),
  message(14, message(1, "w")),
  message(15, ...sparse("thin")),
];
const rest = [
  message(14, message(1, "key"), message(2, "value")),
  message(20, message(1, message(2, "initialization"), message(5, outside("trained")))),
  message(
    25,
    message(1, "Swish"),
    message(7, nodeBytes("Sigmoid", ["a"], ["b"])),
    message(11, message(1, "alpha"), message(5, outside("default"))),
    message(10, "own.domain"),
  ),
];

/** What was found, without where. */
async function found(opened: OnnxModel) {
  const { graph } = opened;
  const weight = await collect(onnxTensorChunks(opened, graph.initializers.get("w")!));
  return {
    ...{ producer: opened.producer, metadata: [...opened.metadata], functions: [...opened.functions.keys()] },
    nested: opened.nested.map(({ tensor, message }) => [tensor.name, tensor.data.kind, message.depth]),
    name: graph.name,
    nodes: graph.nodes.map(({ name, opType, domain, inputs, outputs, captured, tensors }) => [
      ...[name, opType, domain, inputs, outputs, captured, [...tensors.keys()]],
    ]),
    values: [...graph.inputs, ...graph.outputs, ...graph.valueInfo.values()].map(({ name, dims }) => [name, dims]),
    ...{ sparse: [...graph.sparse], annotated: [...graph.annotated], names: [...graph.names].sort() },
    weight: [...weight],
  };
}

test("wherever the window ends, down to each byte of the model", async () => {
  const window = 1 << 15; // the first: twice FIRST_WINDOW
  const tail = concat(message(2, "producer"), message(7, ...graphFields), opset, ...rest);
  const padded = (length: number) => concat(varint(1, 8), message(6, new Uint8Array(length)), tail);
  const expected = await found(await open(padded(0)));
  expect(expected.nested.map(([name]) => name)).toEqual(["nested", "listed", "trained", "default"]);
  expect(expected.functions).toEqual(["own.domain:Swish"]);
  expect(expected.nodes[1]).toEqual(["second", "Later", "own.domain", ["x"], ["y"], ["x"], []]);
  for (let length = window - tail.length - 12; length <= window; ++length)
    expect(JSON.stringify(await found(await open(padded(length)))) === JSON.stringify(expected)).toBe(true);
});

const withTensor = (...fields: Uint8Array[]) =>
  concat(varint(1, 8), message(7, message(5, message(8, "w"), ...fields)), opset);
const external = (...entries: Uint8Array[]) => [...entries.map((entry) => message(13, entry)), varint(14, 1)];
const place = concat(message(1, "location"), message(2, "a"));

test.each<[string, Uint8Array, RegExp]>([
  [
    "65 dimensions",
    withTensor(varint(2, 1), ...Array.from({ length: 65 }, () => varint(1, 1))),
    /more than 64 dimensions/,
  ],
  [
    "an entry that is no message",
    withTensor(varint(2, 1), varint(1, 1), ...external(Uint8Array.of(0x0a, 9))),
    /cannot be decoded/,
  ],
  [
    "strings outside",
    withTensor(varint(2, 8), varint(1, 1), ...external(place)),
    /has no fixed size, yet its data is external/,
  ],
  [
    "numbers inside and outside",
    withTensor(varint(2, 1), varint(1, 1), message(9, new Uint8Array(4)), ...external(place)),
    /numbers of its own in the file/,
  ],
  [
    "a sparse tensor outside",
    concat(varint(1, 8), message(7, message(15, message(1, outside("thin")))), opset),
    /sparse tensor "thin" has external data/,
  ],
  ["a second graph", concat(varint(1, 8), message(7), message(7), opset), /a second graph/],
])("%s", async (_what, bytes, expected) => {
  expect((await failure(open(bytes), "INVALID_FORMAT")).message).toMatch(expected);
});

test("packed numbers of which the last never ends", async () => {
  const opened = await open(withTensor(varint(2, 7), varint(1, 2), message(7, Uint8Array.of(1, 0x80))));
  const reading = collect(onnxTensorChunks(opened, opened.graph.initializers.get("w")!));
  expect((await failure(reading, "INVALID_FORMAT")).message).toMatch(/tensor "w" at byte \d+ cannot be decoded/);
});

test("external data without a resolver opens, and says what is missing when it is read", async () => {
  const bytes = model({ initializers: [externalTensor("w", [1], { location: "w.bin" })] });
  const opened = await openOnnx(bytesSource(bytes, "m.onnx"));
  const reading = collect(onnxTensorChunks(opened, opened.graph.initializers.get("w")!));
  expect((await failure(reading, "FILE")).message).toMatch(/keeps tensors in the file "w\.bin" beside it.*Give both/);
});
