// Shares of the blocks, and sums that are put together from them.
import { expect, test } from "vitest";
import type { Sweep } from "../../src/engine/sweep.js";
import { combine, shares } from "../../src/engine/threads/shares.js";
import { Maximum, SumTree, Worst } from "../../src/engine/tree.js";
import { bell } from "./matrices.js";

const sweep: Sweep = {
  ...{ op: "gram", params: {}, reads: { shared: {}, state: [] }, writes: { state: [] } },
  reduce: { sum: "sum", max: "max", worst: "worst" },
};

test("shares cover all blocks in order, are about even, and are subtrees but for the last", () => {
  for (let blocks = 1; blocks <= 300; ++blocks) {
    for (let workers = 1; workers <= Math.min(7, blocks); ++workers) {
      const parts = shares(blocks, workers);
      expect(parts.length).toBe(workers);
      let at = 0;
      for (const [w, part] of parts.entries()) {
        for (const [i, { first, blocks: count }] of part.entries()) {
          expect(first).toBe(at);
          const last = w === workers - 1 && i === part.length - 1;
          const size = last ? 2 ** Math.ceil(Math.log2(count)) : count;
          expect(Math.log2(size) % 1).toBe(0);
          expect(first % size).toBe(0);
          at += count;
        }
        const owned = part.reduce((sum, { blocks: count }) => sum + count, 0);
        expect(owned).toBeGreaterThanOrEqual(1);
        expect(Math.abs(owned - blocks / workers)).toBeLessThanOrEqual(1 + blocks / workers / 12);
      }
      expect(at).toBe(blocks);
    }
  }
});

test("RoBERTa's table falls into three subtrees and two", () => {
  expect(shares(197, 2)).toEqual([
    [
      { first: 0, blocks: 64 },
      { first: 64, blocks: 32 },
    ],
    [
      { first: 96, blocks: 32 },
      { first: 128, blocks: 69 },
    ],
  ]);
});

test("results of subtrees add up to the bits of one tree", () => {
  const term = (block: number) => Float64Array.of(bell(1, block) * 2 ** (40 * bell(2, block)), bell(3, block));
  for (let blocks = 1; blocks <= 140; ++blocks) {
    const whole = resultOf(0, blocks);
    for (let workers = 1; workers <= Math.min(5, blocks); ++workers) {
      const parts = shares(blocks, workers).flat();
      const results = parts.map(({ first, blocks: count }) => resultOf(first, count));
      expect(combine(sweep, parts, results)).toEqual(whole);
    }
  }

  function resultOf(first: number, count: number) {
    const [sum, max, worst] = [new SumTree(), new Maximum(), new Worst()];
    for (let block = first; block < first + count; ++block) {
      sum.add(term(block));
      max.add(term(block));
      worst.add(Float64Array.of(Math.floor(term(block)[1] * 3), block));
    }
    return { sum: sum.finish(), max: max.finish(), worst: worst.finish() };
  }
});
