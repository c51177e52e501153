// What callers and row sources hand over that is no number, or no row, is refused by name on every engine.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Loewner, MatrixLike } from "../../src/index.js";
import { rowWeightsOf } from "../../src/model/tokens/weights.js";
import { calls } from "./calls.js";
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
  "an ArrayBuffer": [(_, count) => new ArrayBuffer(4 * cols * count), /gave a ArrayBuffer .* must return a Uint8Array/],
  "numbers in place of bytes": [
    (_, count) => new Float32Array(cols * count),
    /gave a Float32Array .* must return a Uint8Array/,
  ],
  "a list of numbers": [(_, count) => Array.from({ length: 4 * cols * count }, () => 0), /gave a Array /],
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
    test.each([false, true])("late: %s", async (late) => {
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

function detached(): Float64Array {
  const values = new Float64Array(rows).fill(1);
  structuredClone(values, { transfer: [values.buffer] });
  return values;
}

test("counts of tokens that are BigInts are refused", () => {
  expect(() => rowWeightsOf([1n, 2n] as unknown as number[])).toThrow(/counts\[0\] is the BigInt 1n, not a number/);
});
