// The classifier as an ONNX model: Gather, mean over the tokens, one linear layer.
import { create, toBinary } from "@bufbuild/protobuf";
import { AttributeProto_AttributeType as Kind, ModelProtoSchema } from "../../build/lib/formats/onnx/onnx_pb.js";

const float = 1;
const int64 = 7;

/** @returns the bytes of a model: ids (int64, texts x tokens) to logits (f32, texts x classes) */
export function onnxClassifier({ table, rows, cols, readOut, classes }) {
  const tensor = (name, dims, data) => ({
    ...{ name, dataType: float, dims: dims.map(BigInt) },
    rawData: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  });
  const value = (name, elemType, dims) => ({
    name,
    type: {
      tensorType: {
        elemType,
        shape: {
          dim: dims.map((size) => (typeof size === "number" ? { dimValue: BigInt(size) } : { dimParam: size })),
        },
      },
    },
  });
  const mean = [
    { name: "axes", type: Kind.INTS, ints: [1n] },
    { name: "keepdims", type: Kind.INT, i: 0n },
  ];
  const message = create(ModelProtoSchema, {
    irVersion: 8n,
    opsetImport: [{ domain: "", version: 17n }],
    producerName: "loewner far-rows example",
    graph: {
      name: "classifier",
      node: [
        { name: "look_up", opType: "Gather", input: ["word_embeddings.weight", "ids"], output: ["vectors"] },
        { name: "mean", opType: "ReduceMean", input: ["vectors"], output: ["text"], attribute: mean },
        { name: "classify", opType: "MatMul", input: ["text", "classifier.weight"], output: ["logits"] },
      ],
      initializer: [
        tensor("word_embeddings.weight", [rows, cols], table),
        tensor("classifier.weight", [cols, classes], readOut),
      ],
      input: [value("ids", int64, ["texts", "tokens"])],
      output: [value("logits", float, ["texts", classes])],
    },
  });
  return toBinary(ModelProtoSchema, message);
}
