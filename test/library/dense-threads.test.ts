// Dense steps that all workers take together: the bits are those of one thread.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runDense } from "../../src/engine/dense.js";
import { Pool } from "../../src/engine/threads/pool.js";
import { threadDense } from "../../src/engine/threads/thread-dense.js";
import { inlinedKernel } from "../../src/kernel/inlined.js";
import { Kernel } from "../../src/kernel/load.js";
import { bell } from "./matrices.js";

/** The built worker: Node runs no TypeScript. */
const script = {
  inPage: () => {
    throw new Error("not in a page");
  },
  inNode: () => new URL("../../dist/chunks/node-worker.js", import.meta.url),
};

const pools: Pool[] = [];
let kernel: Kernel;

beforeAll(async () => {
  const module = await inlinedKernel();
  kernel = await Kernel.load(module);
  for (const size of [1, 2, 3]) pools.push(new Pool(size, { kernel: module, residentBytes: 0 }, script));
});
afterAll(() => pools.forEach((pool) => pool.end()));

function symmetric(n: number, entry: (i: number, j: number) => number): Float64Array {
  const matrix = new Float64Array(n * n);
  for (let i = 0; i < n; ++i) for (let j = 0; j <= i; ++j) matrix[i * n + j] = matrix[j * n + i] = entry(i, j);
  return matrix;
}

const kinds: Record<string, (i: number, j: number) => number> = {
  random: (i, j) => bell(7, i * 5003 + j),
  "large, and graded": (i, j) => 1e60 * bell(8, i * 5003 + j) * 0.98 ** (i + j),
  "diagonal, with repeats": (i, j) => (i === j ? i % 5 : 0),
  "identity plus a little": (i, j) => Number(i === j) + 1e-14 * bell(9, i * 5003 + j),
  "blocks that do not touch": (i, j) => (i >> 6 === j >> 6 ? bell(10, i * 5003 + j) : 0),
  "second differences": (i, j) => (i === j ? 2 : i === j + 1 ? -1 : 0),
};

const bits = (x: Float64Array) => Buffer.from(x.buffer, x.byteOffset, x.byteLength).toString("base64");

async function check(matrix: Float64Array, n: number, count: number, some = pools) {
  const one = runDense(kernel, "eigen", { matrix, n, count });
  for (const pool of some) {
    const all = await threadDense(kernel, pool, "eigen", { matrix, n, count });
    expect(all.vectors.length).toBe(count * n);
    expect(bits(all.values) === bits(one.values)).toBe(true);
    expect(bits(all.vectors) === bits(one.vectors)).toBe(true);
  }
}

describe("an eigenproblem that one, two and three workers solve together", () => {
  test.each(Object.keys(kinds))("%s", async (kind) => {
    for (const [n, count] of [
      [512, 512],
      [523, 17],
    ])
      await check(symmetric(n, kinds[kind]), n, count);
  });

  test("2051 columns, and eigenvalues alone of 2048", async () => {
    await check(symmetric(2051, kinds["random"]), 2051, 9, pools.slice(1));
    await check(symmetric(2048, kinds["blocks that do not touch"]), 2048, 0, pools.slice(1, 2));
  });

  test("with an infinite entry it does not converge, and the workers go on", async () => {
    const matrix = symmetric(512, kinds["random"]);
    matrix[0] = Infinity;
    await expect(threadDense(kernel, pools[1], "eigen", { matrix, n: 512 })).rejects.toThrow("did not converge");
    await check(symmetric(512, kinds["random"]), 512, 3);
  });
});

test("a product has the same bits, however its rows are shared", async () => {
  const [rows, inner, cols] = [701, 300, 33];
  const left = Float64Array.from({ length: rows * inner }, (_, i) => bell(1, i));
  const right = Float64Array.from({ length: inner * cols }, (_, i) => bell(2, i));
  const input = { left, right, rows, inner, cols };
  const one = bits(runDense(kernel, "multiply", input));
  for (const pool of pools) expect(bits(await threadDense(kernel, pool, "multiply", input)) === one).toBe(true);
});
