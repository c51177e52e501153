import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createLoewner, type Loewner } from "../../src/index.js";

interface Oracle<Case> {
  matrices: Record<string, number[][]>;
  cases: (Case & { matrix: string })[];
}

function oracle<Case>(name: string): Oracle<Case> {
  return JSON.parse(readFileSync(new URL(`../fixtures/${name}.json`, import.meta.url), "utf8")) as Oracle<Case>;
}

function load(rows: number[][]) {
  return { data: Float64Array.from(rows.flat()), rows: rows.length, cols: rows[0].length };
}

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

describe("leverage scores: rank, and every score to 1e-9", () => {
  const { matrices, cases } = oracle<{ scores: number[]; rank: number }>("leverage");
  test.each(cases)("$matrix", async ({ matrix, scores, rank }) => {
    const result = await loewner.leverageScores(load(matrices[matrix]));
    expect(result.rank).toBe(rank);
    expect(result.scores).toBeInstanceOf(Float64Array);
    scores.forEach((score, i) => expect(Math.abs(result.scores[i] - score)).toBeLessThan(1e-9));
  });
});

describe("Lewis weights: every weight to 1e-6, relative", () => {
  const { matrices, cases } = oracle<{ p: number; definitionResidual: number; weights: number[] }>("lewis");
  test.each(cases)("$matrix, p = $p", async ({ matrix, p, definitionResidual, weights }) => {
    const result = await loewner.lewisWeights(load(matrices[matrix]), { p, tolerance: 1e-8 });
    expect(result.converged).toBe(true);
    expect(result.residual).toBeLessThanOrEqual(1e-8);
    weights.forEach((w, i) => {
      if (w === 0) expect(result.weights[i]).toBe(0);
      else expect(Math.abs(result.weights[i] / w - 1)).toBeLessThan(Math.max(1e-6, definitionResidual));
    });
  });
});
