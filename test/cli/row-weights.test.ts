// The file that --row-weights names: counts in an .npy vector of any numeric type, or a tokenizer.json.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readRowWeights } from "../../src/cli/row-weights.js";
import { f32ToF16 } from "../../src/formats/index.js";
import { rowWeightsOf, tokenWeights } from "../../src/model/tokens/weights.js";
import { concat, failure, latin1 } from "../formats/fixtures.js";

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), "loewner-row-weights-"))));
afterAll(() => rm(folder, { recursive: true }));

/** An .npy file of version 1.0 as NumPy would write it. */
function npy(descr: string, shape: string, data: ArrayBufferView): Uint8Array {
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${shape}, }`;
  const header = text.padEnd(117) + "\n";
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return concat(latin1("\x93NUMPY\x01\x00"), Uint8Array.of(header.length, 0), latin1(header), bytes);
}

async function file(name: string, content: Uint8Array | string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

const unigram = fileURLToPath(new URL("../fixtures/tokenizers/unigram.json", import.meta.url));

describe("row weights from a file", () => {
  const counts = [0, 1, 255, 3, 80];

  test.each([
    ["<f4", Float32Array.from(counts)],
    ["<f8", Float64Array.from(counts)],
    ["<f2", f32ToF16(Float32Array.from(counts))],
    ["<i4", Int32Array.from(counts)],
    ["<i8", BigInt64Array.from(counts, BigInt)],
    ["|u1", Uint8Array.from(counts)],
  ])("counts as %s", async (descr, data) => {
    for (const shape of ["(5,)", "(5, 1)"]) {
      const read = await readRowWeights(await file("counts.npy", npy(descr, shape, data)), 0.5);
      expect(read.weightsFor(5)).toEqual(rowWeightsOf(counts, 0.5));
      expect(read.weightsFor(4)).toBeUndefined();
      expect(read.misfit(4).message).toMatch(/counts\.npy has 5 counts, but the table has 4 rows/);
      expect(read.tokenizer).toBeUndefined();
      expect(read.weightsFor(8)).toEqual(rowWeightsOf([...counts, 0, 0, 0], 0.5));
      expect(read.weightsFor(134)).toBeUndefined();
      expect(read.description).toMatch(
        /counts\.npy: 5 counts, to the power 0\.5; rows of a table beyond them count as never read/,
      );
    }
  });

  test("a tokenizer", async () => {
    const read = await readRowWeights(unigram, 0.25);
    expect(read.weightsFor(105)).toEqual(rowWeightsOf(tokenWeights(await readFile(unigram), 105).weights, 0.25));
    expect(read.weightsFor(128)).toHaveLength(128);
    expect(read.weightsFor(80)).toBeUndefined();
    expect(read.misfit(80).message).toMatch(/unigram\.json has 105 tokens .* 80 rows/);
    expect([0, 1, 2, 3, 4].map((row) => read.tokenizer!.tokens.get(row))).toEqual([
      "<pad>",
      "</s>",
      "<unk>",
      "▁",
      "▁the",
    ]);
    expect(read.description).toMatch(/unigram\.json: 105 tokens, .*Unigram model, to the power 0\.25/);
  });

  test.each([
    ["a matrix", "INVALID_INPUT", npy("<f4", "(2, 3)", new Float32Array(6)), /shape \(2, 3\).*reshape/],
    ["one row", "INVALID_INPUT", npy("<f4", "(1, 3)", new Float32Array(3)), /shape \(1, 3\)/],
    ["no numbers", "INVALID_INPUT", npy("<f4", "(0,)", new Float32Array(0)), /shape \(0\)/],
    ["a negative count", "INVALID_INPUT", npy("<f4", "(2,)", Float32Array.of(1, -1)), /bad: The count of row 1 is -1/],
    ["only zeros", "INVALID_INPUT", npy("<f4", "(2,)", new Float32Array(2)), /All 2 counts are 0/],
    [
      "complex numbers",
      "INVALID_FORMAT",
      npy("<c8", "(1,)", new Float32Array(2)),
      /complex64 \('<c8'\) is not supported/,
    ],
    ["a truncated array", "INVALID_FORMAT", npy("<f4", "(9,)", new Float32Array(6)), /truncated/],
    ["text", "INVALID_FORMAT", "1 2 3", /an \.npy vector of counts or from a tokenizer\.json; this is neither/],
    ["an archive", "INVALID_FORMAT", "PK\x03\x04....", /neither. It is a zip archive/],
    ["an empty file", "INVALID_FORMAT", "", /neither/],
    ["another JSON file", "INVALID_FORMAT", ' {"model_type": "bert"}', /this is a config\.json/],
  ] as const)("%s", async (_, code, content, message) => {
    const path = await file("bad", content);
    const error = await failure(readRowWeights(path, 0.25), code);
    expect(error.message).toMatch(message);
    expect(error.message.startsWith(path)).toBe(true);
    expect(error.place.file).toBe(path);
  });

  test("no such file, a folder, another power", async () => {
    expect((await failure(readRowWeights(join(folder, "none"), 0.25), "FILE")).message).toMatch(/none/);
    expect((await failure(readRowWeights(folder, 0.25), "FILE")).message).toMatch(/folder/);
    expect((await failure(readRowWeights(unigram, 0.3), "INVALID_INPUT")).message).toMatch(/got 0\.3/);
  });
});
