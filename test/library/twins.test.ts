// Every primitive against its slow twin, on random shapes: one to three rows, tails of one to seven columns, more columns
// than rows, and row counts around the blocks of 256.
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createLoewner, type Loewner, type Matrix } from "../../src/index.js";
import { jacobiSvd } from "../../reference/jacobi-svd.js";
import { leverageScores } from "../../reference/leverage.js";
import { lewisWeights } from "../../reference/lewis.js";
import { lowRank } from "../../reference/low-rank.js";
import { objective } from "../../reference/objective.js";
import { gram, scaleRows, toDense } from "../../reference/matrix.js";
import { kinds, matrix, relative, uniform, type Kind } from "./matrices.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

const shapes = fc.record({
  kind: fc.constantFrom(...(Object.keys(kinds) as Kind[])),
  rows: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 4, max: 40 }), fc.constantFrom(255, 256, 257, 513)),
  cols: fc.integer({ min: 1, max: 20 }),
  seed: fc.integer({ min: 0, max: 1e6 }),
  f32: fc.boolean(),
});
const settings = { numRuns: 60, seed: 20260 };
const make = ({
  kind,
  rows,
  cols,
  seed,
  f32,
}: {
  kind: Kind;
  rows: number;
  cols: number;
  seed: number;
  f32: boolean;
}) => matrix(kind, rows, cols, { seed, f32 });
const weights = (a: Matrix, seed: number) =>
  Float64Array.from({ length: a.rows }, (_, i) => Math.floor(4 * uniform(seed + 9, i)));

describe("against a plain implementation without wasm", () => {
  test("leverage scores", async () => {
    await fc.assert(
      fc.asyncProperty(shapes, fc.boolean(), async (shape, weighted) => {
        const a = make(shape);
        const rowWeights = weighted ? weights(a, shape.seed) : undefined;
        const twin = leverageScores(toDense(a), rowWeights);
        const { scores, rank } = await loewner.leverageScores(a, { rowWeights });
        expect(rank).toBe(twin.rank);
        scores.forEach((score, i) => expect(Math.abs(score - twin.scores[i])).toBeLessThan(1e-7));
        expect(Math.abs(scores.reduce((x, y) => x + y, 0) - rank)).toBeLessThan(1e-7 * Math.max(1, rank));
      }),
      settings,
    );
  });

  test("Lewis weights", async () => {
    await fc.assert(
      fc.asyncProperty(shapes, fc.constantFrom(0.5, 1, 1.25, 1.5, 1.75, 2, 3, 3.5, 4, 6, 10), async (shape, p) => {
        const a = make(shape);
        const twin = lewisWeights(toDense(a), p);
        const result = await loewner.lewisWeights(a, { p, tolerance: 1e-7 });
        expect(result.converged).toBe(true);
        result.weights.forEach((w, i) => expect(Math.abs(w - twin.weights[i])).toBeLessThan(2e-6 * Math.max(1e-3, w)));
        expect(Math.abs(result.weights.reduce((x, y) => x + y, 0) - result.rank)).toBeLessThan(
          1e-5 * Math.max(1, result.rank),
        );
      }),
      settings,
    );
  });

  test("Gram matrices, weighted or not", async () => {
    await fc.assert(
      fc.asyncProperty(shapes, fc.boolean(), async (shape, weighted) => {
        const a = make(shape);
        const rowWeights = weighted ? weights(a, shape.seed) : undefined;
        const roots = Float64Array.from({ length: a.rows }, (_, i) => Math.sqrt(rowWeights?.[i] ?? 1));
        const twin = gram(scaleRows(toDense(a), roots));
        const { data, rows, cols } = await loewner.gram(a, { rowWeights });
        expect([rows, cols]).toEqual([a.cols, a.cols]);
        for (let i = 0; i < cols; ++i) {
          for (let j = 0; j < cols; ++j) {
            const size = Math.sqrt(twin.data[i * (cols + 1)] * twin.data[j * (cols + 1)]);
            expect(Math.abs(data[i * cols + j] - twin.data[i * cols + j])).toBeLessThanOrEqual(1e-13 * size);
            expect(data[i * cols + j]).toBe(data[j * cols + i]);
          }
        }
      }),
      settings,
    );
  });

  test("Gram matrices of entries from the smallest to the largest", async () => {
    for (const [entry, weight] of [
      [2 ** -500, 1],
      [2 ** 500, 2 ** -300],
      [2 ** -450, 2 ** 600],
      [2 ** 470, 1],
    ]) {
      const a = { data: Float64Array.of(3, 4, 1, 2).map((x) => x * entry), rows: 2, cols: 2 };
      const { data } = await loewner.gram(a, { rowWeights: [weight, 4 * weight] });
      const exact = [13, 20, 20, 32].map((x) => x * entry * weight * entry);
      data.forEach((x, i) => expect(Math.abs(x / exact[i] - 1)).toBeLessThan(1e-14));
    }
    const far = { data: Float64Array.of(2 ** 600, 1), rows: 2, cols: 1 };
    await expect(loewner.gram(far)).rejects.toThrow("An entry of the Gram matrix of A is above 1.8e308");
    const bad = { data: Float32Array.of(1, NaN), rows: 1, cols: 2 };
    await expect(loewner.gram(bad)).rejects.toThrow("NaN or infinity at row 0, column 1");
  });

  test("singular values", async () => {
    await fc.assert(
      fc.asyncProperty(shapes, async (shape) => {
        const a = make(shape);
        const { sigma } = jacobiSvd(toDense(a)) as unknown as { sigma: ArrayLike<number> };
        const values = await loewner.singularValues(a);
        expect(values.length).toBe(a.cols);
        // A Gram matrix sees nothing below 1e-8 of the largest; f32 sums are used only where they see the last one.
        const floor = 1e-7 * (sigma[0] || 1);
        for (let j = 0; j < Math.min(sigma.length, a.cols); ++j)
          expect(Math.abs(values[j] - sigma[j])).toBeLessThan(floor + 1e-4 * sigma[j]);
      }),
      settings,
    );
  });

  test("singular values of rows less their weighted mean; rows of zeros stay", async () => {
    await fc.assert(
      fc.asyncProperty(shapes, fc.boolean(), async (shape, weighted) => {
        const a = make(shape);
        const rowWeights = weighted ? weights(a, shape.seed) : undefined;
        const { data, rows, cols } = toDense(a);
        const entry = (i: number, j: number) => data[i * cols + j];
        const counts = Array.from({ length: rows }, (_, i) => {
          const zeros = data.subarray(i * cols, (i + 1) * cols).every((x) => x === 0);
          return zeros ? 0 : (rowWeights?.[i] ?? 1);
        });
        const total = counts.reduce((x, y) => x + y, 0) || 1;
        const mean = Array.from(
          { length: cols },
          (_, j) => counts.reduce((sum, count, i) => sum + count * entry(i, j), 0) / total,
        );
        const centred = data.map((x, at) => Math.sqrt(counts[Math.floor(at / cols)]) * (x - mean[at % cols]));
        const { sigma } = jacobiSvd({ data: centred, rows, cols });
        const values = await loewner.singularValues(a, { rowWeights, centred: true });
        expect(values.length).toBe(a.cols);
        // The mean's own square is what sums are beside.
        const [top] = await loewner.singularValues(a, { rowWeights });
        const floor = 1e-3 * (top || 1);
        for (let j = 0; j < Math.min(sigma.length, a.cols); ++j)
          expect(Math.abs(values[j] - sigma[j])).toBeLessThan(floor + 1e-4 * sigma[j]);
      }),
      settings,
    );
  });

  test.each(["svd", "lewis"] as const)("low rank by %s", async (method) => {
    await fc.assert(
      fc.asyncProperty(
        shapes,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.constantFrom(1, 1.5, 2, 3),
        async (shape, share, p) => {
          const a = make(shape);
          const most = Math.min(a.rows, a.cols);
          const rank = 1 + Math.floor(share * (most - 1));
          const result = await loewner.lowRank(a, { rank, p, method, tolerance: 1e-6 });
          const { left, right, report } = result;
          // The report is of the factors handed out.
          const exact = objective(toDense(a), toDense(left), toDense(right), p);
          const size = objective(
            toDense(a),
            { data: new Float64Array(a.rows), rows: a.rows, cols: 1 },
            { data: new Float64Array(a.cols), rows: 1, cols: a.cols },
            p,
          );
          const noise = a.data instanceof Float32Array ? 3e-6 : 1e-13;
          for (const key of ["l1", "l21", "l2"] as const)
            expect(Math.abs(report.objective[key] - exact[key])).toBeLessThanOrEqual(
              1e-5 * exact[key] + noise * size[key],
            );
          // And no worse than the twin's, where the twin's subspace is well defined.
          const twin = lowRank(toDense(a), rank, p, method);
          const error = objective(toDense(a), toDense(twin.left), toDense(twin.right), 2);
          if (method === "svd" || p === 2)
            expect(report.objective.l2).toBeLessThanOrEqual(
              error.l2 * (1 + 1e-4) + 10 * noise * size.l2 + 1e-7 * size.l2,
            );
        },
      ),
      settings,
    );
  });

  test("residual and certify of any pair, multiply", async () => {
    await fc.assert(
      fc.asyncProperty(shapes, fc.integer({ min: 1, max: 5 }), async (shape, rank) => {
        const a = make(shape);
        const left = matrix("plain", a.rows, rank, { seed: shape.seed + 1, f32: shape.f32 });
        const right = matrix("plain", rank, a.cols, { seed: shape.seed + 2, f32: shape.f32 });
        const rowWeights = weights(a, shape.seed);
        const p = [1, 1.25, 1.3, 3, 7, Infinity][shape.seed % 6];
        const twin = objective(toDense(a), toDense(left), toDense(right), p, rowWeights);
        const ours = await loewner.residual(a, { left, right }, { p, rowWeights });
        for (const key of ["lp", "l1", "l21", "l2"] as const) expect(relative(ours[key], twin[key])).toBeLessThan(1e-9);
        expect(relative(ours.worstRow.norm, twin.worstRow.norm)).toBeLessThan(1e-9);
        const product = new Float64Array(a.rows * a.cols);
        await loewner.multiply({ left, right }, (start, block) => product.set(block, start * a.cols));
        const zero = objective({ data: product, rows: a.rows, cols: a.cols }, toDense(left), toDense(right), 1);
        expect(zero.l2).toBeLessThan((shape.f32 ? 1e-5 : 1e-13) * a.rows * a.cols);
      }),
      settings,
    );
  });
});

test("1500 rows of heavy tails: five blocks and a rest, f32 and f64", async () => {
  for (const f32 of [false, true]) {
    const a = matrix("heavy-tailed rows", 1500, 17, { f32, seed: 4 });
    const twin = lewisWeights(toDense(a), 1);
    const { weights: ours } = await loewner.lewisWeights(a, { p: 1, tolerance: 1e-8 });
    ours.forEach((w, i) => expect(relative(w, twin.weights[i])).toBeLessThan(1e-6));
  }
});
