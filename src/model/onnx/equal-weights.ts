// Weights that hold the same numbers, or each other's transpose, as exporters write a tied head beside its table, or a shared layer once
// for each time that it is used. They are joined: one of them stays, and what reads the others reads it.
import { transposedRows } from "../../formats/transposed-rows.js";
import type { OnnxModel } from "../../formats/onnx/types.js";
import type { RowSource } from "../../matrix.js";
import { rowChunks } from "../stored.js";
import { isDequantised, weightRows } from "./float-view.js";
import type { FoundWeight, Place } from "./found-weight.js";

/** Below, the node that takes a tensor's place is as large. */
export const leastBytes = 1024;

/**
 * Cost: the first and the last number of every weight whose size another has; those are the same in a transpose. Where they agree, both
 * weights are read.
 */
export async function joinEqual(model: OnnxModel, found: readonly FoundWeight[]): Promise<FoundWeight[]> {
  const joined = new Map<FoundWeight, FoundWeight | undefined>();
  for (const group of await alike(model, found)) {
    for (const [at, first] of group.entries()) {
      if (joined.has(first)) continue;
      let whole = first;
      for (const other of group.slice(at + 1)) {
        if (joined.has(other)) continue;
        const turned = await howEqual(first, other, rowsIn(model));
        if (turned === undefined) continue;
        whole = join(whole, other, turned);
        joined.set(other, undefined);
      }
      joined.set(first, whole);
    }
  }
  return found.flatMap((weight) => {
    const whole = joined.has(weight) ? joined.get(weight) : weight;
    return whole ? [whole] : [];
  });
}

/** Those that may be equal; of each group the one first whose name the whole will have: an initializer, a table that is looked into. */
async function alike(model: OnnxModel, found: readonly FoundWeight[]): Promise<FoundWeight[][]> {
  const sizes = grouped(
    found.filter(({ blocked, tensor }) => blocked === undefined && tensor.byteLength >= leastBytes),
    ({ tensor, matrix }) => `${tensor.dataType} ${isDequantised(tensor)} ${[...matrix].sort((a, b) => a - b).join()}`,
  );
  const groups: FoundWeight[][] = [];
  for (const group of sizes) {
    const ends = new Map<FoundWeight, string>();
    for (const weight of group) ends.set(weight, await endsOf(weight, rowsIn(model)));
    groups.push(...grouped(group, (weight) => ends.get(weight)!));
  }
  const rank = ({ places: [{ constant }], uses }: FoundWeight) =>
    (constant ? 2 : 0) + (uses.some(({ op }) => op === "gather") ? 0 : 1);
  return groups.map((group) => group.sort((a, b) => rank(a) - rank(b)));
}

/** Groups of more than one. */
export function grouped<T>(list: readonly T[], keyOf: (each: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const each of list) groups.set(keyOf(each), [...(groups.get(keyOf(each)) ?? []), each]);
  return [...groups.values()].filter(({ length }) => length > 1);
}

/** A weight's numbers, as its matrix unless another shape is given. */
type RowsOf = (weight: FoundWeight, shape?: readonly number[]) => RowSource;

const rowsIn =
  (model: OnnxModel): RowsOf =>
  ({ tensor, matrix }, shape = matrix) =>
    weightRows(model, tensor, shape);

async function endsOf(weight: FoundWeight, rowsOf: RowsOf): Promise<string> {
  const [rows, cols] = weight.matrix;
  const numbers = rowsOf(weight, [rows * cols, 1]);
  const ends = [await numbers.read(0, 1), await numbers.read(rows * cols - 1, 1)];
  return ends.map((bytes) => Array.from(bytes).join()).join(" ");
}

/** As howEqual, after a look at their first and last numbers. */
export async function compared(first: FoundWeight, second: FoundWeight, rowsOf: RowsOf): Promise<boolean | undefined> {
  const isLarge = first.tensor.byteLength + second.tensor.byteLength >= 2 * leastBytes;
  const mayBe = isLarge && (await endsOf(first, rowsOf)) === (await endsOf(second, rowsOf));
  return mayBe ? howEqual(first, second, rowsOf) : undefined;
}

/** Whether the second is the first (false), or its transpose (true), as matrices; their tensors may have other dimensions. */
async function howEqual(first: FoundWeight, second: FoundWeight, rowsOf: RowsOf): Promise<boolean | undefined> {
  const [[rows], [others, width]] = [first.matrix, second.matrix];
  if (rows === others && (await areEqual(rowsOf(first), rowsOf(second)))) return false;
  return rows === width && (await areEqual(rowsOf(first), transposedRows(rowsOf(second)))) ? true : undefined;
}

/** To the byte. Their shapes are the same. */
async function areEqual(a: RowSource, b: RowSource): Promise<boolean> {
  const others = rowChunks(b);
  try {
    for await (const chunk of rowChunks(a)) {
      const other = (await others.next()).value!;
      if (chunk.some((byte, i) => byte !== other[i])) return false;
    }
    return true;
  } finally {
    await others.return(undefined);
  }
}

export function join(first: FoundWeight, second: FoundWeight, turned: boolean): FoundWeight {
  const flip = (place: Place): Place => ({ ...place, transposed: place.transposed !== turned });
  const uses = second.uses.map((use) => ({ ...use, transposed: use.transposed !== turned }));
  return {
    ...first,
    places: [...first.places, ...second.places.map(flip)],
    uses: [...first.uses, ...uses],
  };
}
