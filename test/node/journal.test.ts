// Layers kept in a folder and taken up again: the same bytes as without, and nothing taken up that would not be made so now.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import * as fsPromises from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { bytesSource } from "../../src/formats/index.js";
import { createLoewner, type Loewner } from "../../src/index.js";
import { compressModel, type CompressOptions, type Model } from "../../src/model/index.js";
import { packLayer, unpackLayer } from "../../src/model/journal-layer.js";
import { openJournal, type FolderJournal, type JournalOptions } from "../../src/node/journal/journal.js";
import { removeFinishedJournal } from "../../src/node/journal/folder.js";
import type { StoredLayer, StoredPair } from "../../src/model/stored.js";
import { failure } from "../formats/fixtures.js";
import { mainFile, onnxBytes, openOnnxBytes, safetensorsOf, type Table } from "../model/in-memory.js";
import { transformLayer } from "../model/onnx-models/transform.js";

vi.mock("node:fs/promises", async (original) => ({ ...(await original<typeof fsPromises>()) }));

let loewner: Loewner;
let folder: string;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "loewner-journal-"));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true, force: true });
});

const out = () => join(folder, "small");
const open = (options: Partial<JournalOptions> = {}) => openJournal(out(), { version: "1", resume: true, ...options });
const entriesIn = (journal: FolderJournal) =>
  readdirSync(journal.folder).filter((name) => /^[0-9a-f]{24}\.json$/.test(name));

const tables: Table[] = [
  { name: "wte.weight", rows: 700, cols: 12 },
  { name: "wide.weight", rows: 16, cols: 90 },
  { name: "Infinity", rows: 300, cols: 10 },
];
const models: Record<string, () => Promise<Model>> = {
  safetensors: () => safetensorsOf(tables),
  ONNX: () => openOnnxBytes(onnxBytes(tables)),
};

/** A run that is stopped when `layers` of its layers are kept. */
async function stopAfter(layers: number, model: Model, options: CompressOptions): Promise<void> {
  const journal = open();
  const abort = new AbortController();
  const keep = journal.keep.bind(journal);
  let kept = 0;
  vi.spyOn(journal, "keep").mockImplementation(async (entry, parts) => {
    await keep(entry, parts);
    if (entry.text !== "" && ++kept === layers) abort.abort();
  });
  await failure(compressModel(loewner, model, { ...options, journal, signal: abort.signal }), "ABORTED");
  expect(await journal.stop()).toBe(true);
}

describe.each(Object.entries(models))("%s", (_, openModel) => {
  test.each<CompressOptions>([
    { keep: 0.5 },
    { keep: 0.5, p: Infinity, method: "lewis", type: "f16" },
    { keep: 0.4, type: "int4", multipleOf: 1 },
    { keep: 0.4, type: "auto" },
    { budget: 0.6, type: "int8" },
    { keep: 0.5, type: "bf16", spillBytes: 0 },
  ])("taken up after each layer: the same file and report as without a journal, %o", async (options) => {
    const model = await openModel();
    const wanted = { layers: ["all"], ...options };
    const plain = await compressModel(loewner, model, wanted);
    const report = (layers: typeof plain.layers) => layers.map((layer) => ({ ...layer, seconds: 0 }));
    for (let layers = 1; layers < plain.layers.length; ++layers) {
      await stopAfter(layers, model, wanted);
      const journal = open();
      expect(journal.earlierSeconds).toBeGreaterThan(0);
      const again = await compressModel(loewner, await openModel(), { ...wanted, journal });
      expect(again.resumed).toHaveLength(layers);
      expect(again.anew).toEqual([]);
      expect(Buffer.compare(await mainFile(again.files), await mainFile(plain.files))).toBe(0);
      expect(report(again.layers)).toEqual(report(plain.layers));
      await journal.finish();
      expect(readdirSync(folder)).toEqual([]);
    }
  });
});

describe("what is taken up", () => {
  const options: CompressOptions = { layers: ["all"], keep: 0.5, method: "lewis" };

  async function resumed(model: Model, more: Partial<CompressOptions> = {}, version = "1") {
    const journal = open({ version });
    const plain = await compressModel(loewner, model, { ...options, ...more });
    const result = await compressModel(loewner, model, { ...options, ...more, journal });
    expect(Buffer.compare(await mainFile(result.files), await mainFile(plain.files))).toBe(0);
    await journal.finish();
    return { resumed: result.resumed, anew: result.anew.map(({ reason }) => reason) };
  }
  // The first layer of the file, which is the first to be finished.
  const changed = (data: Float32Array) => safetensorsOf([...tables.slice(0, 2), { ...tables[2], data }]);

  test.each<[string, Partial<CompressOptions>]>([
    ["other options were given then", { p: 2 }],
    ["other options were given then", { keep: 0.4 }],
    ["other options were given then", { seed: 3 }],
    ["other options were given then", { method: "svd" }],
    ["other options were given then", { type: "f16" }],
    ["other options were given then", { tolerance: 0.1 }],
    ["its row weights have changed since", { weights: { weightsFor: (n) => Array.from({ length: n }, (_, i) => 1 + (i % 3)) } }], // prettier-ignore
  ])("not if %s: %o", async (reason, more) => {
    const model = await safetensorsOf(tables);
    await stopAfter(1, model, options);
    expect(await resumed(model, more)).toEqual({ resumed: [], anew: [reason] });
  });

  test("not if a bit of its tensor, or the version, has changed; all of it if nothing has", async () => {
    const data = Float32Array.from({ length: 300 * 10 }, (_, i) => ((i * 7919) % 1013) / 1013 - 0.3);
    await stopAfter(1, await changed(data), options);
    const other = data.slice();
    other[777] = Math.fround(other[777] * (1 + 2 ** -23));
    expect(await resumed(await changed(other))).toEqual({ resumed: [], anew: ["its tensor has changed since"] });
    await stopAfter(1, await changed(data), options);
    const version = { resumed: [], anew: ["it was kept by version 1, and this is 2"] };
    expect(await resumed(await changed(data), {}, "2")).toEqual(version);
    await stopAfter(2, await changed(data), options);
    expect((await resumed(await changed(data))).resumed).toHaveLength(2);
  });

  test("not if any byte of what was kept is another, is missing, or is one too many", async () => {
    const model = await safetensorsOf(tables);
    const damages: ((path: string) => void)[] = [
      (path) => {
        const bytes = readFileSync(path);
        bytes[bytes.length >> 1] ^= 1;
        writeFileSync(path, bytes);
      },
      (path) => writeFileSync(path, readFileSync(path).subarray(1)),
      (path) => writeFileSync(path, "x", { flag: "a" }),
      (path) => rmSync(path),
    ];
    for (const damage of damages) {
      await stopAfter(1, model, options);
      const part = readdirSync(`${out()}.partial`).find((name) => name.endsWith(".0"))!;
      damage(join(`${out()}.partial`, part));
      expect(await resumed(model)).toEqual({ resumed: [], anew: ["what was kept of it is damaged"] });
    }
    await stopAfter(1, model, options);
    const [entry] = readdirSync(`${out()}.partial`).filter((name) => /^[0-9a-f]{24}\.json$/.test(name));
    writeFileSync(join(`${out()}.partial`, entry), "{");
    expect(await resumed(model)).toEqual({ resumed: [], anew: [] });
  });

  test("spectra too: nothing is computed twice", async () => {
    const model = await safetensorsOf(tables);
    await stopAfter(2, model, { ...options, keep: undefined, budget: 0.6 });
    const journal = open();
    const spy = vi.spyOn(loewner, "singularValues");
    const { resumed: names } = await compressModel(loewner, model, { layers: ["all"], method: "lewis", budget: 0.6, journal }); // prettier-ignore
    expect(names).toHaveLength(2);
    expect(spy).not.toHaveBeenCalled();
    await journal.finish();
  });

  test("nothing without resume; what is there stays until it is replaced", async () => {
    const model = await safetensorsOf(tables);
    await stopAfter(2, model, options);
    const journal = open({ resume: false, worthSeconds: 0 });
    expect(journal.earlierSeconds).toBeGreaterThan(0);
    expect(entriesIn(journal)).toHaveLength(2);
    const { resumed: names, anew } = await compressModel(loewner, model, { ...options, journal });
    expect([names, anew]).toEqual([[], []]);
    expect(entriesIn(journal)).toHaveLength(3);
    await journal.finish();
  });
});

describe("the folder", () => {
  const entry = { name: "a", key: "k", text: "t", seconds: 3 };
  const bytes = (text: string) => new TextEncoder().encode(text);

  test("stays after a failure when it is worth it, or was asked for", async () => {
    for (const [options, stays] of [
      [{ resume: false }, false],
      [{ resume: false, worthSeconds: 3 }, true],
      [{ resume: true }, true],
    ] as const) {
      const journal = open(options);
      await journal.keep(entry, [bytes("x")]);
      expect(await journal.stop()).toBe(stays);
      expect(existsSync(journal.folder)).toBe(stays);
    }
    await open().finish();
    const empty = open();
    expect(await empty.stop()).toBe(false);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("has a name that file systems take, whatever the output's", async () => {
    const name = "é".repeat(127);
    const journal = openJournal(join(folder, name), { version: "1" });
    expect(readdirSync(folder)).toEqual([expect.stringMatching(/^é{50}-[0-9a-f]{24}\.partial$/)]);
    await journal.finish();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("is one run's alone", async () => {
    const journal = open();
    expect(() => open()).toThrow(/is being made already, by this process, which keeps its layers in .*small\.partial/);
    await journal.finish();
    const mark = (owner?: string) => {
      mkdirSync(`${out()}.partial`, { recursive: true });
      writeFileSync(join(`${out()}.partial`, "journal.json"), JSON.stringify({ loewner: "journal", owner }));
    };
    mark("4194304-1-00000000"); // of another machine, touched just now
    expect(() => open()).toThrow(/by process 4194304/);
    rmSync(`${out()}.partial`, { recursive: true });
    writeFileSync(`${out()}.partial`, "a file");
    expect(() => open()).toThrow(/small\.partial is in the way/);
    rmSync(`${out()}.partial`);
    mkdirSync(`${out()}.partial`);
    writeFileSync(join(`${out()}.partial`, "thesis.tex"), "");
    expect(() => open()).toThrow(/small\.partial is in the way/);
    expect(readdirSync(`${out()}.partial`)).toEqual(["thesis.tex"]);
    mkdirSync(join(folder, "elsewhere"));
    writeFileSync(join(folder, "elsewhere/journal.json"), "");
    symlinkSync("elsewhere", join(folder, "linked.partial"));
    expect(() => openJournal(join(folder, "linked"), { version: "1" })).toThrow(/linked\.partial is in the way/);
    mark();
    await open().finish();
    expect(readdirSync(`${out()}.partial`)).toEqual(["thesis.tex"]);
  });

  test("no room: nothing is kept, nothing thrown, nothing left", async () => {
    const journal = open();
    await journal.keep({ ...entry, name: "b" }, [bytes("kept")]);
    const probe = await fsPromises.open(join(journal.folder, "journal.json"));
    const prototype = Object.getPrototypeOf(probe);
    await probe.close();
    vi.spyOn(prototype, "write").mockRejectedValue(Object.assign(new Error("full"), { code: "ENOSPC" }));
    await journal.keep(entry, [bytes("x"), bytes("y")]);
    vi.restoreAllMocks();
    expect(readdirSync(journal.folder)).toHaveLength(3);
    expect((await journal.find("a", "k")).state).toBe("absent");
    await journal.finish();
  });

  test("gives way to the output where that then fits, and only then", async () => {
    const journal = open();
    const free = (bytes: number) =>
      vi.spyOn(fsPromises, "statfs").mockResolvedValue({ bavail: bytes, bsize: 1 } as never);
    await journal.keep(entry, [new Uint8Array(1000)]);
    const { sink, finish } = await journal.spill();
    await sink.write(new Uint8Array(500));
    await journal.keep({ ...entry, name: "spilled" }, [await finish()]);
    free(5000);
    await journal.giveWay(5000);
    free(100);
    await journal.giveWay(1101);
    expect(entriesIn(journal)).toHaveLength(2);
    await journal.giveWay(1100);
    expect(entriesIn(journal)).toHaveLength(1);
    expect((await journal.find("spilled", "k")).state).toBe("found");
    await journal.finish();
  });

  test("goes when its output was put in place, whatever became of the process", async () => {
    const leave = (finished: boolean) => {
      const journal = open();
      writeFileSync(out(), "whole");
      if (finished) journal.finishing(out());
      const path = join(journal.folder, "journal.json");
      const mark = JSON.parse(readFileSync(path, "utf8"));
      const [, start, host] = mark.owner.split("-");
      writeFileSync(path, JSON.stringify({ ...mark, owner: `4194304-${start}-${host}` }));
      return journal;
    };
    const first = leave(true);
    removeFinishedJournal(out());
    expect(readdirSync(folder)).toEqual(["small"]);
    await first.finish();
    const second = leave(false);
    removeFinishedJournal(out());
    expect(readdirSync(folder)).toEqual(["small", "small.partial"]);
    await second.finish();
    mkdirSync(`${out()}.partial`); // killed just before the last call
    removeFinishedJournal(out());
    expect(readdirSync(folder)).toEqual(["small"]);
  });
});

test("a layer as text and bytes, and back", async () => {
  const number = fc.double({ noNaN: true });
  const floats = fc.record({ rows: fc.integer({ min: 1, max: 9 }), cols: fc.integer({ min: 1, max: 9 }), dtype: fc.constantFrom("f16", "bf16", "f32", "f64") } as const); // prettier-ignore
  const width = { f16: 2, bf16: 2, f32: 4, f64: 8 };
  await fc.assert(
    fc.asyncProperty(
      fc.string(),
      floats,
      fc.array(number, { minLength: 9, maxLength: 9 }),
      fc.nat(255),
      async (name, { rows, cols, dtype }, x, byte) => {
        const all = Uint8Array.from({ length: rows * cols * width[dtype] }, (_, i) => (byte + 31 * i) & 255);
        const [lp, l1, l21, l2, norm, lower, upper, bound, seconds] = x.map((value) => (Object.is(value, -0) || value === -Infinity ? 0 : value)); // prettier-ignore
        const layer: StoredLayer & { value: StoredPair } = {
          ...{ name, transposed: byte % 2 === 0, rows, cols, rank: cols, type: dtype, p: lp, method: "lewis" },
          value: {
            kind: "pair",
            left: { kind: "float", rows: { rows, cols, dtype, name, read: (s, n) => all.subarray(s * cols * width[dtype], (s + n) * cols * width[dtype]) } }, // prettier-ignore
            right: {
              ...{
                kind: "codes",
                rows,
                cols,
                paddedCols: 16,
                bits: 3,
                block: 8,
                levels: Float32Array.from([lower, upper]),
              },
              planes: [
                { bits: 2, bytesPerRow: 4, bytes: all.slice(1) },
                { bits: 1, bytesPerRow: 2, bytes: all.slice(0, 1) },
              ],
              scales: Uint16Array.from([byte, 65535]),
            },
          },
          ...{
            objective: { lp, l1, l21, l2, worstRow: { row: rows, norm } },
            candidates: [],
          },
          certificate: { lower, upper, slack: 1e-6, sigmaNext: l2, bound, rounding: 0 },
          ...{ rowWeights: false, seconds },
        };
        const { text, parts } = await packLayer(layer);
        const again = (await unpackLayer(name, text, parts.map((part) => bytesSource(part as Uint8Array)))) as typeof layer; // prettier-ignore
        const { value: { left, ...back }, ...rest } = again; // prettier-ignore
        const { value: { left: before, ...right }, ...others } = layer; // prettier-ignore
        expect([rest, back]).toEqual([others, right]);
        if (left.kind !== "float" || before.kind !== "float") throw new Error("another kind");
        expect({ ...left.rows, read: 0 }).toEqual({ ...before.rows, read: 0 });
        for (let row = 0; row < rows; ++row)
          expect([...(await left.rows.read(row, 1))]).toEqual([...(await before.rows.read(row, 1))]);
      },
    ),
    { numRuns: 60 },
  );
});

test("transform codes come back with every bit of theirs", async () => {
  for (const shape of [{ exact: [1, 4] }, { bands: [] }, { zeros: true, windowBits: 12 as const }]) {
    const layer = transformLayer({ rows: 9, cols: 5, bands: [[3, 16, 4], [1, 8]], ...shape }, "Infinity"); // prettier-ignore
    const { text, parts } = await packLayer(layer);
    expect(await unpackLayer("Infinity", text, parts.map((part) => bytesSource(part as Uint8Array)))).toEqual(layer); // prettier-ignore
  }
});
