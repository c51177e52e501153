import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isLoewnerError } from "../../src/errors.js";
import { bytesSource, memorySink, readNpz, writeNpy } from "../../src/formats/index.js";
import { concat, failure, fixture, fixtureSource, latin1, values } from "./fixtures.js";

interface Entry {
  name: string;
  bytes: Uint8Array;
  method?: number;
  flags?: number;
  /** What the directory says of it, where that is not the truth. */
  size?: number;
  crc32?: number;
  offset?: number;
}

const fields = (...numbers: [number, 2 | 4][]) => {
  const bytes = new Uint8Array(numbers.reduce((sum, [, size]) => sum + size, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [number, size] of numbers) {
    if (size === 2) view.setUint16(at, number, true);
    else view.setUint32(at, number, true);
    at += size;
  }
  return bytes;
};

/** An archive as the format's text says it, sums left out unless given. */
function zip(entries: Entry[], { disk = 0, count = entries.length } = {}): Uint8Array {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  for (const { name, bytes, method = 0, flags = 0, size = bytes.length, crc32 = 0, offset = at } of entries) {
    const sizes: [number, 2 | 4][] = [
      [crc32, 4],
      [bytes.length, 4],
      [size, 4],
    ];
    const text = latin1(name);
    const local = fields([0x04034b50, 4], [20, 2], [flags, 2], [method, 2], [0, 4], ...sizes, [text.length, 2], [0, 2]);
    const place: [number, 2 | 4][] = [
      [text.length, 2],
      [0, 2],
      [0, 2],
      [0, 2],
      [0, 2],
      [0, 4],
      [offset, 4],
    ];
    directory.push(
      fields([0x02014b50, 4], [20, 2], [20, 2], [flags, 2], [method, 2], [0, 4], ...sizes, ...place),
      text,
    );
    parts.push(local, text, bytes);
    at += local.length + text.length + bytes.length;
  }
  const list = concat(...directory);
  const end = fields([0x06054b50, 4], [disk, 2], [disk, 2], [count, 2], [count, 2], [list.length, 4], [at, 4], [0, 2]);
  return concat(...parts, list, end);
}

const array = async (...numbers: number[]) => {
  const sink = memorySink();
  await writeNpy(sink, { data: Float32Array.from(numbers), shape: [numbers.length] });
  return sink.bytes();
};
const read = (bytes: Uint8Array) => readNpz(bytesSource(bytes, "x.npz"));

test.each(["stored.npz", "deflated.npz"])("%s of numpy", async (name) => {
  const arrays = await readNpz(fixtureSource(name));
  expect([...arrays.keys()]).toEqual(["input_ids", "x.y", "flag"]);
  expect(arrays.get("input_ids")).toEqual({
    ...{ dtype: "int64", shape: [20, 15] },
    data: BigInt64Array.from({ length: 300 }, (_, i) => BigInt(i % 7)),
  });
  expect(arrays.get("x.y")).toEqual({ dtype: "float32", shape: [3, 5], data: Float32Array.from(values.flat()) });
  expect(arrays.get("flag")).toEqual({ dtype: "bool", shape: [], data: Uint8Array.of(1) });
});

test("folders in it are passed over, what stands before it too", async () => {
  const bytes = zip([
    { name: "sub/", bytes: new Uint8Array() },
    { name: "sub/a.npy", bytes: await array(1, 2) },
  ]);
  expect([...(await read(bytes)).keys()]).toEqual(["sub/a"]);
});

describe("what is refused, and how", () => {
  const message = async (bytes: Uint8Array) => (await failure(read(bytes), "INVALID_FORMAT")).message;

  test("no archive, an empty file, the first half of one", async () => {
    expect(await message(await array(1))).toBe(
      "x.npz: not an archive (.npz, .zip), or its end is missing. It is a NumPy .npy file.",
    );
    expect(await message(new Uint8Array())).toMatch("not an archive");
    const whole = fixture("stored.npz");
    expect(await message(whole.subarray(0, whole.length / 2))).toMatch("its end is missing");
    expect(await message(whole.subarray(20))).toMatch(/x\.npz: .*(damaged|truncated)/);
  });
  test("an entry that is no array, or two of one name", async () => {
    const one = { name: "a.npy", bytes: await array(1) };
    expect(await message(zip([{ ...one, name: "readme.txt" }]))).toBe(
      'x.npz: "readme.txt" in it is no .npy file; numpy.savez(path, name=array, ...) writes nothing else.',
    );
    expect(await message(zip([one, one]))).toBe('x.npz: it has two entries named "a.npy".');
    expect(await message(zip([{ ...one, bytes: latin1("text") }]))).toMatch(/^x\.npz, a\.npy: not an \.npy file/);
  });
  test("encrypted, packed in another way, in several files", async () => {
    const one = { name: "a.npy", bytes: await array(1) };
    expect(await message(zip([{ ...one, flags: 1 }]))).toMatch(/"a\.npy" is encrypted/);
    expect(await message(zip([{ ...one, method: 12 }]))).toMatch(
      /"a\.npy" is packed by method 12; stored and deflated/,
    );
    expect(await message(zip([one], { disk: 1 }))).toMatch("one part of an archive in several files");
  });
  test("other bytes than the sum says, other sizes, more than deflate can hold", async () => {
    const bytes = await array(1, 2, 3);
    const packed = new Uint8Array(deflateRawSync(bytes));
    const one = { name: "a.npy", bytes: packed, method: 8 };
    expect(await message(zip([{ ...one, size: bytes.length, crc32: 1 }]))).toMatch(/"a\.npy" is damaged: /);
    expect(await message(zip([{ ...one, size: bytes.length - 1 }]))).toMatch(/unpacks to more than 139 bytes/);
    expect(await message(zip([{ ...one, size: 2 ** 30 }]))).toMatch(/bytes cannot unpack to 1073741824/);
    expect(await message(zip([{ name: "a.npy", bytes, size: 8 }]))).toMatch(/140 bytes are stored of 8/);
    expect(await message(zip([{ name: "a.npy", bytes, offset: 3 }]))).toMatch(/its header is none/);
    expect(await message(zip([{ name: "a.npy", bytes }], { count: 2 }))).toMatch(/entry 1 of its list is damaged/);
  });
  test("more than is read into memory", async () => {
    const half = { name: "a.npy", bytes: new Uint8Array(8), method: 8, size: 2 ** 30 + 1 };
    await failure(read(zip([half, { ...half, name: "b.npy" }])), "OUT_OF_MEMORY");
  });
  test("whatever bytes are changed: the arrays, or an error that says what is wrong", async () => {
    const whole = fixture("deflated.npz");
    const changes = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(changes, async (list) => {
        const bytes = whole.slice();
        for (const [at, byte] of list) bytes[at] = byte;
        await read(bytes).catch((error: unknown) => expect(isLoewnerError(error)).toBe(true));
      }),
      { numRuns: 300 },
    );
  });
});
