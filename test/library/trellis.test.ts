// Trellis codes: against the twin, against every path there is, the layout against bits read one by one, and the errors to expect.
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { bestCircle, windowsOf } from "../../reference/trellis.js";
import { linearCodes, measuredLengths } from "../../src/code-tables.js";
import { trellisError, trellisTable } from "../../src/code-trellis.js";
import { TransformDecoder } from "../../src/transform-codes.js";
import type { TrellisBits, WindowBits } from "../../src/types/index.js";
import { f16ToF32, f32ToF16 } from "../../src/half.js";
import { withFrame } from "../../src/kernel/frame.js";
import { inlinedKernel } from "../../src/kernel/inlined.js";
import { Kernel } from "../../src/kernel/load.js";
import { bell, uniform } from "./matrices.js";

let kernel: Kernel;
beforeAll(async () => {
  kernel = await Kernel.load(await inlinedKernel());
});

const allBits: TrellisBits[] = [1, 2, 3, 4, 5, 6, 7, 8];
const bothWindows: WindowBits[] = [10, 12];
const stored = allBits.flatMap((bits) => bothWindows.map((windowBits) => [bits, windowBits] as const));

interface Code {
  readonly bits: number;
  readonly windowBits: number;
  readonly table: Float32Array;
}

interface Encoded {
  /** A row's bytes behind another's. */
  readonly codes: Uint8Array;
  readonly decoded: Float32Array;
  /** Squared error, inner product with what is decoded, square of that: three a row. */
  readonly sums: Float64Array;
}

/** Rows of n entries, encoded and decoded by the kernel. The bytes behind the codes must stay as they are. */
function encode(x: Float32Array, n: number, { bits, windowBits, table }: Code, scales?: Float32Array): Encoded {
  const { call } = kernel;
  const rows = x.length / n;
  const bytes = (rows * n * bits) / 8;
  return withFrame(kernel, (frame) => {
    const narrow = (data: Float32Array) => {
      const at = frame.bytes(4 * data.length);
      kernel.f32(at, data.length).set(data);
      return at;
    };
    const [X, T] = [narrow(x), narrow(table)];
    const sums = frame.f64(3 * rows);
    const codes = frame.bytes(bytes + 1);
    kernel.bytes(codes, bytes + 1).fill(0xa5);
    const work = frame.bytes(call.trellisWorkBytes(n, bits, windowBits));
    call.trellisPrepare(work, n, bits, windowBits, T);
    call.trellisEncode(codes, sums, X, rows, n, n, bits, windowBits, T, work);
    const out = frame.bytes(4 * x.length);
    call.trellisDecode(out, codes, rows, n, bits, windowBits, T, scales ? narrow(scales) : 0);
    expect(kernel.bytes(codes, bytes + 1)[bytes]).toBe(0xa5);
    return {
      codes: kernel.bytes(codes, bytes).slice(),
      decoded: kernel.f32(out, x.length).slice(),
      sums: kernel.f64(sums, 3 * rows).slice(),
    };
  });
}

const sum = (x: ArrayLike<number>) => Array.from(x).reduce((a, b) => a + b, 0);
const dot = (x: ArrayLike<number>, y: ArrayLike<number>) => sum(Array.from(x, (v, i) => v * y[i]));
const squaredError = (x: ArrayLike<number>, y: ArrayLike<number>) => sum(Array.from(x, (v, i) => (v - y[i]) ** 2));

function normals(count: number, seed: number): Float32Array {
  return withFrame(kernel, (frame) => {
    const at = frame.f64(count);
    kernel.call.normals(at, count, seed, 0, 9, 0);
    return Float32Array.from(kernel.f64(at, count));
  });
}

/** Any code with at most 2^9 windows and 32 states. */
const anyCode = fc
  .record({ bits: fc.integer({ min: 1, max: 7 }), memory: fc.integer({ min: 2, max: 5 }) })
  .map(({ bits, memory }) => ({ bits, windowBits: Math.max(bits + 2, Math.min(9, bits + memory)) }));

/** A table without any order, by seed. */
const unordered = (seed: number, windowBits: number) =>
  Float32Array.from({ length: 2 ** windowBits }, (_, w) => bell(seed, w));

/** Entries of each kind by seed. */
const entryKinds = {
  "nearly normal": (seed: number, i: number) => bell(seed, i),
  huge: (seed: number, i: number) => bell(seed, i) * 1e6,
  tiny: (seed: number, i: number) => bell(seed, i) * 1e-20,
  "far ones": (seed: number, i: number) => bell(seed, i) * (uniform(seed + 1, i) < 0.1 ? 300 : 1),
  zeros: () => 0,
  constant: (seed: number) => bell(seed, 0),
};
const anyRow = fc.record({
  kind: fc.constantFrom(...(Object.keys(entryKinds) as (keyof typeof entryKinds)[])),
  n: fc.constantFrom(8, 16, 24, 40, 72, 80, 96, 136),
  seed: fc.nat(1e6),
});
const rowOf = ({ kind, n, seed }: { kind: keyof typeof entryKinds; n: number; seed: number }) =>
  Float32Array.from({ length: n }, (_, i) => entryKinds[kind](seed, i));

describe("against the twin", () => {
  test("any bits, any row: decoded in circles, the sums are of what is decoded, and no circle is much better", () => {
    fc.assert(
      fc.property(anyCode, anyRow, (shape, row) => {
        const code = { ...shape, table: unordered(row.seed, shape.windowBits) };
        const x = rowOf(row);
        const { decoded, codes, sums } = encode(x, x.length, code);
        const least = bestCircle(x, code).error;
        const error = squaredError(x, decoded);
        expect(error - least).toBeGreaterThan(-1e-9 * (1 + least));
        expect(error).toBeLessThan(1.2 * least + 1e-6);
        const close = (a: number, b: number) => expect(Math.abs(a - b)).toBeLessThanOrEqual(1e-9 * (1 + Math.abs(b)));
        close(sums[0], error);
        close(sums[1], dot(x, decoded));
        close(sums[2], dot(decoded, decoded));
        expect([...decoded]).toEqual(windowsOf(codes, x.length, code).map((w) => code.table[w]));
      }),
      { numRuns: 200, seed: 20261 },
    );
  });

  test("whole numbers, which lie on the grid: short rows with a choice of few states have the least error that there is", () => {
    const few = anyCode.map(({ bits, windowBits }) => ({ bits, windowBits: Math.min(windowBits, bits + 3) }));
    fc.assert(
      fc.property(few, fc.constantFrom(8, 16, 24, 32), fc.nat(1e6), (shape, n, seed) => {
        const whole = (k: number) => (_: unknown, i: number) => Math.floor(5 * uniform(seed + k, i)) - 2;
        const code = { ...shape, table: Float32Array.from({ length: 2 ** shape.windowBits }, whole(0)) };
        const x = Float32Array.from({ length: n }, whole(1));
        expect(encode(x, n, code).sums[0]).toBe(bestCircle(x, code).error);
      }),
      { numRuns: 200, seed: 20262 },
    );
  });

  test.each([
    [1, 3],
    [1, 8],
    [1, 9],
    [1, 10],
    [1, 12],
    [1, 16],
    [2, 4],
    [2, 6],
  ])(
    "%i bits, windows of %i: of all rows that 8 entries can have, windows longer than a row too, none is better",
    (bits, windowBits) => {
      for (let seed = 0; seed < 8; ++seed) {
        const table = unordered(seed, windowBits);
        const x = Float32Array.from({ length: 8 }, (_, i) => bell(seed + 100, i));
        let least = Infinity;
        for (let row = 0; row < 2 ** (8 * bits); ++row) {
          // The row three times: window i ends with code i of the last one.
          const all = (BigInt(row) << BigInt(16 * bits)) | (BigInt(row) << BigInt(8 * bits)) | BigInt(row);
          let error = 0;
          for (let i = 0; i < 8; ++i) {
            const w = Number((all >> BigInt(bits * (7 - i))) % BigInt(2 ** windowBits));
            error += (x[i] - table[w]) ** 2;
          }
          least = Math.min(least, error);
        }
        const { sums } = encode(x, 8, { bits, windowBits, table });
        expect(Math.abs(sums[0] - least)).toBeLessThan(1e-5 * least);
      }
    },
  );

  test.each([
    [4, 8, 1.12],
    [4, 24, 1.03],
    [4, 80, 1.03],
    [4, 136, 1.015],
    [6, 16, 1.001],
    [6, 72, 1.01],
    [6, 96, 1.01],
    [8, 40, 1.005],
    [8, 96, 1.005],
  ] as const)("%i bits, windows of 10, rows of %i: at most %f times the least error", (bits, n, most) => {
    const code = { bits, windowBits: 10, table: trellisTable(bits, 10) };
    const rows = 12;
    const x = normals(rows * n, 5);
    const error = sum(encode(x, n, code).sums.filter((_, i) => i % 3 === 0));
    const least = sum(Array.from({ length: rows }, (_, i) => bestCircle(x.subarray(i * n, i * n + n), code).error));
    expect(error / least).toBeGreaterThan(1 - 1e-6);
    expect(error / least).toBeLessThan(most);
  });
});

describe("in the file", () => {
  test.each(stored)("%i bits, windows of %i: from neighbouring bytes by a shift and a mask", (bits, windowBits) => {
    const code = { bits, windowBits, table: trellisTable(bits, windowBits) };
    for (const n of [8, 16, 24, 72, 104]) {
      const { codes, decoded } = encode(normals(n, n), n, code);
      // Enough bytes for a window that ends anywhere in the last one. Before the row there is its end, however often.
      const taken = Math.ceil((windowBits + 7) / 8);
      for (let i = 0; i < n; ++i) {
        const end = (i + 1) * bits;
        let whole = 0;
        for (let k = taken; k > 0; --k) whole = 256 * whole + codes.at((Math.ceil(end / 8) - k) % codes.length)!;
        const window = (whole >> ((8 - (end % 8)) % 8)) % 2 ** windowBits;
        expect(decoded[i]).toBe(code.table[window]);
      }
    }
  });

  test.each(stored)("%i bits, windows of %i: a matrix in transform codes decodes to the same", (bits, windowBits) => {
    const rows = 3;
    for (const n of [8, 16, 24, 104]) {
      const scaleLevels = Float32Array.of(0, 0.3, 1.7);
      const scales = Uint8Array.of(2, 0, 1);
      const rowScales = Float32Array.from(scales, (code) => scaleLevels[code]);
      const code = { bits, windowBits, table: trellisTable(bits, windowBits) };
      const { codes, decoded } = encode(normals(rows * n, n), n, code, rowScales);
      const right = {
        kind: "codes",
        rows: n,
        cols: 8,
        paddedCols: 8,
        bits: 8,
        block: 8,
        levels: new Float32Array(256),
        planes: [{ bits: 8, bytesPerRow: 8, bytes: new Uint8Array(8 * n) }],
        scales: new Uint16Array(n),
      } as const;
      const decoder = new TransformDecoder({
        kind: "transform",
        rows,
        cols: 8,
        windowBits,
        centre: new Float32Array(8),
        bands: [{ bits, cols: n, codes, right }],
        scales,
        scaleLevels,
      });
      expect(decoder.left(0, rows)).toEqual(decoded);
    }
  });

  test("rows know nothing of one another, and the same row gives the same bytes", () => {
    for (const [bits, windowBits] of stored) {
      const code = { bits, windowBits, table: trellisTable(bits, windowBits) };
      const [n, rows] = [bits < 3 ? 16 : 88, 5];
      const x = normals(n * rows, 3);
      const scales = Float32Array.from({ length: rows }, (_, i) => 0.3 + i);
      const all = encode(x, n, code, scales);
      const bytes = (n * bits) / 8;
      for (let i = 0; i < rows; ++i) {
        const one = encode(x.slice(i * n, i * n + n), n, code);
        expect(all.codes.slice(i * bytes, i * bytes + bytes)).toEqual(one.codes);
        expect(all.sums.slice(3 * i, 3 * i + 3)).toEqual(one.sums);
        expect(all.decoded.slice(i * n, i * n + n)).toEqual(one.decoded.map((y) => y * scales[i]));
      }
    }
  });
});

describe("tables", () => {
  test.each(stored)(
    "%i bits, windows of %i: halves, odd, nearly every window a value of its own",
    (bits, windowBits) => {
      const table = trellisTable(bits, windowBits);
      expect(table.length).toBe(2 ** windowBits);
      expect(f16ToF32(f32ToF16(table))).toEqual(table);
      table.forEach((y, w) => expect(table[table.length - 1 - w]).toBe(-y));
      expect(new Set(table).size).toBeGreaterThan(0.8 * table.length);
    },
  );

  // Squared error at 1, 2, 3, 4 bits with windows of 10: at most these, Shannon's bound is 4^-bits.
  const asked = [0.279, 0.0725, 0.019, 0.0049];
  test.each(stored)(
    "%i bits, windows of %i: the error on fresh normal entries is what is recorded",
    (bits, windowBits) => {
      const n = 512;
      const x = normals((bits < 6 ? 32 : 256) * n, 77);
      const { sums } = encode(x, n, { bits, windowBits, table: trellisTable(bits, windowBits) });
      const rowErrors = [...sums.filter((_, i) => i % 3 === 0)].map((x) => x / n);
      const error = sum(rowErrors) / rowErrors.length;
      // From 6 bits on much of the error is that of the few entries past the last level, and a sample's mean varies with them.
      const deviation = Math.sqrt(sum(rowErrors.map((x) => (x - error) ** 2))) / rowErrors.length / error;
      const tolerance = bits < 6 ? 0.03 : Math.max(0.03, 3 * deviation);
      expect(Math.abs(error / trellisError(bits, windowBits, n) - 1)).toBeLessThan(tolerance);
      if (bits <= 4) expect(error).toBeLessThan(asked[bits - 1]);
      expect(error).toBeGreaterThan(4 ** -bits);
    },
  );

  test("short rows err as recorded, between the lengths that were measured too", () => {
    for (const [bits, windowBits] of [
      [1, 10],
      [2, 12],
      [4, 10],
      [8, 12],
    ] as const) {
      const code = { bits, windowBits, table: trellisTable(bits, windowBits) };
      for (const n of [8, 24, 56, 96, 144]) {
        const x = normals(n * Math.ceil((bits < 8 ? 16384 : 131072) / n), 78);
        const error = sum(encode(x, n, code).sums.filter((_, i) => i % 3 === 0)) / x.length;
        expect(Math.abs(error / trellisError(bits, windowBits, n) - 1)).toBeLessThan(0.1);
      }
    }
  });

  test("each bit more gains less than the one before: what an allocation by greatest gain relies on", () => {
    for (const windowBits of bothWindows) {
      for (const n of [8, 64, 384, Infinity]) {
        const errors = [0, ...allBits].map((bits) => trellisError(bits as TrellisBits | 0, windowBits, n));
        const gains = errors.slice(1).map((error, i) => errors[i] - error);
        gains.forEach((gain, i) => {
          expect(gain).toBeGreaterThan(0);
          if (i) expect(gain).toBeLessThan(gains[i - 1]);
        });
        if (n > 64) allBits.forEach((bits) => expect(errors[bits]).toBeGreaterThan(4 ** -bits));
      }
    }
    expect(trellisError(3, 10, Infinity)).toBeLessThan(linearCodes[10][2].errors.at(-1)!);
    for (const n of measuredLengths) {
      expect(trellisError(3, 10, n)).toBeCloseTo(linearCodes[10][2].errors[measuredLengths.indexOf(n)], 12);
    }
  });
});
