// Raising a few rows' weights: the bound it proves holds where it is tightest, and is the better one.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { toRowSource } from "../../src/matrix.js";
import { InlineEngine } from "../../src/engine/inline.js";
import { raiseFewRows } from "../../src/geometry/lewis/raise.js";
import { LewisSweeps } from "../../src/geometry/lewis/sweeps.js";
import { profile } from "../../src/geometry/profile.js";
import { Run } from "../../src/geometry/run.js";
import { whiten } from "../../src/geometry/basis/whiten.js";
import { inlinedKernel } from "../../src/kernel/inlined.js";
import { bell, matrix, uniform, type Kind } from "./matrices.js";

let engine: InlineEngine;
beforeAll(async () => {
  engine = await InlineEngine.create(await inlinedKernel());
});
afterAll(() => engine.dispose());

const cases: [Kind, number, number, number, boolean, boolean][] = [
  ["heavy-tailed rows", 900, 12, 1, true, false],
  ["heavy-tailed rows", 900, 12, 1.5, false, true],
  ["heavy-tailed rows", 900, 12, 0.5, true, true],
  ["far rows, steep spectrum", 2000, 9, 1, false, false],
  ["plain", 700, 20, 1, true, true],
];

describe.each(cases)("%s, %i x %i, p = %d, f32 %s, weights %s", (kind, rows, cols, p, f32, weighted) => {
  test("|Ax|_p >= lower |Mx|_2, with a larger lower than before", async () => {
    const a = matrix(kind, rows, cols, { f32, seed: rows + cols });
    const rowWeights = weighted ? Float64Array.from({ length: rows }, (_, i) => 0.25 + uniform(3, i)) : undefined;
    const run = new Run(engine, {});
    const opened = run.open(toRowSource(a));
    if (rowWeights) opened.state.set("weights", rowWeights);
    const { columnScale } = await profile(run, opened);
    const sweeps = new LewisSweeps(run, opened, p, columnScale);
    const white = (gram: Float64Array) => whiten(engine, gram, { rows, cols, dtype: "f64" });
    // One step in: weights that are good in most rows and not in all.
    const { gram: G } = await sweeps.step(await white(await sweeps.start(true)), { omega: 1 });
    const whitening = await white(G);
    const terms = await sweeps.step(whitening, { keep: true });
    const raised = await raiseFewRows(run, opened, whitening, columnScale, p);
    expect(raised).toBeLessThan(terms.distortion);
    const lower = Math.exp((-raised * (2 - p)) / (p * p));

    const norms = (x: Float64Array) => {
      let sum = 0;
      for (let i = 0; i < rows; ++i) {
        let dot = 0;
        for (let j = 0; j < cols; ++j) dot += a.data[i * cols + j] * columnScale[j] * x[j];
        sum += (rowWeights?.[i] ?? 1) * Math.abs(dot) ** p;
      }
      let square = 0;
      for (let i = 0; i < cols; ++i) for (let j = 0; j < cols; ++j) square += G[i * cols + j] * x[i] * x[j];
      return sum ** (1 / p) / Math.sqrt(square);
    };
    // G^-1 a_i is where row i weighs most.
    const { transform, rank } = whitening;
    let tightest = Infinity;
    for (let i = 0; i < rows; ++i) {
      const y = new Float64Array(rank);
      for (let j = 0; j < cols; ++j) {
        for (let k = 0; k < rank; ++k) y[k] += a.data[i * cols + j] * columnScale[j] * transform[j * rank + k];
      }
      const aimed = new Float64Array(cols);
      for (let j = 0; j < cols; ++j) for (let k = 0; k < rank; ++k) aimed[j] += transform[j * rank + k] * y[k];
      const random = Float64Array.from({ length: cols }, (_, j) => bell(7, i * cols + j));
      tightest = Math.min(tightest, norms(aimed), norms(random));
    }
    expect(tightest).toBeGreaterThanOrEqual(lower * (1 - 1e-6));
  });
});

test.each([2 ** -500, 2 ** 250])("all row weights %d gain what ones do", async (weight) => {
  const [rows, cols] = [900, 12];
  const a = matrix("heavy-tailed rows", rows, cols, { f32: false, seed: 6 });
  const gain = async (of: number) => {
    const run = new Run(engine, {});
    const opened = run.open(toRowSource(a));
    opened.state.set("weights", new Float64Array(rows).fill(of));
    const { columnScale } = await profile(run, opened);
    const sweeps = new LewisSweeps(run, opened, 1, columnScale);
    const white = (gram: Float64Array) => whiten(engine, gram, { rows, cols, dtype: "f64" });
    const { gram } = await sweeps.step(await white(await sweeps.start(true)), { omega: 1 });
    const whitening = await white(gram);
    const { distortion } = await sweeps.step(whitening, { keep: true });
    return distortion - (await raiseFewRows(run, opened, whitening, columnScale, 1));
  };
  const expected = await gain(1);
  expect(expected).toBeGreaterThan(0);
  expect(await gain(weight)).toBeCloseTo(expected, 9);
});

test("tight: the rows of a unit matrix, one with half its weight", async () => {
  const size = 16;
  const data = Float64Array.from({ length: size * size }, (_, i) => Number(i % (size + 1) === 0));
  const run = new Run(engine, {});
  const opened = run.open(toRowSource({ data, rows: size, cols: size }));
  const w = Float64Array.from({ length: size }, (_, i) => (i === 3 ? 0.5 : 1));
  opened.state.set("logWeight", w.map(Math.log));
  opened.state.set(
    "scale",
    w.map((x) => 1 / Math.sqrt(x)),
  );
  const ones = new Float64Array(size).fill(1);
  const sweeps = new LewisSweeps(run, opened, 1, ones);
  const whitening = await whiten(engine, await sweeps.gram(), { rows: size, cols: size, dtype: "f64" });
  const { distortion } = await sweeps.step(whitening, { keep: true });
  // |e_3|_1 = 1 and |M e_3|_2 = 2^(1/2): no lower above 2^(-1/2) is true, and this is it.
  expect(Math.exp(-distortion)).toBeCloseTo(Math.SQRT1_2, 12);
  expect(Math.exp(-(await raiseFewRows(run, opened, whitening, ones, 1)))).toBeCloseTo(Math.SQRT1_2, 12);
});

test("few rows: nothing is raised, and nothing proved", async () => {
  const a = matrix("plain", 5, 3, { f32: false, seed: 1 });
  const run = new Run(engine, {});
  const opened = run.open(toRowSource(a));
  const { columnScale } = await profile(run, opened);
  const sweeps = new LewisSweeps(run, opened, 1, columnScale);
  const whitening = await whiten(engine, await sweeps.start(true), { rows: 5, cols: 3, dtype: "f64" });
  await sweeps.step(whitening, { keep: true });
  expect(await raiseFewRows(run, opened, whitening, columnScale, 1)).toBe(Infinity);
});
