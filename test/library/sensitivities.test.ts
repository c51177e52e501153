// Bounds of sup_x s_i |a_i x|^p / |Ax|_p^p: against the oracle's Lewis weights, against the twin's maximisation, for weights that
// have converged and for weights that have not.
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createLoewner, type Loewner, type Matrix, type Progress, type SensitivityOptions } from "../../src/index.js";
import { toDense } from "../../reference/matrix.js";
import { sensitivity } from "../../reference/sensitivity.js";
import { matrix, relative, uniform, type Kind } from "./matrices.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

describe("against the oracle: w_i for p <= 2, d^(p/2-1) w_i above, at most 1", () => {
  const { matrices, cases } = JSON.parse(readFileSync(new URL("../fixtures/lewis.json", import.meta.url), "utf8")) as {
    matrices: Record<string, number[][]>;
    cases: { matrix: string; p: number; weights: number[] }[];
  };
  test.each(cases)("$matrix, p = $p", async ({ matrix: name, p, weights }) => {
    const rows = matrices[name];
    const a = { data: Float64Array.from(rows.flat()), rows: rows.length, cols: rows[0].length };
    const { scores, rank, total } = await loewner.sensitivities(a, { p, tolerance: 1e-8 });
    const factor = p > 2 ? rank ** (p / 2 - 1) : 1;
    scores.forEach((score, i) => expect(relative(score, Math.min(1, factor * weights[i]))).toBeLessThan(2e-6));
    expect(
      relative(
        total,
        scores.reduce((x, y) => x + y, 0),
      ),
    ).toBeLessThan(1e-12);
  });
});

const shapes = fc.record({
  kind: fc.constantFrom<Kind>("plain", "heavy-tailed rows", "far rows, steep spectrum", "badly scaled columns"),
  rows: fc.integer({ min: 4, max: 30 }),
  cols: fc.integer({ min: 1, max: 4 }),
  seed: fc.integer({ min: 0, max: 1e6 }),
  f32: fc.boolean(),
});

test("no x has a larger share: the twin's maximum is below the bound, converged or not; p = 2 is exact", async () => {
  await fc.assert(
    fc.asyncProperty(
      shapes,
      fc.constantFrom(0.5, 1, 1.5, 2, 2.5, 3.7),
      fc.constantFrom(0, 1, 200),
      fc.boolean(),
      async ({ kind, rows, cols, seed, f32 }, p, maxIterations, weighted) => {
        const a = matrix(kind, rows, cols, { seed, f32 });
        const s = weighted ? Float64Array.from({ length: rows }, (_, i) => 0.1 + 5 * uniform(seed, i)) : undefined;
        const { scores, converged } = await loewner.sensitivities(a, { p, maxIterations, rowWeights: s });
        if (maxIterations === 200) expect(converged).toBe(true);
        for (let i = 0; i < rows; i += 3) {
          const exact = sensitivity(toDense(a), i, p, s, 60);
          expect(scores[i]).toBeGreaterThanOrEqual(exact * (1 - 1e-9));
          if (p === 2) expect(relative(scores[i], exact)).toBeLessThan(1e-7);
        }
      },
    ),
    { numRuns: 60, seed: 20261 },
  );
});

test("weights that have not converged give bounds that are looser, not wrong", async () => {
  const a = matrix("heavy-tailed rows", 400, 6);
  for (const p of [1, 3]) {
    const early = await loewner.sensitivities(a, { p, maxIterations: 0 });
    const late = await loewner.sensitivities(a, { p });
    expect([early.converged, late.converged]).toEqual([false, true]);
    expect(early.total).toBeGreaterThan(late.total);
    expect(late.total).toBeLessThanOrEqual(6 ** Math.max(1, p / 2) * (1 + 1e-5));
  }
});

describe("invariants", () => {
  const bytes = (x: Float64Array) => Buffer.from(x.buffer, x.byteOffset, x.byteLength).toString("base64");

  test("tile sizes give the same bytes", async () => {
    const a = matrix("heavy-tailed rows", 1300, 9, { f32: true });
    const found = new Set<string>();
    for (const tileRows of [256, 512, 4096]) {
      const instance = await createLoewner({ tileRows });
      found.add(bytes((await instance.sensitivities(a, { p: 1.3 })).scores));
      instance.dispose();
    }
    expect(found.size).toBe(1);
  });

  test("scale, column scale and row order do not matter; the ends of the range of f64 neither", async () => {
    const a = matrix("plain", 300, 5);
    for (const p of [0.7, 1, 2, 3]) {
      const { scores } = await loewner.sensitivities(a, { p });
      for (const factor of [1e200, 1e-200, -3]) {
        const scaled = { ...a, data: a.data.map((x, i) => x * (i % 5 === 2 ? factor : 1)) };
        const other = await loewner.sensitivities(scaled, { p });
        other.scores.forEach((score, i) => expect(relative(score, scores[i])).toBeLessThan(1e-5));
      }
      const reversed = Float64Array.from(
        { length: 1500 },
        (_, at) => a.data[(299 - Math.floor(at / 5)) * 5 + (at % 5)],
      );
      const other = await loewner.sensitivities({ ...a, data: reversed }, { p });
      other.scores.forEach((score, i) => expect(relative(score, scores[299 - i])).toBeLessThan(1e-5));
    }
  });

  test("odd matrices: one row, one column, fewer rows than columns, zero and equal rows, rank 2, all zero", async () => {
    const scores = async (a: Matrix, options?: SensitivityOptions) => (await loewner.sensitivities(a, options)).scores;
    const near = (x: Float64Array, y: number[]) => x.forEach((v, i) => expect(v).toBeCloseTo(y[i], 6));
    for (const p of [1, 2, 3]) {
      near(await scores({ data: Float64Array.of(3, 4), rows: 1, cols: 2 }, { p }), [1]);
      near(
        await scores({ data: Float64Array.of(1, -3, 0), rows: 3, cols: 1 }, { p }),
        [1, 3, 0].map((x) => x ** p / (1 + 3 ** p)),
      );
      near(await scores(matrix("plain", 3, 7), { p }), [1, 1, 1]);
      near(await scores({ data: new Float64Array(6), rows: 3, cols: 2 }, { p }), [0, 0, 0]);
      const low = await loewner.sensitivities(matrix("rank 2", 50, 6), { p });
      expect(low.rank).toBe(2);
      expect(low.total).toBeLessThan(2 ** Math.max(1, p / 2) * (1 + 1e-5));
    }
    // Twice the same row: half the share each. A row weight of 3 is three rows.
    near(await scores({ data: Float64Array.of(1, 0, 1, 0, 0, 1), rows: 3, cols: 2 }), [0.5, 0.5, 1]);
    near(await scores({ data: Float64Array.of(1, 1), rows: 2, cols: 1 }, { rowWeights: [3, 1] }), [0.75, 0.25]);
    near(await scores({ data: Float64Array.of(1, 1), rows: 2, cols: 1 }, { rowWeights: [0, 1] }), [0, 1]);
  });
});

test("bad options are refused, and progress reaches its end", async () => {
  const a = matrix("plain", 300, 4);
  await expect(loewner.sensitivities(a, { p: 0 })).rejects.toThrow(/p must be a number with 0 < p/);
  await expect(loewner.sensitivities(a, { p: Infinity })).rejects.toThrow(
    /p must be finite: at p = Infinity there is no sum/,
  );
  await expect(loewner.sensitivities(a, { tolerance: 0 })).rejects.toThrow(
    /tolerance must be a positive number; got 0/,
  );
  await expect(loewner.sensitivities(a, { maxIterations: -1 })).rejects.toThrow(/maxIterations/);
  await expect(loewner.sensitivities(a, { rowWeights: [1] })).rejects.toThrow(/rowWeights has 1 entries/);
  const seen: Progress[] = [];
  await loewner.sensitivities(a, { onProgress: (progress) => seen.push(progress) });
  seen.slice(1).forEach((progress, i) => expect(progress.done).toBeGreaterThanOrEqual(seen[i].done));
  expect(seen.at(-1)!.done).toBe(seen.at(-1)!.total);
});
