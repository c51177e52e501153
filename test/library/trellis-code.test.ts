// Trellis codes of equal bits: against the twin, feedback against the minimiser that it is, errors as foretold, and what must hold of any.
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { trellisTable } from "../../src/code-trellis.js";
import { encodeNumbers } from "../../src/formats/index.js";
import { widenRows } from "../../src/matrix.js";
import {
  createLoewner,
  TrellisDecoder,
  trellisBytes,
  trellisRows,
  type Loewner,
  type Matrix,
  type RowType,
  type TrellisBits,
  type TrellisCode,
  type TrellisCodeOptions,
} from "../../src/index.js";
import { fill, subtract, toDense, type Dense } from "../../reference/matrix.js";
import { objective } from "../../reference/objective.js";
import { bestCircle } from "../../reference/trellis.js";
import {
  bestTarget,
  codedLines,
  decodeTrellis,
  outputSquares,
  rotated,
  rotatedMoments,
} from "../../reference/trellis-code.js";
import { bell, kinds, matrix, relative, type Kind } from "./matrices.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

const allBits: TrellisBits[] = [1, 2, 3, 4, 5, 6, 7, 8];
const tableOf = ({ bits, windowBits }: TrellisCode) => trellisTable(bits, windowBits);
const decoded = (code: TrellisCode): Dense => toDense({ ...code, data: new TrellisDecoder(code).rows(0, code.rows) });
const squares = (x: ArrayLike<number>) => Array.from(x).reduce((sum, v) => sum + v * v, 0);
const identity = (d: number) => fill(d, d, (i, j) => Number(i === j));

/** X'X of `count` inputs, neighbours of which are alike: x_j = memory x_(j-1) + noise. */
function momentsOf(d: number, memory: number, { count = 4 * d, seed = 7 } = {}): Float64Array {
  const x = new Float64Array(d);
  const H = new Float64Array(d * d);
  for (let row = 0; row < count; ++row) {
    for (let j = 0; j < d; ++j)
      x[j] = (j ? memory * x[j - 1] : 0) + Math.sqrt(1 - (j ? memory * memory : 0)) * bell(seed, row * d + j);
    for (let i = 0; i < d; ++i) for (let j = 0; j < d; ++j) H[i * d + j] += x[i] * x[j];
  }
  return H;
}

/** tr(E H E') / tr(A H A') of what the code decodes to. */
function outputErrorOf(a: Matrix, code: TrellisCode, moments: Float64Array): number {
  const H = { data: moments, rows: a.cols, cols: a.cols };
  return outputSquares(subtract(toDense(a), decoded(code)), H) / outputSquares(toDense(a), H);
}

const shapes = fc.record({
  kind: fc.constantFrom(...(Object.keys(kinds) as Kind[])),
  rows: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(255, 256, 257, 300)),
  cols: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(129, 131)),
  seed: fc.integer({ min: 0, max: 1e6 }),
  f32: fc.boolean(),
  memory: fc.constantFrom(undefined, 0, 0.9),
  bits: fc.constantFrom(...allBits),
  p: fc.constantFrom(0.7, 1, 2, 3),
  windowBits: fc.constantFrom(10 as const, 12 as const),
  damping: fc.constantFrom(0.01, 0.5),
});

describe("against the twin", () => {
  test("codes mean what the contract says, and the report is of what is stored", async () => {
    await fc.assert(
      fc.asyncProperty(shapes, async ({ kind, rows, cols, seed, f32, memory, ...options }) => {
        const a = matrix(kind, rows, cols, { seed, f32 });
        const moments = memory === undefined ? undefined : momentsOf(cols, memory);
        const result = await loewner.trellisCode(a, { ...options, moments, seed });
        const { code, byteLength, error, outputError } = result;
        expect(byteLength).toBe(trellisBytes(code));
        const twin = decodeTrellis(code, tableOf(code));
        const back = decoded(code);
        const size = Math.sqrt(squares(a.data));
        expect(Math.sqrt(squares(subtract(twin, back).data))).toBeLessThan(1e-6 * size + 1e-300);
        const of = objective(toDense(a), twin, identity(cols), options.p);
        for (const name of ["l1", "l21", "l2"] as const)
          expect(Math.abs(result.objective[name] - of[name])).toBeLessThanOrEqual(
            1e-5 * of[name] + 1e-6 * size * Math.sqrt(rows * cols),
          );
        if (options.p !== 0.7)
          expect(Math.abs(result.objective.lp - of.lp)).toBeLessThanOrEqual(1e-4 * of.lp + 1e-5 * (size + size ** 3));
        const whole = squares(a.data);
        expect(Math.abs(error - (whole > 0 ? of.l2 ** 2 / whole : 0))).toBeLessThan(1e-5 * (1 + error));
        if (!moments) expect(outputError).toBe(error);
        else if (whole > 0) expect(relative(outputError, outputErrorOf(a, code, moments))).toBeLessThan(1e-3);
        // Rows of zeros stay rows of zeros.
        for (let i = 0; i < rows; ++i) {
          if (a.data.subarray(i * cols, (i + 1) * cols).some((x) => x !== 0)) continue;
          expect(back.data.subarray(i * cols, (i + 1) * cols).every((x) => x === 0)).toBe(true);
        }
      }),
      { numRuns: 60, seed: 20264 },
    );
  });

  test.each([
    [24, 9, 2, 0.9],
    [40, 16, 1, 0.5],
    [300, 13, 3, 0.98],
  ] as const)(
    "%i x %i, %i bits: each line is coded as the minimiser of what is left has it, nearly as well as can be",
    async (rows, cols, bits, memory) => {
      const a = toDense(matrix("plain", rows, cols, { seed: 4 }));
      const moments = { data: momentsOf(cols, memory), rows: cols, cols };
      const damping = 0.02;
      const { code } = await loewner.trellisCode(a, { bits, moments: moments.data, damping });
      const table = tableOf(code);
      const { segment, scales, scaleLevels } = code;
      const H = rotatedMoments(moments, code.rotation, damping);
      const entries = rotated(a, code.rotation);
      const lines = codedLines(code, table);
      const errors = Array.from({ length: rows }, () => new Float64Array(H.cols));
      for (let k = 0; k < H.cols; ++k) {
        const wanted = new Float64Array(lines.cols);
        for (let i = 0; i < rows; ++i) {
          const scale = scaleLevels[scales[i]];
          const own = entries.data[i * H.cols + k];
          wanted[i] = bestTarget(H, k, own, errors[i]) / scale;
          errors[i][k] = own - scale * lines.data[k * lines.cols + i];
        }
        for (let from = 0; from < rows; from += segment) {
          const x = wanted.subarray(from, from + segment);
          const y = lines.data.subarray(k * lines.cols + from, k * lines.cols + from + segment);
          const least = bestCircle(x, { ...code, table }).error;
          expect(squares(x.map((value, i) => value - y[i]))).toBeLessThan(1.3 * least + 1e-9);
        }
      }
    },
  );
});

describe("feedback", () => {
  const d = 96;
  const a = matrix("plain", 256, d, { f32: true });

  test.each(([1, 2, 3, 4, 6, 8] as const).flatMap((bits) => [0, 0.5, 0.9].map((memory) => [bits, memory] as const)))(
    "%i bits, inputs of memory %d: output errors are as foretold, and smaller than without",
    async (bits, memory) => {
      const moments = momentsOf(d, memory);
      const found = await loewner.trellisCode(a, { bits, moments });
      const plain = await loewner.trellisCode(a, { bits });
      expect(found.outputError).toBeCloseTo(outputErrorOf(a, found.code, moments), 8);
      expect(relative(found.outputError, found.predictedError)).toBeLessThan(0.15);
      expect(relative(plain.error, plain.predictedError)).toBeLessThan(0.15);
      const without = outputErrorOf(a, plain.code, moments);
      expect(found.outputError / without).toBeLessThan(memory === 0.9 ? 0.45 : memory ? 0.85 : 0.95);
      expect(found.error).toBeGreaterThan(plain.error);
    },
  );

  test("of inputs that are all alike feedback changes nothing", async () => {
    const moments = identity(d).data.map((x) => 5 * x);
    const [with_, without] = [
      await loewner.trellisCode(a, { bits: 2, moments }),
      await loewner.trellisCode(a, { bits: 2 }),
    ];
    expect(relative(with_.outputError, without.error)).toBeLessThan(0.01);
    expect(relative(with_.predictedError, without.predictedError)).toBeLessThan(1e-6);
  });

  test("only the ratios of moments count, and of a matrix that is not symmetric its symmetric part", async () => {
    const moments = momentsOf(d, 0.7);
    const one = await loewner.trellisCode(a, { bits: 2, moments });
    for (const factor of [2 ** -300, 2 ** 300]) {
      const other = await loewner.trellisCode(a, { bits: 2, moments: moments.map((x) => factor * x) });
      expect(other.code).toEqual(one.code);
      expect(relative(other.outputError, one.outputError)).toBeLessThan(1e-9);
    }
    const skewed = moments.map((x, at) => x + Math.sign((at % d) - Math.floor(at / d)) * 3);
    const { outputError } = await loewner.trellisCode(a, { bits: 2, moments: skewed });
    expect(relative(outputError, one.outputError)).toBeLessThan(0.02);
  });

  test("moments of fewer inputs than columns are made up for by damping; without it they are refused", async () => {
    const moments = momentsOf(d, 0, { count: 20 });
    const { outputError, code } = await loewner.trellisCode(a, { bits: 2, moments });
    expect(relative(outputError, outputErrorOf(a, code, moments))).toBeLessThan(1e-3);
    expect(outputError).toBeLessThan(0.03);
    await expect(loewner.trellisCode(a, { bits: 2, moments, damping: 0 })).rejects.toThrow(
      /moments and a damping of 0 are not positive definite/,
    );
  });

  test("damping is that share of the mean of the diagonal, added to it", async () => {
    const moments = momentsOf(d, 0.7);
    const damped = await loewner.trellisCode(a, { bits: 2, moments, damping: 0.3 });
    const mean = moments.reduce((sum, x, at) => (at % (d + 1) ? sum : sum + x / d), 0);
    const byHand = moments.map((x, at) => (at % (d + 1) ? x : x + 0.3 * mean));
    expect((await loewner.trellisCode(a, { bits: 2, moments: byHand, damping: 0 })).code).toEqual(damped.code);
    const none = await loewner.trellisCode(a, { bits: 2, moments, damping: 0 });
    expect(none.code).not.toEqual(damped.code);
    expect(none.outputError).toBeLessThan(damped.outputError);
  });

  test("damping is that share of the mean of the diagonal, added to it", async () => {
    const moments = momentsOf(d, 0.7);
    const damped = await loewner.trellisCode(a, { bits: 2, moments, damping: 0.3 });
    const mean = moments.reduce((sum, x, at) => (at % (d + 1) ? sum : sum + x / d), 0);
    const byHand = moments.map((x, at) => (at % (d + 1) ? x : x + 0.3 * mean));
    const added = await loewner.trellisCode(a, { bits: 2, moments: byHand, damping: 0 });
    expect(outputErrorOf(a, added.code, moments)).toBeCloseTo(damped.outputError, 4);
    const none = await loewner.trellisCode(a, { bits: 2, moments, damping: 0 });
    expect(none.outputError).toBeLessThan(0.97 * damped.outputError);
  });

  test("moments of zeros say nothing", async () => {
    const nothing = await loewner.trellisCode(a, { bits: 2, moments: new Float64Array(d * d) });
    expect({ ...nothing, seconds: 0 }).toEqual({ ...(await loewner.trellisCode(a, { bits: 2 })), seconds: 0 });
  });
});

describe("sizes", () => {
  const tables: [number, number][] = [
    [8, 5],
    [64, 96],
    [40, 384],
    [264, 100],
    [16, 5087],
  ];
  test.each(tables)(
    "%i x %i: decoded as reported, in 3 bits with an error near that of long rows",
    async (rows, cols) => {
      const a = matrix("plain", rows, cols, { f32: true, seed: cols });
      const { code, error, objective: of, byteLength } = await loewner.trellisCode(a, { bits: 3 });
      const rest = squares(subtract(toDense(a), decoded(code)).data);
      expect(relative(of.l2, Math.sqrt(rest))).toBeLessThan(1e-5);
      expect(relative(error, rest / squares(a.data))).toBeLessThan(1e-5);
      expect(error).toBeLessThan(rows * cols < 1000 ? 0.05 : 0.0245);
      expect(byteLength).toBe(trellisBytes(code));
    },
  );

  test.each(allBits.flatMap((bits) => [[bits, 10] as const, [bits, 12] as const]))(
    "%i bits, windows of %i: the error that is foretold",
    async (bits, windowBits) => {
      const a = matrix("plain", 512, 64, { f32: true });
      const { error, predictedError } = await loewner.trellisCode(a, { bits, windowBits });
      // From 7 bits on it is that of the few entries past the last level.
      expect(relative(error, predictedError)).toBeLessThan(bits < 7 ? 0.05 : 0.3);
    },
  );

  test("windows of 12 bits err less than those of 10", async () => {
    const a = matrix("plain", 512, 64, { f32: true });
    const errorOf = async (windowBits: 10 | 12) => (await loewner.trellisCode(a, { bits: 2, windowBits })).error;
    expect(await errorOf(12)).toBeLessThan(await errorOf(10));
  });

  test("one row, one column, one entry, two rows of which one is zeros, zeros alone", async () => {
    for (const [rows, cols] of [
      [1, 40],
      [40, 1],
      [1, 1],
    ]) {
      const a = matrix("plain", rows, cols, { f32: true, seed: 9 });
      for (const moments of [undefined, momentsOf(cols, 0.5)]) {
        const { error, outputError, code } = await loewner.trellisCode(a, { bits: 8, moments });
        expect(error).toBeLessThan(2e-3);
        expect(outputError).toBeLessThan(2e-3);
        expect(decoded(code).data.length).toBe(rows * cols);
      }
    }
    const half = { data: Float32Array.of(0, 0, 0, 1, -2, 3), rows: 2, cols: 3 };
    const { code: halfCode } = await loewner.trellisCode(half, { bits: 8 });
    expect(
      decoded(halfCode)
        .data.subarray(0, 3)
        .every((x) => x === 0),
    ).toBe(true);
    const zeros = { data: new Float32Array(60), rows: 12, cols: 5 };
    for (const moments of [undefined, momentsOf(5, 0.5)]) {
      const { code, error, outputError, predictedError } = await loewner.trellisCode(zeros, { bits: 2, moments });
      expect([error, outputError, predictedError]).toEqual([0, 0, 0]);
      expect(decoded(code).data.every((x) => x === 0)).toBe(true);
      expect([...code.scaleLevels]).toEqual([0]);
    }
  });

  test("few rows of different sizes have a scale each", async () => {
    const data = Float32Array.from({ length: 9 * 64 }, (_, i) => bell(1, i) * 10 ** Math.floor(i / 64 - 4));
    const { code } = await loewner.trellisCode({ data, rows: 9, cols: 64 }, { bits: 4 });
    const back = decoded(code);
    for (let i = 0; i < 9; ++i) {
      const own = Float64Array.from(data.subarray(64 * i, 64 * i + 64));
      const rest = own.map((x, j) => x - back.data[64 * i + j]);
      expect(squares(rest)).toBeLessThan(0.03 * squares(own));
    }
  });

  test("a power of two on A: the same codes", async () => {
    const plain = matrix("heavy-tailed rows", 300, 20, { f32: true }) as Matrix<Float32Array>;
    const moments = momentsOf(20, 0.8);
    const one = await loewner.trellisCode(plain, { bits: 3, moments });
    for (const exponent of [-90, -30, 17, 90]) {
      const data = plain.data.map((x) => x * 2 ** (exponent - 8));
      const small = await loewner.trellisCode({ ...plain, data }, { bits: 3, moments });
      expect(small.code.codes).toEqual(one.code.codes);
      expect(decoded(small.code).data).toEqual(decoded(one.code).data.map((x) => x * 2 ** (exponent - 8)));
      expect(relative(small.error, one.error)).toBeLessThan(1e-6);
      expect(relative(small.outputError, one.outputError)).toBeLessThan(1e-6);
    }
  });
});

describe("options and sources", () => {
  test.each(["f16", "bf16", "f64"] as const)("%s rows give the code of the numbers that they hold", async (dtype) => {
    const { data } = matrix("plain", 300, 24, { f32: true });
    const bytes = encodeNumbers(Float64Array.from(data), dtype as RowType);
    const rowBytes = bytes.length / 300;
    const source = {
      ...{ rows: 300, cols: 24, dtype, name: "rows" },
      read: (start: number, count: number) => bytes.subarray(start * rowBytes, (start + count) * rowBytes),
    };
    const { code, error } = await loewner.trellisCode(source, { bits: 2, moments: momentsOf(24, 0.6) });
    const wide = new Float64Array(300 * 24);
    await widenRows(source, 0, 300, wide);
    const all = { data: wide, rows: 300, cols: 24 };
    expect(relative(error, squares(subtract(all, decoded(code)).data) / squares(all.data))).toBeLessThan(1e-6);
  });

  test("the seed draws the rotation, and the same one gives the same bytes whatever the tile", async () => {
    const a = matrix("plain", 700, 24, { f32: true });
    const options = { bits: 2, moments: momentsOf(24, 0.6) } as const;
    const one = await loewner.trellisCode(a, options);
    const other = await createLoewner({ tileRows: 256 });
    expect({ ...(await other.trellisCode(a, options)), seconds: 0 }).toEqual({ ...one, seconds: 0 });
    other.dispose();
    const drawn = await loewner.trellisCode(a, { ...options, seed: 5 });
    expect(drawn.code.rotation).not.toEqual(one.code.rotation);
    expect(relative(drawn.outputError, one.outputError)).toBeLessThan(0.05);
  });

  test("the decoded rows are a matrix like any other, in any order", async () => {
    const a = matrix("plain", 600, 16, { f32: true });
    const { code, objective: of } = await loewner.trellisCode(a, { bits: 2 });
    const all = decoded(code);
    const decoder = new TrellisDecoder(code);
    for (const [start, count] of [
      [599, 1],
      [190, 220],
      [0, 0],
      [3, 5],
    ])
      expect(toDense({ ...code, data: decoder.rows(start, count) }).data).toEqual(
        all.data.subarray(16 * start, 16 * (start + count)),
      );
    const zero = {
      left: { data: new Float32Array(600), rows: 600, cols: 1 },
      right: { data: new Float32Array(16), rows: 1, cols: 16 },
    };
    const size = await loewner.residual(trellisRows(code), zero);
    expect(relative(size.l2, Math.sqrt(squares(all.data)))).toBeLessThan(1e-6);
    expect(of.l2).toBeLessThan(size.l2);
    expect(() => decoder.rows(599, 2)).toThrow("Rows 599 to 600 were asked of");
  });

  const a = matrix("plain", 30, 4, { f32: true });
  const bad = (at: number, x: number) => identity(4).data.map((value, i) => (i === at ? x : value));
  const refused: [string, Omit<TrellisCodeOptions, "bits"> & { bits?: number }, RegExp][] = [
    ["no bits", { bits: undefined }, /bits must be a whole number from 1 to 8; got undefined/],
    ["0 bits", { bits: 0 }, /bits must be a whole number from 1 to 8; got 0/],
    ["9 bits", { bits: 9 }, /from 1 to 8; got 9/],
    ["2.5 bits", { bits: 2.5 }, /from 1 to 8; got 2.5/],
    ["windows of 11", { windowBits: 11 as never }, /windowBits must be 10 or 12; got 11/],
    ["negative damping", { damping: -1 }, /damping must be a number of at least 0; got -1/],
    ["damping that is no number", { damping: NaN }, /damping must be .* got NaN/],
    ["endless damping", { damping: Infinity }, /damping must be .* got Infinity/],
    ["p", { p: 4 }, /p must be a number with 0 < p < 4; got 4/],
    ["seed", { seed: 0.5 }, /seed must be/],
    ["moments of another size", { moments: new Float64Array(9) }, /moments must be 4 x 4 numbers, .* got 9/],
    ["moments with NaN", { moments: bad(6, NaN) }, /moments hold NaN at row 1, column 2; every entry must be finite/],
    ["moments with infinity", { moments: bad(15, Infinity) }, /moments hold Infinity at row 3, column 3/],
    ["a negative square", { moments: bad(5, -1) }, /are not positive definite; second moments X'X are/],
    ["squares that are all negative", { moments: bad(0, 1).map((x) => -x) }, /not positive definite/],
    ["products larger than squares", { moments: bad(1, 9) }, /not positive definite/],
    ["products without squares", { moments: new Float64Array(16).fill(1, 1, 2) }, /not positive definite/],
  ];
  test.each(refused)("%s: refused", async (_name, options, message) => {
    const all = { bits: 2, ...options } as TrellisCodeOptions;
    await expect(loewner.trellisCode(a, all)).rejects.toThrow(message);
    await expect(loewner.trellisCode(a, all)).rejects.toMatchObject({ code: "INVALID_INPUT" });
  });

  test("NaN, and entries that f32 cannot decode, are refused", async () => {
    const holed = matrix("plain", 300, 8, { f32: true });
    holed.data[8 * 260 + 3] = NaN;
    await expect(loewner.trellisCode(holed, { bits: 2 })).rejects.toThrow(/NaN or infinity at row 260, column 3/);
    const far = { data: Float64Array.of(1e200, 1), rows: 1, cols: 2 };
    await expect(loewner.trellisCode(far, { bits: 2 })).rejects.toThrow(/largest entry of A is 1e\+200/);
  });

  test("a signal ends it, before and in the middle", async () => {
    const wide = matrix("plain", 2000, 48, { f32: true });
    await expect(loewner.trellisCode(wide, { bits: 2, signal: AbortSignal.abort("no") })).rejects.toMatchObject({
      code: "ABORTED",
      cause: "no",
    });
    const abort = new AbortController();
    const onProgress = ({ stage }: { stage: string }) => void (stage === "codes" && abort.abort("enough"));
    const tiles = await createLoewner({ tileRows: 256 });
    await expect(tiles.trellisCode(wide, { bits: 2, onProgress, signal: abort.signal })).rejects.toMatchObject({
      code: "ABORTED",
      cause: "enough",
    });
    tiles.dispose();
  });
});
