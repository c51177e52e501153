// What is proved of matrices and row weights at the ends of the number range is what is proved of the same in the middle.
import { afterAll, beforeAll, expect, test } from "vitest";
import { createLoewner, type Loewner } from "../../src/index.js";
import { matrix } from "./matrices.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

const rows = 2000;
const weights = (of: number) => new Float64Array(rows).fill(of);

test.each([1e-150, 1e150])("all row weights %d prove no more, and no less, than ones", async (weight) => {
  const a = matrix("heavy-tailed rows", rows, 24, { f32: false, seed: 2 });
  const request = { rank: 8, p: 1, method: "lewis" } as const;
  const plain = (await loewner.lowRank(a, { ...request, rowWeights: weights(1) })).certificate;
  const { certificate } = await loewner.lowRank(a, { ...request, rowWeights: weights(weight) });
  expect(certificate.upper / certificate.lower / (plain.upper / plain.lower)).toBeCloseTo(1, 9);
  expect(certificate.bound / weight / plain.bound).toBeCloseTo(1, 9);
});

test.each(["lewis", "auto"] as const)("row weights of 1e-280 and 1e280 scale what is proved: %s", async (method) => {
  const a = matrix("heavy-tailed rows", rows, 6, { f32: false, seed: 2 });
  const request = { rank: 3, p: 1, method } as const;
  const plain = await loewner.lowRank(a, request);
  for (const weight of [1e-280, 1e280]) {
    const far = await loewner.lowRank(a, { ...request, rowWeights: weights(weight) });
    // 1e280 is no power of two: steps that end by a tolerance end elsewhere.
    expect(far.certificate.bound / weight / plain.certificate.bound).toBeCloseTo(1, 4);
    expect(far.report.objective.lp / weight / plain.report.objective.lp).toBeCloseTo(1, 4);
    expect(far.report.objective.l2 / Math.sqrt(weight) / plain.report.objective.l2).toBeCloseTo(1, 3);
  }
});

test.each([2 ** -126, 2 ** -136, 2 ** -142])("a column of f32 denormals, %d, counts like any other", async (size) => {
  const plain = matrix("plain", rows, 8, { f32: true, seed: 5 });
  const entry = (x: number, i: number) => (i % 8 !== 3 ? x : i & 8 ? size : 0);
  const a = { ...plain, data: plain.data.map(entry) };
  const { certificate, converged } = await loewner.lowRank(a, { rank: 6, p: 1, method: "lewis" });
  expect(converged).toBe(true);
  expect(certificate.upper / certificate.lower).toBeGreaterThan(Math.sqrt(8) * 0.999);
  const lewis = await loewner.lewisWeights(a, { p: 1 });
  expect(lewis.weights.reduce((sum, w) => sum + w, 0)).toBeCloseTo(8, 4);
});
