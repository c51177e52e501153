// The inner solver on a small set of points, without an engine.
import { describe, expect, test } from "vitest";
import { enclose } from "../../src/geometry/ellipsoid/enclosing.js";
import { choleskyInPlace, orthonormalSpan, solveInPlace } from "../../src/geometry/basis/small-dense.js";
import { bell } from "./matrices.js";

describe("the inner solver", () => {
  const set = (m: number, d: number, entry: (i: number, j: number) => number) =>
    new Float64Array(m * d).map((_, x) => entry(Math.floor(x / d), x % d));
  const residualOf = (points: Float64Array, m: number, d: number, u: Float64Array) => {
    const M = new Float64Array(d * d);
    for (let i = 0; i < m; ++i) {
      for (let p = 0; p < d; ++p)
        for (let q = 0; q < d; ++q) M[p * d + q] += u[i] * points[i * d + p] * points[i * d + q];
    }
    expect(choleskyInPlace(M, d)).toBe(-1);
    let worst = 0;
    for (let i = 0; i < m; ++i) {
      const y = points.slice(i * d, (i + 1) * d);
      solveInPlace(M, d, y);
      const omega = y.reduce((sum, v, j) => sum + v * points[i * d + j], 0);
      worst = Math.max(worst, omega / d - 1, u[i] > 0 ? 1 - omega / d : 0);
    }
    return worst;
  };

  test.each([
    ["a Gaussian cloud", 400, 12, 180, (i: number, j: number) => bell(1, i * 12 + j)],
    [
      "the vertices of a cube, all of them on the boundary",
      128,
      7,
      50,
      (i: number, j: number) => ((i >> j) & 1 ? 1 : -1),
    ],
    ["a lattice with ties and duplicates", 500, 4, 50, (i: number, j: number) => Math.round(3 * bell(2, i * 4 + j))],
    ["scales from 1e-8 to 1e8", 300, 9, 145, (i: number, j: number) => bell(3, i * 9 + j) * 10 ** (2 * j - 8)],
    ["nearly collinear", 200, 5, 50, (i: number, j: number) => bell(4, i) + 1e-3 * bell(5, i * 5 + j)],
  ])("%s, to 1e-10", (_, m, d, most, entry) => {
    const points = set(m, d, entry);
    const { u, omega, inverse, transform, iterations, residual, converged } = enclose(points, m, d);
    expect(converged).toBe(true);
    expect(iterations).toBeLessThanOrEqual(most);
    expect(residual).toBeLessThanOrEqual(1e-10);
    expect(residualOf(points, m, d, u)).toBeLessThan(1e-8);
    expect(u.reduce((x, y) => x + y, 0)).toBeCloseTo(1, 12);
    for (let p = 0; p < d; ++p) for (let q = 0; q < p; ++q) expect(transform[p * d + q]).toBe(0);
    for (let i = 0; i < m; i += 17) {
      let form = 0;
      for (let p = 0; p < d; ++p)
        for (let q = 0; q < d; ++q) form += points[i * d + p] * inverse[p * d + q] * points[i * d + q];
      expect(Math.abs(form - omega[i])).toBeLessThan(1e-6 * d);
    }
  });

  test("a warm start is kept; one that spans too little is not", () => {
    const points = set(300, 6, (i, j) => bell(6, i * 6 + j));
    const cold = enclose(points, 300, 6);
    expect(enclose(points, 300, 6, { start: cold.u }).iterations).toBe(0);
    const start = new Float64Array(300);
    start[0] = 1;
    expect(enclose(points, 300, 6, { start }).u).toEqual(cold.u);
  });

  test("steps without Newton reach a loose tolerance; too few are said to be", () => {
    const points = set(300, 6, (i, j) => bell(7, i * 6 + j));
    const loose = enclose(points, 300, 6, { tolerance: 0.02 });
    expect(loose.residual).toBeLessThan(0.02);
    expect(loose.iterations).toBeLessThanOrEqual(44);
    expect(enclose(points, 300, 6, { maxIterations: 3 })).toMatchObject({ converged: false, iterations: 3 });
  });

  test("points that do not span the space", () => {
    expect(() => enclose(Float64Array.of(1, 1, 2, 2), 2, 2)).toThrow("do not span the 2 dimensions");
  });

  test("Cholesky in panels of 48: L L' = G, the pivot that fails is named", () => {
    for (const n of [1, 2, 47, 48, 49, 97, 130]) {
      const X = set(n, n, (i, j) => bell(8, i * n + j) + (i === j ? 4 : 0));
      const G = new Float64Array(n * n).map((_, x) => {
        let sum = 0;
        for (let k = 0; k < n; ++k) sum += X[Math.floor(x / n) * n + k] * X[(x % n) * n + k];
        return sum;
      });
      const L = G.slice();
      expect(choleskyInPlace(L, n)).toBe(-1);
      for (let i = 0; i < n; ++i) {
        for (let j = 0; j <= i; ++j) {
          let sum = 0;
          for (let k = 0; k <= j; ++k) sum += L[i * n + k] * L[j * n + k];
          expect(Math.abs(sum - G[i * n + j])).toBeLessThan(1e-11 * n);
        }
      }
    }
    expect(choleskyInPlace(Float64Array.of(1, 1, 1, 1), 2)).toBe(1);
  });

  test("orthonormal span: of rows that lie in a plane, largest entries positive", () => {
    const B = set(7, 4, (i, j) => bell(9, i) * (j + 1) - bell(10, i) * (j === 2 ? 3 : 1));
    const Q = orthonormalSpan(B, 7, 4, 2);
    for (let k = 0; k < 2; ++k) {
      const column = [0, 1, 2, 3].map((j) => Q[2 * j + k]);
      expect(Math.max(...column)).toBe(Math.max(...column.map(Math.abs)));
      for (let l = 0; l < 2; ++l) {
        const product = column.reduce((sum, x, j) => sum + x * Q[2 * j + l], 0);
        expect(product).toBeCloseTo(k === l ? 1 : 0, 14);
      }
    }
    for (let i = 0; i < 7; ++i) {
      const y = [0, 1].map((k) => [0, 1, 2, 3].reduce((sum, j) => sum + B[4 * i + j] * Q[2 * j + k], 0));
      for (let j = 0; j < 4; ++j) expect(y[0] * Q[2 * j] + y[1] * Q[2 * j + 1]).toBeCloseTo(B[4 * i + j], 12);
    }
  });
});
