// Stopping at any moment: a signal, a file that shrinks, a worker that is lost. Nothing goes on afterwards.
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Loewner, RowSource } from "../../src/index.js";
import { memorySink, openNpy, writeNpy } from "../../src/formats/index.js";
import { openFile } from "../../src/node/files/file.js";
import { matrix } from "./matrices.js";
import { always, createLoewner } from "./threads.js";
import { codeOf, watchWorkers } from "./watch.js";

const a = matrix("heavy-tailed rows", 5000, 16, { f32: true });

const workers = watchWorkers();

const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** The rows of `a`, late, and what happens when the nth range is asked for. */
function watched(onRead: (nth: number) => unknown): RowSource & { reads: number } {
  const bytes = new Uint8Array(a.data.buffer);
  return {
    ...{ rows: a.rows, cols: a.cols, dtype: "f32", name: "watched", reads: 0 },
    async read(start, count) {
      await onRead(this.reads++);
      await new Promise((resolve) => setImmediate(resolve));
      return bytes.subarray(start * a.cols * 4, (start + count) * a.cols * 4);
    },
  };
}

/** Resolves once no worker computes: each waits for most of a tenth of a second. */
async function idle(): Promise<void> {
  const busy = async () => {
    const before = workers.map((worker) => worker.performance.eventLoopUtilization());
    await wait(100);
    const now = workers.map((worker, i) => worker.performance.eventLoopUtilization(before[i]).utilization);
    return Math.max(0, ...now);
  };
  await expect.poll(busy).toBeLessThan(0.3);
}

const methods: Record<string, (loewner: Loewner, source: RowSource, signal?: AbortSignal) => Promise<unknown>> = {
  lowRank: (loewner, source, signal) => loewner.lowRank(source, { rank: 3, p: 1, method: "lewis", signal }),
  "lowRank, left handed over": (loewner, source, signal) =>
    loewner.lowRank(source, { rank: 3, p: 1, method: "lewis", signal, left: () => wait(1) }),
  lewisWeights: (loewner, source, signal) => loewner.lewisWeights(source, { p: 3, signal }),
};

describe.each([1, 2])("a signal with %i threads", (threads) => {
  test.each(Object.keys(methods))(
    "%s: at any read, at once; nothing more is asked for; the next call is right",
    async (name) => {
      const loewner = await createLoewner({ ...always, threads, residentBytes: 0 });
      const strip = (result: unknown) => JSON.stringify(result, (key, value) => (key === "seconds" ? 0 : value));
      const whole = watched(() => undefined);
      const expected = strip(await methods[name](loewner, whole));
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 0, max: whole.reads - 1 }), fc.boolean(), async (moment, stuck) => {
          const abort = new AbortController();
          const source = watched((nth) => {
            if (nth !== moment) return;
            abort.abort("enough");
            return stuck ? new Promise(() => undefined) : undefined;
          });
          await expect(methods[name](loewner, source, abort.signal)).rejects.toMatchObject({
            code: "ABORTED",
            cause: "enough",
          });
          const { reads } = source;
          await wait(20);
          expect(source.reads).toBe(reads);
        }),
        { numRuns: 8 },
      );
      expect(strip(await methods[name](loewner, whole)) === expected).toBe(true);
      await idle();
      loewner.dispose();
    },
  );
});

test("a signal in the middle of a large tile: a call that would never end does, and its workers are idle", async () => {
  const wide = matrix("plain", 20_000, 256, { f32: true });
  const loewner = await createLoewner({ threads: 2, threadBytes: 0 });
  await loewner.leverageScores(a);
  for (const sweeps of [1, 3]) {
    const abort = new AbortController();
    let reports = 0;
    const onProgress = () => void ++reports;
    const endless = { tolerance: 1e-300, maxIterations: 1e9, onProgress, signal: abort.signal };
    const promise = codeOf(loewner.lewisWeights(wide, { p: 1, ...endless }));
    await expect.poll(() => reports, { interval: 5 }).toBeGreaterThanOrEqual(sweeps);
    await wait(15);
    abort.abort();
    expect(await promise).toBe("ABORTED");
    await idle();
  }
  loewner.dispose();
});

test("rows are asked for one tile ahead, and not before the last was copied", async () => {
  const events: string[] = [];
  const bytes = new Uint8Array(a.data.buffer);
  const source: RowSource = {
    ...{ rows: 768, cols: 16, dtype: "f32" },
    async read(start, count) {
      events.push(`ask ${start}`);
      await wait(1);
      events.push(`give ${start}`);
      return bytes.subarray(start * 64, (start + count) * 64);
    },
  };
  const loewner = await createLoewner({ tileRows: 256 });
  await loewner.singularValues(source, { onProgress: ({ stage }) => void events.push(stage) });
  const ahead = (stage: string) => [
    ...["ask 0", "give 0", "ask 256", stage, "give 256", "ask 512", stage, "give 512", stage],
  ];
  // Once in f32 and, for the smallest, once in f64.
  expect(events).toEqual([...ahead("Gram matrix"), ...ahead("Gram matrix"), "done"]);
  loewner.dispose();
});

describe.each([1, 2])("a file with %i threads", (threads) => {
  test.each([0, 3, 6])("that shrinks after %i progress reports", async (after) => {
    const folder = mkdtempSync(join(tmpdir(), "loewner-abort-"));
    const path = join(folder, "A.npy");
    try {
      const sink = memorySink();
      await writeNpy(sink, { data: a.data as Float32Array, shape: [a.rows, a.cols] });
      writeFileSync(path, sink.bytes());
      const file = await openFile(path);
      const source = await openNpy(file);
      const loewner = await createLoewner({ ...always, threads, residentBytes: 0 });
      let reports = 0;
      const promise = loewner.lowRank(source, {
        rank: 3,
        onProgress: () => void (reports++ === after && truncateSync(path, 200_000)),
      });
      await expect(promise).rejects.toMatchObject({ code: "FILE", place: { file: path } });
      await expect(promise).rejects.toThrow(
        /A\.npy (shrank|changed) while it was being read: .*(try again|start again)/,
      );
      expect((await loewner.leverageScores(a)).rank).toBe(16);
      loewner.dispose();
      await file.close();
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

test("a worker that is lost at any read: an error, no hang, and the other ends too", async () => {
  for (const [moment, victim] of [
    [0, 0],
    [7, 1],
    [25, 0],
    [60, 1],
  ]) {
    workers.length = 0;
    const loewner = await createLoewner({ ...always, threads: 2, residentBytes: 0 });
    const ends: Promise<unknown>[] = [];
    const source = watched((nth) => {
      if (nth !== moment) return;
      for (const worker of workers) ends.push(new Promise((resolve) => worker.once("exit", resolve)));
      void workers[victim].terminate();
    });
    expect(await codeOf(methods["lowRank, left handed over"](loewner, source))).toBe("WORKER_LOST");
    await Promise.all(ends);
    expect(ends.length).toBe(2);
    loewner.dispose();
  }
});
