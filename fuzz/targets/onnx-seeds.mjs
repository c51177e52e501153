// Small ONNX models that have everything the reader knows: operators whose weights are factored, subgraphs, functions, every way
// to store a tensor.
import { fromJson, toBinary } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import {
  AttributeProtoSchema,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
} from "../../build/lib/formats/onnx/onnx_pb.js";
import { concat, utf8 } from "./seeds.mjs";
import { numbers } from "./small-model.mjs";

/** Field numbers of ModelProto. */
const TRAINING_INFO = 20;
const FUNCTIONS = 25;

/** The schema, and those messages in a model that the library reads field by field without it. */
export const modelSchema = {
  name: "ModelProto",
  fields: [
    ...ModelProtoSchema.fields,
    {
      number: TRAINING_INFO,
      message: { name: "TrainingInfoProto", fields: [1, 2].map((number) => ({ number, message: GraphProtoSchema })) },
    },
    {
      number: FUNCTIONS,
      message: {
        name: "FunctionProto",
        fields: [
          { number: 7, message: NodeProtoSchema },
          { number: 11, message: AttributeProtoSchema },
        ],
      },
    },
  ],
};

/** Names and texts that models use. */
export const words = [
  ...[
    "Gather",
    "MatMul",
    "Gemm",
    "Transpose",
    "Identity",
    "Constant",
    "If",
    "Loop",
    "DequantizeLinear",
    "table",
    "w",
    "ids",
    "x",
  ],
  ...[
    "axis",
    "perm",
    "transA",
    "transB",
    "value",
    "location",
    "offset",
    "length",
    "ai.onnx",
    "com.microsoft",
    "loewner",
    "a.bin",
  ],
  ...[
    "model.onnx_data",
    "batch",
    "n",
    "0",
    "4",
    "48",
    "../a.bin",
    "a/b.bin",
    "embed_tokens.weight",
    "word_embeddings.weight",
  ],
];

const base64 = (view) => Buffer.from(view.buffer, view.byteOffset, view.byteLength).toString("base64");
const tensor = (name, dims, seed = 1) => ({
  ...{ name, dims: dims.map(String), dataType: 1 },
  rawData: base64(
    numbers(
      dims.reduce((product, n) => product * n, 1),
      seed,
    ),
  ),
});
const value = (name, dims, elemType = 1) => ({
  name,
  type: {
    tensorType: {
      elemType,
      shape: { dim: dims.map((n) => (typeof n === "number" ? { dimValue: String(n) } : { dimParam: n })) },
    },
  },
});
const node = (opType, input, output, attribute = []) => ({
  opType,
  input,
  output,
  name: `${opType} of ${output}`,
  attribute,
});
const int = (name, i) => ({ name, type: "INT", i: String(i) });
const model = (graph, more = {}) =>
  toBinary(
    ModelProtoSchema,
    fromJson(ModelProtoSchema, {
      irVersion: "8",
      producerName: "seed",
      opsetImport: [{ version: "17" }],
      graph,
      ...more,
    }),
  );

/** A tied table, a product both ways, a Gemm: all can be factored. */
export function factorable() {
  return model({
    name: "g",
    node: [
      node("Gather", ["embed_tokens.weight", "ids"], ["rows"], [int("axis", 0)]),
      node("MatMul", ["rows", "w"], ["hidden"]),
      node("Transpose", ["embed_tokens.weight"], ["table t"], [{ name: "perm", type: "INTS", ints: ["1", "0"] }]),
      node("MatMul", ["hidden", "table t"], ["logits"]),
      node("Gemm", ["flat", "g", "bias"], ["out"], [int("transB", 1), { name: "alpha", type: "FLOAT", f: 0.5 }]),
    ],
    initializer: [
      tensor("embed_tokens.weight", [40, 4]),
      tensor("w", [4, 4], 2),
      tensor("g", [12, 6], 3),
      tensor("bias", [12], 4),
    ],
    input: [value("ids", ["n"], 7), value("flat", [2, 6])],
    output: [value("logits", ["n", 40]), value("out", [2, 12])],
    valueInfo: [value("rows", ["n", 4]), value("hidden", [0, ""])],
  });
}

/** Subgraphs in one another, constants, a function, training, a sparse tensor, an annotation, metadata. */
function structured() {
  const body = {
    name: "body",
    node: [node("Add", ["state", "outer"], ["sum"]), node("Mul", ["sum", "w2"], ["next"])],
    input: [value("i", [], 7), value("go", [], 9), value("state", [2])],
    output: [value("go", [], 9), value("next", [2])],
  };
  const then = {
    name: "then",
    node: [node("Loop", ["count", "cond", "y"], ["last"], [{ name: "body", type: "GRAPH", g: body }])],
    initializer: [tensor("w2", [2, 2])],
    output: [value("last", [2])],
  };
  const otherwise = { name: "else", output: [value("outer", [2])] };
  const branches = [
    { name: "then_branch", type: "GRAPH", g: then },
    { name: "else_branch", type: "GRAPH", g: otherwise },
  ];
  return model(
    {
      name: "g",
      node: [
        node("Constant", [], ["c"], [{ name: "value", type: "TENSOR", t: tensor("", [3, 2]) }]),
        node("MatMul", ["x", "c"], ["outer"]),
        node("Identity", ["outer"], ["y"]),
        node("If", ["cond"], ["out"], branches),
      ],
      initializer: [{ name: "count", dims: [], dataType: 7, int64Data: ["2"] }],
      sparseInitializer: [
        { values: tensor("sparse", [1]), indices: { dims: ["1"], dataType: 7, int64Data: ["0"] }, dims: ["4"] },
      ],
      input: [value("x", [1, 3]), value("cond", [], 9), value("attention_mask", ["batch", "past_length + 2*n"], 7)],
      output: [value("out", ["n"])],
      quantizationAnnotation: [{ tensorName: "c" }],
    },
    {
      opsetImport: [{ version: "17" }, { domain: "local", version: "1" }],
      metadataProps: [
        { key: "k", value: "v" },
        { key: "loewner", value: '{"version":1,"layers":{}}' },
      ],
    },
  );
}

/** The same with a function and a graph for training, which are read without the schema knowing them. */
function withFunction() {
  const graph = toBinary(
    GraphProtoSchema,
    fromJson(GraphProtoSchema, { name: "training", initializer: [tensor("step", [1])] }),
  );
  const relu = toBinary(NodeProtoSchema, fromJson(NodeProtoSchema, node("Relu", ["a"], ["b"])));
  const body = [text(1, "f"), text(10, "local"), text(4, "a"), text(5, "b"), bytesField(7, relu)];
  return concat(structured(), bytesField(TRAINING_INFO, bytesField(1, graph)), bytesField(FUNCTIONS, concat(...body)));
}

const bytesField = (number, bytes) => new BinaryWriter().tag(number, WireType.LengthDelimited).bytes(bytes).finish();
const text = (number, value) => bytesField(number, utf8(value));

/** What is quantised, or feeds a fused operator or the model's own function. */
function quantised() {
  const codes = { name: "q", dims: ["12", "4"], dataType: 3, rawData: base64(new Int8Array(48)) };
  const own = (domain, ...args) => ({ ...node(...args), domain });
  return model(
    {
      name: "g",
      node: [
        node("DequantizeLinear", ["q", "scale"], ["table"]),
        node("Gather", ["table", "input_ids"], ["rows"]),
        own("com.microsoft", "MatMulNBits", ["rows", "w"], ["a"]),
        own("local", "f", ["w"], ["b"]),
        node("Transpose", ["v"], ["v t"]),
        node("Gather", ["v t", "token_type_ids"], ["c"]),
        node("Gather", ["v", "input_ids"], ["d"], [int("axis", 1)]),
      ],
      initializer: [codes, tensor("scale", []), tensor("w", [4, 4], 2), tensor("v", [8, 4], 3)],
      input: [value("input_ids", ["batch", "seq"], 7), value("token_type_ids", ["batch", "seq"], 13)],
      output: ["a", "b", "c", "d"].map((name) => value(name, ["n"])),
    },
    { opsetImport: [{ version: "17" }, { domain: "com.microsoft", version: "1" }, { domain: "local", version: "1" }] },
  );
}

/** Numbers in typed fields of several types, before IR version 4 with weights among the inputs. */
function typed() {
  const typedTensors = [
    { name: "w", dims: ["2", "3"], dataType: 1, floatData: [1, 2, 3, 4, 5, 6] },
    { name: "d", dims: ["3", "2"], dataType: 11, doubleData: [1, 2, 3, 4, 5, 6] },
    { name: "half", dims: ["2", "2"], dataType: 10, int32Data: [15360, 16384, 0, -1] },
    { name: "four", dims: ["3"], dataType: 22, int32Data: [18, 3] },
    { name: "i", dims: ["2"], dataType: 7, int64Data: ["-1", "1"] },
    { name: "none", dims: ["0", "4"], dataType: 1 },
    // Longer than the window that is read at a time.
    { name: "long", dims: ["5000"], dataType: 7, int64Data: Array.from({ length: 5000 }, (_, i) => String(i * 97)) },
    { name: "after", dims: ["2"], dataType: 1, rawData: base64(numbers(2, 9)) },
  ];
  return model(
    {
      name: "g",
      node: [node("MatMul", ["x", "w"], ["y"]), node("Gather", ["d", "ids"], ["rows"])],
      initializer: typedTensors,
      input: [value("x", [1, 2]), value("w", [2, 3]), value("ids", ["n"], 7), value("d", [3, 2], 11)],
      output: [value("y", [1, 3]), value("rows", ["n", 2], 11)],
    },
    { irVersion: "3", opsetImport: [{ version: "11" }] },
  );
}

export function inlineSeeds() {
  // The long one seldom: it costs as much as the others together.
  const short = [factorable(), structured(), withFunction(), quantised()];
  return [...short, ...short, ...short, typed()];
}

/** A model whose tensors lie in a.bin, and that file. One tensor lies in a node, two share a range. */
export function externalSeed() {
  const at = (offset, length) =>
    Object.entries({ location: "a.bin", offset, length }).map(([key, each]) => ({ key, value: String(each) }));
  const external = (name, dims, offset, length) => ({
    name,
    dims: dims.map(String),
    dataType: 1,
    externalData: at(offset, length),
    dataLocation: "EXTERNAL",
  });
  const bytes = model({
    name: "g",
    node: [
      node("Gather", ["table", "ids"], ["rows"]),
      node("Constant", [], ["c"], [{ name: "value", type: "TENSOR", t: external("", [4, 3], 192, 48) }]),
      node("MatMul", ["rows", "c"], ["y"]),
    ],
    initializer: [external("table", [12, 4], 0, 192), external("again", [12, 4], 0, 192), tensor("inside", [2, 2])],
    input: [value("ids", ["n"], 7)],
    output: [value("y", ["n", 3])],
  });
  return { "model.onnx": bytes, "a.bin": new Uint8Array(numbers(60, 5).buffer) };
}
