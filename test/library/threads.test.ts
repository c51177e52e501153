// Threads when something goes wrong, and when nothing is left to do.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Worker } from "node:worker_threads";
import { expect, test, vi } from "vitest";
import { matrix } from "./matrices.js";
import { always, createLoewner, isLoewnerError } from "./threads.js";
import { codeOf, watchRows, watchWorkers } from "./watch.js";

const a = matrix("plain", 3000, 16, { f32: true });

const workers = watchWorkers();

const ended = (worker: Worker) => new Promise((resolve) => worker.once("exit", resolve));

const watched = (onRead: (start: number) => unknown) => watchRows(a, onRead);

test.each([0, -1, 1.5, NaN, 257, "many"])("threads: %s is refused", async (threads) => {
  await expect(createLoewner({ threads: threads as number })).rejects.toThrow(
    `threads must be a whole number from 1 to 256, or "auto"; got ${threads}.`,
  );
});

test("where there are no workers, a number is refused and auto is one thread", async () => {
  vi.stubGlobal("navigator", { userAgent: "Cloudflare-Workers", hardwareConcurrency: 8 });
  await expect(createLoewner({ threads: 2 })).rejects.toThrow(
    'threads is 2, but this runtime has no workers; use 1, or "auto".',
  );
  const loewner = await createLoewner({ ...always, threads: "auto" });
  expect((await loewner.leverageScores(a)).rank).toBe(16);
  expect(workers.length).toBe(0);
  loewner.dispose();
  vi.unstubAllGlobals();
});

test.each(["threadBytes", "residentBytes"])("%s below 0 is refused", async (name) => {
  await expect(createLoewner({ [name]: -1 })).rejects.toThrow(
    `${name} must be a number of bytes of at least 0; got -1.`,
  );
});

test("no thread starts before a matrix is large enough for two", async () => {
  const loewner = await createLoewner({ threads: 2 });
  await loewner.leverageScores(a);
  expect(workers.length).toBe(0);
  const large = matrix("plain", 70_000, 32, { f32: true });
  await loewner.leverageScores(large);
  expect(workers.length).toBe(2);
  loewner.dispose();
});

test("rows are read once while they fit, and in every sweep when they do not", async () => {
  const reads: number[] = [];
  for (const residentBytes of [1 << 20, 0]) {
    const loewner = await createLoewner({ ...always, threads: 2, residentBytes });
    reads.push(0);
    await loewner.leverageScores(watched(() => ++reads[reads.length - 1]));
    loewner.dispose();
  }
  // Three sweeps: profile, Gram matrix, scores.
  expect(reads).toEqual([12, 36]);
});

test("what a call kept is given back when it ends", async () => {
  const loewner = await createLoewner({ ...always, threads: 2, residentBytes: a.data.byteLength / 2 + 65536 });
  for (let i = 0; i < 3; ++i) {
    let reads = 0;
    await loewner.leverageScores(watched(() => ++reads));
    expect(reads).toBe(12);
  }
  loewner.dispose();
});

test("errors come back as their own class, with their place", async () => {
  const bad = { ...a, data: Float32Array.from(a.data) };
  bad.data[2500 * a.cols + 3] = NaN;
  const messages = [];
  for (const threads of [1, 2]) {
    const loewner = await createLoewner({ ...always, threads });
    messages.push(
      await loewner.leverageScores(bad).catch((error: unknown) => {
        expect(isLoewnerError(error, "INVALID_INPUT") && error.place).toMatchObject({ row: 2500, column: 3 });
        return String(error);
      }),
    );
    await loewner.leverageScores(a);
    loewner.dispose();
  }
  expect(messages[1]).toBe(messages[0]);
});

test("out of memory in a worker is the same error as here", async () => {
  const wide = { rows: 512, cols: 30_000, dtype: "f32", name: "wide" } as const;
  const zeros = new Uint8Array(512 * wide.cols * 4);
  const loewner = await createLoewner({ ...always, threads: 2 });
  const promise = loewner.leverageScores({ ...wide, read: (_, count) => zeros.subarray(0, count * wide.cols * 4) });
  expect(await codeOf(promise)).toBe("OUT_OF_MEMORY");
  expect(workers.length).toBe(2);
  expect((await loewner.leverageScores(a)).rank).toBe(16);
  loewner.dispose();
});

test("a source that fails is heard, one that gives too little too, and the instance goes on", async () => {
  const loewner = await createLoewner({ ...always, threads: 2 });
  const fault = new Error("the disk is gone");
  const failing = watched((start) => {
    if (start >= 2048) throw fault;
  });
  await expect(loewner.leverageScores(failing)).rejects.toBe(fault);
  const short = { ...watched(() => undefined), read: () => new Uint8Array(7) };
  await expect(loewner.leverageScores(short)).rejects.toThrow(
    /watched gave 7 bytes for rows (0 to 255|1536 to 1791), expected 16384;/,
  );
  await expect(
    loewner.leverageScores(a, {
      onProgress: () => {
        throw fault;
      },
    }),
  ).rejects.toBe(fault);
  expect((await loewner.leverageScores(a)).rank).toBe(16);
  loewner.dispose();
});

test("abort: at once, also while rows are awaited; no progress afterwards; the next call is right", async () => {
  const loewner = await createLoewner({ ...always, threads: 2 });
  const expected = await loewner.leverageScores(a);
  const abort = new AbortController();
  const stuck = watched((start) => (start >= 1024 ? new Promise(() => abort.abort("enough")) : undefined));
  const promise = loewner.leverageScores(stuck, { signal: abort.signal });
  await expect(promise).rejects.toMatchObject({ code: "ABORTED", cause: "enough" });

  const second = new AbortController();
  let settled = false;
  const long = loewner.lewisWeights(a, {
    signal: second.signal,
    tolerance: 1e-15,
    onProgress: ({ done }) => {
      expect(settled).toBe(false);
      if (done > 0) second.abort();
    },
  });
  expect(await codeOf(long)).toBe("ABORTED");
  settled = true;
  expect((await loewner.leverageScores(a)).scores).toEqual(expected.scores);
  loewner.dispose();
});

test("dispose ends the workers and what is under way", async () => {
  const loewner = await createLoewner({ ...always, threads: 2 });
  const promise = loewner.leverageScores(watched(() => new Promise(() => undefined)));
  const next = loewner.leverageScores(a);
  const [first, second] = [codeOf(promise), codeOf(next)];
  while (workers.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  const ends = workers.map(ended);
  await new Promise((resolve) => setTimeout(resolve, 50));
  loewner.dispose();
  expect(await first).toBe("DISPOSED");
  expect(await second).toBe("DISPOSED");
  await Promise.all(ends);
});

test("a worker that is lost ends the call with an error, and the instance, but not the process", async () => {
  const loewner = await createLoewner({ ...always, threads: 2 });
  await loewner.leverageScores(a);
  const [one, other] = workers;
  const end = ended(other);
  const promise = loewner.leverageScores(watched((start) => (start >= 2560 ? one.terminate() : undefined)));
  await expect(promise).rejects.toThrow(/Thread 1 of 2 was lost: its thread ended with code 1/);
  expect(await codeOf(promise)).toBe("WORKER_LOST");
  await end;
  expect(await codeOf(loewner.leverageScores(a))).toBe("WORKER_LOST");
  loewner.dispose();
});

test("blocks are handed on in row order, however slowly they are taken", async () => {
  const loewner = await createLoewner({ ...always, threads: 3 });
  const right = matrix("plain", 16, 2);
  const starts: number[] = [];
  await loewner.multiply({ left: a, right }, async (start) => {
    await new Promise((resolve) => setTimeout(resolve, 3));
    starts.push(start);
  });
  expect(starts).toEqual(Array.from({ length: 12 }, (_, i) => 256 * i));
  loewner.dispose();
});

test("the process ends by itself: idle threads do not keep it", async () => {
  const index = fileURLToPath(new URL("../../dist/index.js", import.meta.url));
  const script = `
    import { createLoewner } from ${JSON.stringify(index)};
    const loewner = await createLoewner({ threads: 2, threadBytes: 0 });
    const data = Float32Array.from({ length: 8000 }, (_, i) => (i * 7919) % 31);
    const { rank } = await loewner.leverageScores({ data, rows: 2000, cols: 4 });
    console.log(rank);`;
  const { out, status } = await new Promise<{ out: string; status: unknown }>((resolve) =>
    execFile(process.execPath, ["--input-type=module", "-e", script], { timeout: 240_000 }, (error, out) =>
      resolve({ out, status: error ?? 0 }),
    ),
  );
  expect({ out, status }).toEqual({ out: "4\n", status: 0 });
});
