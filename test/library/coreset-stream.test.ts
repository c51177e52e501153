// Merge and reduce: what comes in pieces gives one answer however it was cut, in bounded memory, and as good as it should be.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  AbortedError,
  createLoewner,
  DisposedError,
  type CoresetStreamOptions,
  type CoresetStreamResult,
  type Loewner,
  type Matrix,
} from "../../src/index.js";
import { apply, bell, matrix, norm, uniform } from "./matrices.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

const slice = ({ data, cols }: Matrix, start: number, end: number): Matrix => ({
  data: data.slice(start * cols, end * cols),
  rows: end - start,
  cols,
});

/** Pushes `a` in pieces that end at `cuts`. */
async function streamed(a: Matrix, options: Omit<CoresetStreamOptions, "cols">, cuts: number[] = [], s?: Float64Array) {
  const stream = loewner.coresetStream({ cols: a.cols, ...options });
  let start = 0;
  for (const end of [...cuts, a.rows]) {
    if (end > start) await stream.push(slice(a, start, end), { rowWeights: s?.slice(start, end) });
    start = end;
  }
  return stream.finish();
}

const facts = ({ seconds, ...rest }: CoresetStreamResult) => ({ ...rest, seconds: seconds >= 0 });
const error = (a: Matrix, { rows, weights }: CoresetStreamResult, p: number, s?: Float64Array) => {
  let worst = 0;
  for (let i = 0; i < 50; ++i) {
    const x = Float64Array.from({ length: a.cols }, (_, j) => bell(70 + i, j));
    worst = Math.max(worst, Math.abs(norm(apply(rows, x), p, weights) / norm(apply(a, x), p, s) - 1));
  }
  return worst;
};

test("the sequence of rows alone matters, not the pieces", async () => {
  const a = matrix("heavy-tailed rows", 3000, 5);
  const options = { size: 30, seed: 4, tileRows: 300 };
  const whole = await streamed(a, options);
  expect(whole.count).toBe(3000);
  expect(facts(await streamed(a, options, [1, 2, 299, 300, 301, 1700]))).toEqual(facts(whole));
  expect(
    facts(
      await streamed(
        a,
        options,
        Array.from({ length: 29 }, (_, i) => 100 * (i + 1)),
      ),
    ),
  ).toEqual(facts(whole));
  expect((await streamed(a, { ...options, seed: 5 })).indices).not.toEqual(whole.indices);
  // Not waiting for a push to be done is fine too, and so is changing the array afterwards.
  const stream = loewner.coresetStream({ cols: 5, ...options });
  const first = slice(a, 0, 2000);
  void stream.push(first);
  first.data.fill(7);
  void stream.push(slice(a, 2000, 3000));
  expect(facts(await stream.finish())).toEqual(facts(whole));
});

test("rows that fit one tile: the coreset of the matrix", async () => {
  for (const f32 of [true, false]) {
    const a = matrix("plain", 400, 5, { f32 });
    const s = Float64Array.from({ length: 400 }, (_, i) => 1 + Math.floor(3 * uniform(2, i)));
    const plain = await loewner.coreset(a, { size: 40, seed: 6, rowWeights: s });
    const stream = await streamed(a, { size: 40, seed: 6 }, [123], s);
    expect(stream.indices).toEqual(plain.indices);
    expect(stream.rows).toEqual(plain.rows);
    stream.weights.forEach((w, i) => expect(w).toBe(plain.weights[i]));
  }
});

describe("many levels", () => {
  test.each([1, 2, 3])("p = %i: rows are those of the stream, and |Cx| is near |Ax|", async (p) => {
    // At p >= 2 the heaviest rows are all that a sum of such tails holds.
    const a = matrix(p === 1 ? "heavy-tailed rows" : "plain", 20000, 6);
    const s = Float64Array.from({ length: a.rows }, (_, i) => 0.5 + uniform(3, i));
    const c = await streamed(a, { p, size: 200, seed: 1, tileRows: 1600 }, [7777], s);
    expect(c.indices).toHaveLength(200);
    c.indices.forEach((i, k) => {
      if (k > 0) expect(i).toBeGreaterThan(c.indices[k - 1]);
      expect([...c.rows.data.subarray(k * 6, (k + 1) * 6)]).toEqual([...a.data.subarray(i * 6, (i + 1) * 6)]);
    });
    expect(error(a, c, p, s)).toBeLessThan(0.2);
    const { measured, directions } = c.realised;
    expect(directions).toBe(64);
    expect(measured.lower).toBeGreaterThan(0.8);
    expect(measured.upper).toBeLessThan(1.2);
    expect(measured.upper - measured.lower).toBeGreaterThan(1e-3);
    // The control is far off on tails as heavy as these.
    if (p === 1)
      expect(error(a, await streamed(a, { p, size: 200, seed: 1, scheme: "uniform" }, [], s), p, s)).toBeGreaterThan(
        0.25,
      );
  });

  test("without bias: the mean over seeds is near the truth", async () => {
    const a = matrix("plain", 1500, 3);
    const x = Float64Array.of(1, -2, 0.5);
    const exact = norm(apply(a, x), 1);
    let mean = 0;
    for (let seed = 0; seed < 40; ++seed) {
      const { rows, weights } = await streamed(a, { size: 20, seed, tileRows: 160 });
      mean += norm(apply(rows, x), 1, weights) / exact / 40;
    }
    expect(Math.abs(mean - 1)).toBeLessThan(0.04);
  });
});

test("every reduction draws numbers of its own", async () => {
  // Equal rows, a half of each tile kept: rows 2k and 2k + 1 compete. Were the numbers of two tiles the same, so were the winners.
  const a = { data: new Float64Array(4 * 320).fill(1), rows: 4 * 320, cols: 1 };
  let differ = 0;
  for (let seed = 0; seed < 5; ++seed) {
    const { indices } = await streamed(a, { size: 40, seed, tileRows: 320, scheme: "uniform" });
    const winners = new Map<number, number>();
    for (const i of indices) {
      const pair = (i % 320) >> 1;
      if (winners.has(pair) && winners.get(pair) !== i % 2) ++differ;
      winners.set(pair, i % 2);
    }
  }
  expect(differ).toBeGreaterThan(0);
});

test("zero rows, rows of weight 0, extreme scales, f16 from a source", async () => {
  const a = matrix("zero and duplicate rows", 700, 3);
  const c = await streamed({ ...a, data: a.data.map((x) => x * 1e200) }, { size: 20, tileRows: 160 });
  expect(c.indices).toHaveLength(20);
  c.indices.forEach((i) => expect(i % 3).not.toBe(1));
  const zero = await streamed({ data: new Float64Array(2100), rows: 700, cols: 3 }, { size: 20, tileRows: 160 });
  expect([zero.indices.length, zero.rows.rows, zero.count]).toEqual([0, 0, 700]);
  const stream = loewner.coresetStream({ cols: 2, size: 3 });
  const one = Uint8Array.of(0x00, 0x3c, 0x00, 0x40); // 1, 2
  await stream.push({ rows: 1, cols: 2, dtype: "f16", read: () => one });
  expect((await stream.finish()).rows).toEqual({ data: Float32Array.of(1, 2), rows: 1, cols: 2 });
});

describe("bad input is refused with a message that names it", () => {
  test.each<[string, Partial<CoresetStreamOptions>, RegExp]>([
    ["cols", { cols: 0 }, /cols must be a whole number of at least 1; got 0/],
    ["size", { size: 0 }, /size must be a whole number of rows, at least 1; got 0/],
    ["seed", { seed: 0.5 }, /seed must be a whole number/],
    ["scheme", { scheme: "magic" as "lewis" }, /scheme must be one of/],
    ["p", { p: Infinity }, /p must be finite/],
    ["tileRows", { tileRows: 70 }, /tileRows must be a whole number of at least 8 \* size = 80; got 70/],
  ])("%s", (_, options, message) => {
    expect(() => loewner.coresetStream({ cols: 3, size: 10, ...options })).toThrow(message);
  });

  test("what is pushed, and when", async () => {
    const stream = loewner.coresetStream({ cols: 3, size: 10 });
    const good = matrix("plain", 5, 3);
    await stream.push(good);
    await expect(stream.push(matrix("plain", 5, 4))).rejects.toThrow(
      /the matrix pushed has 4 columns, but the stream has 3/,
    );
    await expect(stream.push(matrix("plain", 5, 3, { f32: true }))).rejects.toThrow(
      /began with f64 rows, and now f32 rows/,
    );
    await expect(stream.push(good, { rowWeights: [1] })).rejects.toThrow(/rowWeights has 1 entries/);
    const bad = matrix("plain", 5, 3);
    bad.data[3 * 3 + 1] = NaN;
    await expect(stream.push(bad)).rejects.toThrow(/Row 8 of the stream holds NaN or infinity at column 1/);
    expect((await stream.finish()).count).toBe(5);
    await expect(stream.push(good)).rejects.toThrow(/This stream is finished/);
    await expect(stream.finish()).rejects.toThrow(/This stream is finished/);
    await expect(loewner.coresetStream({ cols: 3, size: 10 }).finish()).rejects.toThrow(/The stream has no rows/);
  });

  test("a signal stops it; after dispose() it says so", async () => {
    const controller = new AbortController();
    const stream = loewner.coresetStream({ cols: 3, size: 10, tileRows: 80, signal: controller.signal });
    const pushing = stream.push(matrix("plain", 5000, 3));
    controller.abort();
    await expect(pushing).rejects.toThrow(AbortedError);
    const instance = await createLoewner();
    instance.dispose();
    expect(() => instance.coresetStream({ cols: 3, size: 10 })).toThrow(DisposedError);
  });
});
