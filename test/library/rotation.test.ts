// Kronecker rotations: orthogonal to rounding whatever the size, there and back, and as the definition has them.
import { afterAll, beforeAll, expect, test } from "vitest";
import { createLoewner, type KroneckerRotation, type Loewner } from "../../src/index.js";
import { rotate, rotationSizes } from "../../src/rotation.js";
import { rotationMatrix } from "../../reference/trellis-code.js";
import { bell } from "./matrices.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

/** That of a matrix of one row, of so many columns. */
async function rotationOf(cols: number, seed = 0): Promise<KroneckerRotation> {
  const data = Float32Array.from({ length: cols }, (_, j) => bell(1, j));
  return (await loewner.trellisCode({ data, rows: 1, cols }, { bits: 1, seed })).code.rotation;
}

const vectors = (lines: number, width: number) => Float64Array.from({ length: lines * width }, (_, i) => bell(3, i));
const furthest = (x: Float64Array, y: Float64Array) => x.reduce((most, v, i) => Math.max(most, Math.abs(v - y[i])), 0);

test("sizes: at least as many coordinates as columns, a 64th more at most, a small factor of at most 128 rows", () => {
  for (let cols = 1; cols <= 40000; cols += cols < 2000 ? 1 : 37) {
    const { size, order } = rotationSizes(cols);
    expect(size).toBeGreaterThanOrEqual(cols);
    expect(size).toBeLessThanOrEqual(cols * (1 + 1 / 64));
    expect(order).toBeLessThanOrEqual(128);
    expect(order).toBeGreaterThanOrEqual(Math.min(cols, 8));
    expect(Number.isInteger(Math.log2(size / order))).toBe(true);
  }
  expect([1, 7, 96, 128, 129, 768, 5087, 30522].map((cols) => Object.values(rotationSizes(cols)))).toEqual([
    [1, 1],
    [7, 7],
    [96, 12],
    [128, 8],
    [130, 65],
    [768, 12],
    [5120, 80],
    [30720, 120],
  ]);
});

test("orthogonal to f32 rounding, of 1 to 200 columns: lengths stay, and back is the inverse", async () => {
  for (let cols = 1; cols <= 200; ++cols) {
    const rotation = await rotationOf(cols);
    const lines = rotation.signs.length;
    const X = vectors(lines, 3);
    const Y = X.slice();
    rotate(Y, 3, rotation, false);
    if (cols > 1) expect(furthest(X, Y)).toBeGreaterThan(0.01);
    const length = (Z: Float64Array) => Z.reduce((sum, z) => sum + z * z, 0);
    expect(Math.abs(length(Y) / length(X) - 1)).toBeLessThan(1e-6);
    rotate(Y, 3, rotation, true);
    expect(furthest(X, Y)).toBeLessThan(2e-6);
  }
});

test.each([5087, 30522])("orthogonal to f32 rounding, of %i columns", async (cols) => {
  const rotation = await rotationOf(cols);
  const X = vectors(rotation.signs.length, 1);
  const Y = X.slice();
  rotate(Y, 1, rotation, true);
  rotate(Y, 1, rotation, false);
  expect(furthest(X, Y)).toBeLessThan(3e-6);
});

test.each([1, 5, 24, 96, 130, 384])("of %i columns: as the product of its factors", async (cols) => {
  const rotation = await rotationOf(cols, 4);
  const { data, rows: lines } = rotationMatrix(rotation);
  const X = vectors(lines, 2);
  for (const back of [false, true]) {
    const Y = X.slice();
    rotate(Y, 2, rotation, back);
    const product = Float64Array.from(Y, (_, at) => {
      const [i, column] = [Math.floor(at / 2), at % 2];
      let sum = 0;
      for (let j = 0; j < lines; ++j) sum += (back ? data[i * lines + j] : data[j * lines + i]) * X[2 * j + column];
      return sum;
    });
    expect(furthest(Y, product)).toBeLessThan(1e-12 * lines);
  }
});

test("one entry of a row is spread over all coordinates", async () => {
  for (const cols of [96, 768]) {
    const rotation = await rotationOf(cols);
    const X = new Float64Array(cols);
    X[5] = Math.sqrt(cols);
    rotate(X, 1, rotation, false);
    expect(X.reduce((most, x) => Math.max(most, Math.abs(x)), 0)).toBeLessThan(4);
  }
});
