// The first sweep tells what a profile and a start of their own would.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { InlineEngine } from "../../src/engine/inline.js";
import { profiledStart } from "../../src/geometry/lewis/start.js";
import { LewisSweeps } from "../../src/geometry/lewis/sweeps.js";
import { profile } from "../../src/geometry/profile.js";
import { Run } from "../../src/geometry/run.js";
import { inlinedKernel } from "../../src/kernel/inlined.js";
import { toRowSource, type Matrix, type RowSource } from "../../src/matrix.js";
import { matrix } from "./matrices.js";

let engine: InlineEngine;
beforeAll(async () => {
  engine = await InlineEngine.create(await inlinedKernel());
});
afterAll(() => engine.dispose());

async function bothWays(a: Matrix, p = 1) {
  const run = new Run(engine, {});
  const rows = run.open(toRowSource(a));
  const { scales, gram } = await profiledStart(run, rows, p);
  const plain = await profile(run, rows);
  const again = gram && (await new LewisSweeps(run, rows, p, scales.columnScale).start(a.data instanceof Float64Array));
  return { scales, gram, plain, again };
}

const rows = 70 * 256 + 3;

describe.each([1, 3])("p = %d", (p) => {
  test.each([false, true])("profile and start in one sweep are those of two sweeps, f32 %s", async (f32) => {
    const { scales, gram, plain, again } = await bothWays(matrix("heavy-tailed rows", rows, 6, { f32, seed: 4 }), p);
    expect(gram).toBeDefined();
    expect(gram).toEqual(again);
    expect({ ...scales, columnScale: 0 }).toEqual({ ...plain, columnScale: 0 });
    const ratios = scales.columnScale.map((x, j) => x / plain.columnScale[j]);
    expect(Math.max(...ratios) / Math.min(...ratios)).toBeLessThanOrEqual(16);
  });
});

test("apart: few rows, p = Infinity, entries out of the ordinary, and a column that the sample saw nothing of", async () => {
  const few = matrix("plain", 900, 4, { f32: true, seed: 1 });
  const tall = matrix("plain", rows, 4, { f32: true, seed: 1 });
  const huge = { ...tall, data: tall.data.map((x) => x * 2 ** 60) };
  const hidden = { ...tall, data: tall.data.map((x, i) => (i % 4 !== 2 ? x : Math.floor(i / 4) === 300 ? 1e-6 : 0)) };
  for (const [a, p] of [
    [few, 1],
    [tall, Infinity],
    [huge, 1],
    [hidden, 1],
  ] as const) {
    const { scales, gram, plain } = await bothWays(a, p);
    expect(gram).toBeUndefined();
    expect(scales).toEqual(plain);
  }
});

test("from a source that reads into one Buffer again and again", async () => {
  const tall = matrix("plain", rows, 4, { f32: true, seed: 1 });
  // The last block of the sample, which the Buffer holds in the end, is not like the others.
  const data = tall.data.map((x, i) => (Math.floor(i / 4 / 256) === 65 && i % 4 === 1 ? x * 1e-6 : x));
  const bytes = new Uint8Array(data.buffer);
  const buffer = Buffer.alloc(bytes.length);
  const source: RowSource = {
    ...{ rows, cols: 4, dtype: "f32" },
    read(start, count) {
      buffer.set(bytes.subarray(start * 16, (start + count) * 16));
      return buffer.subarray(0, count * 16);
    },
  };
  const run = new Run(engine, {});
  const found = await profiledStart(run, run.open(source), 1);
  const expected = await profiledStart(run, run.open(toRowSource({ ...tall, data })), 1);
  expect(expected.gram).toBeDefined();
  expect(found).toEqual(expected);
});

test("NaN is named by its own row, whether the sample met it or not", async () => {
  for (const row of [2, 300]) {
    const a = matrix("plain", rows, 4, { f32: true, seed: 1 });
    a.data[row * 4 + 1] = NaN;
    await expect(bothWays(a)).rejects.toMatchObject({ code: "INVALID_INPUT", place: { row, column: 1 } });
  }
});
