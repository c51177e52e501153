import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bytesSource, memorySink, writeNpy } from "../../src/formats/index.js";
import { readNpyArray } from "../../src/formats/npy-array.js";
import { concat, failure, fixtureSource, latin1, values } from "./fixtures.js";

function npy(descr: string, shape: string, data: Uint8Array | ArrayBuffer, fortran = false) {
  const text = `{'descr': '${descr}', 'fortran_order': ${fortran ? "True" : "False"}, 'shape': ${shape}, }\n`;
  const header = latin1(`\x93NUMPY\x01\x00${String.fromCharCode(text.length & 255, text.length >> 8)}${text}`);
  return bytesSource(concat(header, new Uint8Array(data)), "x.npy");
}

describe("files of numpy", () => {
  for (const end of ["little", "big"]) {
    for (const order of ["C", "F"]) {
      test(`f4 and f8, ${end} endian, ${order} order`, async () => {
        const f8 = await readNpyArray(fixtureSource(`f8-${end}-${order}.npy`));
        expect(f8).toEqual({ dtype: "float64", shape: [3, 5], data: Float64Array.from(values.flat()) });
        const f4 = await readNpyArray(fixtureSource(`f4-${end}-${order}.npy`));
        expect(f4).toEqual({ dtype: "float32", shape: [3, 5], data: Float32Array.from(values.flat()) });
      });
      test(`f2 keeps its bits, ${end} endian, ${order} order`, async () => {
        const { dtype, data } = await readNpyArray(fixtureSource(`f2-${end}-${order}.npy`));
        expect(dtype).toBe("float16");
        // 0, -0, 1.5, -2.25, the smallest subnormal; 65504, the largest number.
        expect([...data].slice(0, 5)).toEqual([0, 0x8000, 0x3e00, 0xc080, 1]);
        expect(data[6]).toBe(0x7bff);
      });
    }
  }
  test("int64, no dimensions, three dimensions, none of an axis", async () => {
    expect((await readNpyArray(fixtureSource("bad-int64.npy"))).dtype).toBe("int64");
    expect((await readNpyArray(fixtureSource("bad-0d.npy"))).shape).toEqual([]);
    expect((await readNpyArray(fixtureSource("bad-3d.npy"))).shape).toHaveLength(3);
    expect((await readNpyArray(fixtureSource("bad-empty.npy"))).data).toHaveLength(0);
  });
});

test("every type, at bytes of known value", async () => {
  const read = async (descr: string, ...bytes: number[]) => {
    const { dtype, data } = await readNpyArray(npy(descr, "(1,)", Uint8Array.from(bytes)));
    return [dtype, data[0]];
  };
  expect(await read("|b1", 1)).toEqual(["bool", 1]);
  expect(await read("|i1", 254)).toEqual(["int8", -2]);
  expect(await read("|u1", 254)).toEqual(["uint8", 254]);
  expect(await read("<i2", 254, 255)).toEqual(["int16", -2]);
  expect(await read(">u2", 1, 2)).toEqual(["uint16", 258]);
  expect(await read(">i4", 255, 255, 255, 254)).toEqual(["int32", -2]);
  expect(await read("<u4", 1, 0, 0, 128)).toEqual(["uint32", 2 ** 31 + 1]);
  expect(await read(">i8", 0, 32, 0, 0, 0, 0, 0, 1)).toEqual(["int64", 2n ** 53n + 1n]);
  expect(await read("<u8", 0, 0, 0, 0, 0, 0, 0, 255)).toEqual(["uint64", 255n << 56n]);
});

test("Fortran order of any shape comes out in C order", async () => {
  const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(shapes, async (shape) => {
      const count = shape.reduce((product, n) => product * n, 1);
      // Element i of the C order, put where the Fortran order has it.
      const data = new BigInt64Array(count);
      for (let i = 0; i < count; ++i) {
        let [rest, at, stride] = [i, 0, 1];
        const index = [...shape]
          .reverse()
          .map((n) => [rest % n, (rest = Math.floor(rest / n))][0])
          .reverse();
        for (const [axis, n] of shape.entries()) [at, stride] = [at + index[axis] * stride, stride * n];
        data[at] = BigInt(i);
      }
      const tuple = `(${shape.map((n) => `${n},`).join(" ")})`;
      const array = await readNpyArray(npy("<i8", tuple, data.buffer, true));
      expect(array.shape).toEqual(shape);
      expect([...array.data].map(Number)).toEqual(Array.from({ length: count }, (_, i) => i));
    }),
  );
});

test("a NaN keeps its bits in either order", async () => {
  const bits = Uint32Array.of(0x7faceeee, 0xffc00001, 0x7f800001, 0x3f800000);
  const { data } = await readNpyArray(npy("<f4", "(2, 2)", bits.buffer, true));
  const [a, b, c, d] = bits;
  expect([...new Uint32Array(data.buffer)]).toEqual([a, c, b, d]);
});

test("what writeNpy writes, any shape", async () => {
  const sink = memorySink();
  const data = Float32Array.from({ length: 24 }, (_, i) => i / 7);
  await writeNpy(sink, { data, shape: [2, 3, 4] });
  expect(await readNpyArray(bytesSource(sink.bytes()))).toEqual({ dtype: "float32", data, shape: [2, 3, 4] });
});

test("the source's bytes are not handed out", async () => {
  const source = npy("|u1", "(2,)", Uint8Array.of(1, 2));
  (await readNpyArray(source)).data[0] = 9;
  expect([...(await readNpyArray(source)).data]).toEqual([1, 2]);
});

test("refused, saying what and why", async () => {
  const message = async (source: Parameters<typeof readNpyArray>[0]) =>
    (await failure(readNpyArray(source), "INVALID_FORMAT")).message;
  expect(await message(npy("<c8", "(1,)", new Uint8Array(8)))).toBe(
    "x.npy: dtype complex64 ('<c8') is not supported; floats of 16 to 64 bits, integers of 8 to 64 bits and bool are. Save its real part, or its size: numpy.save(path, a.real), numpy.save(path, abs(a)).",
  );
  expect(await message(npy("<i8", "(3,)", new Uint8Array(16)))).toBe(
    "x.npy: 16 bytes of data, but shape (3,) of int64 needs 24: the file is truncated. Copy or save it again.",
  );
  expect(await message(npy("<i8", "(1,)", new Uint8Array(16)))).toContain("there is something after the array");
  const huge = npy("<i8", "(300000000,)", new Uint8Array(0));
  expect((await failure(readNpyArray(huge), "OUT_OF_MEMORY")).message).toBe(
    "x.npy: shape (300000000,) of int64 takes 2400000000 bytes; at most 2147483648 are read into memory. Give a part of it, such as its first rows.",
  );
});
