import { readFileSync } from "node:fs";
import { Worst } from "../../src/engine/tree.js";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  createLoewner,
  type LevelSetOptions,
  type LevelSetResult,
  type Loewner,
  type Matrix,
} from "../../src/index.js";
import { levelSetEllipsoid } from "../../reference/level-set.js";
import { toDense } from "../../reference/matrix.js";
import { shallowCut } from "../../reference/shallow-cut.js";
import { apply, bell, energyNorm, matrix, norm, type Kind } from "./matrices.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

const random = (seed: number, i: number, d: number) =>
  Float64Array.from({ length: d }, (_, j) => bell(seed, i * d + j));
const maximum = (y: Float64Array) => y.reduce((top, v) => Math.max(top, Math.abs(v)), 0);
const pNorm = (y: Float64Array, p: number, s?: ArrayLike<number>) => (p === Infinity ? maximum(y) : norm(y, p, s));

/** Largest x'Hx of `count` random x on L's boundary; the certificate holds for each. */
function tallest(
  a: Matrix,
  p: number,
  { H, certificate, factor }: LevelSetResult,
  count: number,
  s?: number[],
): number {
  let top = 0;
  for (let i = 0; i < count; ++i) {
    const x = random(5, i, a.cols);
    const size = pNorm(apply(a, x), p, s);
    const height = energyNorm(H, x);
    top = Math.max(top, (height / size) ** 2);
    const M = height / Math.sqrt(factor);
    if (!(M <= size * (1 + certificate.slack) && size <= certificate.upper * M * (1 + certificate.slack))) {
      throw new Error(`certificate fails: |Mx| ${M}, |Ax| ${size}, upper ${certificate.upper}`);
    }
  }
  return top;
}

/** Contacts lie on L's boundary and on E. */
function checkContacts(a: Matrix, p: number, { H, contacts }: LevelSetResult, near: number): void {
  for (let i = 0; i < contacts.rows; ++i) {
    const x = contacts.data.subarray(i * a.cols, (i + 1) * a.cols);
    expect(Math.abs(pNorm(apply(a, x), p) - 1)).toBeLessThan(1e-10);
    expect(Math.abs(energyNorm(H, x) - 1)).toBeLessThan(near);
  }
}

describe("against published or independently computed figures", () => {
  const { cases } = JSON.parse(readFileSync(new URL("../fixtures/lp-level-set.json", import.meta.url), "utf8")) as {
    cases: { name: string; p: number; A: number[][]; H: number[][]; logDetH: number }[];
  };

  test.each(cases)("$name, p = $p: log det H to 1e-6, and it holds the level set", async ({ A, p, H, logDetH }) => {
    const a = { data: Float64Array.from(A.flat()), rows: A.length, cols: A[0].length };
    const result = await loewner.levelSetEllipsoid(a, { p });
    expect(result.converged).toBe(true);
    expect(result.residual).toBeLessThanOrEqual(1e-7);
    // Attained: 4e-9 at worst.
    expect(Math.abs(result.logDet - logDetH)).toBeLessThan(5e-8);
    const largest = maximum(Float64Array.from(H.flat()));
    H.flat().forEach((h, i) => expect(Math.abs(result.H.data[i] - h)).toBeLessThan(1e-6 * largest));
    expect(tallest(a, p, result, 100_000)).toBeLessThan(1 + 1e-7);
    checkContacts(a, p, result, 1e-6);
    // John's own proof: E / sqrt(d) in L.
    expect(result.certificate.upper).toBeLessThanOrEqual(Math.sqrt(result.factor * a.cols) * (1 + 1e-7));
  });
});

describe("against a plain implementation without wasm", () => {
  const shape = fc.record({
    d: fc.integer({ min: 1, max: 3 }),
    more: fc.integer({ min: 0, max: 5 }),
    seed: fc.nat(999),
  });
  test.each([1, Infinity])("p = %s, every vertex", async (p) => {
    await fc.assert(
      fc.asyncProperty(shape, async ({ d, more, seed }) => {
        const a = matrix("plain", d + more, d, { seed });
        const { H, logDet } = await loewner.levelSetEllipsoid(a, { p });
        const twin = levelSetEllipsoid(toDense(a), p);
        expect(Math.abs(logDet - twin.logDet)).toBeLessThan(d * Math.log(1 + twin.gap) + 1e-6);
        const size = maximum(twin.H.data);
        H.data.forEach((h, i) => expect(Math.abs(h - twin.H.data[i])).toBeLessThan(0.05 * size));
      }),
      { numRuns: 8, seed: 7 },
    );
  });

  test.each([1.2, 1.5, 3, 6])("p = %s, 720 points around", async (p) => {
    for (const [rows, seed] of [
      [2, 3],
      [7, 4],
    ]) {
      const a = matrix("plain", rows, 2, { seed });
      const s = Array.from({ length: rows }, (_, i) => (i % 3) + 0.5);
      const { logDet } = await loewner.levelSetEllipsoid(a, { p, rowWeights: s });
      const twin = levelSetEllipsoid(toDense(a), p, s, 1e-3);
      expect(Math.abs(logDet - twin.logDet)).toBeLessThan(2 * Math.log(1 + twin.gap) + 5e-5);
    }
  });
});

describe("ellipsoids that are known", () => {
  test.each([1, 1.5, 2, 3, 8, Infinity])(
    "the l_p ball, p = %s: the ball of radius max(1, d^(1/2 - 1/p))",
    async (p) => {
      const d = 4;
      const scales = [1, 2, 0.5, 3];
      const a = { data: new Float64Array(d * d), rows: d, cols: d };
      scales.forEach((x, j) => (a.data[j * d + ((j + 1) % d)] = x));
      const result = await loewner.levelSetEllipsoid(a, { p });
      const square = d ** Math.max(0, 1 - 2 / p);
      scales.forEach((x, j) => {
        const at = ((j + 1) % d) * (d + 1);
        // Where L is smooth a height of 1 + 1e-7 is a place 1e-4 away.
        expect(Math.abs((result.H.data[at] * square) / x ** 2 - 1)).toBeLessThan(p > 2 && p < Infinity ? 1e-4 : 1e-6);
      });
      expect(Math.abs(result.logDet - Math.log(9 / square ** d))).toBeLessThan(1e-6);
      checkContacts(a, p, result, 1e-6);
    },
  );

  test("p = 2: A'A exactly, proved as it is", async () => {
    const a = matrix("heavy-tailed rows", 300, 6);
    const s = Array.from({ length: 300 }, (_, i) => i % 4);
    const { H, factor, certificate, converged } = await loewner.levelSetEllipsoid(a, { p: 2, rowWeights: s });
    expect([factor, certificate.lower, certificate.upper, converged]).toEqual([1, 1, 1, true]);
    const x = random(1, 0, 6);
    expect(Math.abs(energyNorm(H, x) / norm(apply(a, x), 2, s) - 1)).toBeLessThan(1e-13);
  });

  test.each([1, 1.5, 4, Infinity])("d = 1 and one row, p = %s", async (p) => {
    const column = matrix("plain", 9, 1);
    const { H, factor } = await loewner.levelSetEllipsoid(column, { p });
    expect(Math.abs(H.data[0] / pNorm(Float64Array.from(column.data), p) ** 2 - 1)).toBeLessThan(1e-12);
    expect(factor).toBeLessThan(1.05);
    const row = { data: Float64Array.of(3, 0, 4), rows: 1, cols: 3 };
    const one = await loewner.levelSetEllipsoid(row, { p });
    expect(one.rank).toBe(1);
    [9, 0, 12, 0, 0, 0, 12, 0, 16].forEach((h, i) => expect(Math.abs(one.H.data[i] - h)).toBeLessThan(1e-12));
    expect(Math.abs(one.logDet - Math.log(25))).toBeLessThan(1e-12);
    expect(one.basis).toMatchObject({ rows: 3, cols: 1 });
    expect(Math.abs(one.basis!.data[2] / one.basis!.data[0] - 4 / 3)).toBeLessThan(1e-12);
  });
});

describe.each([1, 1.5, 3, Infinity])("invariants, p = %s", (p) => {
  const kinds: [Kind, number, number, boolean][] = [
    ["heavy-tailed rows", 300, 4, false],
    ["plain", 60, 3, true],
    ["zero and duplicate rows", 40, 3, false],
    ["badly scaled columns", 50, 4, false],
    ["rank 2", 30, 5, false],
  ];
  const options: LevelSetOptions = { p, maxIterations: 8, directions: 24 };

  test.each(kinds)("certificate, contacts: %s %i x %i, f32 %s", async (kind, rows, cols, f32) => {
    const a = matrix(kind, rows, cols, { f32, seed: rows });
    const result = await loewner.levelSetEllipsoid(a, options);
    expect(tallest(a, p, result, 4000)).toBeLessThan(1 + 2 * Math.max(1e-7, result.residual) + 1e-9);
    expect(result.rank).toBe(kind === "rank 2" ? 2 : cols);
    checkContacts(a, p, result, 1e-2);
    expect(result.basis === undefined).toBe(kind !== "rank 2");
  });

  test("rows in another order, and A times 8", async () => {
    const a = matrix("plain", 30, 3, { seed: 8 });
    const one = await loewner.levelSetEllipsoid(a, { p });
    const turned = a.data.slice();
    for (let i = 0; i < 30; ++i) turned.set(a.data.subarray(i * 3, i * 3 + 3), (29 - i) * 3);
    const two = await loewner.levelSetEllipsoid({ ...a, data: turned }, { p });
    expect(Math.abs(one.logDet - two.logDet)).toBeLessThan(1e-6);
    const three = await loewner.levelSetEllipsoid({ ...a, data: a.data.map((x) => 8 * x) }, { p });
    expect(Math.abs(three.logDet - one.logDet - 3 * Math.log(64))).toBeLessThan(1e-6);
  });

  test("row weights are repeated rows, and weight 0 is no row", async () => {
    const a = matrix("plain", 12, 2, { seed: 3 });
    const weighted = await loewner.levelSetEllipsoid(a, { p, rowWeights: Array.from({ length: 12 }, (_, i) => i % 3) });
    const kept = Array.from({ length: 12 }, (_, i) => new Array<number>(i % 3).fill(i)).flat();
    const data = Float64Array.from(kept.flatMap((i) => [a.data[2 * i], a.data[2 * i + 1]]));
    const repeated = await loewner.levelSetEllipsoid({ data, rows: kept.length, cols: 2 }, { p });
    expect(Math.abs(weighted.logDet - repeated.logDet)).toBeLessThan(1e-6);
  });

  test("the same bytes whatever the tiles; another seed finds the same ellipsoid", async () => {
    const a = matrix("heavy-tailed rows", 700, 3, { seed: 2 });
    const results = await Promise.all(
      [256, 512, 4096].map(async (tileRows) => {
        const engine = await createLoewner({ tileRows });
        const result = await engine.levelSetEllipsoid(a, { p, maxIterations: 1, directions: 16 });
        engine.dispose();
        return [...result.H.data, ...result.contacts.data, result.factor, result.certificate.upper, result.logDet];
      }),
    );
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
    const small = matrix("plain", 40, 3, { seed: 5 });
    const [one, two] = [0, 2 ** 40].map((seed) => loewner.levelSetEllipsoid(small, { p, seed }));
    expect(Math.abs((await one).logDet - (await two).logDet)).toBeLessThan(1e-6);
  });
});

test.each([1, 1.5, 3])("factor is the most that x'Hx is beside lower^2 x'Gx of Lewis weights, p = %s", async (p) => {
  const a = matrix("heavy-tailed rows", 30, 3, { seed: 21 });
  const { H, factor } = await loewner.levelSetEllipsoid(a, { p });
  const { gram, certificate } = await loewner.lewisWeights(a, { p });
  let most = 0;
  for (let i = 0; i < 3000; ++i) {
    const x = random(6, i, 3);
    most = Math.max(most, (energyNorm(H, x) / energyNorm(gram, x) / certificate.lower) ** 2);
  }
  // Its own Lewis weights are within 1 % of the ideal distortion, these nearer.
  expect(factor / most).toBeGreaterThan(0.97);
  expect(factor / most).toBeLessThan(1.05);
});

test("worst: each pair for itself, the lowest row of equals", () => {
  const worst = new Worst();
  worst.add(Float64Array.of(1, 10, 5, 11));
  worst.add(Float64Array.of(2, 20, 5, 21));
  worst.add(Float64Array.of(2, 30, 7, 31));
  expect(Array.from(worst.finish())).toEqual([2, 20, 7, 31]);
});

test.each([1e150, 1e-140])("entries of %s", async (size) => {
  const a = matrix("plain", 20, 2, { seed: 4 });
  const plain = await loewner.levelSetEllipsoid(a);
  const far = await loewner.levelSetEllipsoid({ ...a, data: a.data.map((x) => x * size) });
  expect(Math.abs(far.logDet - plain.logDet - 4 * Math.log(size))).toBeLessThan(1e-6);
});

test("entries whose squares f64 cannot hold", async () => {
  const a = matrix("plain", 20, 2, { seed: 4 });
  for (const [size, word] of [
    [1e200, "above 1.8e308"],
    [1e-200, "below 1e-300"],
  ] as const) {
    await expect(loewner.levelSetEllipsoid({ ...a, data: a.data.map((x) => x * size) })).rejects.toThrow(
      `H cannot be written in f64: its entry (0, 0) is ${word}`,
    );
  }
});

test("a zero matrix: L is everything", async () => {
  const result = await loewner.levelSetEllipsoid({ data: new Float64Array(12), rows: 4, cols: 3 });
  expect(result).toMatchObject({ rank: 0, logDet: 0, factor: 1, converged: true, contacts: { rows: 0, cols: 3 } });
  expect(Array.from(result.H.data)).toEqual(new Array(9).fill(0));
});

test("a column of zeros: a cylinder along it", async () => {
  const a = matrix("plain", 20, 3, { seed: 6 });
  for (let i = 0; i < 20; ++i) a.data[3 * i + 1] = 0;
  const { H, rank, basis } = await loewner.levelSetEllipsoid(a);
  expect(rank).toBe(2);
  expect([1, 3, 4, 5, 7].map((i) => H.data[i])).toEqual([0, 0, 0, 0, 0]);
  expect(Math.abs(basis!.data[2]) + Math.abs(basis!.data[3])).toBeLessThan(1e-12);
});

test("larger d stays bounded and says what it proves; more rounds find no larger ellipsoid", async () => {
  const a = matrix("heavy-tailed rows", 400, 16, { seed: 9 });
  const few = await loewner.levelSetEllipsoid(a, { maxIterations: 1, directions: 20 });
  const more = await loewner.levelSetEllipsoid(a, { maxIterations: 4, directions: 20 });
  for (const result of [few, more]) {
    expect(result.converged).toBe(false);
    expect(result.residual).toBeGreaterThan(1e-7);
    tallest(a, 1, result, 500);
  }
  expect(more.logDet).toBeLessThan(few.logDet);
});

describe("the shallow-cut method, the baseline", () => {
  test.each(["difference", "exact"] as const)(
    "%s gradients: E / d in L in E, and larger than the Loewner ellipsoid",
    async (gradient) => {
      const a = matrix("heavy-tailed rows", 60, 3, { seed: 12 });
      const cut = shallowCut(toDense(a), 1, { gradient });
      expect(cut.converged).toBe(true);
      expect(cut.cuts).toBeGreaterThan(3);
      const { logDet } = await loewner.levelSetEllipsoid(a);
      expect(cut.logDetH).toBeLessThan(logDet);
      expect(cut.logDetH).toBeGreaterThan(logDet - 2 * 3 * Math.log(3));
      for (let i = 0; i < 2000; ++i) {
        // The support function of E: max over L of z'x is at most sqrt(z'Pz), and at least that over d.
        const x = random(3, i, 3);
        const size = norm(apply(a, x), 1);
        const Q = invert3(Float64Array.from(cut.P.data));
        const height = energyNorm({ data: Q, rows: 3, cols: 3 }, x);
        expect(height / size).toBeLessThan(1 + 1e-6);
        expect((3 * height) / size).toBeGreaterThan(1 - 1e-6);
      }
    },
  );
});

function invert3(m: Float64Array): Float64Array {
  const c = (i: number, j: number) => {
    const at = (k: number, l: number) => m[((i + k) % 3) * 3 + ((j + l) % 3)];
    return at(1, 1) * at(2, 2) - at(1, 2) * at(2, 1);
  };
  const det = m[0] * c(0, 0) + m[1] * c(0, 1) + m[2] * c(0, 2);
  return Float64Array.from({ length: 9 }, (_, k) => c(k % 3, Math.floor(k / 3)) / det);
}

test.each<[LevelSetOptions, string]>([
  [{ p: 0.5 }, "p must be a number with 1 <= p <= Infinity; got 0.5."],
  [{ p: NaN }, "p must be a number with 1 <= p <= Infinity; got NaN."],
  [{ tolerance: 0 }, "tolerance must be a positive number; got 0."],
  [{ seed: -1 }, "seed must be a whole number from 0 to 2^53 - 1; got -1."],
  [{ maxIterations: 1.5 }, "maxIterations must be a whole number of at least 0; got 1.5."],
  [{ directions: 0 }, "directions must be a whole number from 1 to 1000000; got 0."],
  [{ rowWeights: [1] }, "rowWeights has 1 entries, but A has 5 rows; it needs one a row."],
])("bad input %j", async (options, message) => {
  await expect(loewner.levelSetEllipsoid(matrix("plain", 5, 2), options)).rejects.toThrow(message);
});

test("NaN is named", async () => {
  const a = matrix("plain", 5, 2);
  a.data[7] = NaN;
  await expect(loewner.levelSetEllipsoid(a)).rejects.toThrow("NaN or infinity at row 3, column 1");
});
