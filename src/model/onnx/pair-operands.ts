// A stored pair in the graph: each factor as it is, or in few bits, which standard operators unpack, or onnxruntime's own.
import type { RowType } from "../../matrix.js";
import type { StoredLayer, StoredPair } from "../stored.js";
import type { Builder } from "./builder.js";
import { operandOf, type MatrixOperand } from "./decode.js";
import { fusedOperand } from "./fused.js";
import type { PlacedValue, Surroundings } from "./operand.js";
import { isReadWhole, type FoundWeight } from "./found-weight.js";

/** @param type what operands put out */
export function pairOperands(
  builder: Builder,
  layer: StoredLayer,
  pair: StoredPair,
  weight: Pick<FoundWeight, "uses" | "places">,
  type: RowType,
  graph: Surroundings,
): PlacedValue {
  const { name } = layer;
  const { left, right } = pair;
  const { uses } = weight;
  const transposed =
    left.kind === "float" &&
    uses.length > 0 &&
    uses.every((use) => use.op === "matmul" && use.transposed !== layer.transposed);
  // The tensor is `.left` times `.right` whichever of it and its transpose was fitted.
  const [first, second] = layer.transposed ? ["right", "left"] : ["left", "right"];
  const leftName = right ? `${name}.${first}` : name;
  const placedLeft =
    fused(builder, leftName, layer, pair, weight, type, graph) ??
    operandOf(builder, leftName, left, type, { transposed });
  if (!right) return { left: placedLeft, description: { left: placedLeft.part } };
  const paddedRows = placedLeft.cols;
  const placedRight = operandOf(builder, `${name}.${second}`, right, type, { transposed, paddedRows });
  return {
    ...{ left: placedLeft, right: placedRight },
    description: { left: placedLeft.part, right: placedRight.part },
  };
}

/**
 * A table (a gathered weight, one of many more rows than columns, all of a weight in few bits) as onnxruntime's own operators read it: not one that something reads
 * as a whole, which they would make anew at every run.
 */
function fused(
  builder: Builder,
  name: string,
  { rows, cols, transposed }: StoredLayer,
  { left, right }: StoredPair,
  { uses, places }: Pick<FoundWeight, "uses" | "places">,
  type: RowType,
  { operators }: Surroundings,
): MatrixOperand | undefined {
  const gathered = uses.some(({ op }) => op === "gather");
  const isWhole = isReadWhole({ places }) || uses.some((use) => use.op === "gather" && use.transposed !== transposed);
  if (operators === "standard" || isWhole || left.kind === "float") return undefined;
  if (!gathered && right && rows < 8 * cols) return undefined;
  const product = uses.some((use) => use.op !== "gather" && use.side === "right" && use.transposed !== transposed);
  if (!gathered && !product) return undefined;
  return fusedOperand(builder, name, left, type, {
    multiplied: product ? (right ? left.paddedCols : cols) : undefined,
  });
}
