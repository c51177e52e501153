// What must not matter does not: scales by powers of two, the order of rows, a million copies of a row.
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createLoewner, type Loewner, type Matrix, type MatrixLike } from "../../src/index.js";
import { inclusionProbabilities } from "../../src/geometry/coreset/sample.js";
import { bitsOf } from "../library/calls.js";
import * as threads from "../library/threads.js";
import { apply, matrix, norm, relative } from "../library/matrices.js";
import { tortures } from "./matrices.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

const scaled = (a: Matrix, factor: number): Matrix => ({ ...a, data: a.data.map((x) => x * factor) });

/** Entries of ordinary size, of full rank or not. */
const ordinary = ["plain", "n < d", "rank 2", "Kahan", "Hadamard", "duplicate rows", "zero rows and zero columns"];

test("A times a power of two: the same scores and weights, to the last bit, and the same factors times that", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...ordinary),
      fc.constantFrom(1, 1.25, 2, 3, Infinity),
      fc.integer({ min: -900, max: 480 }),
      async (name, p, exponent) => {
        const a = tortures[name]();
        const b = scaled(a, 2 ** exponent);
        expect((await loewner.leverageScores(b)).scores).toEqual((await loewner.leverageScores(a)).scores);
        expect((await loewner.lewisWeights(b, { p })).weights).toEqual((await loewner.lewisWeights(a, { p })).weights);
        if (p === Infinity) return;
        expect((await loewner.sensitivities(b, { p })).scores).toEqual((await loewner.sensitivities(a, { p })).scores);
        const [one, other] = await Promise.all(
          [a, b].map((m) => loewner.coreset(m, { p, size: Math.max(1, a.rows >> 1) })),
        );
        expect(other.indices).toEqual(one.indices);
        expect(other.weights).toEqual(one.weights);
        const request = { rank: 2, method: "svd", p: 1 } as const;
        const [left, leftOfScaled] = await Promise.all([a, b].map((m) => loewner.lowRank(m, request)));
        expect(leftOfScaled.right.data).toEqual(left.right.data);
        expect(scaled(leftOfScaled.left, 2 ** -exponent).data).toEqual(left.left.data);
        expect(leftOfScaled.report.objective.l1 * 2 ** -exponent).toBe(left.report.objective.l1);
      },
    ),
    { numRuns: 40, seed: 88 },
  );
});

test("rows too small for their squares, and far row weights: the same in threads, in workers and on open rows", async () => {
  const a = scaled(matrix("heavy-tailed rows", 600, 4), 2 ** -900);
  const rowWeights = new Float64Array(600).fill(2 ** 990);
  const calls = async (instance: Loewner, rows: MatrixLike) => {
    const results: unknown[] = await Promise.all([
      instance.leverageScores(rows, { rowWeights }),
      instance.lowRank(rows, { rank: 2, p: 1, method: "lewis", rowWeights }),
      instance.coreset(rows, { size: 20, rowWeights }),
      instance.robustSubspace(rows, { rank: 1, rowWeights }),
    ]);
    const factors = await instance.lowRank(rows, { rank: 2, method: "svd", p: 1 });
    const pieces: number[] = [];
    const left = (_: number, block: Float32Array | Float64Array) => void pieces.push(...block);
    await instance.lowRank(rows, { rank: 2, method: "svd", p: 1, left });
    expect(pieces).toEqual([...factors.left.data]);
    results.push(
      await instance.residual(rows, factors, { p: 1 }),
      await instance.certify(rows, factors.right, { left: factors.left, p: 1 }),
    );
    return bitsOf(results);
  };
  const expected = await calls(loewner, a);
  const shared = await threads.createLoewner({ ...threads.always, threads: 2 });
  const batch = await threads.createLoewner({ threads: 2, threadWork: 0 });
  expect(await calls(shared, a)).toBe(expected);
  expect(await calls(batch, a)).toBe(expected);
  const open = batch.open(a);
  expect(await calls(batch, open)).toBe(expected);
  expect(await calls(batch, open)).toBe(expected);
  shared.dispose();
  batch.dispose();
});

test("all row weights times a power of two: the same scores, weights and factors", async () => {
  const a = matrix("heavy-tailed rows", 300, 5);
  const s = Float64Array.from({ length: a.rows }, (_, i) => 1 + (i % 7));
  for (const exponent of [-990, -120, 120, 990]) {
    const far = s.map((x) => x * 2 ** exponent);
    for (const p of [1, 1.25, 3, Infinity]) {
      const [one, other] = await Promise.all([s, far].map((rowWeights) => loewner.lewisWeights(a, { p, rowWeights })));
      one.weights.forEach((w, i) => expect(Math.abs(other.weights[i] - w)).toBeLessThan(1e-6));
      const [left, right] = await Promise.all(
        [s, far].map((rowWeights) => loewner.lowRank(a, { rank: 2, p, method: "lewis", rowWeights })),
      );
      expect(relative(left.report.objective.l1, right.report.objective.l1 * 2 ** -exponent)).toBeLessThan(1e-6);
    }
  }
});

test("a coreset's probabilities sum to its size, however small what the first rows leave", () => {
  const q = Float64Array.of(1, 0, 2e-320, 1e-320, 1e-320, 0);
  const pi = inclusionProbabilities(q, 3);
  expect([...pi].map((x) => x.toFixed(3))).toEqual(["1.000", "0.000", "1.000", "0.500", "0.500", "0.000"]);
  expect([...inclusionProbabilities(Float64Array.of(1, 0, 0), 2)]).toEqual([1, 0, 0]);
});

test("the order of rows: scores and weights go with them", async () => {
  for (const name of ["one row huge", "1e-12 to 1e12", "blocks of far scales", "Hadamard", "a row of denormal f32"]) {
    const a = tortures[name]();
    const { rows, cols } = a;
    const order = Array.from({ length: rows }, (_, i) => (7 * i + 3) % rows);
    const b = { ...a, data: a.data.map((_, at) => a.data[order[Math.floor(at / cols)] * cols + (at % cols)]) };
    const [one, other] = [await loewner.leverageScores(a), await loewner.leverageScores(b)];
    expect(other.rank).toBe(one.rank);
    order.forEach((from, to) => expect(Math.abs(other.scores[to] - one.scores[from])).toBeLessThan(1e-6));
  }
});

test("a million rows, five of them different, are those five, weighted", async () => {
  const copies = 200_000;
  const few = matrix("plain", 5, 4, { f32: true, seed: 12 });
  const data = new Float32Array(copies * few.data.length);
  for (let i = 0; i < copies; ++i) data.set(few.data, i * few.data.length);
  const many = { data, rows: 5 * copies, cols: 4 };
  const rowWeights = new Float64Array(5).fill(copies);

  const scores = (await loewner.leverageScores(many)).scores;
  const few1 = (await loewner.leverageScores(few)).scores;
  few1.forEach((x, i) => expect(scores[i] * copies).toBeCloseTo(x, 6));
  expect(scores.subarray(5, 10)).toEqual(scores.subarray(0, 5));

  const { weights, gram, certificate, converged, rank } = await loewner.lewisWeights(many, { p: 1 });
  const small = await loewner.lewisWeights(few, { p: 1, rowWeights });
  expect([converged, rank]).toEqual([true, 4]);
  small.weights.forEach((x, i) => expect(weights[i] * copies).toBeCloseTo(x, 5));
  for (const x of [
    [1, 2, 3, 4],
    [1, 0, 0, 0],
    [0.3, -1, 2, 0],
  ]) {
    const value = norm(apply(few, x), 1, rowWeights);
    const size = Math.sqrt(apply(gram, x).reduce((sum, y, j) => sum + y * x[j], 0));
    expect(value).toBeGreaterThan(certificate.lower * size * (1 - 1e-5));
    expect(value).toBeLessThan(certificate.upper * size * (1 + 1e-5));
  }

  const { indices, realised } = await loewner.coreset(many, { p: 1, size: 60 });
  expect(indices.length).toBe(60);
  // All rows that point alike compete, so each kind keeps its share but for one row.
  expect(realised.measured.lower).toBeGreaterThan(0.8);
  expect(realised.measured.upper).toBeLessThan(1.2);

  const low = await loewner.lowRank(many, { rank: 2, p: 1, method: "lewis", left: false });
  const fewLow = await loewner.lowRank(few, { rank: 2, p: 1, method: "lewis", rowWeights });
  expect(relative(low.report.objective.lp, fewLow.report.objective.lp)).toBeLessThan(0.05);
});
