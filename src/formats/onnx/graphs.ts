/** A graph and all subgraphs in it, at any depth, outer ones first. */
import type { OnnxGraph } from "./types.js";

export function* graphsOf(graph: OnnxGraph): Generator<OnnxGraph> {
  yield graph;
  for (const { subgraphs } of graph.nodes) for (const inner of subgraphs) yield* graphsOf(inner.graph);
}
