// A product that nobody takes to its end: expand must end with the taker's own error, not wait for it.
import { afterAll, beforeAll, expect, test } from "vitest";
import { setOf } from "../../src/model/safetensors/set.js";
import { createLoewner, type Loewner } from "../../src/index.js";
import { compressModel, expandModel } from "../../src/model/index.js";
import { writeSafetensors } from "../../src/formats/index.js";
import { mainFile, openBytes, safetensorsOf } from "./in-memory.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

test.each([1, 2, 3, 4, 7])("a sink that fails in write %i", async (at) => {
  // Blocks enough that more are on their way when one is refused.
  const model = await safetensorsOf([{ name: "wte.weight", rows: 40_000, cols: 64 }]);
  const { files } = await compressModel(loewner, model, { rank: 4, method: "svd" });
  const { tensors } = await expandModel(loewner, setOf(await openBytes(await mainFile(files))));
  const full = new Error("full");
  let writes = 0;
  const sink = { write: async () => void (++writes === at && (await Promise.reject(full))) };
  await expect(writeSafetensors(sink, { tensors })).rejects.toBe(full);
});
