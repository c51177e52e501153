// Rows of a matrix in groups: those of one group as a matrix of their own, and factors of groups as factors of the whole.
import type { Objective } from "../../types/index.js";
import { rowTypeBytes, rowsRead, type RowSource } from "../../matrix.js";

/** Rows in each of `count` groups, ascending. */
export function rowsByGroup(groups: Uint8Array, count: number): Int32Array[] {
  const sizes = new Int32Array(count);
  for (const group of groups) ++sizes[group];
  const lists = Array.from(sizes, (size) => new Int32Array(size));
  const at = new Int32Array(count);
  for (let i = 0; i < groups.length; ++i) lists[groups[i]][at[groups[i]]++] = i;
  return lists;
}

/** Rows that are read in one go, between those that are wanted too. */
const mostRows = 4096;

/** The rows `indices` of a source, which ascend. */
export function chosenRows(source: RowSource, indices: Int32Array): RowSource {
  const { cols, dtype, name } = source;
  const rowBytes = cols * rowTypeBytes[dtype];
  return {
    ...{ rows: indices.length, cols, dtype, name },
    async read(start, count) {
      const chosen = new Uint8Array(count * rowBytes);
      const end = start + count;
      for (let i = start; i < end;) {
        const first = indices[i];
        let next = i + 1;
        while (next < end && indices[next] - first < mostRows) ++next;
        const bytes = await rowsRead(source, first, indices[next - 1] - first + 1);
        for (; i < next; ++i) {
          const at = (indices[i] - first) * rowBytes;
          chosen.set(bytes.subarray(at, at + rowBytes), (i - start) * rowBytes);
        }
      }
      return chosen;
    },
  };
}

/**
 * A left factor as one of all groups: each row's numbers stand in the columns of its group, between zeros. So A ~ left right for the groups'
 * right factors below each other. Made as it is read.
 */
export function spreadRows(left: RowSource, groups: Uint8Array, count: number): RowSource {
  const { rows, cols, dtype } = left;
  const width = cols * rowTypeBytes[dtype];
  return {
    ...{ rows, cols: cols * count, dtype, name: left.name ?? "left" },
    async read(start, n) {
      const own = await rowsRead(left, start, n);
      const all = new Uint8Array(n * width * count);
      for (let i = 0; i < n; ++i)
        all.set(own.subarray(i * width, (i + 1) * width), (i * count + groups[start + i]) * width);
      return all;
    },
  };
}

/** Error of all rows from those of the rows in each list. */
export function objectiveOfAll(parts: readonly Objective[], lists: readonly Int32Array[]): Objective {
  const sum = (key: "lp" | "l1" | "l21") => parts.reduce((total, part) => total + part[key], 0);
  const top = parts.reduce((most, { l2 }) => Math.max(most, l2), 0) || 1;
  const squares = parts.reduce((total, { l2 }) => total + (l2 / top) * (l2 / top), 0);
  const worstRow = parts
    .map(({ worstRow: { row, norm } }, j) => ({ row: lists[j][row], norm }))
    .reduce((a, b) => (b.norm > a.norm || (b.norm === a.norm && b.row < a.row) ? b : a));
  return { lp: sum("lp"), l1: sum("l1"), l21: sum("l21"), l2: top * Math.sqrt(squares), worstRow };
}
