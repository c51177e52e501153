import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  bytesSource,
  decodeNumbers,
  findTensor,
  layOutSafetensors,
  memorySink,
  openSafetensors,
  openSafetensorsIndex,
  safetensorsDtypes,
  type JsonValue,
  type SafetensorsFile,
  type SafetensorsInput,
  tensorBytes,
  tensorChunks,
  tensorRows,
  writeSafetensors,
  writeSafetensorsIndex,
} from "../../src/formats/index.js";
import { parseJson } from "../../src/formats/json.js";
import { defaultLimits } from "../../src/formats/limits.js";
import { concat, failure, fixture, fixtureSource, latin1, safetensorsBytes, values } from "./fixtures.js";

const open = (bytes: Uint8Array) => openSafetensors(bytesSource(bytes, "m.safetensors"));
const fault = (header: string | Uint8Array, data: Uint8Array | number = 0) =>
  failure(open(safetensorsBytes(header, data)), "INVALID_FORMAT");
const passThrough = (file: SafetensorsFile): SafetensorsInput[] =>
  [...file.tensors.values()].map((tensor) => ({ ...tensor, chunks: () => tensorChunks(file, tensor.name) }));
const f32 = (name: string, n: number, begin: number, end: number) =>
  `${JSON.stringify(name)}:{"dtype":"F32","shape":[${n}],"data_offsets":[${begin},${end}]}`;

describe("files of the reference implementation", () => {
  test("metadata of null is none, as the reference library has it", async () => {
    const bytes = safetensorsBytes(`{"__metadata__": null, ${f32("a", 1, 0, 4)}}`, 4);
    const file = await openSafetensors(bytesSource(bytes, "m"));
    expect([[...file.tensors.keys()], { ...file.metadata }]).toEqual([["a"], {}]);
  });

  test("names, metadata, order, values", async () => {
    const file = await openSafetensors(fixtureSource("names.safetensors"));
    expect([...file.tensors.keys()]).toEqual([
      "scalar",
      "double",
      "",
      "B",
      "__proto__",
      "a",
      "a.10",
      "a.2",
      "b",
      "constructor",
      "hollow",
      'q"\\/\x7f\u2028\n',
      "é",
      "\uffee",
      "\u{1f600}",
      "half",
      "odd",
    ]);
    expect(file.headerOrder).toEqual([...file.tensors.keys()]);
    expect(Object.entries(file.metadata)).toEqual(file.metadataEntries);
    expect(Object.fromEntries(file.metadataEntries!.map(([k, v]) => [`key ${k}`, v]))).toEqual({
      "key __proto__": "x",
      "key é": "/\x7f",
    });
    expect(Object.getPrototypeOf(file.metadata)).toBeNull();
    for (const [name, dtype, round] of [
      ["double", "f64", (x: number) => x],
      ["half", "f16", undefined],
    ] as const) {
      const rows = tensorRows(file, name);
      expect([rows.rows, rows.cols, rows.dtype, rows.name]).toEqual([3, 5, dtype, name]);
      const row = [...decodeNumbers(await rows.read(1, 2), rows.dtype)];
      expect(row.length).toBe(10);
      if (round) expect(row).toEqual(values.slice(1).flat());
      else expect(row.slice(0, 2)).toEqual([3.140625, 65504]);
    }
    expect(findTensor(file, "scalar")).toMatchObject({ dtype: "I64", shape: [], byteLength: 8 });
    expect(findTensor(file, "hollow")).toMatchObject({ shape: [0, 4], byteLength: 0 });
    for (const tensor of file.tensors.values()) expect(tensor.end - tensor.start).toBe(tensor.byteLength);
  });

  test.each(["names", "dtypes", "empty", "model-00001-of-00002"])(
    "%s: we write it byte for byte as the reference does",
    async (name) => {
      const file = await openSafetensors(fixtureSource(`${name}.safetensors`));
      for (const tensors of [passThrough(file), passThrough(file).reverse()]) {
        const sink = memorySink();
        const size = await writeSafetensors(sink, { tensors, metadata: file.metadataEntries });
        expect(sink.bytes()).toEqual(fixture(`${name}.safetensors`));
        expect(size).toBe(sink.size);
        expect(layOutSafetensors(tensors, file.metadataEntries).byteLength).toBe(size);
      }
    },
  );

  test("every dtype of the reference is read with its own size", async () => {
    const file = await openSafetensors(fixtureSource("dtypes.safetensors"));
    const seen = [...file.tensors.values()].map((tensor) => tensor.dtype);
    expect(seen).toEqual([...safetensorsDtypes].reverse().filter((dtype) => !dtype.startsWith("F6_")));
    expect(file.metadata.loewner).toBe('{"a":"\\u00e9\n\t\x01"}');
  });
});

test("round trips: any names, dtypes, shapes, metadata in their own order, chunks of any size", async () => {
  const name = fc
    .string({ unit: "grapheme", maxLength: 12 })
    .filter((text) => text !== "__metadata__" && !/\p{Surrogate}/u.test(text));
  const tensor = fc.record({
    name,
    dtype: fc.constantFrom(...safetensorsDtypes),
    shape: fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 3 }),
  });
  const entry = fc.tuple(
    fc.oneof(name, fc.constantFrom("10", "2", "__proto__", "toString")),
    fc.string({ unit: "grapheme" }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(tensor, { selector: (t) => t.name, maxLength: 8 }),
      fc.option(fc.uniqueArray(entry, { selector: ([key]) => key, maxLength: 5 }), { nil: undefined }),
      fc.integer({ min: 1, max: 40 }),
      async (specs, metadata, step) => {
        const tensors = specs.flatMap(({ name, dtype, shape }, k): (SafetensorsInput & { data: Uint8Array })[] => {
          const byteLength = tensorBytes(dtype, shape);
          if (typeof byteLength === "string") return [];
          const data = Uint8Array.from({ length: byteLength }, (_, i) => (i * 31 + k) & 255);
          const chunks = function* () {
            for (let at = 0; at < byteLength; at += step) yield data.subarray(at, at + step);
          };
          return [{ name, dtype, shape, byteLength, data, chunks }];
        });
        const sink = memorySink();
        await writeSafetensors(sink, { tensors, metadata });
        const file = await open(sink.bytes());
        expect(file.metadataEntries).toEqual(metadata);
        expect(file.tensors.size).toBe(tensors.length);
        expect(file.dataStart % 8).toBe(0);
        for (const { name, dtype, shape, data } of tensors) {
          const read = findTensor(file, name);
          expect([read.dtype, read.shape]).toEqual([dtype, shape]);
          expect(await file.source.slice(read.start, read.end)).toEqual(data);
          if (/^[FIU](16|32|64)$|BF16/.test(dtype)) expect((read.start * 8) % Number(/\d+/.exec(dtype)![0])).toBe(0);
        }
        const again = memorySink();
        await writeSafetensors(again, { tensors: passThrough(file).reverse(), metadata: file.metadataEntries });
        expect(again.bytes()).toEqual(sink.bytes());
      },
    ),
    { numRuns: 200 },
  );
});

test("header order may differ from file order; spaces may stand where JSON allows them", async () => {
  const file = await open(
    safetensorsBytes(`{ ${f32("b", 1, 4, 8)} ,\n${f32("a", 1, 0, 4)}, "__metadata__" : {} }   `, 8),
  );
  expect([...file.tensors.keys()]).toEqual(["a", "b"]);
  expect(file.headerOrder).toEqual(["b", "a"]);
  expect(file.metadataEntries).toEqual([]);
  expect((await open(safetensorsBytes("{}"))).metadataEntries).toBeUndefined();
});

describe("what cannot be read says why", () => {
  test("names.safetensors truncated at every byte of the header and at ten places in the data", async () => {
    const whole = fixture("names.safetensors");
    const { dataStart } = await open(whole);
    const places = Array.from({ length: dataStart }, (_, i) => i);
    for (let i = 0; i < 10; i++) places.push(dataStart + Math.floor((i * (whole.length - dataStart)) / 10));
    for (const size of places) {
      const { message, place } = await failure(open(whole.subarray(0, size)), "INVALID_FORMAT");
      expect(place.file).toBe("m.safetensors");
      if (size === 0)
        expect(message).toBe("m.safetensors: the file is empty (0 bytes); a safetensors file was expected.");
      else if (size < 8)
        expect(message).toBe(
          `m.safetensors: the file has ${size} bytes; a safetensors file begins with 8 bytes of header length. It is truncated; get it again.`,
        );
      else if (size < dataStart)
        expect(message).toBe(
          `m.safetensors: truncated in its header: the header ends at byte ${dataStart}, but the file has ${size} bytes. Copy or download it again.`,
        );
      else
        expect(message).toMatch(
          new RegExp(
            `^m\\.safetensors: tensor ".*" ends at byte \\d+ of the data, but the file holds only ${size - dataStart} bytes of data: it is truncated, or the header is damaged\\. Copy or download it again\\.$`,
          ),
        );
    }
  });

  test("header length", async () => {
    const withLength = (length: bigint, rest: string) => {
      const bytes = concat(new Uint8Array(8), latin1(rest));
      new DataView(bytes.buffer).setBigUint64(0, length, true);
      return failure(open(bytes), "INVALID_FORMAT");
    };
    expect((await withLength(100_000_001n, "{}")).message).toBe(
      "m.safetensors: not a safetensors file, or damaged: its first 8 bytes give a header of 100000001 bytes, over the format's limit of 100000000.",
    );
    expect((await withLength(2n ** 64n - 1n, "{}")).message).toContain("a header of 18446744073709551615 bytes");
    expect((await withLength(99_999_999n, "{}")).message).toContain(
      "the header ends at byte 100000007, but the file has 10 bytes",
    );
    expect((await withLength(0n, "{}")).message).toBe(
      "m.safetensors: damaged: a header of 0 bytes; the shortest there is, {}, has 2.",
    );
    expect((await withLength(1n, "{")).message).toContain("a header of 1 bytes");
  });

  test("foreign files", async () => {
    const message = async (text: string) => (await failure(open(latin1(text)), "INVALID_FORMAT")).message;
    expect(await message("version https://git-lfs.github.com/spec/v1\noid sha256:0")).toContain(
      "It is a Git LFS pointer, not the file itself: run `git lfs pull`.",
    );
    expect(await message("PK\x03\x04 and more of it")).toContain("It is a zip archive");
    expect(await message("GGUF\x03\0\0\0\0\0\0\0")).toContain("GGUF");
    expect(await message("\x80\x02\x8a\nl\xfc\x9cF\xf9 ")).toContain("It is a Python pickle");
    expect((await failure(openSafetensors(fixtureSource("version-1.npy")), "INVALID_FORMAT")).message).toContain(
      "It is a NumPy .npy file.",
    );
  });

  const M = "m.safetensors: ";
  const otherDtype = "Save the model again with that tensor in one of these, or without it.";
  const known =
    "BOOL, F4, F6_E2M3, F6_E3M2, U8, I8, F8_E5M2, F8_E4M3, F8_E8M0, F8_E4M3FNUZ, F8_E5M2FNUZ, I16, U16, F16, BF16, I32, U32, F32, C64, F64, I64, U64";
  const json = (what: string, at: number) =>
    `the header is not JSON that can be read: found ${what} (byte ${at} of the file). The file is damaged or was not made by a safetensors library; get or save it again.`;
  const one = (dtype: string, shape: string, offsets: string) =>
    `{"w":{"dtype":${dtype},"shape":${shape},"data_offsets":${offsets}}}`;
  test.each<[string, string, number, string]>([
    ["not JSON", "{nonsense}", 0, json("'n' where a name in double quotes was expected", 9)],
    [
      "does not begin with {",
      " {}",
      0,
      "not a safetensors file, or damaged: its header begins with byte 0x20, not with '{'.",
    ],
    ["text after it", "{}x", 0, json("'x' where the end was expected", 10)],
    ["zero bytes after it", "{}\0", 0, json("byte 0x00 where the end was expected", 10)],
    ["cut JSON", `{${f32("a", 1, 0, 4)}`, 4, json("the end where ',' or '}' was expected", 61)],
    ["trailing comma", "{},", 0, json("',' where the end was expected", 10)],
    [
      "duplicate name",
      `{${f32("a", 1, 0, 4)},${f32("a", 1, 4, 8)}}`,
      8,
      json('the name "a" stands twice in one object', 62),
    ],
    [
      "duplicate by escape",
      `{${f32("a", 1, 0, 4)},"\\u0061":{}}`,
      8,
      json('the name "a" stands twice in one object', 62),
    ],
    [
      "duplicate key in an entry",
      '{"a":{"dtype":"F32","dtype":"F32"}}',
      0,
      json('the name "dtype" stands twice in one object', 28),
    ],
    ["number with a fraction", one('"F32"', "[1.0]", "[0,4]"), 4, json("1.0 where only whole numbers may stand", 37)],
    ["half a surrogate pair", '{"\\ud800":{}}', 0, json("a string with half of a surrogate pair", 9)],
    ["control character", '{"a\n":{}}', 0, json("byte 0x0a where no control character in a string was expected", 11)],
    ["unknown escape", '{"\\x":{}}', 0, json("an unknown escape in a string", 10)],
    ["not a number", '{"a":01}', 0, json('"01", which is not a JSON number', 13)],
    ["bad word", '{"a":nul}', 0, json("'n' where a value was expected", 13)],
    [
      "unknown dtype",
      one('"F128"', "[1]", "[0,16]"),
      16,
      `tensor "w" has the unknown dtype "F128"; known are ${known}. ${otherDtype}`,
    ],
    [
      "dtype of Object",
      one('"toString"', "[1]", "[0,4]"),
      4,
      `tensor "w" has the unknown dtype "toString"; known are ${known}. ${otherDtype}`,
    ],
    [
      "dtype null",
      one("null", "[1]", "[0,4]"),
      4,
      `tensor "w" has the unknown dtype null; known are ${known}. ${otherDtype}`,
    ],
    [
      "entry not an object",
      '{"w":[1]}',
      0,
      'tensor "w" is an array in the header, not an object with dtype, shape and data_offsets.',
    ],
    ["no shape", '{"w":{"dtype":"F32","data_offsets":[0,4]}}', 4, 'tensor "w" has no shape in the header.'],
    [
      "another key",
      '{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}}',
      4,
      'tensor "w" has "x" in the header; only dtype, shape and data_offsets may stand there.',
    ],
    [
      "negative shape",
      one('"F32"', "[-1]", "[0,4]"),
      4,
      'tensor "w" has a shape that is not an array of whole numbers from 0 to 2^53 - 1.',
    ],
    [
      "shape past 2^53",
      one('"F32"', "[9007199254740993]", "[0,4]"),
      4,
      'tensor "w" has a shape that is not an array of whole numbers from 0 to 2^53 - 1.',
    ],
    [
      "65 dimensions",
      one('"F32"', `[${Array(65).fill(1)}]`, "[0,4]"),
      4,
      'tensor "w" has 65 dimensions; at most 64 are read.',
    ],
    [
      "shape overflows",
      one('"F32"', "[4294967296,4294967296]", "[0,4]"),
      4,
      'tensor "w" is F32 of shape [4294967296, 4294967296]: more than 2^53 bytes.',
    ],
    [
      "shape times dtype not matching",
      one('"F32"', "[2,3]", "[0,20]"),
      20,
      'tensor "w" is F32 of shape [2, 3], which takes 24 bytes, but its data_offsets [0, 20] hold 20.',
    ],
    [
      "half a byte",
      one('"F4"', "[3]", "[0,2]"),
      2,
      'tensor "w" is F4 of shape [3]: its elements of 4 bits do not fill whole bytes.',
    ],
    [
      "three offsets",
      one('"F32"', "[1]", "[0,4,8]"),
      4,
      'tensor "w" has data_offsets that are not two whole numbers from 0 to 2^53 - 1.',
    ],
    [
      "offsets swapped",
      one('"F32"', "[1]", "[4,0]"),
      4,
      'tensor "w" has data_offsets [4, 0]: it ends before it begins.',
    ],
    [
      "offsets out of range",
      one('"F32"', "[3]", "[4,16]"),
      8,
      'tensor "w" ends at byte 16 of the data, but the file holds only 8 bytes of data: it is truncated, or the header is damaged. Copy or download it again.',
    ],
    [
      "overlap",
      `{${f32("a", 2, 0, 8)},${f32("b", 2, 4, 12)}}`,
      12,
      'tensor "b" overlaps tensor "a" by 4 bytes, from byte 120 of the file. The header is damaged; get or save the file again.',
    ],
    [
      "hole",
      `{${f32("a", 1, 0, 4)},${f32("b", 1, 8, 12)}}`,
      12,
      'tensor "b" leaves a hole of 4 bytes before it, from byte 120 of the file. The header is damaged; get or save the file again.',
    ],
    [
      "hole at the start",
      `{${f32("a", 1, 4, 8)}}`,
      8,
      'tensor "a" leaves a hole of 4 bytes before it, from byte 62 of the file. The header is damaged; get or save the file again.',
    ],
    [
      "data of no tensor",
      `{${f32("a", 1, 0, 4)}}`,
      7,
      '3 bytes after the last tensor, "a", belong to no tensor (from byte 66 of the file). Get or save the file again.',
    ],
    [
      "data without tensors",
      "{}",
      5,
      "5 bytes after the header belong to no tensor (from byte 10 of the file). Get or save the file again.",
    ],
    [
      "metadata not an object",
      '{"__metadata__":3}',
      0,
      "__metadata__ is a number, not an object; the format allows text only. Save the file again.",
    ],
    [
      "metadata not text",
      '{"__metadata__":{"a":{}}}',
      0,
      '__metadata__ has an object under "a"; the format allows text only. Save the file again.',
    ],
  ])("%s", async (_, header, data, text) => {
    expect((await fault(header, data)).message).toBe(M + text);
  });

  test("not UTF-8", async () => {
    expect((await fault(latin1('{"\xff":{}}'))).message).toBe(M + json("a string that is not UTF-8", 10));
    expect((await fault(latin1("\xef\xbb\xbf{}"))).message).toContain("its header begins with byte 0xef");
  });

  test("JSON bombs end at once", async () => {
    const over = (header: string) => failure(open(safetensorsBytes(header, 0)), "LIMIT");
    const deep = await over(`{"a":${"[".repeat(5_000_000)}`);
    expect(deep.message).toMatch(/^m\.safetensors: the header has more than 32 objects and lists inside one another; /);
    expect(deep.place).toEqual({ file: "m.safetensors", offset: 8 + 5 + 31 });
    await over(`${'{"a":'.repeat(1_000_000)}1`);
    expect((await over(`{"a":[${"0,".repeat(3_000_000)}0]}`)).message).toContain("more than 2000000 values");
    expect((await fault(`{"a":${"9".repeat(1_000_000)}}`)).message).toContain("a number of more than 400 characters");
    expect((await fault(`{"a":"${"x".repeat(10_000_000)}`)).message).toContain("a string that does not end");
    expect((await fault(`{"${"x".repeat(1_000_000)}":3}`)).message.length).toBeLessThan(400);
  });

  test("arbitrary changes of one byte end in a tagged error or in a file", async () => {
    const { dataStart } = await open(fixture("names.safetensors"));
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: dataStart - 1 }),
        fc.integer({ min: 0, max: 255 }),
        async (at, byte) => {
          const bytes = fixture("names.safetensors");
          bytes[at] = byte;
          try {
            await open(bytes);
          } catch (error) {
            expect((error as { code: string }).code).toBe("INVALID_FORMAT");
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});

test("the strict parser agrees with JSON.parse on what JSON.stringify writes", () => {
  const plain = (value: unknown): unknown =>
    value instanceof Map
      ? Object.fromEntries([...value].map(([k, v]) => [k, plain(v)]))
      : Array.isArray(value)
        ? value.map(plain)
        : value;
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
      const text = JSON.stringify(value);
      if (/\\ud[89a-f]/.test(text)) return;
      const got = plain(
        parseJson(
          new TextEncoder().encode(text),
          { limits: { ...defaultLimits, jsonValues: 1000 } },
          { file: "f", part: "index", offset: 0 },
        ),
      );
      expect(got).toEqual(JSON.parse(text));
    }),
  );
});

test("an index is written as the Hugging Face libraries write it, whatever its metadata holds", async () => {
  const value = { total_size: 8, list: [1, [], {}, { b: null, a: "x" }], empty: {}, nothing: [] };
  const weight_map = { w: "a.safetensors" };
  const toMap = (any: unknown): JsonValue =>
    Array.isArray(any)
      ? any.map(toMap)
      : typeof any === "object" && any !== null
        ? new Map(Object.entries(any).map(([key, of]) => [key, toMap(of)]))
        : (any as JsonValue);
  const sink = memorySink();
  const metadata = toMap(value) as Map<string, JsonValue>;
  await writeSafetensorsIndex(sink, { metadata, weightMap: new Map(Object.entries(weight_map)) });
  const sorted = (any: unknown): unknown =>
    Array.isArray(any)
      ? any.map(sorted)
      : typeof any === "object" && any !== null
        ? Object.fromEntries(Object.entries(any).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, of]) => [key, sorted(of)])) // prettier-ignore
        : any;
  const text = new TextDecoder().decode(sink.bytes());
  expect(text).toBe(`${JSON.stringify(sorted({ metadata: value, weight_map }), null, 2)}\n`);
});

describe("rows and writing", () => {
  test("tensors that are no matrix", async () => {
    const file = await openSafetensors(fixtureSource("names.safetensors"));
    const message = async (name: string) => (await failure(() => tensorRows(file, name), "INVALID_INPUT")).message;
    expect(await message("odd")).toBe(
      'names.safetensors: tensor "odd" is U8 of shape [3]; only F16, BF16, F32 and F64 can be computed with.',
    );
    expect(await message("hollow")).toBe(
      'names.safetensors: tensor "hollow" is F32 of shape [0, 4]; at least one row and one column are needed.',
    );
    expect(await message("nope")).toBe(
      'names.safetensors has no tensor "nope"; it has "scalar", "double", "", "B", "__proto__", "a", "a.10", "a.2", "b", "constructor", ... (17 in all).',
    );
    const vector = await open(safetensorsBytes(`{${f32("v", 2, 0, 8)}}`, 8));
    expect((await failure(() => tensorRows(vector, "v"), "INVALID_INPUT")).message).toBe(
      'm.safetensors: tensor "v" is F32 of shape [2]; a matrix of 2 dimensions is needed.',
    );
    expect((await failure(async () => tensorRows(file, "double").read(2, 2), "INVALID_INPUT")).message).toBe(
      'names.safetensors: tensor "double" is F64 of shape [3, 5]; rows 2 to 4 were asked for.',
    );
  });

  const tensor = (over: Partial<SafetensorsInput> = {}): SafetensorsInput => ({
    name: "w",
    dtype: "F32",
    shape: [2],
    byteLength: 8,
    chunks: () => [new Uint8Array(8)],
    ...over,
  });
  test.each<[string, SafetensorsInput[], Record<string, unknown> | undefined, string]>([
    [
      "twice",
      [tensor(), tensor()],
      undefined,
      'Tensor "w" stands twice among the tensors to write; a safetensors file holds a name once.',
    ],
    [
      "__metadata__",
      [tensor({ name: "__metadata__" })],
      undefined,
      'Tensor "__metadata__" cannot be written: the format keeps that name for its metadata. Rename it.',
    ],
    [
      "surrogate",
      [tensor({ name: "\ud800" })],
      undefined,
      'Tensor "\\ud800" has half of a surrogate pair in its name, which UTF-8 cannot store. Rename it.',
    ],
    ["dtype", [tensor({ dtype: "F5" as never })], undefined, 'Tensor "w" has the unknown dtype "F5".'],
    ["shape", [tensor({ shape: [1.5] })], undefined, 'Tensor "w" has the shape [1.5]; whole numbers were expected.'],
    [
      "length",
      [tensor({ byteLength: 12 })],
      undefined,
      'Tensor "w" says it has 12 bytes, but F32 of shape [2] makes 8.',
    ],
    [
      "too few",
      [tensor({ chunks: () => [new Uint8Array(7)] })],
      undefined,
      'Tensor "w" gave 7 bytes instead of the 8 that its header entry says.',
    ],
    [
      "too many",
      [tensor({ chunks: () => [new Uint8Array(7), new Uint8Array(2)] })],
      undefined,
      'Tensor "w" gave at least 9 bytes instead of the 8 that its header entry says.',
    ],
    ["metadata", [tensor()], { a: 3 }, 'Metadata "a" is a number; the format allows text only.'],
  ])("refuses to write: %s", async (_, tensors, metadata, text) => {
    expect(
      (await failure(writeSafetensors(memorySink(), { tensors, metadata: metadata as never }), "INVALID_INPUT"))
        .message,
    ).toBe(text);
  });

  test("stops when the signal fires", async () => {
    const controller = new AbortController();
    const chunks = function* () {
      yield new Uint8Array(4);
      controller.abort();
      yield new Uint8Array(4);
    };
    await failure(
      writeSafetensors(memorySink(), { tensors: [tensor({ chunks })] }, { signal: controller.signal }),
      "ABORTED",
    );
  });
});

describe("index", () => {
  const index = (map: unknown, more = {}) =>
    bytesSource(new TextEncoder().encode(JSON.stringify({ ...more, weight_map: map })), "i.json");

  test("opens its shards and is written back byte for byte", async () => {
    const asked: string[] = [];
    const opened = await openSafetensorsIndex(fixtureSource("model.safetensors.index.json"), (shard) => {
      asked.push(shard);
      return fixtureSource(shard);
    });
    expect(asked).toEqual(["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]);
    expect([...opened.weightMap.keys()]).toEqual(["x", "y"]);
    expect(opened.metadata.get("total_size")).toBe(76);
    expect(opened.shards.get(asked[0])!.tensors.get("x")!.shape).toEqual([3, 5]);
    const sink = memorySink();
    await writeSafetensorsIndex(sink, opened);
    expect(new TextDecoder().decode(sink.bytes())).toBe(
      new TextDecoder().decode(fixture("model.safetensors.index.json")),
    );
  });

  test.each(["../x", "/x", "a/../../x", "C:\\x", "C:x", "..\\x", "", ".", "a//b", "a/", "x\0", "file:///x"])(
    "a shard called %j is refused before it is opened",
    async (shard) => {
      const error = await failure(
        openSafetensorsIndex(index({ w: shard }), () => expect.unreachable()),
        "INVALID_FORMAT",
      );
      expect(error.message).toBe(
        `i.json: tensor "w" is said to be in ${JSON.stringify(shard)}; a shard must lie in the folder of the index: a relative name, with / between folders and no "..".`,
      );
    },
  );

  test("what else is wrong", async () => {
    const message = async (source: ReturnType<typeof index>) =>
      (
        await failure(
          openSafetensorsIndex(source, () => fixtureSource("empty.safetensors")),
          "INVALID_FORMAT",
        )
      ).message;
    expect(await message(index({ w: "s" }))).toBe(
      'i.json: tensor "w" should be in "s", but that file has no such tensor. Index and shards do not belong together; get both again.',
    );
    expect(await message(index({ w: 3 }))).toBe('i.json: the file of tensor "w" is not text.');
    expect(await message(index({}))).toBe('i.json: its "weight_map" names no tensor.');
    expect(await message(index(3))).toBe('i.json: not a safetensors index: it has no object "weight_map".');
    expect(await message(bytesSource(new Uint8Array(0), "i.json"))).toContain("the file is empty (0 bytes)");
    expect(await message(bytesSource(latin1('{"weight_map":{"a":"x","a":"y"}}'), "i.json"))).toContain(
      'the index is not JSON that can be read: found the name "a" stands twice in one object (byte 23 of the file)',
    );
  });
});
