// A left factor that is handed over as it is made is the one that would be returned, each row once.
import { afterAll, beforeAll, expect, test } from "vitest";
import { createLoewner, type Loewner, type LowRankOptions, type RowSource } from "../../src/index.js";
import { matrix } from "./matrices.js";
import { always, createLoewner as createBuilt } from "./threads.js";

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

test("two threads and a sink that takes its time: rows in order, each block whole until it is done with", async () => {
  const threads = await createBuilt({ ...always, threads: 2 });
  const options = { rank: 3, p: 1, method: "lewis" } as const;
  const { left } = await loewner.lowRank(a, options);
  const rows: number[] = [];
  await threads.lowRank(a, {
    ...options,
    async left(start, block) {
      expect(start * left.cols).toBe(rows.length);
      await new Promise((resolve) => setTimeout(resolve, 5));
      rows.push(...block);
    },
  });
  expect(rows).toEqual([...left.data]);
  threads.dispose();
});

test("two threads and a sink that sends blocks elsewhere, memory and all", async () => {
  // No room for what waits: a worker goes on when it hears that its last block was taken.
  const threads = await createBuilt({ ...always, threads: 2, residentBytes: 0 });
  const options = { rank: 3, p: 2 } as const;
  const { left } = await loewner.lowRank(a, options);
  const rows: number[] = [];
  await threads.lowRank(a, {
    ...options,
    left: (_, block) => void rows.push(...structuredClone(block, { transfer: [block.buffer as ArrayBuffer] })),
  });
  expect(rows).toEqual([...left.data]);
  threads.dispose();
});

test.each([1, 2])("%i threads: a left factor that its type does not hold is refused, with the row", async (threads) => {
  const own = await createBuilt({ ...always, threads });
  const data = a.data.slice();
  data.fill(60_000, 700 * 7, 701 * 7);
  const huge = { ...a, data };
  await expect(own.lowRank(huge, { rank: 3, p: 2, factorType: "f16" })).rejects.toThrow(
    /^Row 700 of the left factor has an entry above 65504, the largest that f16 holds: take a wider factorType than "f16", or multiply A by a smaller power of two\.$/,
  );
  const blocks: number[] = [];
  const left = (start: number) => void blocks.push(start);
  await expect(own.lowRank(huge, { rank: 3, p: 2, factorType: "f16", left })).rejects.toMatchObject({
    place: { tensor: "left", row: 700 },
  });
  own.dispose();
});
