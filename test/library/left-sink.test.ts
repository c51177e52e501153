// A left factor that is handed over as it is made is the one that would be returned, each row once.
import { afterAll, beforeAll, expect, test } from "vitest";
import { createLoewner, type Loewner, type LowRankOptions, type RowSource } from "../../src/index.js";
import { matrix } from "./matrices.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner({ tileRows: 256 });
});
afterAll(() => loewner.dispose());

const a = matrix("heavy-tailed rows", 1100, 7, { f32: true });

function counted(): RowSource & { reads: number } {
  const bytes = new Uint8Array(a.data.buffer);
  return {
    ...{ rows: a.rows, cols: a.cols, dtype: "f32", reads: 0 },
    read(start, count) {
      ++this.reads;
      return bytes.subarray(start * a.cols * 4, (start + count) * a.cols * 4);
    },
  };
}

test.each<[string, LowRankOptions, number]>([
  ["one method: no sweep of its own", { rank: 3, p: 1, method: "lewis" }, 0],
  ["one method, p = 2", { rank: 3, p: 2 }, 0],
  ["several: one more sweep, of the winner", { rank: 3, p: 1, method: "lewis", compareSvd: true }, 5],
  ["a pair that does not project: it is there already", { rank: 2, p: 1, method: "entrywise" }, 0],
])("%s", async (_, options, more) => {
  const returned = counted();
  const { left } = await loewner.lowRank(returned, options);
  const taken = counted();
  const rows: number[] = [];
  const result = await loewner.lowRank(taken, {
    ...options,
    left(start, block) {
      expect(start * left.cols).toBe(rows.length);
      rows.push(...block);
    },
  });
  expect(result.left).toMatchObject({ rows: 1100, cols: left.cols });
  expect(result.left.data.length).toBe(0);
  expect(rows).toEqual([...left.data]);
  expect(taken.reads).toBe(returned.reads + more);
});
