// A model that puts out more of its values, otherwise byte for byte the same.
import { create, toBinary } from "@bufbuild/protobuf";
import { ValueInfoProtoSchema } from "./onnx_pb.js";
import { lengthDelimited, splice } from "./splice.js";
import type { OnnxModel, StreamedBytes } from "./types.js";

/** Field number of GraphProto. */
const OUTPUT = 12;

/**
 * The model file with these values of the main graph as outputs after its own. Types and shapes are left to whoever loads it. External
 * data stays where it is.
 */
export function withOutputs({ source, graph }: OnnxModel, names: readonly string[]): StreamedBytes {
  const parent = graph.message;
  const own = new Set(graph.outputs.map(({ name }) => name));
  const by = names
    .filter((name) => !own.has(name))
    .map((name) => lengthDelimited(OUTPUT, toBinary(ValueInfoProtoSchema, create(ValueInfoProtoSchema, { name }))));
  return splice(source, by.length > 0 ? [{ start: parent.end, end: parent.end, by, parent }] : []);
}
