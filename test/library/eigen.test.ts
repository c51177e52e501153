// The symmetric eigensolver against the twin on random matrices, against figures from elsewhere, and by what must hold.
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { jacobiEigen } from "../../reference/jacobi-eigen.js";
import { runDense } from "../../src/engine/dense.js";
import { inlinedKernel } from "../../src/kernel/inlined.js";
import { Kernel } from "../../src/kernel/load.js";
import { bell, uniform } from "./matrices.js";

let kernel: Kernel;
beforeAll(async () => {
  kernel = await Kernel.load(await inlinedKernel());
});

type Entry = (i: number, j: number) => number;

/** n x n, entry (i, j) and (j, i) by i >= j. */
function symmetric(n: number, entry: Entry): Float64Array {
  return Float64Array.from({ length: n * n }, (_, at) => {
    const [i, j] = [Math.floor(at / n), at % n];
    return entry(Math.max(i, j), Math.min(i, j));
  });
}

function tridiagonal(n: number, diagonal: (i: number) => number, below: (i: number) => number): Float64Array {
  return symmetric(n, (i, j) => (i === j ? diagonal(i) : i === j + 1 ? below(i) : 0));
}

function eigen(matrix: Float64Array, n: number, count?: number) {
  return runDense(kernel, "eigen", { matrix, n, count });
}

/** Largest row sum of magnitudes: at least the largest eigenvalue. */
function norm(matrix: Float64Array, n: number): number {
  let top = 0;
  for (let i = 0; i < n; ++i) {
    top = Math.max(
      top,
      matrix.subarray(i * n, i * n + n).reduce((sum, x) => sum + Math.abs(x), 0),
    );
  }
  return top;
}

function dot(a: Float64Array, i: number, b: Float64Array, j: number, n: number): number {
  let sum = 0;
  for (let k = 0; k < n; ++k) sum += a[i * n + k] * b[j * n + k];
  return sum;
}

/** Residual and orthogonality of the first `count` vectors, and trace and Frobenius norm, in units of n epsilon |A|. */
function check(matrix: Float64Array, n: number, count = n) {
  const { values, vectors: V } = eigen(matrix, n, count);
  expect(V.length).toBe(count * n);
  const unit = n * Number.EPSILON;
  const size = norm(matrix, n) || 1;
  for (let j = 1; j < n; ++j) expect(values[j]).toBeLessThanOrEqual(values[j - 1]);
  for (let j = 0; j < count; ++j) {
    for (let i = 0; i < n; ++i) {
      const residual = dot(matrix, i, V, j, n) - values[j] * V[j * n + i];
      expect(Math.abs(residual)).toBeLessThanOrEqual(3 * unit * size);
    }
    for (let i = 0; i <= j; ++i) {
      expect(Math.abs(dot(V, i, V, j, n) - Number(i === j))).toBeLessThanOrEqual(3 * unit);
    }
  }
  let [trace, sum, squares, ofValues] = [0, 0, 0, 0];
  for (let i = 0; i < n; ++i) trace += matrix[i * (n + 1)];
  for (const x of matrix) squares += (x / size) ** 2;
  for (const x of values) {
    sum += x;
    ofValues += (x / size) ** 2;
  }
  expect(Math.abs(trace - sum)).toBeLessThanOrEqual(3 * n * unit * size);
  expect(Math.abs(squares - ofValues)).toBeLessThanOrEqual(10 * n * unit);
  return values;
}

function near(values: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number) {
  expect(values.length).toBe(expected.length);
  for (let i = 0; i < expected.length; ++i) expect(Math.abs(values[i] - expected[i])).toBeLessThanOrEqual(tolerance);
}

const random: Record<string, (seed: number, n: number) => Entry> = {
  plain: (seed, n) => (i, j) => bell(seed, i * n + j),
  "rank 2": (seed) => (i, j) => bell(seed, i) * bell(seed, j) - bell(seed + 1, i) * bell(seed + 1, j),
  graded: (seed, n) => (i, j) => bell(seed, i * n + j) * 2 ** -(i + j),
  "few distinct entries": (seed, n) => (i, j) => Math.floor(3 * uniform(seed, i * n + j)) - 1,
  "a few numbers far from a diagonal": (seed, n) => (i, j) =>
    i === j ? Math.floor(4 * uniform(seed, i)) : uniform(seed, i * n + j) < 0.03 ? bell(seed + 1, i * n + j) : 0,
  "nearly a multiple of one": (seed, n) => (i, j) => Number(i === j) + 2 ** -50 * bell(seed, i * n + j),
};

describe("against a plain implementation without wasm", () => {
  const shapes = fc.record({
    kind: fc.constantFrom(...Object.keys(random)),
    n: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 4, max: 70 }), fc.constantFrom(32, 33, 64, 65, 81)),
    seed: fc.integer({ min: 0, max: 1e6 }),
    power: fc.constantFrom(0, 0, 0, -500, 500),
  });

  test("values; residuals and orthogonality of vectors", () => {
    fc.assert(
      fc.property(shapes, ({ kind, n, seed, power }) => {
        const matrix = symmetric(n, random[kind](seed, n));
        const scaled = matrix.map((x) => x * 2 ** power);
        const values = check(scaled, n);
        const twin = jacobiEigen({ data: matrix, rows: n, cols: n });
        near(
          values.map((x) => x * 2 ** -power),
          twin.values,
          4 * n * Number.EPSILON * norm(matrix, n),
        );
      }),
      { numRuns: 60, seed: 20266 },
    );
  });

  test("values and vectors have the same bits whatever is asked for", () => {
    fc.assert(
      fc.property(shapes, fc.nat(), ({ kind, n, seed }, draw) => {
        const matrix = symmetric(n, random[kind](seed, n));
        const count = draw % (n + 1);
        const [all, some] = [eigen(matrix, n), eigen(matrix, n, count)];
        expect(some.values).toEqual(all.values);
        expect(some.vectors).toEqual(all.vectors.slice(0, count * n));
      }),
      { numRuns: 40, seed: 20267 },
    );
  });
});

describe("against published or independently computed figures", () => {
  interface Fixture {
    n: number;
    values: number[];
  }
  const fixtures = JSON.parse(readFileSync(new URL("../fixtures/eigen.json", import.meta.url), "utf8")) as {
    residues: Fixture;
    glued: Fixture;
    hilbert: Fixture;
  };

  test.each<[keyof typeof fixtures, Entry]>([
    ["residues", (i, j) => ((7 * i * j + 3 * i + 3 * j) % 11) - 5],
    ["glued", (i, j) => (i === j ? Math.abs((i % 21) - 10) : i > j + 1 ? 0 : i % 21 === 0 ? 2 ** -26 : 1)],
    ["hilbert", (i, j) => 1 / (i + j + 1)],
  ])("LAPACK: %s", (name, entry) => {
    const { n, values } = fixtures[name];
    const matrix = symmetric(n, entry);
    near(check(matrix, n), values, 2 * n * Number.EPSILON * norm(matrix, n));
  });

  test("Clement's matrix: n - 1, n - 3, ... 1 - n", () => {
    for (const n of [33, 64, 101]) {
      const matrix = tridiagonal(
        n,
        () => 0,
        (i) => Math.sqrt(i * (n - i)),
      );
      const values = Array.from({ length: n }, (_, i) => n - 1 - 2 * i);
      near(check(matrix, n), values, 2 * n * Number.EPSILON * n);
    }
  });

  test("second differences: 4 sin^2(k pi / (2 n + 2))", () => {
    for (const n of [47, 128, 150]) {
      const matrix = tridiagonal(
        n,
        () => 2,
        () => -1,
      );
      const values = Array.from({ length: n }, (_, i) => 4 * Math.sin(((n - i) * Math.PI) / (2 * n + 2)) ** 2);
      near(check(matrix, n), values, 4 * n * Number.EPSILON);
    }
  });

  test("Wilkinson's W21+: pairs that agree to 14 digits (The Algebraic Eigenvalue Problem, 5.45)", () => {
    const matrix = tridiagonal(
      21,
      (i) => Math.abs(i - 10),
      () => 1,
    );
    const values = check(matrix, 21);
    const pair = 10.746194182903393;
    near(values.subarray(0, 2), [pair, pair], 1e-13);
    expect(values[20]).toBeCloseTo(-1.125441522119985, 12);
  });
});

describe("what must hold", () => {
  test("a block that meets nothing else keeps its vectors to itself", () => {
    const n = 96;
    const matrix = symmetric(n, (i, j) => (i < 40 === j < 40 ? bell(5, i * n + j) : 0));
    const { vectors: V } = eigen(matrix, n);
    for (let j = 0; j < n; ++j) {
      const inside = V.subarray(j * n, j * n + 40).reduce((sum, x) => sum + x * x, 0);
      expect(Math.min(inside, 1 - inside)).toBeLessThan(1e-12);
    }
  });

  test("the strict upper triangle is not read", () => {
    const n = 51;
    const matrix = symmetric(n, (i, j) => bell(3, i * n + j));
    const poisoned = matrix.map((x, at) => (at % n > Math.floor(at / n) ? NaN : x));
    expect(eigen(poisoned, n)).toEqual(eigen(matrix, n));
  });

  test("powers of two only scale", () => {
    const n = 70;
    const matrix = symmetric(n, (i, j) => bell(8, i * n + j));
    const plain = eigen(matrix, n);
    for (const power of [-900, -31, 900]) {
      const scaled = eigen(
        matrix.map((x) => x * 2 ** power),
        n,
      );
      expect(scaled.values).toEqual(plain.values.map((x) => x * 2 ** power));
      expect(scaled.vectors).toEqual(plain.vectors);
    }
  });

  test("no vector is computed when none is asked for, and all when more than there are", () => {
    const n = 5;
    const matrix = symmetric(n, (i, j) => bell(2, i * n + j));
    expect(eigen(matrix, n, 0).vectors.length).toBe(0);
    expect(eigen(matrix, n, 9)).toEqual(eigen(matrix, n));
  });

  test("infinity and NaN are an error that says so", () => {
    const n = 40;
    for (const bad of [Infinity, NaN]) {
      const matrix = symmetric(n, (i, j) => (i === 30 && j === 7 ? bad : bell(1, i * n + j)));
      for (const count of [0, n]) expect(() => eigen(matrix, n, count)).toThrow(/40 x 40 Gram matrix did not converge/);
    }
  });

  test("a matrix too large for wasm is refused before anything is reserved", () => {
    const before = kernel.byteLength;
    const n = 16384;
    const call = () => eigen(new Float64Array(1), n);
    expect(call).toThrow(/6\.0 GiB of WebAssembly memory/);
    expect(kernel.byteLength).toBe(before);
  });
});
