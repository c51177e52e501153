// How a weight lies in the file: number types, typed fields, external data, IR versions, names in the way, things to be kept.
import { create } from "@bufbuild/protobuf";
import { f32ToBf16, f32ToF16 } from "../../../src/formats/index.js";
import { type TensorProto, TensorProtoSchema } from "../../../src/formats/onnx/onnx_pb.js";
import { type BuiltModel, ids, type OnnxCase, plain, randomFloats, weight } from "./cases.js";
import { externalTensor } from "../../formats/onnx/build.js";
import { floats, type ModelParts, model, node, tensor, Type, value } from "./graph.js";

const table = weight("W", 96, 16, 10);
const dims = [table.rows, table.cols];
const bits16 = (tolerance: number) => ({ tolerance });

/** A table looked into and cast to float, so that every type gives outputs that are easy to compare. */
function embedding(name: string, encode: (data: Float32Array) => TensorProto, more: Partial<OnnxCase> = {}): OnnxCase {
  return {
    ...{ name, weight: table, inputs: { ids: ids([2, 5], table.rows) }, expect: "compressed" },
    build: (data) => {
      const W = encode(data);
      return plain(
        model({
          nodes: [
            node("Gather", ["W", "ids"], ["rows"], { name: "look" }),
            node("Cast", ["rows"], ["y"], { attributes: { to: Type.float } }),
          ],
          initializers: [W],
          inputs: [value("ids", Type.int64, [2, 5])],
          outputs: [value("y", Type.float, [2, 5, table.cols])],
          valueInfo: [value("rows", W.dataType, [2, 5, table.cols])],
        }),
      );
    },
    ...more,
  };
}

const bare = (dataType: number) => ({ name: "W", dataType, dims: dims.map(BigInt) });
const int32 = (bits: Uint16Array) => Array.from(bits);

const types: OnnxCase[] = [
  embedding("float16 table", (data) => tensor("W", Type.float16, dims, f32ToF16(data)), bits16(2e-3)),
  embedding("bfloat16 table", (data) => tensor("W", Type.bfloat16, dims, f32ToBf16(data)), bits16(2e-2)),
  embedding("double table", (data) => tensor("W", Type.double, dims, Float64Array.from(data))),
  embedding("table in float_data", (data) =>
    create(TensorProtoSchema, { ...bare(Type.float), floatData: Array.from(data) }),
  ),
  embedding("table in double_data", (data) =>
    create(TensorProtoSchema, { ...bare(Type.double), doubleData: Array.from(data) }),
  ),
  embedding(
    "float16 table in int32_data",
    (data) => create(TensorProtoSchema, { ...bare(Type.float16), int32Data: int32(f32ToF16(data)) }),
    bits16(2e-3),
  ),
  embedding(
    "bfloat16 table in int32_data",
    (data) => create(TensorProtoSchema, { ...bare(Type.bfloat16), int32Data: int32(f32ToBf16(data)) }),
    bits16(2e-2),
  ),
];

const halfLayer: OnnxCase = {
  ...{
    name: "float16 MatMul",
    weight: table,
    inputs: { x: randomFloats([3, 96]) },
    expect: "compressed",
    tolerance: 4e-3,
  },
  build: (data) =>
    plain(
      model({
        nodes: [
          node("Cast", ["x"], ["half"], { attributes: { to: Type.float16 } }),
          node("MatMul", ["half", "W"], ["h"], { name: "dense" }),
          node("Cast", ["h"], ["y"], { attributes: { to: Type.float } }),
        ],
        initializers: [tensor("W", Type.float16, dims, f32ToF16(data))],
        inputs: [value("x", Type.float, [3, 96])],
        outputs: [value("y", Type.float, [3, 16])],
      }),
    ),
};

const lookUp = (parts: Partial<ModelParts>): ModelParts => ({
  nodes: [node("Gather", ["W", "ids"], ["y"])],
  inputs: [value("ids", Type.int64, [2, 5])],
  outputs: [value("y", Type.float, [2, 5, table.cols])],
  ...parts,
});

/** Initializers in one file or in several, with a gap before each. */
function externalData(name: string, fileOf: (tensorName: string) => string): OnnxCase {
  const build = (data: Float32Array): BuiltModel => {
    const external = new Map<string, Uint8Array>();
    const put = (tensorName: string, shape: number[], numbers: Float32Array) => {
      const location = fileOf(tensorName);
      const before = external.get(location) ?? new Uint8Array(0);
      const offset = before.length + 64;
      const all = new Uint8Array(offset + numbers.byteLength);
      all.set(before);
      all.set(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength), offset);
      external.set(location, all);
      return externalTensor(tensorName, shape, {
        location,
        offset: String(offset),
        length: String(numbers.byteLength),
      });
    };
    const initializers = [
      put("V", [16, 30], weight("V", 16, 30, 9).data),
      put("W", dims, data),
      put("b", [300], randomFloats([300], 3).data as Float32Array),
    ];
    const bytes = model({
      nodes: [
        node("Gather", ["W", "ids"], ["rows"]),
        node("MatMul", ["rows", "V"], ["h"]),
        node("Gather", ["b", "ids"], ["c"]),
        node("Unsqueeze", ["c", "last"], ["c1"]),
        node("Add", ["h", "c1"], ["y"]),
      ],
      initializers: [...initializers, tensor("last", Type.int64, [1], BigInt64Array.of(-1n))],
      inputs: [value("ids", Type.int64, [2, 5])],
      outputs: [value("y", Type.float, [2, 5, 30])],
    });
    return { bytes, external };
  };
  return { name, weight: table, inputs: { ids: ids([2, 5], table.rows) }, expect: "compressed", build };
}

function withDefault(irVersion: number): ModelParts["inputs"] {
  return [value("ids", Type.int64, [2, 5]), value("W", Type.float, irVersion < 4 ? dims : [table.rows, table.cols])];
}

const versions: OnnxCase[] = [3, 4, 8].map((irVersion) => ({
  ...{ name: `IR version ${irVersion}, the weight listed as a graph input`, weight: table },
  inputs: { ids: ids([2, 5], table.rows) },
  ...(irVersion < 4
    ? { expect: "compressed" as const }
    : { expect: "skipped" as const, reason: /graph input with a default value/ }),
  build: (data) =>
    plain(
      model(
        lookUp({
          ...{ irVersion, opset: 11, inputs: withDefault(irVersion) },
          initializers: [floats("W", dims, data)],
        }),
      ),
    ),
}));

const collisions: OnnxCase = {
  ...{ name: "names that are taken", weight: table, expect: "compressed" },
  inputs: { "W.right": ids([2, 5], table.rows), "W.left": randomFloats([2, 5, 16]) },
  build: (data) =>
    plain(
      model({
        nodes: [
          node("Gather", ["W", "W.right"], ["look/product"], { name: "look" }),
          node("Add", ["look/product", "W.left"], ["look/rows"], { name: "look/Gather" }),
          node("MatMul", ["look/rows", "loewner/0"], ["W.left_2"], { name: "look/MatMul" }),
        ],
        initializers: [floats("W", dims, data), floats("loewner/0", [16, 5], weight("V", 16, 5, 9).data)],
        inputs: [value("W.right", Type.int64, [2, 5]), value("W.left", Type.float, [2, 5, 16])],
        outputs: [value("W.left_2", Type.float, [2, 5, 5])],
      }),
    ),
};

/** The strings that `keepsake` carries: what no part of compress may lose. */
export const kept = {
  metadata: { author: "someone", loewnerish: "not ours" },
  docs: ["about the graph", "about a node"],
};

const keepsake: OnnxCase = {
  ...{
    name: "metadata and doc strings",
    weight: table,
    inputs: { ids: ids([2, 5], table.rows) },
    expect: "compressed",
  },
  build: (data) =>
    plain(
      model({
        nodes: [node("Gather", ["W", "ids"], ["rows"]), node("Neg", ["rows"], ["y"], { docString: kept.docs[1] })],
        initializers: [floats("W", dims, data)],
        inputs: [value("ids", Type.int64, [2, 5])],
        outputs: [value("y", Type.float, [2, 5, 16])],
        docString: kept.docs[0],
        metadata: kept.metadata,
      }),
    ),
};

const zeros: OnnxCase = {
  ...{ name: "a table of zeros", inputs: { ids: ids([2, 5], table.rows) }, expect: "compressed" },
  weight: { ...table, data: new Float32Array(table.data.length) },
  build: (data) => plain(model(lookUp({ initializers: [floats("W", dims, data)] }))),
};

export const storageCases: readonly OnnxCase[] = [
  ...types,
  halfLayer,
  externalData("external data in one file", () => "model.onnx_data"),
  externalData("external data in several files", (name) => `weights/${name}.bin`),
  ...versions,
  ...[collisions, keepsake, zeros],
];
