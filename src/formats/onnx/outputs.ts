// A model with other inputs and outputs, otherwise byte for byte the same.
import { create, toBinary } from "@bufbuild/protobuf";
import { ValueInfoProtoSchema } from "./onnx_pb.js";
import { lengthDelimited, splice } from "./splice.js";
import type { OnnxModel, OnnxTensor, StreamedBytes } from "./types.js";

/** Field numbers of GraphProto. */
const INPUT = 11;
const OUTPUT = 12;

export interface OtherValues {
  /** Values of the main graph that are outputs after its own. Types and shapes are left to whoever loads it. */
  readonly outputs: readonly string[];
  /** Initializers of the main graph that are inputs in their place: their numbers go. */
  readonly inputs: readonly OnnxTensor[];
}

/** The model file with these changes. External data stays where it is. */
export function withValues({ source, graph }: OnnxModel, { outputs, inputs }: OtherValues): StreamedBytes {
  const parent = graph.message;
  // Before IR version 4 every initializer is an input as well.
  const own = new Set([...graph.inputs, ...graph.outputs].map(({ name }) => name));
  const by = [
    ...inputs.filter(({ name }) => !own.has(name)).map((tensor) => lengthDelimited(INPUT, declared(tensor))),
    ...outputs.filter((name) => !own.has(name)).map((name) => lengthDelimited(OUTPUT, declared({ name }))),
  ];
  return splice(source, [
    ...inputs.map(({ field }) => ({ ...field, by: [], parent })),
    ...(by.length > 0 ? [{ start: parent.end, end: parent.end, by, parent }] : []),
  ]);
}

function declared({ name, dataType, dims }: Pick<OnnxTensor, "name"> & Partial<OnnxTensor>): Uint8Array {
  const dim = dims?.map((size) => ({ dimValue: BigInt(size) }));
  const type = dataType && dim && { tensorType: { elemType: dataType, shape: { dim } } };
  return toBinary(ValueInfoProtoSchema, create(ValueInfoProtoSchema, { name, ...(type && { type }) }));
}
