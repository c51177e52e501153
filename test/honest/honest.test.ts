// What compress writes, verify finds true: every kind of table, method, p and type. `node scripts/honest.mjs` tries 500 of them; here
// every so many-th.
import { afterAll, beforeAll, expect, test } from "vitest";
import { memorySink, writeSafetensors } from "../../src/formats/index.js";
import { createLoewner, type Loewner } from "../../src/index.js";
import { compressModel, safetensorsModel, verifyLayers } from "../../src/model/index.js";
import { mainFile, openBytes } from "../model/in-memory.js";
import { cases, nameOf, tableOf, type Case } from "./cases.js";

const step = Number(process.env.LOEWNER_HONEST_STEP ?? 40);

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner({ threads: 1 });
});
afterAll(() => loewner.dispose());

async function verified(one: Case) {
  const { rows, cols, rank, method, p, type } = one;
  const bytes = tableOf(one);
  const sink = memorySink();
  const table = { name: "wte.weight", dtype: "F32" as const, shape: [rows, cols], byteLength: bytes.length };
  await writeSafetensors(sink, { tensors: [{ ...table, chunks: () => [bytes] }] });
  const original = safetensorsModel(await openBytes(sink.bytes()));
  const { files, layers } = await compressModel(loewner, original, { rank, method, p, type, layers: ["all"] });
  if (layers.length === 0) return undefined;
  return verifyLayers(loewner, original, safetensorsModel(await openBytes(await mainFile(files))));
}

test("of files that were written honestly, verify refuses none", { timeout: 3600_000 }, async () => {
  const refused: string[] = [];
  let count = 0;
  for (const one of [...cases(500)].filter((_, i) => i % step === 0)) {
    const verification = await verified(one);
    if (!verification) continue;
    ++count;
    const [{ ok, faults, saved, computed }] = verification.layers;
    if (process.env.STATS) console.log(JSON.stringify({ name: nameOf(one), saved, computed, faults }));
    if (!ok || !verification.ok) refused.push(`${nameOf(one)}: ${faults.join("; ")}`);
  }
  expect(refused).toEqual([]);
  expect(count).toBeGreaterThan(0);
  if (step === 1) console.log(`${count} files, 0 refused`);
});
