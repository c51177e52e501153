// Errors of numbers name the layer whose numbers they are, and what can be done about a layer.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bytesSource, encodeNumbers, openSafetensors } from "../../src/formats/index.js";
import { createLoewner, isLoewnerError, type Loewner } from "../../src/index.js";
import type { RowType } from "../../src/matrix.js";
import { compressModel, type CompressOptions, safetensorsModel } from "../../src/model/index.js";
import { safetensorsBytes } from "../formats/fixtures.js";
import { uniform } from "./onnx-models/random.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

const [rows, cols] = [200, 24];

async function table(scale: number, type: RowType) {
  const numbers = Float64Array.from({ length: rows * cols }, (_, i) => scale * (2 * uniform(1, i) - 1));
  const data = encodeNumbers(numbers, type);
  const header = JSON.stringify({
    "embed_tokens.weight": { dtype: type.toUpperCase(), shape: [rows, cols], data_offsets: [0, data.length] },
  });
  return safetensorsModel(await openSafetensors(bytesSource(safetensorsBytes(header, data), "m")));
}

const cases: [string, number, RowType, CompressOptions][] = [
  ["halves near the largest, fitted entry by entry", 65000, "f16", { keep: 0.5, method: "entrywise" }],
  ["floats near the largest, as factors", 3e38, "f32", { keep: 0.5 }],
  ["floats near the largest, in 8 bits", 3e38, "f32", { keep: 0.5, type: "int8" }],
  ["floats near the largest, in transform codes", 3e38, "f32", { keep: 0.5, type: "transform" }],
  ["floats near the smallest, in 8 bits", 1e-42, "f32", { keep: 0.5, type: "int8" }],
  ["doubles near the largest", 1e305, "f64", { keep: 0.5 }],
];

describe("numbers that a layer cannot be computed with", () => {
  test.each(cases)(
    "%s: the layer is named, and the way out is one of the command line",
    async (_, scale, type, options) => {
      const error: unknown = await compressModel(loewner, await table(scale, type), options).catch((e: unknown) => e);
      expect(isLoewnerError(error, "INVALID_INPUT")).toBe(true);
      if (!isLoewnerError(error)) return;
      expect(error.message).toMatch(/embed_tokens\.weight.*leave the layer out with --exclude embed_tokens\.weight/);
      expect(error.message).not.toMatch(/rowWeights|factorType|multiply A/i);
      expect(error.place.tensor).toBe("embed_tokens.weight");
    },
  );

  test("the type that is offered is a wider one", async () => {
    await expect(compressModel(loewner, await table(3e38, "f32"), { keep: 0.5 })).rejects.toThrow(/as f64 \(--dtype\)/);
  });

  test("an option that does not fit is no fault of the layer", async () => {
    const tried = compressModel(loewner, await table(1, "f32"), { keep: 0.5, method: "subspace", p: 4 });
    await expect(tried).rejects.toMatchObject({ place: {} });
  });
});
