import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type ByteSource,
  bytesSource,
  decodeNumbers,
  memorySink,
  npyHeader,
  openNpy,
  readNpyHeader,
  writeNpy,
} from "../../src/formats/index.js";
import { concat, failure, fixture, fixtureSource, latin1, values } from "./fixtures.js";

const numbers = async (source: ByteSource, start?: number, count?: number) => {
  const rows = await openNpy(source);
  return [...decodeNumbers(await rows.read(start ?? 0, count ?? rows.rows), rows.dtype)];
};
const npy = (text: string, data: Uint8Array | number = 0) =>
  bytesSource(
    concat(
      latin1(`\x93NUMPY\x01\x00${String.fromCharCode(text.length & 255, text.length >> 8)}${text}`),
      typeof data === "number" ? new Uint8Array(data) : data,
    ),
    "x.npy",
  );
const message = async (source: ByteSource) => (await failure(openNpy(source), "INVALID_FORMAT")).message;

describe("files of numpy", () => {
  const exact = { f2: (x: number) => decodeF2(x), f4: Math.fround, f8: (x: number) => x };
  for (const type of ["f2", "f4", "f8"] as const) {
    for (const end of ["little", "big"]) {
      for (const order of ["C", "F"]) {
        test(`${type} ${end} ${order}`, async () => {
          const source = fixtureSource(`${type}-${end}-${order}.npy`);
          const rows = await openNpy(source);
          expect([rows.rows, rows.cols, rows.dtype, rows.fortranOrder]).toEqual([
            3,
            5,
            type.replace("f2", "f16").replace("f4", "f32").replace("f8", "f64"),
            order === "F",
          ]);
          expect(rows.descr).toBe(`${end === "big" ? ">" : "<"}${type}`);
          const want = values.map((row) => row.map(exact[type]));
          expect(await numbers(source)).toEqual(want.flat());
          expect(await numbers(source, 1, 1)).toEqual(want[1]);
          expect(await numbers(source, 1, 2)).toEqual(want.slice(1).flat());
          expect(await numbers(source, 3, 0)).toEqual([]);
          // The same bytes as the plain file, whatever the order.
          const plain = await openNpy(fixtureSource(`${type}-little-C.npy`));
          expect([...(await rows.read(0, 3))]).toEqual([...(await plain.read(0, 3))]);
        });
      }
    }
  }

  test.each(["<V2", "|V2", "bfloat16"])("bfloat16, which NumPy does not have, as %s", async (descr) => {
    const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': (2, 2), }\n`;
    const source = npy(header, new Uint8Array(Uint16Array.of(0x3f80, 0xc000, 0x3e80, 0).buffer));
    expect((await openNpy(source)).dtype).toBe("bf16");
    expect(await numbers(source)).toEqual([1, -2, 0.25, 0]);
  });

  test.each([1, 2, 3])("format version %i.0", async (version) => {
    const source = fixtureSource(`version-${version}.npy`);
    expect((await readNpyHeader(source)).version).toEqual([version, 0]);
    expect(await numbers(source)).toEqual(values.flat().map(Math.fround));
  });

  test("a vector is a matrix of one column", async () => {
    const rows = await openNpy(fixtureSource("vector-f4.npy"));
    expect([rows.rows, rows.cols, rows.shape]).toEqual([7, 1, [7]]);
    expect(await numbers(fixtureSource("vector-f4.npy"))).toEqual([0, 0.25, 0.5, 0.75, 1, 1.25, 1.5]);
  });

  test.each([
    ["f4-little-C.npy", new Float32Array(values.flat()), [3, 5]],
    ["f8-little-C.npy", new Float64Array(values.flat()), [3, 5]],
    ["vector-f4.npy", Float32Array.from({ length: 7 }, (_, i) => i / 4), [7]],
    ["vector-f8.npy", Float64Array.from({ length: 300 }, (_, i) => i / 4), [300]],
    ["matrix-f8.npy", Float64Array.from({ length: 300 }, (_, i) => i / 4), [100, 3]],
    ["bad-0d.npy", Float32Array.of(3), []],
    ["bad-3d.npy", new Float32Array(8), [2, 2, 2]],
    ["bad-empty.npy", new Float32Array(0), [0, 3]],
  ])("we write %s byte for byte as numpy.save does", async (name, data, shape) => {
    const sink = memorySink();
    await writeNpy(sink, { data, shape });
    expect(sink.bytes()).toEqual(fixture(name));
  });
});

/** Nearest f2, by numpy's own file. */
function decodeF2(x: number): number {
  const at = values.flat().findIndex((y) => Object.is(x, y));
  const bits = new Uint16Array(fixture("f2-little-C.npy").slice(128).buffer)[at];
  const [exponent, mantissa] = [(bits >> 10) & 31, bits & 1023];
  return (
    (bits & 0x8000 ? -1 : 1) * (exponent === 0 ? mantissa * 2 ** -24 : (1 + mantissa / 1024) * 2 ** (exponent - 15))
  );
}

test("round trips, and every range of rows of every layout", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 6 }),
      fc.boolean(),
      fc.boolean(),
      fc.boolean(),
      async (n, d, f64, fortran, big) => {
        const waves = Array.from({ length: n * d }, (_, i) => Math.sin(i + 1) * 1e3);
        const data = f64 ? Float64Array.from(waves) : Float32Array.from(waves);
        const size = data.BYTES_PER_ELEMENT;
        const sink = memorySink();
        await writeNpy(sink, { data, shape: [n, d] });
        const file = sink.bytes();
        const plain = await openNpy(bytesSource(file));
        expect([...decodeNumbers(await plain.read(0, n), plain.dtype)]).toEqual([...data]);
        // The same matrix as numpy would lay it out.
        const body = new Uint8Array(data.buffer);
        const laid = new Uint8Array(body.length);
        for (let i = 0; i < n; i++) {
          for (let j = 0; j < d; j++) {
            for (let b = 0; b < size; b++)
              laid[(fortran ? j * n + i : i * d + j) * size + (big ? size - 1 - b : b)] = body[(i * d + j) * size + b];
          }
        }
        const source = npy(
          `{'descr': '${big ? ">" : "<"}f${size}', 'fortran_order': ${fortran ? "True" : "False"}, 'shape': (${n}, ${d})}`,
          laid,
        );
        const rows = await openNpy(source);
        for (let start = 0; start < n; start++) {
          for (let count = 0; count <= n - start; count++) {
            expect([...(await rows.read(start, count))]).toEqual([
              ...body.subarray(start * d * size, (start + count) * d * size),
            ]);
          }
        }
      },
    ),
    { numRuns: 60 },
  );
});

test("a Fortran-order file larger than a block is read a block of rows at a time", async () => {
  const [n, d] = [1200, 1 << 14]; // 79 MB: 512 rows a block
  const column = (j: number) => Float32Array.from({ length: n }, (_, i) => i + j / 4096);
  let reads = 0;
  const head = new TextEncoder().encode(`{'descr': '<f4', 'fortran_order': True, 'shape': (${n}, ${d})}`);
  const header = concat(latin1("\x93NUMPY\x01\x00"), Uint8Array.of(head.length, 0), head);
  const source: ByteSource = {
    name: "large",
    size: header.length + n * d * 4,
    async slice(start, end) {
      if (start < header.length) return header.subarray(start, Math.min(end, header.length));
      reads++;
      const j = Math.floor((start - header.length) / (4 * n));
      const from = start - header.length - j * 4 * n;
      return new Uint8Array(column(j).buffer).subarray(from, from + end - start);
    },
  };
  // readNpyHeader asks for 12 bytes, then the text.
  const rows = await openNpy(source);
  const got = new Float32Array((await rows.read(510, 4)).slice().buffer);
  expect(reads).toBe(2 * d); // rows 510, 511 in one block, 512, 513 in the next
  for (const [i, j] of [
    [0, 0],
    [1, 5],
    [2, d - 1],
    [3, 777],
  ])
    expect(got[i * d + j]).toBe(Math.fround(510 + i + j / 4096));
  await rows.read(600, 6);
  expect(reads).toBe(2 * d); // still the second block
});

test("a failed read is tried anew", async () => {
  const good = fixtureSource("f4-little-F.npy");
  let broken = true;
  const rows = await openNpy({
    ...good,
    slice: (a, b) => (a >= 128 && broken ? Promise.reject(new Error("network")) : good.slice(a, b)),
  });
  await expect(rows.read(0, 1)).rejects.toThrow("network");
  broken = false;
  expect((await rows.read(0, 1)).length).toBe(20);
});

describe("what cannot be read says why", () => {
  test("an empty file, and files of other formats, are refused by name", async () => {
    expect(await message(bytesSource(new Uint8Array(0), "x.npy"))).toBe(
      "x.npy: the file is empty (0 bytes); an .npy file was expected.",
    );
    expect(await message(bytesSource(latin1("hello, world"), "x.npy"))).toBe(
      'x.npy: not an .npy file: it begins with 68 65 6c 6c 6f 2c, not with 93 4e 55 4d 50 59 ("\\x93NUMPY"). It is text that begins with "hello, world", perhaps an error message saved in place of the file: download it again.',
    );
    expect(await message(bytesSource(latin1("PK\x03\x04........"), "x.npz"))).toContain(
      "It is a zip archive (.npz, or a PyTorch checkpoint)",
    );
    expect(await message(bytesSource(latin1("<!DOCTYPE html><html>"), "x"))).toContain("It is a web page");
    expect(await message(bytesSource(latin1("version https://git-lfs.github.com/spec/v1\n"), "x"))).toContain(
      "run `git lfs pull`",
    );
    expect(await message(fixtureSource("names.safetensors"))).toContain("It is probably a safetensors file.");
    expect(await message(bytesSource(latin1("\x93NUMPY\x04\x00v\x00{"), "x"))).toBe(
      "x: .npy format version 4.0 is not known; 1.0, 2.0 and 3.0 are. Save it again with numpy.save.",
    );
    expect(await message(bytesSource(latin1("\x93NUMPY\x02\x00\x01\x00\x01\x00{"), "x"))).toBe(
      "x: truncated in its header: it has 13 bytes, but the header ends at byte 65549. Copy or save it again.",
    );
  });

  test.each(["version-1.npy", "version-2.npy", "f8-big-F.npy"])("%s truncated at every byte", async (name) => {
    const whole = fixture(name);
    const dataStart = 128;
    for (let size = 1; size < whole.length; size++) {
      const error = await failure(openNpy(bytesSource(whole.subarray(0, size), "t.npy")), "INVALID_FORMAT");
      expect(error.place.file).toBe("t.npy");
      if (size < dataStart)
        expect(error.message).toMatch(
          new RegExp(
            `^t\\.npy: truncated in its header: it has ${size} bytes, but .* ends at byte \\d+\\. Copy or save it again\\.$`,
          ),
        );
      else expect(error.message).toContain(`${size - dataStart} bytes of data, but shape (3, 5)`);
    }
    expect(await message(bytesSource(whole.subarray(0, 150), "t.npy"))).toMatch(
      /^t\.npy: 22 bytes of data, but shape \(3, 5\) of [<>]f[48] needs (60|120): the file is truncated\. Copy or save it again\.$/,
    );
  });

  test("data after the array", async () => {
    expect(await message(bytesSource(concat(fixture("version-1.npy"), new Uint8Array(3)), "t.npy"))).toBe(
      "t.npy: 63 bytes of data, but shape (3, 5) of <f4 needs 60: there is something after the array. Copy or save it again.",
    );
  });

  test.each([
    [
      "bad-int64.npy",
      "dtype int64 ('<i8') is not supported; float16, bfloat16, float32 and float64 (f2, V2, f4, f8) are. Convert it first: numpy.save(path, a.astype('float64')).",
    ],
    [
      "bad-complex64.npy",
      "dtype complex64 ('<c8') is not supported; float16, bfloat16, float32 and float64 (f2, V2, f4, f8) are. Save its real part, or its size: numpy.save(path, a.real), numpy.save(path, abs(a)).",
    ],
    [
      "bad-record.npy",
      "a structured dtype (an array of records) is not supported; float16, bfloat16, float32 and float64 (f2, V2, f4, f8) are. Save one field: numpy.save(path, a['name']).",
    ],
    ["bad-0d.npy", "an array of 0 dimensions, shape (); a matrix (n, d) or a vector (n,) is needed. Reshape it first."],
    [
      "bad-3d.npy",
      "an array of 3 dimensions, shape (2, 2, 2); a matrix (n, d) or a vector (n,) is needed. Reshape it first.",
    ],
    ["bad-empty.npy", "the array is empty, shape (0, 3); at least one row and one column are needed."],
  ])("%s", async (name, text) => {
    expect(await message(fixtureSource(name))).toBe(`${name}: ${text}`);
  });

  const H = (what: string, at: number) =>
    `x.npy: the header is not understood: ${what} (byte ${at}). Expected {'descr': '<f4', 'fortran_order': False, 'shape': (n, d), }; save the array again with numpy.save.`;
  test.each([
    ["", "found the end where a value was expected", 10],
    ["[1]", "it is not a dict", 10],
    ["{'descr': '<f4', 'fortran_order': False}", "the key 'shape' is missing", 10],
    [
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}",
      "keys 'descr', 'fortran_order', 'shape', 'x'",
      10,
    ],
    ["{'descr': '<f4', 'descr': '<f8'}", "found the key 'descr' twice", 27],
    ["{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}", "'fortran_order' is not True or False", 10],
    ["{'descr': '<f4', 'fortran_order': False, 'shape': (1.5,)}", 'found "1" where a value was expected', 61],
    ["{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "'shape' is not a tuple of whole numbers", 10],
    ["{'descr': '<f4', 'fortran_order': False, 'shape': (3)}", "'shape' is not a tuple of whole numbers", 10],
    [
      "{'descr': '<f4', 'fortran_order': False, 'shape': (9007199254740993,)}",
      "'shape' is not a tuple of whole numbers",
      10,
    ],
    ["__import__('os').system('true')", 'found "_" where a value was expected', 10],
    ["{'descr': 'a\\x41'}", "found an escape or a line end in a string", 20],
    ["{'descr': '<f4", "found a string that does not end", 20],
    ["{'descr' '<f4'}", `found "'" where ':' was expected`, 19],
    ["{'descr': '<f4' 'shape': 1}", `found "'" where ',' or '}' was expected`, 26],
    ["{1: 2}", 'found "1" where a key in quotes was expected', 11],
    ["(1 2)", `found "2" where ',' or ')' was expected`, 13],
    ["{} x", 'found "x" after the literal', 13],
    ["007", "found the number 007 with a leading zero", 10],
    ["(".repeat(60000), "found nesting more than 16 deep", 27],
  ])("header %s", async (text, what, at) => {
    const error = await failure(openNpy(npy(text, 4)), "INVALID_FORMAT");
    expect(error.message).toBe(H(what, at));
    expect(error.place.offset).toBe(at);
  });

  test("odd but legal headers", async () => {
    for (const descr of ["<f4", "=f4", "|f4", "f4"]) {
      expect(
        await numbers(
          npy(
            `{"shape":(2L,),'fortran_order':False,\t'descr':'${descr}'}`,
            new Uint8Array(Float32Array.of(1, 2).buffer),
          ),
        ),
      ).toEqual([1, 2]);
    }
    expect(await message(npy("{'descr': 'O', 'fortran_order': False, 'shape': (1,)}"))).toContain(
      "dtype object ('O') is not supported",
    );
    expect(await message(npy("{'descr': '<f16', 'fortran_order': False, 'shape': (1,)}"))).toContain(
      "dtype float128 ('<f16') is not supported",
    );
    expect(await message(npy("{'descr': '', 'fortran_order': False, 'shape': (1,)}"))).toContain(
      "dtype '' is not supported",
    );
    expect(
      await message(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (9007199254740991, 9007199254740991)}")),
    ).toContain("shape (9007199254740991, 9007199254740991) of <f4 needs more than 2^53 bytes; the header is damaged.");
  });

  test("format version 3.0 that is not UTF-8", async () => {
    const bytes = fixture("version-3.npy");
    bytes[20] = 0xff;
    expect(await message(bytesSource(bytes, "x"))).toBe(
      "x: the header is not UTF-8, as format version 3.0 asks. Save it again with numpy.save.",
    );
  });

  test("rows that are not there", async () => {
    const rows = await openNpy(fixtureSource("f4-little-C.npy"));
    for (const [start, count] of [
      [0, 4],
      [-1, 1],
      [3, 1],
      [0.5, 1],
      [0, -1],
    ]) {
      expect((await failure(async () => rows.read(start, count), "INVALID_INPUT")).message).toBe(
        `f4-little-C.npy: rows ${start} to ${start + count} were asked for, but it has rows 0 to 3.`,
      );
    }
  });

  test("Int32Array is written as numpy.save writes int32", async () => {
    const sink = memorySink();
    await writeNpy(sink, { data: Int32Array.of(0, -2, 2 ** 31 - 1), shape: [3] });
    const header = "{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }";
    const text = `\x93NUMPY\x01\x00v\x00${header.padEnd(117)}\n`;
    const tail = Uint8Array.of(0, 0, 0, 0, 254, 255, 255, 255, 255, 255, 255, 127);
    expect(sink.bytes()).toEqual(concat(latin1(text), tail));
  });

  test("arrays that .npy cannot hold are refused before anything is written", async () => {
    const sink = memorySink();
    expect((await failure(writeNpy(sink, { data: new Float32Array(5), shape: [2, 3] }), "INVALID_INPUT")).message).toBe(
      "The shape (2, 3) holds 6 numbers, but the data has 5.",
    );
    expect(
      (await failure(writeNpy(sink, { data: new Int16Array(6) as never, shape: [6] }), "INVALID_INPUT")).message,
    ).toBe("writeNpy takes a Float32Array, a Float64Array or an Int32Array; copy the numbers into one first.");
    expect((await failure(() => npyHeader("f4" as never, [1.5]), "INVALID_INPUT")).message).toBe(
      "The shape of an .npy array must be whole numbers; got (1.5).",
    );
    expect(sink.size).toBe(0);
  });
});

test("arbitrary bytes end in a tagged error or in an array", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 187 }), fc.integer({ min: 0, max: 255 }), async (at, byte) => {
      const bytes = fixture("version-1.npy");
      bytes[at] = byte;
      try {
        await openNpy(bytesSource(bytes));
      } catch (error) {
        expect((error as { code: string }).code).toBe("INVALID_FORMAT");
      }
    }),
    { numRuns: 1000 },
  );
});

describe("a source that reads into memory of the caller's", () => {
  const whole = npy(
    "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 2), }",
    new Uint8Array(Float32Array.from({ length: 8 }, (_, i) => i).buffer),
  );
  /** Reads of rows are answered when `answers` are called. */
  function late() {
    const answers: (() => void)[] = [];
    const targets: ArrayBufferLike[] = [];
    const source: ByteSource = {
      ...whole,
      async readInto(target, start) {
        targets.push(target.buffer);
        await new Promise<void>((resolve) => answers.push(resolve));
        target.set(await whole.slice(start, start + target.byteLength));
      },
    };
    return { answers, targets, source };
  }

  test("rows stream through one buffer", async () => {
    const { source, answers, targets } = late();
    const rows = await openNpy(source);
    for (const [start, count] of [
      [0, 2],
      [2, 2],
      [3, 1],
    ]) {
      const reading = rows.read(start, count);
      answers.shift()!();
      const numbers = Array.from({ length: 2 * count }, (_, i) => 2 * start + i);
      expect([...decodeNumbers(await reading, "f32")]).toEqual(numbers);
    }
    expect(new Set(targets).size).toBe(1);
  });

  test("a read that nobody waits for any more does not spoil those that follow", async () => {
    const { source, answers } = late();
    const rows = await openNpy(source);
    const first = rows.read(0, 2); // leaves a buffer to be used again
    answers[0]();
    await first;
    const stale = rows.read(0, 2);
    const fresh = rows.read(2, 2);
    answers[2]();
    const bytes = await fresh;
    answers[1]();
    await stale;
    expect([...decodeNumbers(bytes, "f32")]).toEqual([4, 5, 6, 7]);
  });
});
