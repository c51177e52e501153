// Matrices in few bits: against figures by hand, against the twin on random shapes, and what must hold of any.
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { levelsOf } from "../../src/code-levels.js";
import { codedBytes, codedRows, decodeRows, paddedColumns, quantisationError } from "../../src/codes.js";
import { f32ToBf16, f32ToF16 } from "../../src/half.js";
import { createLoewner, type CodedMatrix, type Loewner, type Matrix, type QuantiseOptions } from "../../src/index.js";
import { toDense } from "../../reference/matrix.js";
import { objective } from "../../reference/objective.js";
import { bestLeft, decode, leastBlockError } from "../../reference/quantise.js";
import { kinds, matrix, relative, uniform, type Kind } from "./matrices.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

const allBits = [8, 4, 3, 2] as const;

/** Standard normal numbers. */
function gaussian(rows: number, cols: number, seed = 1): Matrix<Float32Array> {
  const data = Float32Array.from({ length: rows * cols }, (_, i) => {
    return Math.sqrt(-2 * Math.log(uniform(seed, i))) * Math.cos(2 * Math.PI * uniform(seed + 1, i));
  });
  return { data, rows, cols };
}

const decoded = (coded: CodedMatrix): Matrix<Float32Array> => {
  return { data: decodeRows(coded, 0, coded.rows), rows: coded.rows, cols: coded.cols };
};
const squares = (x: ArrayLike<number>) => Array.from(x).reduce((sum, v) => sum + v * v, 0);

describe("against figures worked out by hand", () => {
  // Level times scale, scale 0.5: the row is on the grid, and each of its codes is known.
  const rows: [bits: 8 | 4 | 3 | 2, codes: number[], planes: number[][]][] = [
    [2, [0, 1, 2, 3, 3, 2, 1, 0], [[0b11100100, 0b00011011]]],
    [3, [0, 1, 2, 3, 4, 5, 6, 7], [[0b01010000, 0b11111010], [0b10101010]]],
    [4, [0, 1, 2, 3, 12, 13, 14, 15], [[0x10, 0x32, 0xdc, 0xfe]]],
    [8, [0, 1, 127, 128, 129, 130, 254, 255], [[128, 129, 255, 0, 1, 2, 126, 127]]],
  ];
  test.each(rows)("%i bits: codes lie in bit planes as documented", async (bits, codes, planes) => {
    const data = Float32Array.from(codes, (code) => (code - 2 ** (bits - 1)) / 2);
    const { left, byteLength, objective } = await loewner.quantise(
      { data, rows: 1, cols: 8 },
      { bits, levels: "uniform" },
    );
    expect(left.planes.map(({ bytes }) => [...bytes])).toEqual(planes);
    expect([...left.scales]).toEqual([0x3800]);
    expect(byteLength).toBe(bits + 2);
    expect(objective.l2).toBe(0);
    expect(decoded(left).data).toEqual(data);
  });

  test("the size of coded rows, padding and scales counted", () => {
    expect(codedBytes(100, 128, 4)).toBe(100 * (64 + 2));
    expect(codedBytes(100, 129, 3)).toBe(100 * ((136 * 3) / 8 + 2));
    expect(codedBytes(100, 100, 2, 32)).toBe(100 * (128 / 4 + 8));
    expect(paddedColumns(1)).toBe(8);
    expect(paddedColumns(100, 32)).toBe(128);
  });

  test.each([2, 3, 4] as const)("levels of %i bits: each is the mean of the normal entries nearest to it", (bits) => {
    const { values } = levelsOf(bits, "normal");
    const sums = new Float64Array(values.length);
    const weights = new Float64Array(values.length);
    let code = 0;
    for (let x = -8; x < 8; x += 1e-4) {
      while (code + 1 < values.length && x > (values[code] + values[code + 1]) / 2) ++code;
      const density = Math.exp((-x * x) / 2);
      sums[code] += x * density;
      weights[code] += density;
    }
    values.forEach((level, i) => expect(Math.abs(level - sums[i] / weights[i])).toBeLessThan(1e-4));
  });

  test.each(allBits)("the error predicted of %i bits is what normal entries meet", async (bits) => {
    for (const cols of [32, 160, 600]) {
      const a = gaussian(Math.ceil(60000 / cols), cols);
      const { objective } = await loewner.quantise(a, { bits, block: Infinity });
      expect(relative(objective.l2 ** 2 / squares(a.data), quantisationError(bits, cols))).toBeLessThan(0.03);
    }
  });
});

const shapes = fc.record({
  kind: fc.constantFrom(...(Object.keys(kinds) as Kind[])),
  rows: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(255, 256, 257)),
  cols: fc.integer({ min: 1, max: 40 }),
  seed: fc.integer({ min: 0, max: 1e6 }),
  f32: fc.boolean(),
  bits: fc.constantFrom(...allBits),
  block: fc.constantFrom(undefined, 8, 16, 40),
  levels: fc.constantFrom("normal" as const, "uniform" as const),
  scale: fc.constantFrom("unbiased" as const, "least-squares" as const),
  weighted: fc.boolean(),
  p: fc.constantFrom(0.7, 1, 2, Infinity),
});

describe("against a plain implementation without wasm", () => {
  test("codes mean what the contract says, and the report is of what is stored", async () => {
    await fc.assert(
      fc.asyncProperty(shapes, fc.integer({ min: 0, max: 40 }), async (shape, wanted) => {
        const { kind, rows, cols, seed, f32, weighted, ...options } = shape;
        const a = matrix(kind, rows, cols, { seed, f32 });
        const rank = Math.min(wanted, rows, cols);
        const rowWeights = weighted
          ? Float64Array.from({ length: rows }, (_, i) => Math.floor(3 * uniform(seed, i)))
          : undefined;
        const right = rank > 0 ? (await loewner.lowRank(a, { rank, method: "svd" })).right : undefined;
        const result = await loewner.quantise(a, { ...options, right, rowWeights });
        const left = decode(result.left);
        decodeRows(result.left, 0, rows).forEach((x, i) => expect(relative(x, left.data[i])).toBeLessThan(1e-7));
        const identity = { data: new Float64Array(cols * cols), rows: cols, cols };
        for (let j = 0; j < cols; ++j) identity.data[j * (cols + 1)] = 1;
        const factor = result.right ? decode(result.right) : identity;
        const twin = objective(toDense(a), left, factor, options.p, rowWeights);
        const size = Math.sqrt(squares(a.data));
        for (const name of ["l1", "l21", "l2"] as const) {
          expect(Math.abs(result.objective[name] - twin[name])).toBeLessThan(1e-5 * twin[name] + 1e-6 * size);
        }
        if (options.p !== 0.7)
          expect(Math.abs(result.objective.lp - twin.lp)).toBeLessThan(1e-4 * twin.lp + 1e-6 * (size + size * size));
        const { left: l, right: r } = result;
        const bytes =
          codedBytes(rows, l.cols, options.bits, options.block ?? (right ? Infinity : 32)) +
          (r ? codedBytes(r.rows, cols, 8) : 0);
        expect(result.byteLength).toBe(bytes);
        const stored = (m: CodedMatrix) =>
          m.scales.byteLength + m.planes.reduce((sum, plane) => sum + plane.bytes.length, 0);
        expect(stored(l) + (r ? stored(r) : 0)).toBe(bytes);
      }),
      { numRuns: 80, seed: 20260 },
    );
  });

  // Rows are stored in blocks of 256: of many heights, since what a block's place is computed from may round for some.
  test.each(allBits)(
    "%i bits: a row is stored the same wherever it lies, however many rows there are",
    async (bits) => {
      const cols = 8;
      const a = matrix("plain", 1400, cols, { f32: true });
      const part = (from: number, to: number) =>
        loewner.quantise({ data: a.data.slice(from * cols, to * cols), rows: to - from, cols }, { bits });
      const all = decodeRows((await part(0, 256)).left, 0, 256);
      for (let rows = 257; rows < 1400; rows += 17) {
        const { left } = await part(0, rows);
        expect(decodeRows(left, 0, 256)).toEqual(all);
        const rest = await part(256, rows);
        expect(decodeRows(left, 256, rows - 256)).toEqual(decodeRows(rest.left, 0, rows - 256));
      }
    },
  );

  test("scales come close to the best that a fine search finds", async () => {
    // At 8 bits the error jumps from scale to scale, and a fine search is lucky where an honest one is not.
    for (const bits of [4, 3, 2] as const) {
      for (const levels of ["normal", "uniform"] as const) {
        let best = 0;
        const a = gaussian(20, 16, 5);
        const { left, objective } = await loewner.quantise(a, { bits, levels, block: 16, scale: "least-squares" });
        const mine = objective.l2 ** 2;
        for (let i = 0; i < a.rows; ++i) {
          const row = a.data.subarray(16 * i, 16 * i + 16);
          best += leastBlockError(row, left.levels, levelsOf(bits, levels).scale * Math.sqrt(squares(row) / 16));
        }
        expect(mine / best).toBeGreaterThan(0.99);
        expect(mine / best).toBeLessThan(1.06);
      }
    }
  });

  test("left is the best factor for the right one that is stored, but for its own few bits", async () => {
    const a = matrix("far rows, steep spectrum", 300, 24, { seed: 3 });
    const { right } = await loewner.lowRank(a, { rank: 9, method: "svd" });
    for (const rightBits of [8, 3] as const) {
      const result = await loewner.quantise(a, { right, bits: 8, rightBits });
      const stored = decode(result.right!);
      const best = bestLeft(toDense(a), stored);
      const left = decode(result.left);
      const error = squares(left.data.map((x, i) => x - best.data[i])) / squares(best.data);
      expect(error).toBeLessThan(4 * quantisationError(8, 9));
    }
  });
});

describe("invariants", () => {
  test("a matrix on the grid comes back exactly", async () => {
    for (const bits of allBits) {
      for (const levels of ["normal", "uniform"] as const) {
        const { values } = levelsOf(bits, levels);
        const [rows, cols] = [300, 24];
        const data = Float32Array.from({ length: rows * cols }, (_, i) => {
          const [row, column] = [Math.floor(i / cols), i % cols];
          // Every row reaches the last level, as whole blocks of many entries do.
          const code = column === row % cols ? values.length - 1 : Math.floor(uniform(bits, i) * values.length);
          return Math.fround(values[code] * (0.0625 + (row % 64) / 1024));
        });
        for (const scale of ["unbiased", "least-squares"] as const) {
          const result = await loewner.quantise({ data, rows, cols }, { bits, levels, scale, block: Infinity });
          expect(decoded(result.left).data).toEqual(data);
        }
      }
    }
  });

  test("unbiased: a decoded row has the inner product with the row that the row has with itself", async () => {
    const a = gaussian(50, 64, 9);
    for (const bits of allBits) {
      const { data } = decoded((await loewner.quantise(a, { bits, block: Infinity })).left);
      for (let i = 0; i < a.rows; ++i) {
        const row = a.data.subarray(64 * i, 64 * i + 64);
        const product = row.reduce((sum, x, j) => sum + x * data[64 * i + j], 0);
        expect(relative(product, squares(row))).toBeLessThan(1e-3);
      }
    }
  });

  test("least squares: what is left of a row is orthogonal to the decoded row", async () => {
    const a = gaussian(200, 13, 9);
    for (const bits of [4, 3, 2] as const) {
      const { left } = await loewner.quantise(a, { bits, scale: "least-squares" });
      const { data } = decoded(left);
      let mean = 0;
      for (let i = 0; i < a.rows; ++i) {
        const row = data.subarray(13 * i, 13 * i + 13);
        const product = row.reduce((sum, x, j) => sum + x * a.data[13 * i + j], 0);
        mean += relative(product, squares(row)) / a.rows;
      }
      expect(mean).toBeLessThan(3e-3);
    }
  });

  test("a rotation leaves the product, and depends on the seed alone", async () => {
    const a = matrix("plain", 400, 40, { seed: 4, f32: true });
    const { right, report } = await loewner.lowRank(a, { rank: 21, method: "svd" });
    const pair = (options: Partial<QuantiseOptions>) => loewner.quantise(a, { right, bits: 4, ...options });
    const exact = report.objective.l2 ** 2;
    // What 8 bits of either factor add is little, however it is rotated.
    for (const rotate of [false, true]) {
      const { objective } = await pair({ bits: 8, rotate });
      expect(relative(objective.l2 ** 2, exact)).toBeLessThan(2e-3);
    }
    const [one, again, other] = [await pair({}), await pair({}), await pair({ seed: 7 })];
    expect({ ...again, seconds: 0 }).toEqual({ ...one, seconds: 0 });
    expect(other.left.planes).not.toEqual(one.left.planes);
    // Rows of left and the residual of the projection are orthogonal: the squares add up, whatever the rotation.
    const expected = exact + (squares(a.data) - exact) * quantisationError(4, 21);
    for (const { objective } of [one, other]) expect(relative(objective.l2 ** 2, expected)).toBeLessThan(0.02);
    const stored = await loewner.residual(a, { left: codedRows(one.left), right: decoded(one.right!) });
    expect(relative(stored.l21, one.objective.l21)).toBeLessThan(1e-5);
  });

  test("a rotation spreads rows whose first entries are far larger than the last", async () => {
    const a = matrix("far rows, steep spectrum", 400, 40, { seed: 4, f32: true });
    const { right } = await loewner.lowRank(a, { rank: 32, method: "svd" });
    for (const bits of allBits) {
      const [even, plain] = [true, false].map((rotate) =>
        loewner.quantise(a, { right, bits, rotate, block: Infinity }),
      );
      expect((await even).objective.l21).toBeLessThan(0.9 * (await plain).objective.l21);
    }
  });

  test("rows of zeros and constant rows", async () => {
    const data = new Float32Array(4 * 20);
    data.fill(0.3, 20, 40).fill(-7, 60);
    for (const bits of allBits) {
      const { data: back } = decoded(
        (await loewner.quantise({ data, rows: 4, cols: 20 }, { bits, block: Infinity })).left,
      );
      data.forEach((x, i) => expect(Math.abs(back[i] - x)).toBeLessThan(1e-3 * Math.abs(x) + 1e-30));
    }
    const { left, objective } = await loewner.quantise({ data: new Float32Array(16), rows: 2, cols: 8 }, { bits: 3 });
    expect([...left.scales, objective.l2]).toEqual([0, 0, 0]);
  });

  test("a power of two on A is one on the levels or the scales: same codes", async () => {
    const plain = matrix("plain", 60, 12, { f32: true });
    const { right } = await loewner.lowRank(plain, { rank: 5 });
    const scaled = (x: number) => ({ ...plain, data: Float32Array.from(plain.data, (v) => v * x) });
    for (const given of [undefined, right]) {
      const one = await loewner.quantise(plain, { bits: 4, right: given });
      for (const exponent of [-90, -30, 17, 30, 90]) {
        const other = await loewner.quantise(scaled(2 ** exponent), { bits: 4, right: given });
        expect(other.left.planes).toEqual(one.left.planes);
        const expected = decoded(one.left).data.map((x) => x * 2 ** exponent);
        expect(decoded(other.left).data).toEqual(expected);
        expect(relative(other.objective.l2, one.objective.l2 * 2 ** exponent)).toBeLessThan(1e-6);
      }
    }
  });

  test("rows far larger and far smaller than the rest are right beside themselves", async () => {
    const a = gaussian(64, 16, 3);
    for (let i = 0; i < a.data.length; ++i) a.data[i] *= 2 ** ((Math.floor(i / 16) % 20) + 10);
    const back = decoded((await loewner.quantise(a, { bits: 8 })).left).data;
    for (let i = 0; i < a.rows; ++i) {
      const row = a.data.subarray(16 * i, 16 * i + 16);
      const error = squares(row.map((x, j) => x - back[16 * i + j])) / squares(row);
      expect(error).toBeLessThan(1e-3);
    }
  });

  test("the same bytes whatever the tile, and from every type that holds the numbers", async () => {
    const values = f32ToF16(matrix("plain", 700, 24, { seed: 2 }).data);
    const source = codedRowsOf(values, 700, 24);
    const widened = { data: source.widened, rows: 700, cols: 24 };
    const { right } = await loewner.lowRank(widened, { rank: 10 });
    const options = { bits: 3, right } as const;
    const first = await loewner.quantise(widened, options);
    for (const tileRows of [256, 512, 4096]) {
      const other = await createLoewner({ tileRows });
      expect({ ...(await other.quantise(widened, options)), seconds: 0 }).toEqual({ ...first, seconds: 0 });
      other.dispose();
    }
    expect((await loewner.quantise(source.f16, options)).left).toEqual(first.left);
    const f64 = await loewner.quantise({ ...widened, data: Float64Array.from(widened.data) }, options);
    expect(relative(f64.objective.l2, first.objective.l2)).toBeLessThan(1e-4);
    const brain = f32ToBf16(widened.data);
    const bf16 = { rows: 700, cols: 24, dtype: "bf16" as const, read: reader(brain, 24) };
    expect(relative((await loewner.quantise(bf16, options)).objective.l2, first.objective.l2)).toBeLessThan(1e-2);
  });

  test("parts of a coded matrix decode like the whole", async () => {
    const { left } = await loewner.quantise(gaussian(30, 20), { bits: 3, block: 8 });
    expect(decodeRows(left, 7, 11)).toEqual(decoded(left).data.slice(7 * 20, 18 * 20));
    expect(() => decodeRows(left, 25, 6)).toThrow("Rows 25 to 30 were asked of a coded matrix of 30 rows.");
  });
});

const reader = (bits: Uint16Array, cols: number) => (start: number, count: number) =>
  new Uint8Array(bits.buffer, 2 * start * cols, 2 * count * cols);

function codedRowsOf(bits: Uint16Array, rows: number, cols: number) {
  const f16 = { rows, cols, dtype: "f16" as const, read: reader(bits, cols) };
  const widened = Float32Array.from(bits, (h) => {
    const exponent = (h >> 10) & 31;
    return (h >> 15 ? -1 : 1) * (exponent ? (1024 + (h & 1023)) * 2 ** (exponent - 25) : (h & 1023) * 2 ** -24);
  });
  return { f16, widened };
}

describe("refused", () => {
  const a = gaussian(20, 8);
  const right = { data: Float32Array.from([1, 0, 0, 0, 0, 0, 0, 0]), rows: 1, cols: 8 };
  const cases: [string, QuantiseOptions, RegExp][] = [
    ["bits", { bits: 5 as never }, /bits must be 8, 4, 3 or 2; got 5/],
    ["rightBits", { bits: 4, rightBits: 16 as never }, /rightBits must be 8, 4, 3 or 2; got 16/],
    ["block", { bits: 4, block: 20 }, /block must be a multiple of 8 columns, at least 8; got 20/],
    ["levels", { bits: 4, levels: "even" as never }, /levels must be one of "normal", "uniform"/],
    ["scale", { bits: 4, scale: "max" as never }, /scale must be one of/],
    ["seed", { bits: 4, seed: -1 }, /seed must be/],
    ["p", { bits: 4, p: 0 }, /p must be/],
    ["rotation without a factor", { bits: 4, rotate: true }, /rotate needs a right factor/],
    ["shape of right", { bits: 4, right: { ...right, cols: 4, rows: 2 } }, /right is 2 x 4, but A has 8 columns/],
    [
      "right not orthonormal",
      { bits: 4, right: { ...right, data: right.data.map((x) => 2 * x) } },
      /rows 0 and 0 is 4\.00, not 1/,
    ],
  ];
  test.each(cases)("%s", async (_name, options, message) => {
    await expect(loewner.quantise(a, options)).rejects.toThrow(message);
  });

  test("NaN, and entries that f32 cannot decode", async () => {
    const bad = gaussian(300, 8);
    bad.data[8 * 260 + 3] = NaN;
    await expect(loewner.quantise(bad, { bits: 4 })).rejects.toThrow(/NaN or infinity at row 260, column 3/);
    const far = { data: Float64Array.of(1e200, 1), rows: 1, cols: 2 };
    await expect(loewner.quantise(far, { bits: 4 })).rejects.toThrow(/largest entry of A is 1e\+200/);
  });
});
