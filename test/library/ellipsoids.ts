// What tests of ellipsoids measure.
import { expect } from "vitest";
import type { Matrix, MinVolumeResult } from "../../src/index.js";
import { energyNorm } from "./matrices.js";

export const dense = (rows: number[][]): Matrix<Float64Array> => ({
  data: Float64Array.from(rows.flat()),
  rows: rows.length,
  cols: rows[0].length,
});
export const rowOf = (a: Matrix, i: number) => Array.from(a.data.subarray(i * a.cols, (i + 1) * a.cols));

/** Coordinates of x - center in the basis, and what is left of it outside. */
export function within({ center, basis }: MinVolumeResult, x: number[]): { y: number[]; outside: number } {
  const away = x.map((v, j) => v - center[j]);
  if (!basis) return { y: away, outside: 0 };
  const { data, cols } = basis;
  const y = Array.from({ length: cols }, (_, k) => away.reduce((sum, v, j) => sum + v * data[j * cols + k], 0));
  const rest = away.map((v, j) => v - y.reduce((sum, c, k) => sum + c * data[j * cols + k], 0));
  return { y, outside: Math.hypot(...rest) };
}

/**
 * The conditions that make an ellipsoid the smallest (John 1948): it holds every point, the points of positive weight touch
 * it, they balance about the centre, and their second moment is H^-1 / rank.
 */
export function expectOptimal(a: Matrix, result: MinVolumeResult, freeCenter: boolean, tolerance = 1e-6): void {
  const { H, weights, contacts, rank } = result;
  const size = Float64Array.from(a.data).reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const sum = weights.reduce((x, y) => x + y, 0);
  expect(Math.abs(sum - 1)).toBeLessThan(1e-12);
  expect([...contacts]).toEqual([...weights.keys()].filter((i) => weights[i] > 0));
  expect([H.rows, H.cols]).toEqual([rank, rank]);
  const moment = new Float64Array(rank * rank);
  const balance = new Float64Array(rank);
  for (let i = 0; i < a.rows; ++i) {
    const { y, outside } = within(result, rowOf(a, i));
    expect(outside).toBeLessThanOrEqual(1e-6 * size);
    if (rank === 0) continue;
    const form = energyNorm(H, y) ** 2;
    expect(form).toBeLessThan(1 + 1e-9);
    if (weights[i] > 0) expect(form).toBeGreaterThan(1 - tolerance * (rank + 1));
    for (let p = 0; p < rank; ++p) {
      balance[p] += weights[i] * y[p];
      for (let q = 0; q < rank; ++q) moment[p * rank + q] += weights[i] * y[p] * y[q];
    }
  }
  for (let p = 0; p < rank; ++p) {
    const unit = 1 / Math.sqrt(H.data[p * rank + p]);
    if (freeCenter) expect(Math.abs(balance[p])).toBeLessThan(1e-9 * size + 1e-9 * unit);
    for (let q = 0; q < rank; ++q) {
      let product = 0;
      for (let k = 0; k < rank; ++k) product += H.data[p * rank + k] * moment[k * rank + q];
      const scale = Math.sqrt(H.data[p * rank + p] / H.data[q * rank + q]);
      expect(Math.abs(product * rank - (p === q ? 1 : 0))).toBeLessThan(Math.max(1, scale) * tolerance * 10 * rank);
    }
  }
}
