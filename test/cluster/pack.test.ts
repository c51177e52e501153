import fc from "fast-check";
import { expect, test } from "vitest";
import { pack, unpack } from "../../src/cluster/pack.js";
import { isLoewnerError } from "../../src/errors.js";

const arrays = fc.oneof(fc.float64Array(), fc.float32Array(), fc.uint8Array(), fc.int32Array(), fc.uint16Array());
const values = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    ...[
      fc.double(),
      fc.string(),
      fc.boolean(),
      fc.constant(null),
      fc.constantFrom(-0, NaN, Infinity, -Infinity),
      arrays,
    ],
    fc.array(tie("value"), { maxLength: 4 }),
    // "$" marks what JSON lacks; no name in this package begins with it.
    fc.dictionary(
      fc.string({ maxLength: 6 }).filter((key) => !/^(\$|__proto__$)/.test(key)),
      tie("value"),
      { maxKeys: 4 },
    ),
  ),
})).value;

/** Bit for bit, which toEqual is not for NaN. */
const bits = (value: unknown): unknown =>
  ArrayBuffer.isView(value)
    ? [value.constructor.name, ...new Uint8Array(value.buffer, value.byteOffset, value.byteLength)]
    : Array.isArray(value)
      ? value.map(bits)
      : typeof value === "object" && value !== null
        ? Object.entries(value).map(([key, of]) => [key, bits(of)])
        : Object.is(value, -0)
          ? "-0"
          : value;

test("what is packed comes out bit for bit, wherever it lies", () => {
  fc.assert(
    fc.property(values, fc.nat(9), (value, at) => {
      const packed = pack(value);
      const moved = new Uint8Array(packed.length + at);
      moved.set(packed, at);
      expect(bits(unpack(moved.subarray(at)))).toEqual(bits(value));
    }),
  );
});

test("parts of arrays, and arrays that share memory, are copied", () => {
  const all = Float64Array.of(1, 2, 3, 4);
  const found = unpack(pack({ part: all.subarray(1, 3), all })) as { part: Float64Array; all: Float64Array };
  expect(found).toEqual({ part: Float64Array.of(2, 3), all });
  found.part[0] = 9;
  expect(found.all[1]).toBe(2);
});

test("undefined is left out, functions do not cross", () => {
  expect(unpack(pack({ a: undefined, b: 1 }))).toEqual({ b: 1 });
  expect(unpack(pack(undefined))).toBe(null);
  expect(() => pack({ f: () => 1 })).toThrow("A function does not cross.");
  expect(() => pack(1n)).toThrow("A bigint does not cross.");
});

test("bytes that something else has written end in a tagged error", () => {
  const good = pack({ name: "x", data: Float64Array.of(1, 2, 3), list: [1, [2]] });
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 64 }),
        fc.nat(good.length - 1).map((end) => good.subarray(0, end)),
        fc
          .tuple(fc.nat(good.length - 1), fc.nat(255))
          .map(([at, byte]) => Uint8Array.from(good, (b, i) => (i === at ? byte : b))),
      ),
      (bytes) => {
        try {
          unpack(bytes);
        } catch (error) {
          expect(isLoewnerError(error, "CLUSTER")).toBe(true);
        }
      },
    ),
    { numRuns: 2000 },
  );
});
