// What tests of the robust subspace share.
import { expect } from "vitest";
import { transpose } from "../../reference/matrix.js";
import type { Matrix } from "../../src/index.js";

export const inType = (a: Matrix, f32: boolean): Matrix => ({
  ...a,
  data: f32 ? Float32Array.from(a.data) : Float64Array.from(a.data),
});

/** Orthonormal columns, the largest entry of each positive. */
export function expectOrthonormal({ data, rows, cols }: Matrix): void {
  const V = transpose({ data: data as Float64Array, rows, cols }).data;
  for (let i = 0; i < cols; ++i) {
    let top = 0;
    for (let l = 0; l < rows; ++l) if (Math.abs(V[i * rows + l]) > Math.abs(top)) top = V[i * rows + l];
    expect(top).toBeGreaterThan(0);
    for (let j = 0; j <= i; ++j) {
      let sum = 0;
      for (let l = 0; l < rows; ++l) sum += V[i * rows + l] * V[j * rows + l];
      expect(Math.abs(sum - Number(i === j))).toBeLessThan(1e-13);
    }
  }
}
