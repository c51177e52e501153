// Transform codes: against the twin on random shapes, against Shannon's bound, and what must hold of any.
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { trellisTable } from "../../src/code-trellis.js";
import { f32ToF16 } from "../../src/half.js";
import {
  createLoewner,
  TransformDecoder,
  transformBytes,
  transformRows,
  type Loewner,
  type Matrix,
  type TransformCode,
  type TransformCodeOptions,
  type TrellisBits,
} from "../../src/index.js";
import { toDense } from "../../reference/matrix.js";
import { objective } from "../../reference/objective.js";
import { boundBits, decodeTransform } from "../../reference/transform-code.js";
import { bell, kinds, matrix, relative, uniform, type Kind } from "./matrices.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

const decoded = (code: TransformCode) => new TransformDecoder(code).rows(0, code.rows);
const twinOf = (code: TransformCode) =>
  decodeTransform(code, (bits) => trellisTable(bits as TrellisBits, code.windowBits));
const squares = (x: ArrayLike<number>) => Array.from(x).reduce((sum, v) => sum + v * v, 0);
const squaredError = (a: ArrayLike<number>, b: ArrayLike<number>) => squares(Array.from(a, (x, i) => x - b[i]));

/** Normal rows of falling variances (power of the column's number), around a centre. */
function sloped(rows: number, cols: number, { slope = 1, centre = 0, seed = 3 } = {}): Matrix<Float32Array> {
  const data = Float32Array.from({ length: rows * cols }, (_, i) => {
    const [u, v] = [uniform(seed, i), uniform(seed + 1, i)];
    const normal = Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v);
    return centre * bell(seed + 2, i % cols) + normal * (1 + (i % cols)) ** (-slope / 2);
  });
  return { data, rows, cols };
}

const least = (rows: number, cols: number) => 4 * cols + rows + 8;

test("some rows alone are coded as among all, those that are kept exactly as well", async () => {
  const a = sloped(900, 24, { centre: 1 });
  for (let j = 0; j < 24; ++j) a.data[24 * 500 + j] *= 40;
  const rowWeights = Float64Array.from({ length: 900 }, (_, i) => 1 + (i % 4));
  const options = { bitsPerEntry: 3, rowWeights, p: 1, exactRows: 1 };
  const whole = await loewner.transformCode(a, options);
  const only = Uint32Array.of(0, 17, 255, 256, 500, 899);
  const part = await loewner.transformCode(a, { ...options, only });
  expect(part.code.rows).toBe(only.length);
  expect([...whole.exactRows]).toEqual([500]);
  expect([...part.exactRows].map((at) => only[at])).toEqual([500]);
  const [all, some] = [decoded(whole.code), decoded(part.code)];
  only.forEach((row, i) => {
    const wanted = all.subarray(24 * row, 24 * (row + 1));
    expect(squaredError(some.subarray(24 * i, 24 * (i + 1)), wanted)).toBeLessThanOrEqual(1e-6 * squares(wanted));
  });
});

const shapes = fc.record({
  kind: fc.constantFrom(...(Object.keys(kinds) as Kind[])),
  rows: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(255, 256, 257)),
  cols: fc.integer({ min: 1, max: 40 }),
  seed: fc.integer({ min: 0, max: 1e6 }),
  f32: fc.boolean(),
  weighted: fc.boolean(),
  /** Of 12 bits an entry, beside what is needed at least. */
  share: fc.double({ min: 0, max: 1, noNaN: true }),
  p: fc.constantFrom(0.7, 1, 2, 3),
  windowBits: fc.constantFrom(10 as const, 12 as const),
  scale: fc.constantFrom("unbiased" as const, "least-squares" as const),
  exactRows: fc.constantFrom("auto" as const, 0, 1),
});

describe("against the twin", () => {
  test("codes mean what the contract says, the report is of what is stored, and no byte is one too many", async () => {
    await fc.assert(
      fc.asyncProperty(shapes, async ({ kind, rows, cols, seed, f32, weighted, share, ...options }) => {
        const a = matrix(kind, rows, cols, { seed, f32 });
        const rowWeights = weighted
          ? Float64Array.from({ length: rows }, (_, i) => Math.floor(3 * uniform(seed, i)))
          : undefined;
        const bytes = least(rows, cols) + Math.floor(share * rows * cols * 1.5);
        const result = await loewner.transformCode(a, { bytes, rowWeights, ...options });
        const { code, byteLength } = result;
        expect(byteLength).toBe(transformBytes(code));
        expect(byteLength).toBeLessThanOrEqual(bytes);
        const twin = twinOf(code);
        const size = Math.sqrt(squares(a.data));
        const back = decoded(code);
        expect(Math.sqrt(squaredError(back, twin.data))).toBeLessThan(1e-6 * size);
        const of = objective(toDense(a), twin, { rows: cols, cols, data: identity(cols) }, options.p, rowWeights);
        for (const name of ["l1", "l21", "l2"] as const)
          expect(Math.abs(result.objective[name] - of[name])).toBeLessThan(
            1e-5 * of[name] + 1e-5 * size * Math.sqrt(rows * cols),
          );
        if (options.p !== 0.7)
          expect(Math.abs(result.objective.lp - of.lp)).toBeLessThan(1e-4 * of.lp + 1e-4 * (size + size ** 3));
        const weight = (i: number) => rowWeights?.[Math.floor(i / cols)] ?? 1;
        const whole = squares(Float64Array.from(a.data, (x, i) => Math.sqrt(weight(i)) * x));
        if (whole > 0) expect(Math.abs(result.error - of.l2 ** 2 / whole)).toBeLessThan(1e-5 * (1 + result.error));
        // Rows of zeros stay rows of zeros.
        for (let i = 0; i < rows; ++i) {
          const isZero = a.data.subarray(i * cols, (i + 1) * cols).every((x) => x === 0);
          if (isZero) expect(back.subarray(i * cols, (i + 1) * cols).every((x) => x === 0)).toBe(true);
          else expect(code.scaleLevels[code.scales[i]]).toBeGreaterThan(0);
        }
        expect(result.bits.length).toBe(cols);
        expect([...result.bits].sort((x, y) => y - x)).toEqual([...result.bits]);
        expect([...result.exactRows]).toEqual([...(code.exact?.rows ?? [])]);
      }),
      { numRuns: 60, seed: 20263 },
    );
  });
});

const identity = (d: number) => Float64Array.from({ length: d * d }, (_, i) => Number(i % (d + 1) === 0));

describe("near the bound", () => {
  test.each([
    [1, 1.3],
    [1.6, 1.2],
    [3, 1.17],
    [5, 1.15],
  ])(
    "normal rows at %d bits an entry: codes of at most %d times the bytes of Shannon's bound, an error as foretold",
    async (bitsPerEntry, most) => {
      const a = sloped(3000, 64, { centre: 1 });
      const { code, error, predictedError, variances } = await loewner.transformCode(a, { bitsPerEntry, exactRows: 0 });
      const left = (error * squares(a.data)) / a.rows;
      const bound = (boundBits(variances, left) * a.rows) / 8;
      expect(code.bands.reduce((sum, band) => sum + band.codes.length, 0) / bound).toBeLessThan(most);
      expect(relative(error, predictedError)).toBeLessThan(0.05);
    },
  );

  test("no byte is left that a component could have used", async () => {
    const a = sloped(1000, 128);
    for (const bytes of [20000, 33333, 60000]) {
      const { byteLength } = await loewner.transformCode(a, { bytes });
      expect(byteLength).toBeGreaterThan(bytes - 1000 - 8 * 66 - 8);
    }
  });

  test("more bytes err less, and what the right factor takes is right for few rows too", async () => {
    for (const rows of [40, 2000]) {
      const a = sloped(rows, 48);
      let before = Infinity;
      for (const bytes of [1, 1.3, 1.7, 2.5, 4, 8]) {
        const { error } = await loewner.transformCode(a, { bytes: Math.ceil(bytes * least(rows, 48)) + 600 });
        expect(error).toBeLessThanOrEqual(1.01 * before);
        before = error;
      }
    }
  });

  test("windows of 12 bits err less than those of 10 on long rows", async () => {
    const a = sloped(800, 160, { slope: 0 });
    const [ten, twelve] = await Promise.all(
      ([10, 12] as const).map((windowBits) => loewner.transformCode(a, { bitsPerEntry: 2.8, windowBits })),
    );
    expect(twelve.error).toBeLessThan(ten.error);
  });

  test("the largest error that is asked for is kept, and nearly used", async () => {
    const a = sloped(3000, 40);
    for (const maxError of [0.3, 0.05, 0.004]) {
      const found = await loewner.transformCode(a, { maxError });
      expect(found.error).toBeLessThanOrEqual(maxError);
      const less = await loewner.transformCode(a, { bytes: Math.floor(0.93 * found.byteLength) });
      expect(less.error).toBeGreaterThan(maxError);
    }
  });
});

describe("rows unlike the others", () => {
  test("those that are fitted worst are stored nearly exactly, by error times weight", async () => {
    const a = sloped(3000, 32, { slope: 2 });
    const foreign = [7, 1000, 2999];
    for (const row of foreign) for (let j = 0; j < 32; ++j) a.data[32 * row + j] = 3 * bell(row, j);
    const { exactRows, code } = await loewner.transformCode(a, { bitsPerEntry: 1 });
    expect([...exactRows]).toEqual(expect.arrayContaining(foreign));
    const back = decoded(code);
    for (const row of foreign) {
      const part = (x: Float32Array) => x.subarray(32 * row, 32 * row + 32);
      expect(squaredError(part(a.data), part(back))).toBeLessThan(0.02 * squares(part(a.data)));
    }
    const rowWeights = Float64Array.from({ length: 3000 }, (_, i) => (foreign.includes(i) ? 0 : 1));
    const weighted = await loewner.transformCode(a, { bitsPerEntry: 1, rowWeights });
    expect([...weighted.exactRows]).not.toEqual(expect.arrayContaining([1000]));
    expect((await loewner.transformCode(a, { bitsPerEntry: 1, exactRows: 0 })).code.exact).toBeUndefined();
  });

  test("far rows decide about the ordinary ones' components at p = 2, unless all are stored exactly, and not at p = 0.5", async () => {
    const plain = sloped(3000, 32, { slope: 1.5 });
    const ordinaryError = async (p: number, every: number) => {
      const data = plain.data.slice();
      for (let row = 0; row < 3000; row += every) for (let j = 0; j < 32; ++j) data[32 * row + j] = 20 * bell(row, j);
      const { code } = await loewner.transformCode({ ...plain, data }, { bitsPerEntry: 1.5, p });
      return squares(decoded(code).map((x, i) => (Math.floor(i / 32) % every ? x - data[i] : 0)));
    };
    const [many, few] = [50, 150];
    const without = await ordinaryError(2, Infinity);
    expect(await ordinaryError(2, few)).toBeLessThan(1.1 * without);
    expect(await ordinaryError(2, many)).toBeGreaterThan(2 * without);
    expect(await ordinaryError(1, many)).toBeLessThan(1.6 * without);
    expect(await ordinaryError(0.5, many)).toBeLessThan(1.1 * without);
  });

  test("rows of zeros come back as zeros, and decide nothing", async () => {
    const plain = sloped(600, 16, { centre: 2 });
    const data = new Float32Array(1200 * 16);
    for (let i = 0; i < 600; ++i) data.set(plain.data.subarray(16 * i, 16 * i + 16), 32 * i);
    const { code } = await loewner.transformCode({ data, rows: 1200, cols: 16 }, { bitsPerEntry: 2 });
    const back = decoded(code);
    for (let i = 0; i < 600; ++i) {
      expect(back.subarray(32 * i + 16, 32 * i + 32).every((x) => x === 0)).toBe(true);
      expect(back.subarray(32 * i, 32 * i + 16).some((x) => x !== 0)).toBe(true);
    }
    const alone = await loewner.transformCode(plain, { bitsPerEntry: 2 });
    code.centre.forEach((x, j) => expect(Math.abs(x - alone.code.centre[j])).toBeLessThan(1e-5));
  });
});

describe("small and degenerate", () => {
  const cases: Record<string, Matrix<Float32Array>> = {
    "equal rows": { data: Float32Array.from({ length: 300 * 9 }, (_, i) => bell(1, i % 9)), rows: 300, cols: 9 },
    "one row": { data: Float32Array.from({ length: 12 }, (_, i) => bell(2, i)), rows: 1, cols: 12 },
    zeros: { data: new Float32Array(200), rows: 20, cols: 10 },
  };
  test.each(Object.keys(cases))("%s need no band, and come back exactly", async (name) => {
    const a = cases[name];
    const { code, error, bits, predictedError } = await loewner.transformCode(a, { bytes: 2000 });
    expect(code.bands).toEqual([]);
    expect([error, predictedError, Math.max(...bits)]).toEqual([expect.closeTo(0, 12), expect.closeTo(0, 12), 0]);
    expect(decoded(code)).toEqual(a.data);
  });

  test("one column, two rows, fewer rows than columns, a rank of two: nearly exact where bytes allow", async () => {
    for (const [rows, cols] of [
      [500, 1],
      [2, 20],
      [12, 40],
      [300, 3],
    ]) {
      const a = matrix("plain", rows, cols, { f32: true });
      const { error, code } = await loewner.transformCode(a, { bytes: 40 * rows * cols + 4000 });
      expect(error).toBeLessThan(1e-3);
      expect(code.bands.reduce((sum, band) => sum + band.cols, 0)).toBeLessThanOrEqual(8 * Math.ceil(cols / 8));
    }
    const flat = matrix("rank 2", 400, 30, { f32: true });
    expect((await loewner.transformCode(flat, { bytes: 8000 })).error).toBeLessThan(1e-3);
  });

  test("a power of two on A: the same codes", async () => {
    const plain = sloped(400, 12, { centre: 1 });
    const scaled = (x: number) => ({ ...plain, data: plain.data.map((v) => v * x) });
    const one = await loewner.transformCode(plain, { bitsPerEntry: 3 });
    for (const exponent of [-90, -30, 17, 30, 90]) {
      const other = await loewner.transformCode(scaled(2 ** exponent), { bitsPerEntry: 3 });
      expect(other.code.bands.map(({ codes }) => codes)).toEqual(one.code.bands.map(({ codes }) => codes));
      expect(decoded(other.code)).toEqual(decoded(one.code).map((x) => x * 2 ** exponent));
      expect(relative(other.error, one.error)).toBeLessThan(1e-6);
    }
  });

  test("a centre far beside what varies is no trouble", async () => {
    const plain = sloped(800, 16);
    const far = { ...plain, data: plain.data.map((x, i) => x + 1000 * (1 + (i % 16))) };
    const [near, shifted] = [plain, far].map((a) => loewner.transformCode(a, { bitsPerEntry: 2 }));
    const errors = [(await near).objective.l2, (await shifted).objective.l2];
    expect(relative(errors[0], errors[1])).toBeLessThan(0.02);
  });
});

describe("options", () => {
  test("unbiased scales: on average a decoded row has the inner product with the row that its coded part has", async () => {
    const a = sloped(3000, 32, { slope: 0 });
    const bias = async (scale: "unbiased" | "least-squares") => {
      const back = decoded((await loewner.transformCode(a, { bitsPerEntry: 3, scale, exactRows: 0 })).code);
      return a.data.reduce((sum, x, i) => sum + x * back[i], 0) / squares(a.data);
    };
    expect(Math.abs((await bias("unbiased")) - 1)).toBeLessThan(0.01);
    expect(await bias("least-squares")).toBeLessThan(0.96);
  });

  test("the seed draws the rotations, and the same one gives the same bytes", async () => {
    const a = sloped(300, 24);
    const [one, again, other] = [
      await loewner.transformCode(a, { bitsPerEntry: 2 }),
      await loewner.transformCode(a, { bitsPerEntry: 2 }),
      await loewner.transformCode(a, { bitsPerEntry: 2, seed: 5 }),
    ];
    expect({ ...again, seconds: 0 }).toEqual({ ...one, seconds: 0 });
    expect(other.code.bands[0].codes).not.toEqual(one.code.bands[0].codes);
    expect(relative(other.error, one.error)).toBeLessThan(0.05);
  });

  test("the same bytes whatever the tile, and from every type that holds the numbers", async () => {
    const half = f32ToF16(matrix("plain", 700, 24, { seed: 2 }).data);
    const f16 = {
      ...{ rows: 700, cols: 24, dtype: "f16" as const },
      read: (start: number, count: number) => new Uint8Array(half.buffer, 48 * start, 48 * count),
    };
    const first = await loewner.transformCode(f16, { bitsPerEntry: 2 });
    for (const tileRows of [256, 512]) {
      const other = await createLoewner({ tileRows });
      expect({ ...(await other.transformCode(f16, { bitsPerEntry: 2 })), seconds: 0 }).toEqual({
        ...first,
        seconds: 0,
      });
      other.dispose();
    }
    const data = await widened(f16);
    expect((await loewner.transformCode({ data, rows: 700, cols: 24 }, { bitsPerEntry: 2 })).code).toEqual(first.code);
    const wide = { data: Float64Array.from(data), rows: 700, cols: 24 };
    expect(relative((await loewner.transformCode(wide, { bitsPerEntry: 2 })).error, first.error)).toBeLessThan(0.01);
  });

  async function widened({
    rows,
    cols,
    read,
  }: {
    rows: number;
    cols: number;
    read(start: number, count: number): Uint8Array;
  }) {
    const { f16ToF32 } = await import("../../src/half.js");
    const bytes = read(0, rows).slice();
    return f16ToF32(new Uint16Array(bytes.buffer, 0, rows * cols));
  }

  test("the decoded rows are a matrix like any other", async () => {
    const a = sloped(500, 16);
    const { code, objective } = await loewner.transformCode(a, { bitsPerEntry: 2 });
    const zero = {
      left: { data: new Float32Array(500), rows: 500, cols: 1 },
      right: { data: new Float32Array(16), rows: 1, cols: 16 },
    };
    const size = await loewner.residual(transformRows(code), zero);
    expect(relative(size.l2, Math.sqrt(squares(decoded(code))))).toBeLessThan(1e-6);
    expect(objective.l2).toBeLessThan(size.l2);
    expect(() => new TransformDecoder(code).rows(499, 2)).toThrow("Rows 499 to 500 were asked of");
  });

  const a = sloped(300, 8);
  const refused: [string, TransformCodeOptions, RegExp][] = [
    ["no row at all", { bytes: 1e4, only: Uint32Array.of() }, /only: numbers of the 300 rows of A, rising/],
    ["a row past the last", { bytes: 1e4, only: Uint32Array.of(0, 1e6) }, /rising, without maxError; got 1000000/],
    ["a row twice", { bytes: 1e4, only: Uint32Array.of(3, 3) }, /got 3/],
    ["some rows of a largest error", { maxError: 0.1, only: Uint32Array.of(3) }, /without maxError/],
    ["no size", {}, /Give exactly one of bytes, bitsPerEntry and maxError; got none/],
    ["two sizes", { bytes: 1e4, maxError: 0.1 }, /got bytes and maxError/],
    ["bytes", { bytes: -1 }, /bytes must be a number above 0; got -1/],
    ["bits", { bitsPerEntry: NaN }, /bitsPerEntry must be a number above 0; got NaN/],
    [
      "too few bytes",
      { bytes: 300 },
      /A code of A \(300 x 8\) takes at least 336 bytes, for its centre and a scale a row; 300/,
    ],
    ["an error that is too small", { maxError: 1e-9 }, /maxError 1e-9 is below what 8 bits a component reach/],
    ["exact rows", { bytes: 1e4, exactRows: 301 }, /exactRows must be "auto" or a whole number from 0 to 300/],
    ["window", { bytes: 1e4, windowBits: 11 as never }, /windowBits must be 10 or 12; got 11/],
    ["scale", { bytes: 1e4, scale: "max" as never }, /scale must be one of/],
    ["p", { bytes: 1e4, p: 4 }, /p must be a number with 0 < p < 4; got 4/],
    ["seed", { bytes: 1e4, seed: -1 }, /seed must be/],
  ];
  test.each(refused)("%s is refused", async (_name, options, message) => {
    await expect(loewner.transformCode(a, options)).rejects.toThrow(message);
  });

  test("NaN, and entries that f32 cannot decode, are refused", async () => {
    const bad = sloped(300, 8);
    bad.data[8 * 260 + 3] = NaN;
    await expect(loewner.transformCode(bad, { bytes: 1e4 })).rejects.toThrow(/NaN or infinity at row 260, column 3/);
    const far = { data: Float64Array.of(1e200, 1), rows: 1, cols: 2 };
    await expect(loewner.transformCode(far, { bytes: 1e4 })).rejects.toThrow(/largest entry of A is 1e\+200/);
  });
});
