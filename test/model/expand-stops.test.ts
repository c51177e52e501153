// A product that nobody takes to its end: expand must end with the taker's own error, not wait for it; and it hears a signal while it works.
import { afterAll, beforeAll, expect, test } from "vitest";
import { setOf } from "../../src/model/safetensors/set.js";
import { createLoewner, type Loewner } from "../../src/index.js";
import { compressModel, expandModel } from "../../src/model/index.js";
import { writeSafetensors } from "../../src/formats/index.js";
import { failure } from "../formats/fixtures.js";
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

// Nothing here waits for a disk: a signal that fires in a turn of the event loop is heard only if there is one.
test.each([
  ["factors", "wte.weight", 60_000, 64, { rank: 4, method: "svd" }],
  ["factors, fitted transposed", "h.0.mlp.c_fc.weight", 64, 60_000, { rank: 4, method: "svd" }],
  ["codes", "wte.weight", 60_000, 64, { rank: 64, type: "int8" }],
  ["codes, fitted transposed", "h.0.mlp.c_fc.weight", 64, 60_000, { rank: 64, type: "int8" }],
] as const)("%s: a signal is heard while the table is made", async (_, name, rows, cols, options) => {
  const model = await safetensorsOf([{ name, rows, cols }]);
  const { files } = await compressModel(loewner, model, { ...options, layers: ["*"], keep: undefined });
  const small = setOf(await openBytes(await mainFile(files)));
  const abort = new AbortController();
  const { tensors } = await expandModel(loewner, small, { signal: abort.signal });
  const timer = setTimeout(() => abort.abort(), 0);
  let bytes = 0;
  const taking = (async () => {
    for (let again = 0; again < 1000; ++again)
      for (const tensor of tensors) for await (const chunk of tensor.chunks()) bytes += chunk.byteLength;
  })();
  await failure(taking, "ABORTED");
  clearTimeout(timer);
  expect(bytes).toBeLessThan(200 * 60_000 * 64 * 4);
});
