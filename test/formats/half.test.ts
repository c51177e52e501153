import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  bf16ToF32,
  decodeNumbers,
  encodeNumbers,
  f16ToF32,
  f32ToBf16,
  f32ToF16,
  openNpy,
} from "../../src/formats/index.js";
import { failure, fixtureSource } from "./fixtures.js";

const all = Uint16Array.from({ length: 65536 }, (_, i) => i);
const formats = [
  { name: "f16", widen: f16ToF32, narrow: f32ToF16, infinity: 0x7c00, last: 2 ** 16 },
  { name: "bf16", widen: bf16ToF32, narrow: f32ToBf16, infinity: 0x7f80, last: 2 ** 128 },
];

describe.each(formats)("$name", ({ widen, narrow, infinity, last }) => {
  test("every pattern widens and comes back; NaN stays NaN", () => {
    const wide = widen(all);
    const back = narrow(wide);
    for (let i = 0; i < 65536; i++) {
      const isNaNPattern = (i & 0x7fff) > infinity;
      expect(Number.isNaN(wide[i])).toBe(isNaNPattern);
      if (isNaNPattern) expect(back[i] & 0x7fff).toBeGreaterThan(infinity);
      else expect(back[i]).toBe(i);
    }
    expect([wide[infinity], wide[infinity | 0x8000]]).toEqual([Infinity, -Infinity]);
    expect(wide.subarray(0, infinity).every((x, i) => i === 0 || x > wide[i - 1])).toBe(true);
  });

  test("between every two neighbours: nearest, the middle to even, either sign, from f64", () => {
    const wide = widen(all);
    for (let i = 0; i < infinity; i++) {
      const [a, b] = [wide[i], i + 1 === infinity ? last : wide[i + 1]];
      const middle = (a + b) / 2; // exact in f64
      const below = middle - (b - a) * 2 ** -30;
      const above = middle + (b - a) * 2 ** -30;
      const even = i % 2 === 0 ? i : i + 1;
      const got = narrow(Float64Array.of(a, below, middle, above, -below, -middle, -above));
      const want = [i, i, even, i + 1, 0x8000 | i, 0x8000 | even, 0x8000 | (i + 1)];
      if (got.some((bits, k) => bits !== want[k])) expect([i, ...got]).toEqual([i, ...want]);
    }
  });

  test("zeros, infinities and numbers outside of the range keep their sign", () => {
    expect([...narrow(Float64Array.of(0, -0, 1e300, -1e300, 5e-324, -5e-324, Infinity, -Infinity))]).toEqual([
      0,
      0x8000,
      infinity,
      0x8000 | infinity,
      0,
      0x8000,
      infinity,
      0x8000 | infinity,
    ]);
    expect(narrow(new Float32Array(0)).length).toBe(0);
  });
});

test("f32 to f16 rounds as numpy does", async () => {
  const read = async (name: string) => {
    const rows = await openNpy(fixtureSource(name));
    return (await rows.read(0, rows.rows)).slice().buffer;
  };
  const f4 = new Float32Array(await read("round-f4.npy"));
  expect(f4.length).toBeGreaterThan(100);
  expect(f32ToF16(f4)).toEqual(new Uint16Array(await read("round-f4-to-f2.npy")));
});

test("f32 to bf16 agrees with the rounding by integers", () => {
  fc.assert(
    fc.property(fc.float({ noNaN: true }), (x) => {
      const bits = new Uint32Array(Float32Array.of(x).buffer)[0];
      expect(f32ToBf16(Float32Array.of(x))[0]).toBe(((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff);
    }),
    { numRuns: 2000 },
  );
});

test("numbers to bytes and back, at any alignment", async () => {
  const numbers = Float64Array.of(1.5, -2, 0.25);
  for (const dtype of ["f16", "bf16", "f32", "f64"] as const) {
    const bytes = encodeNumbers(numbers, dtype);
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    expect([...decodeNumbers(shifted.subarray(1), dtype)]).toEqual([...numbers]);
  }
  expect((await failure(() => decodeNumbers(new Uint8Array(7), "f32"), "INVALID_INPUT")).message).toBe(
    "7 bytes are not a whole number of f32 elements of 4 bytes.",
  );
});
