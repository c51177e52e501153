// Clusters of rows in few bits: each group's factors rotated and coded as those of a whole layer are, and put together again.
import { InvalidInputError } from "../errors.js";
import { chosenRows, objectiveOfAll, rowsByGroup } from "../geometry/subspace/row-groups.js";
import type { Matrix, RowSource } from "../matrix.js";
import type { CodedMatrix, Loewner, Objective, QuantiseOptions } from "../types/index.js";
import { stacked } from "./onnx/transform-layout.js";
import type { StoredClusters } from "./stored.js";

/** @param found right factors of all groups below each other, and the group of each row */
export async function codeClusters(
  loewner: Loewner,
  source: RowSource,
  { right, groups, rank }: { right: Matrix; groups: Uint8Array; rank: number },
  { rowWeights, ...options }: Omit<QuantiseOptions, "right">,
): Promise<{ value: StoredClusters; objective: Objective }> {
  const count = right.rows / rank;
  const size = rank * right.cols;
  const lists = rowsByGroup(groups, count);
  const lefts: CodedMatrix[] = [];
  const rights: CodedMatrix[] = [];
  const objectives: Objective[] = [];
  for (const [j, indices] of lists.entries()) {
    const data = right.data.slice(j * size, (j + 1) * size);
    const coded = await loewner.quantise(chosenRows(source, indices), {
      ...options,
      right: { data, rows: rank, cols: right.cols },
      ...(rowWeights && { rowWeights: Float64Array.from(indices, (i) => rowWeights[i]) }),
    });
    lefts.push(coded.left);
    rights.push(coded.right!);
    objectives.push(coded.objective);
  }
  const left = inOrder(inOne(lefts, source), lists);
  const value = { kind: "clusters", count, groups, left, right: inOne(rights, source) } as const;
  return { value, objective: objectiveOfAll(objectives, lists) };
}

function inOne(matrices: readonly CodedMatrix[], { name = "A" }: RowSource): CodedMatrix {
  const [first, ...others] = stacked(matrices);
  if (others.length === 0) return first.matrix;
  throw new InvalidInputError(
    `Rows of ${name} are too far apart in size for codes that share their scales' unit; store its clusters as f16 or f32, or take another method.`,
    { tensor: name },
  );
}

/** Rows that lie group by group, each in its own place. */
function inOrder(matrix: CodedMatrix, lists: readonly Int32Array[]): CodedMatrix {
  const order = lists.flatMap((list) => Array.from(list));
  const placed = <T extends Uint8Array | Uint16Array>(from: T, to: T, width: number) => {
    order.forEach((row, at) => to.set(from.subarray(at * width, (at + 1) * width), row * width));
    return to;
  };
  const { planes, scales, rows } = matrix;
  return {
    ...matrix,
    planes: planes.map((plane) => ({
      ...plane,
      bytes: placed(plane.bytes, new Uint8Array(plane.bytes.length), plane.bytesPerRow),
    })),
    scales: placed(scales, new Uint16Array(scales.length), scales.length / rows),
  };
}
