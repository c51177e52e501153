// onnxruntime's EmbedLayerNormalization by operators of ai.onnx, which read tables by their rows: words + positions + segments, normalised.
import { create } from "@bufbuild/protobuf";
import {
  AttributeProto_AttributeType as Kind,
  AttributeProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  TensorProtoSchema,
} from "../../../formats/onnx/onnx_pb.js";
import type { OnnxModel, OnnxNode } from "../../../formats/onnx/types.js";
import { DataType } from "../builder.js";
import { opsetOf } from "../uses.js";
import type { Scope, Values } from "../values.js";
import { isWeight } from "../weights.js";
import type { Renaming } from "./renaming.js";

/** LayerNormalization is an operator of ai.onnx from here on. */
const leastOpset = 17;
/** Where the operator's epsilon is not given. */
const usualEpsilon = 1e-12;

/** Whether a node is one whose words are a constant table of floats. */
export function isEmbedding(
  model: OnnxModel,
  values: Values,
  { node, scope }: { node: OnnxNode; scope: Scope },
): boolean {
  const { opType, domain, inputs } = node;
  if (opType !== "EmbedLayerNormalization" || domain !== "com.microsoft" || opsetOf(model) < leastOpset) return false;
  const words = values.tensor(scope, inputs[2] ?? "");
  const isWhole = [0, 2, 3, 5, 6].every((at) => (inputs[at] ?? "") !== "");
  return isWhole && words?.rowType === "f32" && isWeight(words);
}

/** What comes in its place; sums are taken in the operator's own order. */
export function embeddingNodes({ input, output, attribute }: NodeProto, names: Renaming): NodeProto[] {
  const [ids, segments = "", words, positions, segmentTable = "", gamma, beta, mask = "", places = ""] = input;
  const [normalised, counts = "", summed = ""] = output;
  const nodes: NodeProto[] = [];
  const write = (
    opType: string,
    inputs: string[],
    to = names.fresh(opType),
    attributes: NodeProto["attribute"] = [],
  ) => {
    nodes.push(create(NodeProtoSchema, { opType, input: inputs, output: [to], attribute: attributes }));
    return to;
  };
  const int = (name: string, i: number) => create(AttributeProtoSchema, { name, type: Kind.INT, i: BigInt(i) });
  const constant = (value: number, dims: number[], dataType: number) => {
    const numbers = dataType === DataType.int64 ? BigInt64Array.of(BigInt(value)) : Int32Array.of(value);
    const rawData = new Uint8Array(numbers.buffer);
    const t = create(TensorProtoSchema, { dataType, dims: dims.map(BigInt), rawData });
    return write("Constant", [], undefined, [create(AttributeProtoSchema, { name: "value", type: Kind.TENSOR, t })]);
  };
  const int64 = (value: number, dims: number[] = []) => constant(value, dims, DataType.int64);

  const length = () => write("Gather", [write("Shape", [ids]), int64(1)]);
  const at = places || write("Range", [int64(0), length(), int64(1)]);
  const both = [write("Gather", [words, ids]), write("Gather", [positions, at])];
  const hasSegments = segmentTable !== "" && segments !== "";
  const sum = write("Add", both, hasSegments ? undefined : summed || undefined);
  const all = hasSegments ? write("Add", [sum, write("Gather", [segmentTable, segments])], summed || undefined) : sum;
  const epsilon = attribute.find(({ name }) => name === "epsilon")?.f ?? usualEpsilon;
  write("LayerNormalization", [all, gamma, beta], normalised, [
    create(AttributeProtoSchema, { name: "epsilon", type: Kind.FLOAT, f: epsilon }),
  ]);
  if (counts !== "") {
    // Ones of the mask in each text; without one, zeros.
    const ones = mask ? write("Equal", [mask, constant(1, [], DataType.int32)]) : write("Less", [ids, ids]);
    const numbers = write("Cast", [ones], undefined, [int("to", DataType.int32)]);
    write("ReduceSum", [numbers, int64(1, [1])], counts, [int("keepdims", 0)]);
  }
  return nodes;
}
