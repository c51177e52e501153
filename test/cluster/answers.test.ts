// Every primitive gives the bytes of one machine, by shares of rows and as whole calls, and leaves nothing in Redis.
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Loewner, RowSource } from "../../src/index.js";
import { bitsOf, calls } from "../library/calls.js";
import { matrix, uniform } from "../library/matrices.js";
import { createLoewner } from "../library/threads.js";
import { Bench } from "./cluster.js";

const [rows, cols] = [2100, 7];
const weights = Float64Array.from({ length: rows }, (_, i) => 0.1 + uniform(9, i));
const bench = new Bench();
const fewRows = 600;
let a: RowSource;
let few: RowSource;
let alone: Loewner;

beforeAll(async () => {
  await bench.start();
  await bench.worker({ threads: 2, name: "both" });
  a = await bench.rows("A.npy", matrix("heavy-tailed rows", rows, cols, { f32: true }));
  few = await bench.rows("few.npy", matrix("heavy-tailed rows", fewRows, 4, { f32: true }));
  alone = await createLoewner({});
});
afterAll(async () => {
  alone.dispose();
  await bench.end();
});

describe.each([
  ["shares", { shareBytes: 0, shares: 3 }],
  ["whole calls", { shareBytes: Infinity }],
] as const)("%s", (_, options) => {
  let cluster: Loewner;
  beforeAll(async () => {
    cluster = await bench.connect(options);
  });
  afterAll(() => cluster.dispose());

  test.each(Object.keys(calls))("%s", async (name) => {
    // Level sets take thousands of sweeps.
    const [rows, s] = name === "levelSetEllipsoid" ? [few, weights.subarray(0, fewRows)] : [a, weights];
    const [expected, found] = await Promise.all([calls[name](alone, rows, s), calls[name](cluster, rows, s)]);
    expect(bitsOf(found) === bitsOf(expected)).toBe(true);
  });

  test("f64, stored column by column, held open for two calls", async () => {
    const wide = await bench.rows("wide.npy", matrix("badly scaled columns", 1500, 6));
    const opened = cluster.open(wide);
    const found = [await cluster.lewisWeights(opened, { p: 1 }), await cluster.lowRank(opened, { rank: 2, p: 1 })];
    opened.close();
    const expected = [await alone.lewisWeights(wide, { p: 1 }), await alone.lowRank(wide, { rank: 2, p: 1 })];
    expect(bitsOf(found) === bitsOf(expected)).toBe(true);
    await expect(cluster.leverageScores(opened)).rejects.toThrow("wide.npy (1500 x 6) was closed");
  });

  test("calls side by side", async () => {
    const found = await Promise.all([1, 2, 3, 4].map((rank) => cluster.lowRank(a, { rank, p: 1, method: "lewis" })));
    for (const [i, each] of found.entries())
      expect(bitsOf(each) === bitsOf(await alone.lowRank(a, { rank: i + 1, p: 1, method: "lewis" }))).toBe(true);
  });

  test("an error of the computation is the library's own, and the next call is fine", async () => {
    const { data } = matrix("plain", 1200, 5, { f32: true });
    data[1000 * 5 + 3] = NaN;
    const bad = await bench.rows("nan.npy", { data, rows: 1200, cols: 5 });
    const expected = await alone.lowRank(bad, { rank: 2 }).catch((error: unknown) => error);
    await expect(cluster.lowRank(bad, { rank: 2 })).rejects.toMatchObject({
      ...{ code: "INVALID_INPUT", message: (expected as Error).message, place: { row: 1000, column: 3 } },
    });
    expect((await cluster.leverageScores(a)).rank).toBe(cols);
  });
});

test("left factors are handed on in row order, as they come", async () => {
  // No more than one piece of a share waits in Redis.
  const cluster = await bench.connect({ shareBytes: 0, shares: 4, waitingBytes: 1 });
  const collect = async (loewner: Loewner) => {
    const blocks: unknown[] = [];
    let next = 0;
    await loewner.lowRank(a, {
      ...{ rank: 3, p: 1, method: "lewis" },
      left: (start, block) => {
        expect(start).toBe(next);
        next += block.length / 3;
        blocks.push(...block);
      },
    });
    expect(next).toBe(rows);
    return blocks;
  };
  expect(await collect(cluster)).toEqual(await collect(alone));
  cluster.dispose();
});

test("rows in memory are worked on here", async () => {
  const cluster = await bench.connect();
  const here = matrix("plain", 600, 4);
  expect(bitsOf(await cluster.leverageScores(here))).toBe(bitsOf(await alone.leverageScores(here)));
  cluster.dispose();
});

test("what is done with leaves nothing in Redis", async () => {
  const redis = new Redis(bench.redis.url);
  const left = async () =>
    (await redis.keys("*")).filter((key) => /:(matrix|replies|coordinator):|:matrices$/.test(key));
  await expect.poll(left).toEqual([]);
  redis.disconnect();
});
