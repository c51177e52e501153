/**
 * The rules on names in the main graph (ONNX IR specification, "Graphs"): every value is defined once, and the nodes stand
 * in topological order, so that a node reads only what was defined before it. A cycle has no such order.
 *
 * Cost: linear in the number of names.
 */
import { InvalidFormatError } from "../../errors.js";
import { quote } from "../json.js";
import type { OnnxGraph, OnnxNode } from "./types.js";

/** @throws {InvalidFormatError} naming the node and the value. */
export function checkOrder(graph: OnnxGraph, file: string): void {
  const defined = new Set<string>(graph.sparse);
  for (const { name } of graph.inputs) defined.add(name);
  for (const name of graph.initializers.keys()) defined.add(name);
  const fault = (index: number, text: string) => {
    const offset = graph.nodes[index].field.start;
    return new InvalidFormatError(`${file}: ${label(graph.nodes[index], index)} ${text} (byte ${offset}).`, {
      file,
      offset,
    });
  };
  for (const [index, node] of graph.nodes.entries()) {
    for (const names of [node.inputs, node.captured]) {
      for (const name of names) {
        if (name === "" || defined.has(name)) continue;
        const writer = graph.nodes.findIndex(({ outputs }) => outputs.includes(name));
        throw fault(index, unreadable(graph, name, writer, index));
      }
    }
    for (const name of node.outputs) {
      if (name === "") continue;
      if (defined.has(name)) throw fault(index, `writes ${quote(name)}, which ${definer(graph, name)} defines already`);
      defined.add(name);
    }
  }
  for (const { name, field } of graph.outputs) {
    if (defined.has(name)) continue;
    throw new InvalidFormatError(
      `${file}: output ${quote(name)} of the graph is no output of a node (byte ${field.start}). Export the model again.`,
      { file, offset: field.start },
    );
  }
}

function unreadable(graph: OnnxGraph, name: string, writer: number, reader: number): string {
  if (writer < 0)
    return `reads ${quote(name)}, which is no input or initializer of the graph and no output of a node. The model is damaged; export it again`;
  if (writer === reader) return `reads ${quote(name)}, which it writes itself: a cycle. Export the model again`;
  return `reads ${quote(name)}, which is written only later, by ${label(graph.nodes[writer], writer)}: the nodes form a cycle, or do not stand in topological order, as ONNX demands. Sort them, or export the model again`;
}

function definer(graph: OnnxGraph, name: string): string {
  if (graph.initializers.has(name) || graph.sparse.has(name)) return "an initializer";
  if (graph.inputs.some((input) => input.name === name)) return "an input of the graph";
  const writer = graph.nodes.findIndex(({ outputs }) => outputs.includes(name));
  return label(graph.nodes[writer], writer);
}

function label({ name, opType }: OnnxNode, index: number): string {
  return `node ${index} (${opType}${name === "" ? "" : ` ${quote(name)}`})`;
}
