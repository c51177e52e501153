// What callers and row sources hand over that is no number, or no row, is refused by name on every engine.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Loewner, MatrixLike } from "../../src/index.js";
import { rowWeightsOf } from "../../src/model/tokens/weights.js";
import { bitsOf, calls } from "./calls.js";
import { matrix } from "./matrices.js";
import { createLoewner } from "./threads.js";

const [rows, cols] = [700, 5];
const a = matrix("heavy-tailed rows", rows, cols, { f32: true });
const all = new Uint8Array(a.data.buffer);

const badReads: Record<string, [read: (start: number, count: number) => unknown, says: RegExp]> = {
  "bytes that were transferred away": [
    (start, count) => {
      const bytes = all.slice(start * 4 * cols, (start + count) * 4 * cols);
      structuredClone(bytes, { transfer: [bytes.buffer] });
      return bytes;
    },
    /gave bytes of a detached buffer .* must return bytes that it has not transferred to another thread/,
  ],
  "a row too few": [
    (start, count) => all.subarray(start * 4 * cols, (start + count - 1) * 4 * cols),
    /gave \d+ bytes for rows \d+ to \d+, expected \d+; its read\(\) must return whole rows/,
  ],
  "a DataView": [
    (_, count) => new DataView(new ArrayBuffer(4 * cols * count)),
    /gave a DataView .* must return a Uint8Array/,
  ],
  "an ArrayBuffer": [
    (_, count) => new ArrayBuffer(4 * cols * count),
    /gave an ArrayBuffer .* must return a Uint8Array/,
  ],
  "numbers in place of bytes": [
    (_, count) => new Float32Array(cols * count),
    /gave a Float32Array .* must return a Uint8Array/,
  ],
  BigInts: [(_, count) => new BigInt64Array(cols * count), /gave a BigInt64Array .* must return a Uint8Array/],
  "memory that threads share, itself": [
    (_, count) => new SharedArrayBuffer(4 * cols * count),
    /gave a SharedArrayBuffer .* must return a Uint8Array/,
  ],
  "a list of numbers": [(_, count) => Array.from({ length: 4 * cols * count }, () => 0), /gave an Array /],
  nothing: [() => undefined, /gave undefined .* must return a Uint8Array/],
};

describe.each([1, 2])("%i threads", (threads) => {
  let loewner: Loewner;
  beforeAll(async () => {
    loewner = await createLoewner({ threads, threadBytes: 0 });
  });
  afterAll(() => loewner.dispose());

  describe.each(Object.keys(badReads))("a source that gives %s", (name) => {
    const [read, says] = badReads[name];
    test.each([false, true])("is an error that names the rows, whether its promise comes later: %s", async (late) => {
      const source = {
        rows,
        cols,
        dtype: "f32",
        name: "Table",
        read: (start: number, count: number) => (late ? Promise.resolve(read(start, count)) : read(start, count)),
      } as MatrixLike;
      for (const call of [
        () => loewner.leverageScores(source),
        () => loewner.lewisWeights(source, { p: Infinity }),
        () => loewner.lowRank(source, { rank: 2 }),
        () => loewner.coreset(source, { p: 1, size: 40 }),
      ])
        await expect(call()).rejects.toMatchObject({ code: "INVALID_INPUT", message: expect.stringMatching(says) });
      expect((await loewner.leverageScores(a)).scores.length).toBe(rows);
    });
  });

  const weights: Record<string, [unknown, RegExp]> = {
    "BigInts of 64 bits": [
      new BigInt64Array(rows).fill(1n),
      /rowWeights\[0\] is the BigInt 1n.*Float64Array\.from\(rowWeights, Number\)/,
    ],
    "unsigned BigInts": [new BigUint64Array(rows), /rowWeights\[0\] is the BigInt 0n/],
    "a list with one BigInt": [
      Array.from({ length: rows }, (_, i) => (i === 7 ? 2n : 1)),
      /rowWeights\[7\] is the BigInt 2n/,
    ],
    "a list of texts": [Array.from({ length: rows }, () => "1"), /rowWeights\[0\] is a string, not a number/],
    "a list with holes": [new Array(rows), /rowWeights\[0\] is undefined, not a number/],
    "a number": [1, /rowWeights is a number; pass a Float64Array/],
    null: [null, /rowWeights is null; pass a Float64Array/],
    "a DataView": [new DataView(new ArrayBuffer(8 * rows)), /rowWeights is a DataView; pass a Float64Array/],
    "an ArrayBuffer": [new ArrayBuffer(8 * rows), /rowWeights is an ArrayBuffer; pass a Float64Array/],
    "shared memory itself": [new SharedArrayBuffer(8 * rows), /rowWeights is a SharedArrayBuffer; pass a Float64Array/],
    "an array whose memory went to another thread": [
      detached(),
      /rowWeights has 0 entries, for its buffer was transferred away/,
    ],
  };
  test.each(Object.keys(weights))("row weights that are %s are refused by every call that takes them", async (name) => {
    const [value, says] = weights[name];
    for (const [call, run] of Object.entries(calls)) {
      if (!/rowWeights/.test(run.toString())) continue;
      const result = (async () => run(loewner, a, value as Float64Array))();
      await expect(result, call).rejects.toMatchObject({ code: "INVALID_INPUT", message: expect.stringMatching(says) });
    }
  });
});

describe.each([1, 2])("what is as good as the usual, %i threads", (threads) => {
  let loewner: Loewner;
  let scores: Float64Array;
  beforeAll(async () => {
    loewner = await createLoewner({ threads, threadBytes: 0 });
    ({ scores } = await loewner.leverageScores(a));
  });
  afterAll(() => loewner.dispose());

  const ones: [string, ArrayLike<number>][] = [
    ["whole numbers of 32 bits", new Int32Array(rows).fill(1)],
    ["bytes", new Uint8Array(rows).fill(1)],
    ["numbers in shared memory", new Float64Array(new SharedArrayBuffer(8 * rows)).fill(1)],
  ];
  test.each(ones)("row weights: %s", async (_, weights) => {
    const rowWeights = weights as Float64Array;
    expect((await loewner.leverageScores(a, { rowWeights })).scores).toEqual(scores);
  });

  const bytes: [string, (bytes: Uint8Array<ArrayBuffer>) => Uint8Array | Uint8ClampedArray][] = [
    ["a Buffer", (bytes) => Buffer.from(bytes)],
    ["clamped bytes", (bytes) => new Uint8ClampedArray(bytes.buffer)],
    [
      "bytes in shared memory",
      (bytes) => {
        const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
        shared.set(bytes);
        return shared;
      },
    ],
  ];
  test.each(bytes)("a source that gives %s", async (_, as) => {
    const read = (start: number, count: number) => as(all.slice(start * 4 * cols, (start + count) * 4 * cols));
    const source = { rows, cols, dtype: "f32", read } as MatrixLike;
    expect((await loewner.leverageScores(source)).scores).toEqual(scores);
  });

  test("a source of a dtype that there is not is refused", async () => {
    const source = { rows, cols, dtype: "int8", name: "Table", read: () => all } as unknown as MatrixLike;
    await expect(loewner.leverageScores(source)).rejects.toThrow(
      "Table is a row source of dtype int8; it must be one of f16, bf16, f32, f64.",
    );
  });
});

test("a matrix whose memory goes to another thread while it is in use", async () => {
  const loewner = await createLoewner({ threads: 1 });
  const data = Float32Array.from({ length: 200_000 * cols }, (_, i) => ((i * 7919) % 1000) - 500);
  const onProgress = () => data.length && structuredClone(data, { transfer: [data.buffer] });
  await expect(loewner.lewisWeights({ data, rows: 200_000, cols }, { p: 1, onProgress })).rejects.toMatchObject({
    code: "INVALID_INPUT",
    message: expect.stringMatching(/^A\.data was transferred to another thread while it was in use; pass a copy/),
  });
  loewner.dispose();
});

describe.each([1, 2])("arrays that change during a call, %i threads", (threads) => {
  let loewner: Loewner;
  beforeAll(async () => {
    loewner = await createLoewner({ threads, threadBytes: 0 });
  });
  afterAll(() => loewner.dispose());

  test.each(["entrywise", "lewis", "subspace", "svd"] as const)(
    "row weights and scores are those of the time of the call: %s",
    async (method) => {
      const weights = () => Float64Array.from({ length: rows }, (_, i) => 1 + (i % 3));
      const call = (rowWeights: Float64Array, onProgress?: () => void) =>
        loewner.lowRank(a, { rank: 2, p: 1, method, rowWeights, onProgress });
      const expected = bitsOf(await call(weights()));
      const changed = weights();
      expect(bitsOf(await call(changed, () => void changed.fill(1e9, 0, 9)))).toBe(expected);
      const gone = weights();
      const transfer = () => void (gone.length && structuredClone(gone, { transfer: [gone.buffer] }));
      expect(bitsOf(await call(gone, transfer))).toBe(expected);
      // While the call waits for its turn.
      const before = loewner.leverageScores(a);
      const [waiting, late] = [weights(), weights()];
      const calls = [before, call(waiting), loewner.coreset(a, { p: 1, size: 40, scores: late })] as const;
      waiting.fill(NaN);
      late.fill(NaN);
      const [, low, chosen] = await Promise.all(calls);
      expect(bitsOf(low)).toBe(expected);
      expect(bitsOf(chosen)).toBe(bitsOf(await loewner.coreset(a, { p: 1, size: 40, scores: weights() })));
    },
  );
});

function detached(): Float64Array {
  const values = new Float64Array(rows).fill(1);
  structuredClone(values, { transfer: [values.buffer] });
  return values;
}

test("counts of tokens that are BigInts are refused", () => {
  expect(() => rowWeightsOf([1n, 2n] as unknown as number[])).toThrow(/counts\[0\] is the BigInt 1n, not a number/);
});
