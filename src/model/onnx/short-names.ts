// Values inside of a graph under short names. Of a small model the names that exporters give them are a tenth to a half of the file; nothing
// reads them but the nodes themselves. What is known from outside keeps its name:
// inputs, outputs, weights. What layers are stored in is known by the description alone, which is written in short with it.
import { clearField, fromBinary, toBinary } from "@bufbuild/protobuf";
import { type GraphProto, type ModelProto, ModelProtoSchema, NodeProtoSchema } from "../../formats/onnx/onnx_pb.js";
import { metadataKey, readDescription } from "../description.js";
import { allTensorsOf } from "../kinds/index.js";
import { shortDescriptionText } from "../short-description.js";
import { DataType, isHelper, shortPrefix } from "./builder.js";

/**
 * The same model: values that nodes put out, parts of stored layers, sizes and places have names of a few letters, nodes have none, and shapes
 * that operators of ai.onnx tell are not written down.
 * @param bytes the main file, which is read
 */
export function withShortNames(bytes: Uint8Array): Uint8Array {
  const model = fromBinary(ModelProtoSchema, bytes);
  const { graph } = model;
  if (!graph) return bytes;
  const graphs = graphsIn(graph);
  const description = describedIn(model, graph);
  const parts = new Set([...description.values()].flatMap(allTensorsOf));
  const kept = new Set<string>();
  const made = new Set<string>();
  for (const { name } of [...graph.input, ...graph.output]) kept.add(name);
  for (const each of graphs) {
    for (const { name, dataType } of each.initializer)
      (isIndices(dataType) || parts.has(name) || isHelper(name) ? made : kept).add(name);
    for (const { values } of each.sparseInitializer) kept.add(values?.name ?? "");
    for (const { tensorName } of each.quantizationAnnotation) kept.add(tensorName);
    if (each !== graph) for (const { name } of [...each.input, ...each.output]) made.add(name);
    for (const { output, opType, attribute } of each.node) {
      // A Constant may be a weight.
      const isKept = opType === "Constant" && !attribute.every(({ t }) => t && isIndices(t.dataType));
      for (const name of output) (isKept ? kept : made).add(name);
    }
  }
  const taken = new Set([...kept, ...made, ...graphs.flatMap(({ node }) => node.flatMap(({ input }) => input))]);
  const short = new Map<string, string>();
  let count = 0;
  for (const name of made) {
    if (name === "" || kept.has(name)) continue;
    let next: string;
    const prefix = isHelper(name) && !parts.has(name) ? shortPrefix : "";
    do next = prefix + lettersOf(count++);
    while (taken.has(next));
    if (next.length < name.length) short.set(name, next);
  }
  const renamed = (name: string) => short.get(name) ?? name;
  for (const each of graphs) {
    for (const node of each.node) {
      node.input = node.input.map(renamed);
      node.output = node.output.map(renamed);
      clearField(node, NodeProtoSchema.field.name);
    }
    for (const tensor of each.initializer) tensor.name = renamed(tensor.name);
    for (const value of [...each.valueInfo, ...(each === graph ? [] : [...each.input, ...each.output])])
      value.name = renamed(value.name);
  }
  const told = new Set(
    graph.node.flatMap(({ domain, output }) => (domain === "" || domain === "ai.onnx" ? output : [])),
  );
  graph.valueInfo = graph.valueInfo.filter(({ name }) => !told.has(name));
  for (const property of model.metadataProps)
    if (property.key === metadataKey) property.value = shortDescriptionText(description, renamed);
  return toBinary(ModelProtoSchema, model);
}

function describedIn({ metadataProps }: ModelProto, { initializer }: GraphProto) {
  const dims = new Map(initializer.map((tensor) => [tensor.name, tensor.dims.map(Number)]));
  const text = metadataProps.find(({ key }) => key === metadataKey)?.value;
  return readDescription(text, "the result", (name) => dims.get(name));
}

/** Sizes and places of int64, and bools: no weight, and nothing that the description names. */
const isIndices = (dataType: number) => dataType === DataType.int64 || dataType === bool;

const bool = 9;

/** With all that lie in it. */
function graphsIn(graph: GraphProto): GraphProto[] {
  const inside = graph.node.flatMap(({ attribute }) =>
    attribute.flatMap(({ g, graphs }) => [...(g ? [g] : []), ...graphs]),
  );
  return [graph, ...inside.flatMap(graphsIn)];
}

/** a, b, ..., z, aa, ab, ... */
function lettersOf(number: number): string {
  const letter = String.fromCharCode(97 + (number % 26));
  return number < 26 ? letter : lettersOf(Math.floor(number / 26) - 1) + letter;
}
