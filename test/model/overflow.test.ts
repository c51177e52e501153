// Tables in half precision with a row near its largest number.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { f32ToF16 } from "../../src/half.js";
import { createLoewner, type Loewner } from "../../src/index.js";
import { bytesSource, openSafetensors } from "../../src/formats/index.js";
import { compressModel, safetensorsModel } from "../../src/model/index.js";
import { safetensorsBytes } from "../formats/fixtures.js";
import { uniform } from "./onnx-models/random.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

const [rows, cols] = [300, 24];
const numbers = Float32Array.from({ length: rows * cols }, (_, i) =>
  Math.floor(i / cols) === 100 ? (uniform(2, i) < 0.5 ? -60000 : 60000) : 2 * uniform(1, i) - 1,
);

async function table() {
  const data = new Uint8Array(f32ToF16(numbers).buffer);
  const header = JSON.stringify({
    "embed_tokens.weight": { dtype: "F16", shape: [rows, cols], data_offsets: [0, data.length] },
  });
  return safetensorsModel(await openSafetensors(bytesSource(safetensorsBytes(header, data), "m")));
}

describe("a row of +-60000 in a table of f16", () => {
  test.each(["int8", "int4", "transform"] as const)("is coded: %s", async (type) => {
    const size = type === "transform" ? { keep: 0.4 } : { rank: 8 };
    const { layers } = await compressModel(loewner, await table(), { type, ...size });
    expect(layers).toHaveLength(1);
    expect(Number.isFinite(layers[0].objective.l2)).toBe(true);
  });

  test("leaves the range of f16 in factors: the layer and the way out are named", async () => {
    await expect(compressModel(loewner, await table(), { rank: 8 })).rejects.toThrow(
      /left factor of embed_tokens\.weight .* f16 .*row 100.*--dtype.*--exclude/,
    );
  });
});
