// A layer whose rows are in groups in the graph: a row is its left factor in the columns of its group, between zeros, times the right factors
// of all groups below each other. To gather the group's own right factor would copy rank x cols numbers for each row: what is masked here is
// count x rank of them, for a longer product (docs/clusters.md).
import type { RowType } from "../../matrix.js";
import { bytesOf } from "../kinds/matrix-journal.js";
import type { StoredClusters, StoredLayer } from "../stored.js";
import { DataType, type Attribute, type Builder } from "./builder.js";
import { operandOf } from "./decode.js";
import { once } from "./once.js";
import type { PlacedValue } from "./operand.js";

/** @param type what comes out */
export function clustersOperand(
  builder: Builder,
  { name, rows, rank }: StoredLayer,
  { count, groups, left, right }: StoredClusters,
  { type, opset }: { type: RowType; opset: number },
): PlacedValue {
  const placedLeft = operandOf(builder, `${name}.left`, left, type);
  const placedRight = operandOf(builder, `${name}.right`, right, type);
  const groupsName = builder.tensor(`${name}.groups`, DataType.uint8, [rows], groups);
  const node = (opType: string, inputs: string[], as: string, attributes: Record<string, Attribute> = {}) =>
    builder.node(opType, inputs, { name: `${name}/${as}`, attributes });
  const cast = (value: string, to: keyof typeof DataType) => node("Cast", [value], to, { to: DataType[to] });
  /** The group of each column. */
  const columns = once(() => {
    const numbers = Int32Array.from({ length: count * rank }, (_, at) => Math.floor(at / rank));
    return builder.shared(`groups ${count} ${rank}`, "groups", () => ({
      ...{ dataType: DataType.int32, dims: [numbers.length], data: bytesOf(numbers) },
    }));
  });
  const asColumn = (value: string) =>
    opset < 13
      ? node("Unsqueeze", [value], "column", { axes: [-1] })
      : node("Unsqueeze", [value, builder.vector([-1])], "column");
  /** From rows of left and their groups to the product. */
  const product = (looked: string, group: string) => {
    const own =
      placedLeft.cols > rank
        ? node("Slice", [looked, ...[0, rank, -1].map((each) => builder.vector([each]))], "rank")
        : looked;
    const side = node("Concat", new Array<string>(count).fill(own), "all", { axis: -1 });
    const isOwn = node("Equal", [asColumn(cast(group, "int32")), columns()], "isOwn");
    const masked = node("Mul", [side, cast(isOwn, type)], "own");
    return node("MatMul", [masked, placedRight.whole()], "product");
  };
  return {
    left: {
      ...{ rows, cols: placedRight.cols, transposed: false, needsRank: placedLeft.needsRank },
      whole: once(() => product(placedLeft.whole(), groupsName)),
      gather: (indices, sizes, as) =>
        product(placedLeft.gather(indices, sizes, as), node("Gather", [groupsName, indices], "group")),
    },
    description: { clusters: { count, groups: groupsName, left: placedLeft.part, right: placedRight.part } },
  };
}
