import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  AbortedError,
  createLoewner,
  DisposedError,
  InvalidInputError,
  isLoewnerError,
  type Loewner,
  type LowRankOptions,
  type Matrix,
  type Progress,
} from "../../src/index.js";
import { matrix } from "./matrices.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

const a = matrix("plain", 600, 8);

describe("bad input is refused with a message that names it", () => {
  test.each<[string, LowRankOptions, RegExp]>([
    ["rank 0", { rank: 0 }, /rank must be a whole number from 1 to min\(rows, cols\) = 8 .*got 0/],
    ["negative rank", { rank: -1 }, /got -1/],
    ["fractional rank", { rank: 1.5 }, /got 1\.5/],
    ["rank above min(n, d)", { rank: 9 }, /from 1 to min\(rows, cols\) = 8 of A \(600 x 8\); got 9/],
    ["no size", {}, /exactly one of rank, keep and energy; got none/],
    ["two sizes", { rank: 1, keep: 0.5 }, /got rank and keep/],
    ["keep 0", { keep: 0 }, /keep must be a share above 0 and at most 1; got 0/],
    ["keep above 1", { keep: 1.2 }, /got 1\.2/],
    ["keep that leaves no rank", { keep: 0.01 }, /leaves A \(600 x 8\) no rank at all; rank 1 takes 0\.127/],
    ["energy above 1", { energy: 2 }, /energy must be a share/],
    ["p 0", { rank: 1, p: 0 }, /p must be a number with 0 < p <= Infinity; got 0/],
    ["p NaN", { rank: 1, p: NaN }, /got NaN/],
    ["p negative", { rank: 1, p: -1 }, /got -1/],
    ["seed", { rank: 1, seed: 0.5 }, /seed must be a whole number from 0 to 2\^53 - 1; got 0\.5/],
    ["tolerance", { rank: 1, tolerance: 0 }, /tolerance must be a positive number/],
    ["method", { rank: 1, method: "magic" as "svd" }, /method must be one of "auto", "svd", "lewis", .*got "magic"/],
    [
      "subspace, p 3",
      { rank: 1, p: 3, method: "subspace" },
      /method "subspace" does not take p = 3; it takes 0 < p <= 2/,
    ],
    ["maxWork", { rank: 1, maxWork: -1 }, /maxWork must be a number of at least 0; got -1/],
    ["too few row weights", { rank: 1, rowWeights: [1, 2] }, /rowWeights has 2 entries, but A has 600 rows/],
    [
      "negative row weight",
      { rank: 1, rowWeights: Array.from({ length: 600 }, (_, i) => (i === 7 ? -1 : 1)) },
      /rowWeights\[7\] is -1/,
    ],
  ])("%s", async (_, options, message) => {
    const promise = loewner.lowRank(a, options);
    await expect(promise).rejects.toThrow(InvalidInputError);
    await expect(promise).rejects.toThrow(message);
  });

  test.each([NaN, Infinity, -Infinity])("%s in A: row and column", async (bad) => {
    for (const f32 of [true, false]) {
      const b = matrix("plain", 600, 8, { f32 });
      b.data[513 * 8 + 3] = bad;
      b.data[550 * 8 + 1] = bad;
      const error = await loewner.lowRank(b, { rank: 2 }).catch((e: unknown) => e);
      expect(isLoewnerError(error, "INVALID_INPUT")).toBe(true);
      expect(error).toMatchObject({
        message: expect.stringContaining("A holds NaN or infinity at row 513, column 3"),
        place: { row: 513, column: 3 },
      });
    }
  });

  test("shape and type of the matrix", async () => {
    await expect(loewner.leverageScores({ data: new Float32Array(5), rows: 2, cols: 3 })).rejects.toThrow(
      "A.data has 5 elements, but rows * cols = 2 * 3 = 6",
    );
    await expect(loewner.leverageScores({ data: [1] as unknown as Float32Array, rows: 1, cols: 1 })).rejects.toThrow(
      /must be a Float32Array or a Float64Array/,
    );
    await expect(loewner.leverageScores({ data: new Float32Array(0), rows: 0, cols: 3 })).rejects.toThrow(
      /at least one row and one column/,
    );
    await expect(
      loewner.leverageScores({ rows: 3, cols: 2, dtype: "f32", name: "wte", read: () => new Uint8Array(3) }),
    ).rejects.toThrow(/wte gave 3 bytes .* expected 24/);
    await expect(createLoewner({ tileRows: 100 })).rejects.toThrow(/multiple of 256/);
  });

  test("factors that do not fit", async () => {
    const left = matrix("plain", 600, 2);
    await expect(loewner.residual(a, { left, right: matrix("plain", 3, 8) })).rejects.toThrow(
      /left \(600 x 2\) times right \(3 x 8\)/,
    );
    await expect(loewner.multiply({ left, right: matrix("plain", 3, 8) }, () => undefined)).rejects.toThrow(
      /2 columns, but right has 3 rows/,
    );
    await expect(loewner.certify(a, matrix("plain", 3, 7))).rejects.toThrow(/7 columns, but A has 8/);
  });

  test("more columns than 4 GiB can hold: says how much, and the instance lives on", async () => {
    const wide: Matrix = { data: new Float32Array(40_000), rows: 1, cols: 40_000 };
    await expect(loewner.leverageScores(wide)).rejects.toThrow(/GiB of WebAssembly memory/);
    expect((await loewner.leverageScores(a)).rank).toBe(8);
  });
});

describe("inputs and outputs of every primitive", () => {
  test("inputs are left as they were, and outputs are of the input's type", async () => {
    for (const f32 of [true, false]) {
      const b = matrix("heavy-tailed rows", 300, 6, { f32 });
      const before = b.data.slice();
      const { left, right } = await loewner.lowRank(b, { rank: 2 });
      expect(b.data).toEqual(before);
      expect(left.data).toBeInstanceOf(f32 ? Float32Array : Float64Array);
      expect(right.data).toBeInstanceOf(f32 ? Float32Array : Float64Array);
    }
  });

  test("calls on one instance queue up, and do not disturb each other", async () => {
    const alone = await loewner.lowRank(a, { rank: 3 });
    const together = await Promise.all([
      loewner.lowRank(a, { rank: 3 }),
      loewner.leverageScores(a),
      loewner.lowRank(a, { rank: 3 }),
    ]);
    expect(together[0].left.data).toEqual(alone.left.data);
    expect(together[2].left.data).toEqual(alone.left.data);
  });

  test.each([1, 2])("progress is monotone and ends at its total, p = %i", async (p) => {
    const seen: Progress[] = [];
    await loewner.lowRank(a, { rank: 3, p, onProgress: (progress) => seen.push(progress) });
    seen.slice(1).forEach((progress, i) => expect(progress.done).toBeGreaterThanOrEqual(seen[i].done));
    expect(seen.at(-1)!.done).toBe(seen.at(-1)!.total);
    expect(seen.slice(0, -1).every(({ done, total }) => done < total)).toBe(true);
  });

  test("every primitive reports progress to the end", async () => {
    const last = async (call: (onProgress: (p: Progress) => void) => Promise<unknown>) => {
      let progress: Progress | undefined;
      await call((x) => (progress = x));
      return progress && progress.done / progress.total;
    };
    expect(await last((onProgress) => loewner.leverageScores(a, { onProgress }))).toBe(1);
    expect(await last((onProgress) => loewner.lewisWeights(a, { onProgress }))).toBe(1);
    expect(await last((onProgress) => loewner.singularValues(a, { onProgress }))).toBe(1);
    expect(await last((onProgress) => loewner.certify(a, matrix("plain", 1, 8), { onProgress }))).toBe(1);
  });

  test("an AbortSignal stops a call, and the next one works", async () => {
    const controller = new AbortController();
    const calls = loewner.lowRank(a, {
      rank: 3,
      signal: controller.signal,
      onProgress: () => controller.abort("enough"),
    });
    await expect(calls).rejects.toThrow(AbortedError);
    await expect(calls).rejects.toMatchObject({ code: "ABORTED", cause: "enough" });
    expect((await loewner.lowRank(a, { rank: 3 })).rank).toBe(3);
  });

  test("after dispose() every call says so", async () => {
    const instance = await createLoewner();
    instance.dispose();
    await expect(instance.leverageScores(a)).rejects.toThrow(DisposedError);
  });
});
