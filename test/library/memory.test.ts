// The memory budget: what it refuses, what it leaves alone, and that it adds up.
import fc from "fast-check";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { OutOfMemoryError, type Loewner, type MatrixLike, type RowType } from "../../src/index.js";
import {
  planMemory,
  rowsOfTile,
  sweepBytes,
  tileBytes,
  tileRowBytes,
  type MemoryPlan,
} from "../../src/engine/memory.js";
import { operationNamed } from "../../src/engine/operations/index.js";
import type { Sweep } from "../../src/engine/sweep.js";
import { withFrame } from "../../src/kernel/frame.js";
import { inlinedKernel } from "../../src/kernel/inlined.js";
import { Kernel } from "../../src/kernel/load.js";
import { rowTypeBytes } from "../../src/matrix.js";
import { matrix } from "./matrices.js";
import { createLoewner, isLoewnerError } from "./threads.js";

let kernel: Kernel;
beforeAll(async () => {
  kernel = await Kernel.load(await inlinedKernel());
});

/** The smallest budget that an error names, in bytes; the last figure is that of one thread. */
const smallest = (error: unknown) => Number(/.* ([\d.]+) MB(?: with one)?; memory is/.exec(String(error))![1]) * 1e6;

const shape = fc.record({
  rows: fc.integer({ min: 1, max: 3_000_000 }),
  cols: fc.integer({ min: 1, max: 900 }),
  dtype: fc.constantFrom<RowType>("f16", "bf16", "f32", "f64"),
});
const held = fc.record({ columns: fc.nat(9), bytes: fc.nat(1e7) });
const plan = (
  source: { rows: number; cols: number; dtype: RowType },
  memory: number,
  threads: number,
  what = { columns: 4 },
) => planMemory(kernel.call, source, { memory, threads, needs: what });

describe("planMemory", () => {
  test("what a plan gives out is within the budget, row state and rows on their way included", () => {
    fc.assert(
      fc.property(
        shape,
        held,
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 20, max: 33 }),
        (source, what, threads, power) => {
          const memory = 2 ** power;
          let found: MemoryPlan;
          try {
            found = plan(source, memory, threads, what);
          } catch (error) {
            expect(error).toBeInstanceOf(OutOfMemoryError);
            expect(smallest(error)).toBeGreaterThan(memory * 0.999);
            return;
          }
          const { threads: count, tileBytes: tile, residentBytes, waitingBytes, wasmBytes, workerBytes } = found;
          expect(count).toBeGreaterThanOrEqual(1);
          expect(count).toBeLessThanOrEqual(threads);
          expect(tile % (256 * tileRowBytes(source))).toBe(0);
          expect(tile).toBeLessThanOrEqual(Math.max(tileBytes, 256 * tileRowBytes(source)));
          const matrices = 16 * 8 * source.cols ** 2;
          const onItsWay = 4 * (tile / tileRowBytes(source)) * source.cols * rowTypeBytes[source.dtype];
          const state = 8 * what.columns * source.rows + what.bytes;
          const workers = count === 1 ? onItsWay : count * (workerBytes + residentBytes + waitingBytes + onItsWay);
          expect(state + matrices + wasmBytes + workers).toBeLessThanOrEqual(memory);
        },
      ),
    );
  });

  test("the budget that the error names is enough, and a tenth of a megabyte less is not", () => {
    fc.assert(
      fc.property(shape, fc.integer({ min: 1, max: 4 }), (source, threads) => {
        let least = 0;
        try {
          plan(source, 1, threads);
        } catch (error) {
          least = smallest(error);
        }
        expect(() => plan(source, least, threads)).not.toThrow();
        expect(() => plan(source, least - (least < 1e7 ? 1e5 : 1e6), threads)).toThrow(OutOfMemoryError);
      }),
    );
  });

  test("more memory never means fewer threads or smaller tiles", () => {
    fc.assert(
      fc.property(
        shape,
        fc.integer({ min: 1e8, max: 2e9 }),
        fc.integer({ min: 1, max: 1e9 }),
        (source, memory, more) => {
          let less: MemoryPlan;
          try {
            less = plan(source, memory, 4);
          } catch {
            return;
          }
          const larger = plan(source, memory + more, 4);
          expect(larger.threads).toBeGreaterThanOrEqual(less.threads);
          if (larger.threads === less.threads) expect(larger.tileBytes).toBeGreaterThanOrEqual(less.tileBytes);
        },
      ),
    );
  });

  test("a tile without a budget is of 4 MiB, whole blocks, one at least", () => {
    expect(rowsOfTile({ cols: 768, dtype: "f32" }, tileBytes)).toBe(1280);
    expect(rowsOfTile({ cols: 768, dtype: "f16" }, tileBytes)).toBe(768);
    expect(rowsOfTile({ cols: 100_000, dtype: "f64" }, tileBytes)).toBe(256);
  });
});

const a = matrix("heavy-tailed rows", 3000, 24, { f32: true });
const right = { data: matrix("plain", 24, 3).data, rows: 3, cols: 24 };
const identity = (d: number) => Float64Array.from({ length: d * d }, (_, i) => Number(i % (d + 1) === 0));

/** Every method of the library, on little. */
const calls: Record<string, (loewner: Loewner, a: MatrixLike) => Promise<unknown>> = {
  leverageScores: (loewner) => loewner.leverageScores(a),
  "lewisWeights, p = 1": (loewner) => loewner.lewisWeights(a),
  "lewisWeights, p = Infinity": (loewner) => loewner.lewisWeights(a, { p: Infinity }),
  "lowRank, p = 1": (loewner) => loewner.lowRank(a, { rank: 20, p: 1, method: "lewis", compareSvd: true }),
  "lowRank, p = 3": (loewner) => loewner.lowRank(a, { rank: 3, p: 3, method: "lewis" }),
  "lowRank, p = Infinity": (loewner) => loewner.lowRank(a, { rank: 3, p: Infinity, method: "lewis" }),
  "lowRank, p = 2, weighted": (loewner) =>
    loewner.lowRank(a, { rank: 3, p: 2, rowWeights: new Float64Array(3000).fill(2) }),
  "lowRank, subspace": (loewner) => loewner.lowRank(a, { rank: 3, method: "subspace" }),
  "lowRank, entrywise": (loewner) => loewner.lowRank(a, { rank: 2, method: "entrywise" }),
  robustSubspace: (loewner) => loewner.robustSubspace(a, { rank: 3 }),
  sensitivities: (loewner) => loewner.sensitivities(a, { p: 1.5 }),
  coreset: (loewner) => loewner.coreset(a, { p: 1, size: 200 }),
  johnEllipsoid: (loewner) => loewner.johnEllipsoid(a),
  residual: (loewner) => loewner.residual(a, { left: matrix("plain", 3000, 3), right }),
  certify: (loewner) => loewner.certify(a, right),
  gram: (loewner) => loewner.gram(a),
  singularValues: (loewner) => loewner.singularValues(a),
  quantise: (loewner) => loewner.quantise(a, { bits: 4 }),
  transformCode: (loewner) => loewner.transformCode(a, { bitsPerEntry: 2 }),
  "transformCode under a metric": async (loewner) =>
    loewner.transformCode(a, { bitsPerEntry: 2, metric: squareOf(a.cols) }),
  trellisCode: (loewner) => loewner.trellisCode(a, { bits: 2 }),
  "trellisCode with moments, windows of 12 bits": (loewner) =>
    loewner.trellisCode(a, { bits: 1, windowBits: 12, moments: identity(24) }),
};

/** The identity but for one entry. */
const squareOf = (d: number) =>
  Float64Array.from({ length: d * d }, (_, i) => (i === 0 ? 9 : Number(i % (d + 1) === 0)));

describe.each([1, 2])("with %i threads", (threads) => {
  test.each(Object.keys(calls))(
    "%s works with the smallest budget that its error names, and gives the same",
    async (name) => {
      const answer = async (memory?: number) => {
        const loewner = await createLoewner({ threads, threadBytes: 0, memory });
        try {
          return JSON.stringify(await calls[name](loewner, a), (key, value) => (key === "seconds" ? 0 : value));
        } finally {
          loewner.dispose();
        }
      };
      const refusal = await answer(1000).catch((error: unknown) => error);
      expect(isLoewnerError(refusal, "OUT_OF_MEMORY")).toBe(true);
      const expected = await answer();
      expect((await answer(smallest(refusal))) === expected).toBe(true);
      // With both threads.
      const all = /least ([\d.]+) MB with 2/.exec(String(refusal));
      if (all) expect((await answer(Number(all[1]) * 1e6)) === expected).toBe(true);
    },
  );
});

describe("sweepBytes", () => {
  const square = (d: number, k = d) => new Float64Array(d * k);
  /** What low rank runs over the rows, and the shared arrays that it runs with; two of them may be there at once. */
  const jobs: Record<
    string,
    (d: number, k: number) => { op: Sweep["op"]; params: Sweep["params"]; shared: Sweep["reads"]["shared"] }[]
  > = {
    gram: () => [{ op: "gram", params: { wide: 1 }, shared: {} }],
    lewisStep: (d) => [
      {
        op: "lewisStep",
        params: { p: 1, omega: 1, wide: 1, wideGram: 1, inflation: 1 },
        shared: { transform: square(d), columnScale: new Float64Array(d) },
      },
    ],
    // Rows that f32 is too coarse for are done anew in f64.
    "project, then in f64": (d, k) => [
      {
        op: "project",
        params: { rank: k, wide: 0 },
        shared: {
          basis: square(d, k),
          right: square(k, d),
          ...(d - k < k && { complement: square(d, d - k), complementRight: square(d - k, d) }),
        },
      },
      { op: "project", params: { rank: k, wide: 1 }, shared: { basis: square(d, k), right: square(k, d) } },
    ],
  };

  test.each(Object.keys(jobs))("%s takes no more, from one block to a million rows", (name) => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e6 }),
        fc.integer({ min: 1, max: 260 }),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        fc.constantFrom<RowType>("f32", "f64"),
        (rows, cols, share, dtype) => {
          const before = kernel.top;
          let peak = 0;
          const allocate = vi.spyOn(kernel, "allocate").mockImplementation((bytes) => {
            const at = Kernel.prototype.allocate.call(kernel, bytes);
            peak = Math.max(peak, kernel.top - before);
            return at;
          });
          try {
            withFrame(kernel, (frame) => {
              for (const { op, params, shared } of jobs[name](cols, Math.ceil(share * cols))) {
                operationNamed(op).prepare({ frame, rows, cols, dtype }, params, shared);
              }
              if (name !== "project, then in f64") frame.f64(cols * cols); // what a Gram matrix ends in
            });
          } finally {
            allocate.mockRestore();
          }
          const counted = sweepBytes(kernel.call, { rows, cols, dtype }, Math.ceil(rows / 256));
          expect(peak).toBeLessThanOrEqual(counted);
          // And not much less, where it is what the most is needed for.
          if (name === "lewisStep" && rows > 5e5 && cols > 200) expect(peak).toBeGreaterThan(counted / 2);
        },
      ),
      {
        numRuns: 60,
        examples: [
          [1e6, 256, 0.8, "f32"],
          [1e6, 260, 1, "f64"],
        ],
      },
    );
  });
});

test("the error names the matrix and both sizes, before a row is read", async () => {
  const source = {
    ...({ rows: 50265, cols: 768, dtype: "f32", name: "wte" } as const),
    read: (): Uint8Array => {
      throw new Error("a row was read");
    },
  };
  const messages = [];
  for (const threads of [1, 2]) {
    const loewner = await createLoewner({ threads, memory: 8e6 });
    messages.push(await loewner.lowRank(source, { rank: 10 }).catch(String));
    loewner.dispose();
  }
  expect(messages[0]).toMatch(
    /^OutOfMemoryError: wte \(50265 x 768, f32\) needs at least \d+ MB; memory is 8 MB\. Raise memory\.$/,
  );
  expect(messages[1]).toMatch(
    /needs at least \d+ MB with 2 threads, \d+ MB with one; memory is 8 MB\. Raise memory\.$/,
  );
});

test.each([0, -1, NaN])("memory: %s is refused", async (memory) => {
  await expect(createLoewner({ memory })).rejects.toThrow(`memory must be a number of bytes above 0; got ${memory}.`);
});

test("a method that needs more wasm memory than the budget leaves says so", () => {
  kernel.limit = kernel.top + 100_000;
  expect(() => kernel.allocate(200_000)).toThrow(
    /needs 1 MB of WebAssembly memory a thread, and the memory budget leaves 1 MB/,
  );
  kernel.allocate(50_000);
});
