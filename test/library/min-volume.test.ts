import { readFileSync } from "node:fs";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createLoewner, type Loewner, type MinVolumeResult } from "../../src/index.js";
import { encodeNumbers } from "../../src/formats/index.js";
import { minVolumeEllipsoid as twin } from "../../reference/min-volume.js";
import { toDense } from "../../reference/matrix.js";
import { dense, expectOptimal, rowOf, within } from "./ellipsoids.js";
import { energyNorm, kinds, matrix, uniform, type Kind } from "./matrices.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

interface Case {
  name: string;
  A: number[][];
  H: number[][];
  center?: number[];
  logDetH: number;
  maxQuadraticForm: number;
}
const oracle = JSON.parse(readFileSync(new URL("../fixtures/min-volume.json", import.meta.url), "utf8")) as {
  centred: Case[];
  free: Case[];
};

describe("against the oracles: log det H to 1e-6, every point held", () => {
  const cases = [
    ...oracle.centred.map((c) => ({ ...c, freeCenter: false })),
    ...oracle.free.map((c) => ({ ...c, freeCenter: true })),
  ];
  test.each(cases)(
    "$name, free centre $freeCenter",
    async ({ A, H, center, logDetH, maxQuadraticForm, freeCenter }) => {
      const a = dense(A);
      const result = await loewner.minVolumeEllipsoid(a, { freeCenter });
      expect(result.converged).toBe(true);
      expect(Math.abs(result.logDet / logDetH - 1) < 1e-6 || Math.abs(result.logDet - logDetH) < 1e-9).toBe(true);
      expectOptimal(a, result, freeCenter);
      let most = 0;
      for (let i = 0; i < a.rows; ++i) most = Math.max(most, energyNorm(result.H, within(result, rowOf(a, i)).y) ** 2);
      expect(most).toBeLessThanOrEqual(Math.max(maxQuadraticForm, 1 + 1e-12));
      const tight = await loewner.minVolumeEllipsoid(a, { freeCenter, tolerance: 1e-11 });
      expect(tight.residual).toBeLessThanOrEqual(1e-11);
      expect(Math.abs(tight.logDet - logDetH)).toBeLessThan(1e-9);
      H.forEach((row, i) =>
        row.forEach((h, j) => {
          expect(Math.abs(tight.H.data[i * a.cols + j] - h)).toBeLessThan(1e-7 * Math.sqrt(H[i][i] * H[j][j]));
        }),
      );
      center?.forEach((c, j) => expect(Math.abs(tight.center[j] - c)).toBeLessThan(1e-7 / Math.sqrt(H[j][j])));
    },
  );
});

const shapes = fc.record({
  kind: fc.constantFrom(...(Object.keys(kinds) as Kind[])),
  rows: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 4, max: 40 }), fc.constantFrom(255, 256, 257, 513)),
  cols: fc.integer({ min: 1, max: 11 }),
  seed: fc.integer({ min: 0, max: 1e6 }),
  f32: fc.boolean(),
});

describe("on random shapes", () => {
  test("John's conditions hold, flat sets in their span", async () => {
    await fc.assert(
      fc.asyncProperty(shapes, fc.boolean(), async ({ kind, rows, cols, seed, f32 }, freeCenter) => {
        const a = matrix(kind, rows, cols, { seed, f32 });
        const result = await loewner.minVolumeEllipsoid(a, { freeCenter });
        expect(result.converged).toBe(true);
        expect(result.basis !== undefined).toBe(result.rank < cols);
        // Columns of 1e-4 and 1e4, and far rows beside flat ones: John's conditions lose digits to the condition of H.
        expectOptimal(a, result, freeCenter, kind === "plain" ? 1e-6 : 1e-4);
      }),
      { numRuns: 80, seed: 20260 },
    );
  });

  test("as small as the twin's, to the twin's own gap", async () => {
    const small = fc.record({
      rows: fc.integer({ min: 1, max: 24 }),
      cols: fc.integer({ min: 1, max: 5 }),
      seed: fc.nat(1e6),
    });
    await fc.assert(
      fc.asyncProperty(small, fc.boolean(), async ({ rows, cols, seed }, freeCenter) => {
        const n = rows + cols;
        const a = matrix("heavy-tailed rows", n, cols, { seed });
        const slow = twin(toDense(a), freeCenter);
        const ours = await loewner.minVolumeEllipsoid(a, { freeCenter });
        expect(ours.logDet).toBeGreaterThan(slow.logDet - 1e-6);
        expect(ours.logDet).toBeLessThan(slow.logDet + (cols + 1) * 1.1e-3);
      }),
      { numRuns: 25, seed: 20260 },
    );
  });
});

describe("invariants", () => {
  const n = 1500;
  test.each([false, true])("the same bytes for every tile size, free centre %s", async (freeCenter) => {
    for (const f32 of [false, true]) {
      const a = matrix("heavy-tailed rows", n, 7, { f32 });
      const results: MinVolumeResult[] = [];
      for (const tileRows of [256, 512, 4096]) {
        const other = await createLoewner({ tileRows });
        results.push(await other.minVolumeEllipsoid(a, { freeCenter }));
        other.dispose();
      }
      for (const { H, center, weights, logDet } of results.slice(1)) {
        expect([H, center, weights, logDet]).toEqual([
          results[0].H,
          results[0].center,
          results[0].weights,
          results[0].logDet,
        ]);
      }
    }
  });

  test("a source whose bytes begin anywhere, of every type", async () => {
    const a = matrix("plain", 300, 3, { f32: true });
    const data = a.data.map((x) => Math.round(64 * x) / 64);
    const base = await loewner.minVolumeEllipsoid({ ...a, data: Float64Array.from(data) }, { freeCenter: true });
    for (const dtype of ["f32", "f64", "f16", "bf16"] as const) {
      const bytes = encodeNumbers(Float64Array.from(data), dtype);
      const odd = new Uint8Array(bytes.length + 1);
      odd.set(bytes, 1);
      const rowBytes = bytes.length / 300;
      const read = (start: number, count: number) => odd.subarray(1 + start * rowBytes, 1 + (start + count) * rowBytes);
      const { H, center } = await loewner.minVolumeEllipsoid({ rows: 300, cols: 3, dtype, read }, { freeCenter: true });
      // bf16 has 8 bits.
      H.data.forEach((h, i) => expect(Math.abs(h - base.H.data[i])).toBeLessThan(dtype === "bf16" ? 0.02 : 1e-12));
      center.forEach((c, j) => expect(Math.abs(c - base.center[j])).toBeLessThan(dtype === "bf16" ? 0.02 : 1e-12));
    }
  });

  test.each([false, true])("scaling, order of rows, free centre %s", async (freeCenter) => {
    const a = matrix("far rows, steep spectrum", n, 6);
    const base = await loewner.minVolumeEllipsoid(a, { freeCenter });
    for (const scale of [2 ** 300, 2 ** -300]) {
      const other = await loewner.minVolumeEllipsoid({ ...a, data: a.data.map((x) => x * scale) }, { freeCenter });
      other.H.data.forEach((h, i) => expect(Math.abs((h * scale * scale) / base.H.data[i] - 1)).toBeLessThan(1e-6));
      expect(other.logDet + 12 * Math.log(scale)).toBeCloseTo(base.logDet, 6);
    }
    const order = Array.from({ length: n }, (_, i) => i).sort((i, j) => uniform(5, i) - uniform(5, j));
    const shuffled = { ...a, data: Float64Array.from(order.flatMap((i) => rowOf(a, i))) };
    const other = await loewner.minVolumeEllipsoid(shuffled, { freeCenter });
    expect(Math.abs(other.logDet - base.logDet)).toBeLessThan(2e-6);
  });

  test("a shift moves the free centre alone", async () => {
    const a = matrix("plain", 300, 4);
    const base = await loewner.minVolumeEllipsoid(a, { freeCenter: true });
    const data = a.data.map((x, i) => x + 1e5 * ((i % 4) + 1));
    const moved = await loewner.minVolumeEllipsoid({ ...a, data }, { freeCenter: true });
    expect(Math.abs(moved.logDet - base.logDet)).toBeLessThan(1e-6);
    moved.center.forEach((c, j) => expect(Math.abs(c - 1e5 * (j + 1) - base.center[j])).toBeLessThan(1e-6));
  });
});

describe("what is not done is said", () => {
  test("reaching maxIterations is a result; every point is held all the same", async () => {
    const a = matrix("plain", 3000, 8);
    const result = await loewner.minVolumeEllipsoid(a, { maxIterations: 0, tolerance: 1e-9 });
    expect([result.converged, result.iterations]).toEqual([false, 0]);
    expect(result.residual).toBeGreaterThan(1e-9);
    for (let i = 0; i < a.rows; ++i) expect(energyNorm(result.H, rowOf(a, i))).toBeLessThan(1 + 1e-9);
  });

  test.each([
    [{ tolerance: 0 }, "tolerance must be a positive number; got 0."],
    [{ maxIterations: -1 }, "maxIterations must be a whole number of at least 0; got -1."],
    [{ freeCenter: "yes" as unknown as boolean }, "freeCenter must be true or false; got yes."],
  ])("%j", async (options, message) => {
    await expect(loewner.minVolumeEllipsoid(dense([[1]]), options)).rejects.toThrow(message);
  });

  test("NaN, and a matrix past the range of f64, name the place and the way out", async () => {
    await expect(loewner.minVolumeEllipsoid(dense([[1, NaN]]))).rejects.toThrow("row 0, column 1");
    const far = { data: Float64Array.of(1e200, 0, 0, 1), rows: 2, cols: 2 };
    await expect(loewner.minVolumeEllipsoid(far)).rejects.toThrow("multiply A by a power of two");
    await expect(loewner.johnEllipsoid(far)).rejects.toThrow("past the range of f64");
  });

  test("a signal stops it, progress ends at the total", async () => {
    const seen: number[] = [];
    await loewner.minVolumeEllipsoid(matrix("plain", 600, 4), {
      onProgress: ({ done, total }) => seen.push(done / total),
    });
    expect(seen.at(-1)).toBe(1);
    expect(seen.every((x, i) => i === 0 || x >= seen[i - 1])).toBe(true);
    await expect(
      loewner.minVolumeEllipsoid(matrix("plain", 600, 4), { signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({ code: "ABORTED" });
  });
});
