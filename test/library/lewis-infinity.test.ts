// Lewis weights at p = Infinity against what defines them: q_i = 1 where w_i > 0, at most 1 elsewhere.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createLoewner, type Loewner } from "../../src/index.js";
import { leverageScores } from "../../reference/leverage.js";
import { scaleRows, toDense } from "../../reference/matrix.js";
import { apply, bell, energyNorm, kinds, matrix, norm, type Kind } from "./matrices.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

describe.each(Object.keys(kinds) as Kind[])("%s", (kind) => {
  test.each([
    [1, 4],
    [3, 9],
    [40, 1],
    [300, 7],
    [600, 12],
  ])("%i x %i", async (rows, cols) => {
    const a = matrix(kind, rows, cols, { seed: rows });
    const { weights, rank, residual, converged } = await loewner.lewisWeights(a, { p: Infinity, tolerance: 1e-8 });
    expect(converged).toBe(true);
    expect(residual).toBeLessThanOrEqual(1e-8);
    expect(weights.reduce((x, y) => x + y, 0)).toBeCloseTo(rank, 9);
    // tau_i = w_i q_i of W^(1/2) A says q_i where w_i > 0; elsewhere a row with the weight 1e-12 shows it.
    const scores = (w: Float64Array) => leverageScores(scaleRows(toDense(a), w.map(Math.sqrt))).scores;
    weights.forEach((w, i) => {
      if (w > 1e-6) expect(Math.abs(scores(weights)[i] / w - 1)).toBeLessThan(1e-6);
    });
    const little = weights.map((w) => Math.max(w, 1e-12));
    scores(little).forEach((tau, i) => expect(tau / little[i]).toBeLessThan(1 + 1e-6));
  });
});

test("rows of weight 0 do not count, others alike", async () => {
  const a = matrix("heavy-tailed rows", 300, 5);
  const rowWeights = Float64Array.from({ length: 300 }, (_, i) => (i % 2 ? 7 : 0));
  const odd = { data: new Float64Array(150 * 5), rows: 150, cols: 5 };
  for (let i = 0; i < 150; ++i) odd.data.set(a.data.subarray((2 * i + 1) * 5, (2 * i + 2) * 5), i * 5);
  const { weights } = await loewner.lewisWeights(a, { p: Infinity, rowWeights, tolerance: 1e-9 });
  const { weights: alone } = await loewner.lewisWeights(odd, { p: Infinity, tolerance: 1e-9 });
  weights.forEach((w, i) => expect(Math.abs(w - (i % 2 ? alone[i >> 1] : 0))).toBeLessThan(1e-6));
});

test("above rank 128: averages over the iterates, as good as the paper says, and a certificate that holds", async () => {
  const a = matrix("heavy-tailed rows", 700, 140, { f32: true });
  const result = await loewner.lewisWeights(a, { p: Infinity, tolerance: 0.1, maxIterations: 40 });
  const { weights, gram, rank, certificate, iterations, residual, converged } = result;
  expect([rank, converged]).toEqual([140, true]);
  expect(residual).toBeLessThanOrEqual((700 / 140) ** (1 / iterations) - 1);
  expect(weights.reduce((x, y) => x + y, 0)).toBeCloseTo(140, 6);
  for (let t = 0; t < 50; ++t) {
    const x = Float64Array.from({ length: 140 }, (_, j) => bell(5, t * 140 + j));
    const [size, value] = [energyNorm(gram, x), norm(apply(a, x), Infinity)];
    expect(value).toBeGreaterThanOrEqual(certificate.lower * size * (1 - 1e-6));
    expect(value).toBeLessThanOrEqual(certificate.upper * size * (1 + 1e-6));
  }
});
