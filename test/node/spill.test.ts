// Left factors that go through a temporary file: the same bytes as through memory, and no file stays.
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openSpill, type SpillFile } from "../../src/node/files/spill.js";
import { FileError } from "../../src/errors.js";
import { createLoewner, type Loewner } from "../../src/index.js";
import { compressModel, type CompressOptions, type Model } from "../../src/model/index.js";
import { matrix } from "../library/matrices.js";
import { failure } from "../formats/fixtures.js";
import { mainFile, onnxBytes, openOnnxBytes, safetensorsOf, type Table } from "../model/in-memory.js";

let loewner: Loewner;
let folder: string;
let spills: SpillFile[];
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "loewner-spill-"));
  spills = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** As the command line does it. */
async function spill(): Promise<SpillFile> {
  const opened = await openSpill(folder);
  spills.push(opened);
  return opened;
}

const closeAll = () => Promise.all(spills.map(({ close }) => close()));

const tables: Table[] = [
  { name: "wte.weight", rows: 700, cols: 12 },
  { name: "wide.weight", rows: 16, cols: 90 },
];
const models: Record<string, () => Promise<Model>> = {
  safetensors: () => safetensorsOf(tables),
  ONNX: () => openOnnxBytes(onnxBytes(tables)),
};

describe.each(Object.entries(models))("%s", (_, open) => {
  test.each<CompressOptions>([
    { keep: 0.5 },
    { keep: 0.5, type: "f16" },
    { keep: 0.4, type: "bf16", method: "entrywise" },
    { keep: 0.3, type: "f64", p: 1.5, method: "svd" },
    { keep: 0.5, method: "auto", objective: "lp" },
  ])("the same file as without: %o", async (options) => {
    const model = await open();
    const wanted = { layers: ["all"], ...options };
    const plain = await compressModel(loewner, model, wanted);
    const spilled = await compressModel(loewner, model, { ...wanted, spill, spillBytes: 0 });
    expect(spills).toHaveLength(plain.layers.length);
    expect(readdirSync(folder)).toHaveLength(spills.length);
    expect(await mainFile(spilled.files)).toEqual(await mainFile(plain.files));
    await closeAll();
    expect(readdirSync(folder)).toEqual([]);
  });
});

test("only left factors above the limit go there", async () => {
  const model = await safetensorsOf(tables);
  await compressModel(loewner, model, { layers: ["all"], rank: 4, spill, spillBytes: 700 * 4 * 4 - 1 });
  expect(spills).toHaveLength(1);
  await compressModel(loewner, model, { layers: ["all"], rank: 4, spill, spillBytes: 700 * 4 * 4 });
  await compressModel(loewner, model, { layers: ["all"], rank: 4, spill });
  expect(spills).toHaveLength(1);
  await closeAll();
});

describe("what is left of a table in codes, while it is proved", () => {
  const rows = 3000;
  const open = () => safetensorsOf([{ name: "wte.weight", rows, cols: 24 }]);
  const options = { layers: ["all"], keep: 0.2, type: "transform" as const };

  test("goes there and is gone with the proof; the file and what is proved stay the same", async () => {
    const model = await open();
    const plain = await compressModel(loewner, model, options);
    const spilled = await compressModel(loewner, model, { ...options, spill, spillBytes: rows * 24 * 4 - 1 });
    expect(spills).toHaveLength(1);
    expect(readdirSync(folder)).toEqual([]);
    expect(spilled.layers[0].certificate).toEqual(plain.layers[0].certificate);
    expect(await mainFile(spilled.files)).toEqual(await mainFile(plain.files));
    await compressModel(loewner, model, { ...options, spill, spillBytes: rows * 24 * 4 });
    expect(spills).toHaveLength(1);
  });

  test("is proved in memory where the disk has no room for it", async () => {
    const model = await open();
    const full = () => Promise.reject(new FileError("No space is left on the disk."));
    const { layers } = await compressModel(loewner, model, { ...options, spill: full, spillBytes: 0 });
    expect(layers[0].certificate).toEqual((await compressModel(loewner, model, options)).layers[0].certificate);
  });
});

test("closed after a failure or an abort in the middle, nothing stays", async () => {
  const { data } = matrix("plain", 300, 8);
  // More than halves hold.
  data.fill(4e4, 16, 24);
  const broken = await safetensorsOf([tables[0], { name: "wpe.weight", rows: 300, cols: 8, data }]);
  const options = { layers: ["all"], keep: 0.5, spill, spillBytes: 0 };
  const { message } = await failure(compressModel(loewner, broken, { ...options, type: "f16" }), "INVALID_INPUT");
  expect(message).toMatch(/f16|1\.8e308/);
  const abort = new AbortController();
  const onProgress = () => {
    if (spills.length > 1) abort.abort();
  };
  const stopped = compressModel(loewner, await safetensorsOf(tables), { ...options, signal: abort.signal, onProgress });
  await failure(stopped, "ABORTED");
  expect(spills.length).toBeGreaterThan(1);
  await closeAll();
  await closeAll(); // twice does no harm
  expect(readdirSync(folder)).toEqual([]);
});

test("a spill gives back what was written, by ranges; a folder that is not there is an error that names it", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 40 })), fc.nat(99), fc.nat(99), async (chunks, a, b) => {
      const { sink, finish, close } = await openSpill(folder);
      for (const chunk of chunks) await sink.write(chunk);
      const all = Buffer.concat(chunks);
      const source = await finish();
      expect(source.size).toBe(all.length);
      const [start, end] = [a, b].map((x) => Math.min(x, all.length)).sort((x, y) => x - y);
      expect(Buffer.from(await source.slice(start, end)).equals(all.subarray(start, end))).toBe(true);
      await close();
    }),
    { numRuns: 30 },
  );
  expect(readdirSync(folder)).toEqual([]);
  const { message } = await failure(openSpill(join(folder, "none")), "FILE");
  expect(message).toMatch(/none/);
});

test("lowRank's left, handed over by rows or left out: the same numbers of everything else", async () => {
  const { data, rows, cols } = matrix("heavy-tailed rows", 300, 8, { f32: true });
  const A = { data, rows, cols };
  for (const method of ["auto", "lewis", "svd", "level-set", "subspace", "entrywise"] as const) {
    const options = { rank: 3, p: 1, method, objective: "lp" as const };
    const whole = await loewner.lowRank(A, options);
    const handed = new Float32Array(rows * 3);
    let next = 0;
    const streamed = await loewner.lowRank(A, {
      ...options,
      left: (start, block) => {
        expect(start).toBe(next);
        next += block.length / 3;
        handed.set(block, start * 3);
      },
    });
    const without = await loewner.lowRank(A, { ...options, left: false });
    expect(next).toBe(rows);
    expect(handed).toEqual(whole.left.data);
    for (const { right, report, certificate } of [streamed, without]) {
      expect(right).toEqual(whole.right);
      expect(certificate).toEqual(whole.certificate);
      expect(report.objective).toEqual(whole.report.objective);
    }
    expect(without.left.data).toHaveLength(0);
  }
});
