// Layers side by side: the bytes of one thread, no more in flight than threads, and an end to all when one fails.
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FileError } from "../../src/errors.js";
import { openSpill } from "../../src/node/files/spill.js";
import {
  compressModel,
  inspectModel,
  planCompression,
  safetensorsModel,
  verifyLayers,
  type CompressOptions,
  type Model,
} from "../../src/model/index.js";
import { sideBySide } from "../../src/model/side-by-side.js";
import { createLoewner as createHere, type Progress } from "../../src/index.js";
import { createLoewner, isLoewnerError } from "../library/threads.js";
import { mainFile, onnxBytes, openBytes, openOnnxBytes, safetensorsOf } from "./in-memory.js";

/** Every call is worth a thread; only the tallest layer is shared. */
const options = { threadWork: 0, threadBytes: 8192 };
const tables = [
  { name: "wte.weight", rows: 1300, cols: 16 },
  { name: "h.0.weight", rows: 40, cols: 80 },
  { name: "h.1.weight", rows: 90, cols: 48 },
  { name: "h.2.weight", rows: 64, cols: 64 },
  { name: "h.3.weight", rows: 33, cols: 30 },
];
const formats: [string, () => Promise<Model>, (bytes: Uint8Array) => Promise<Model>][] = [
  ["safetensors", () => safetensorsOf(tables), async (bytes) => safetensorsModel(await openBytes(bytes))],
  ["ONNX", () => openOnnxBytes(onnxBytes(tables)), openOnnxBytes],
];
const all = { layers: ["all"] };
const codeOf = (error: unknown) => (isLoewnerError(error) ? error.code : error);

/** The model, and which of its layers are being read or computed at a time. */
function counted(model: Model, onRead: (name: string) => unknown): Model {
  return {
    ...model,
    layOut: model.layOut.bind(model),
    rows(name) {
      const rows = model.rows(name);
      const read = async (start: number, count: number) => {
        await onRead(name);
        return rows.read(start, count);
      };
      return { rows: rows.rows, cols: rows.cols, dtype: rows.dtype, name, read };
    },
  };
}

describe.each(formats)("%s", (_, open, reopen) => {
  test.each<CompressOptions>([
    { keep: 0.5 },
    { keep: 0.2, type: "auto" },
    { budget: 0.3, type: "auto" },
    { budget: 0.6 },
    { energy: 0.9, type: "int4", p: 1.5 },
    { keep: 0.3, type: "auto", objective: "operator", maxWork: 0 },
  ])("%j: the same file, report and plan by 1, 2 and 3 threads", async (size) => {
    const answers: { file: Uint8Array; report: unknown }[] = [];
    for (const threads of [1, 2, 3]) {
      const loewner = await createLoewner({ ...options, threads });
      const model = await open();
      const { files, layers, skipped } = await compressModel(loewner, model, { ...all, ...size });
      const file = await mainFile(files);
      const { chosen } = await planCompression(loewner, model, { ...all, ...size });
      const verified = await verifyLayers(loewner, model, await reopen(file));
      expect(verified.ok).toBe(true);
      // It knows nothing of sizes.
      const inspected = size.keep === 0.5 && (await inspectModel(loewner, model, { spectra: "all" }));
      const report = JSON.stringify([layers, skipped, chosen, verified, inspected], (key, value) =>
        key === "seconds" ? undefined : value,
      );
      answers.push({ file, report });
      loewner.dispose();
    }
    for (const { file, report } of answers.slice(1)) {
      expect(Buffer.compare(file, answers[0].file)).toBe(0);
      expect(report === answers[0].report).toBe(true);
    }
  });
});

test("no more layers are in flight than there are threads, the largest first", async () => {
  for (const threads of [1, 2, 3]) {
    const loewner = await createLoewner({ ...options, threads });
    const last = new Map<string, number>();
    const first: string[] = [];
    let reads = 0;
    const model = counted(await safetensorsOf(tables), (name) => {
      if (!last.has(name)) first.push(name);
      last.set(name, ++reads);
    });
    const over: string[] = [];
    let most = 0;
    const onProgress = ({ layer, stage }: Progress & { layer: string }) => {
      if (stage === "done" && !over.includes(layer)) over.push(layer);
      most = Math.max(most, first.filter((name) => !over.includes(name)).length);
    };
    await compressModel(loewner, model, { ...all, keep: 0.5, onProgress });
    expect(most).toBeLessThanOrEqual(threads);
    // One thread keeps to the order of the file. The tall table has all threads to itself, then come the largest.
    const largest = ["h.2.weight", "h.1.weight", "h.0.weight"].slice(0, threads);
    if (threads === 1) expect(first).toEqual(model.layers.map(({ name }) => name));
    else expect([first[0], ...first.slice(1, threads + 1).sort()]).toEqual(["wte.weight", ...largest.sort()]);
    if (threads > 1) expect(over[0]).toBe("wte.weight");
    loewner.dispose();
  }
});

test("progress adds up over all layers and never goes back", async () => {
  for (const [threads, size] of [
    [1, { keep: 0.4 }],
    [2, { keep: 0.2, type: "auto" }],
    [3, { budget: 0.3, type: "int4" }],
  ] as const) {
    const loewner = await createLoewner({ ...options, threads });
    const heard: (Progress & { layer: string })[] = [];
    const model = await safetensorsOf(tables);
    await compressModel(loewner, model, { ...all, ...size, onProgress: (progress) => void heard.push(progress) });
    expect(new Set(heard.map(({ layer }) => layer)).size).toBe(5);
    expect(new Set(heard.map(({ total }) => total)).size).toBe(1);
    const done = heard.map((progress) => progress.done);
    expect(done).toEqual([...done].sort((a, b) => a - b));
    expect(done.at(-1)).toBe(heard[0].total);
    expect(done.filter((x) => x === heard[0].total).length).toBe(1);
    loewner.dispose();
  }
});

test("a layer that fails stops the others, and leaves nothing behind", async () => {
  const folder = mkdtempSync(join(tmpdir(), "loewner-side-"));
  const messages: string[] = [];
  for (const threads of [1, 2, 3]) {
    const loewner = await createLoewner({ ...options, threads });
    const spills: Awaited<ReturnType<typeof openSpill>>[] = [];
    const spill = async () => {
      const opened = await openSpill(folder);
      spills.push(opened);
      return opened;
    };
    let settled = false;
    const onProgress = () => expect(settled).toBe(false);
    const model = counted(await safetensorsOf(tables), (name) => {
      if (name === "h.1.weight") throw new FileError(`${name} is gone`);
    });
    const promise = compressModel(loewner, model, { ...all, keep: 0.5, spill, spillBytes: 4000, onProgress });
    await promise.catch((error: Error) => messages.push(error.message));
    settled = true;
    await Promise.all(spills.map(({ close }) => close()));
    expect(readdirSync(folder)).toEqual([]);
    // And the instance is none the worse for it.
    await compressModel(loewner, await safetensorsOf(tables), { ...all, keep: 0.5 });
    loewner.dispose();
  }
  expect(messages).toEqual(Array(3).fill(messages[0]));
  expect(messages[0]).toBe("h.1.weight is gone");
  rmSync(folder, { recursive: true });
});

describe("a layer that holds NaN", () => {
  const data = new Float32Array(90 * 48).fill(1);
  data[50 * 48 + 7] = NaN;
  const broken = tables.map((table) => (table.name === "h.1.weight" ? { ...table, data } : table));
  const reason =
    "holds NaN or infinity at row 50, column 7; repair that row, or leave the layer out with --exclude h.1.weight";

  test.each([{ keep: 0.5 }, { rank: 4 }, { energy: 0.5 }, { budget: 0.6 }, { budget: 0.4, type: "auto" as const }])(
    "is left alone, and the others are not: %j",
    async (size) => {
      const loewner = await createHere();
      const { layers, skipped } = await compressModel(loewner, await safetensorsOf(broken), { ...all, ...size });
      expect(layers.length).toBeGreaterThan(2);
      expect(skipped.find(({ name }) => name === "h.1.weight")).toEqual({ name: "h.1.weight", reason });
      loewner.dispose();
    },
  );

  test("is blocked in what inspect tells", async () => {
    const loewner = await createHere();
    const { layers } = await inspectModel(loewner, await safetensorsOf(broken), { spectra: "all" });
    const found = layers.find(({ name }) => name === "h.1.weight")!;
    expect(found).toMatchObject({ byDefault: false, blocked: reason });
    expect([found.spectrum, found.atKeep]).toEqual([undefined, undefined]);
    expect(layers.filter(({ spectrum }) => spectrum)).toHaveLength(4);
    loewner.dispose();
  });
});

test("abort ends all layers at once, also those that wait for their rows", async () => {
  const loewner = await createLoewner({ ...options, threads: 2 });
  for (const stuck of [true, false]) {
    const abort = new AbortController();
    let fired = false;
    const fire = () => {
      fired = true;
      abort.abort();
      return new Promise(() => undefined);
    };
    let reads = 0;
    const model = counted(await safetensorsOf(tables), () => (stuck && ++reads === 2 ? fire() : undefined));
    const onProgress = () => {
      if (!stuck && !fired) void fire();
    };
    const promise = compressModel(loewner, model, { ...all, keep: 0.5, signal: abort.signal, onProgress });
    expect(codeOf(await promise.catch((error: unknown) => error))).toBe("ABORTED");
    expect(fired).toBe(true);
  }
  expect((await compressModel(loewner, await safetensorsOf(tables), { ...all, keep: 0.5 })).layers.length).toBe(5);
  loewner.dispose();
});

describe("side by side", () => {
  test("results in order, no more at a time than asked for, larger ones first", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(20), { maxLength: 12 }),
        fc.integer({ min: 1, max: 4 }),
        async (sizes, threads) => {
          let under = 0;
          let most = 0;
          let mostShared = 0;
          const isShared = (size: number) => size > 12;
          const started: number[] = [];
          const results = await sideBySide(sizes, { threads, work: (size) => size, isShared }, async (size) => {
            started.push(size);
            most = Math.max(most, ++under);
            if (isShared(size)) mostShared = Math.max(mostShared, under);
            for (let i = 0; i <= size; ++i) await undefined;
            --under;
            return 2 * size;
          });
          expect(results).toEqual(sizes.map((size) => 2 * size));
          const shared = threads > 1 ? sizes.filter(isShared).length : 0;
          if (threads > 1) expect(mostShared).toBe(Math.min(1, shared));
          expect(most).toBe(Math.max(Math.min(1, shared), Math.min(threads, sizes.length - shared)));
          expect(started).toEqual(threads === 1 ? sizes : [...sizes].sort((a, b) => b - a));
        },
      ),
    );
  });

  test("the first failure is thrown once all have ended; the others' signal has fired; nothing more starts", async () => {
    const ended: number[] = [];
    const started: number[] = [];
    const fault = new Error("second");
    const body = async (item: number, signal: AbortSignal) => {
      started.push(item);
      if (item === 1) throw fault;
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => setTimeout(resolve, 5)));
      ended.push(item);
      throw new Error("stopped");
    };
    await expect(sideBySide([0, 1, 2, 3], { threads: 2, work: () => 1 }, body)).rejects.toBe(fault);
    expect({ started, ended }).toEqual({ started: [0, 1], ended: [0] });
  });

  test("nothing starts once the caller's signal has fired", async () => {
    const signal = AbortSignal.abort("no");
    const body = () => Promise.reject(new Error("ran"));
    await expect(sideBySide([1, 2], { threads: 2, work: () => 1, signal }, body)).rejects.toMatchObject({
      ...{ code: "ABORTED", cause: "no" },
    });
  });
});
