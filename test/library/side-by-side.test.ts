// Several calls at a time, each as a whole in a worker: the same answers, bounded, and what happens when something goes wrong.
import { describe, expect, test } from "vitest";
import type { Loewner, MatrixLike } from "../../src/index.js";
import { bitsOf, calls, lateSource } from "./calls.js";
import { matrix } from "./matrices.js";
import { createLoewner, isLoewnerError } from "./threads.js";
import { codeOf, watchRows, watchWorkers } from "./watch.js";

/** Every call is worth a thread, and no matrix is large enough to be shared. */
const small = { threadWork: 0 };
const a = matrix("plain", 300, 16, { f32: true });

const workers = watchWorkers();

const watched = (onRead: (start: number) => unknown) => watchRows(a, onRead);

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const codesOf = (promises: Promise<unknown>[]) => Promise.all(promises.map(codeOf));

/** An option that makes calls report, and a promise that resolves once one computes. */
function computing(): { onProgress: () => void; computes: Promise<void> } {
  let onProgress = () => {};
  const computes = new Promise<void>((resolve) => (onProgress = resolve));
  return { onProgress: () => onProgress(), computes };
}

const endless = { p: 1, tolerance: 1e-300, maxIterations: 1e9 };

test.each([
  [300, 6, "f32"],
  [200, 5, "f64"],
  [150, 7, "f16"],
] as const)("all primitives at once, %i x %i %s: the bytes of one thread", async (rows, cols, dtype) => {
  const { data } = matrix("heavy-tailed rows", rows, cols, { f32: dtype !== "f64", seed: rows });
  const scaled = Float64Array.from(data, (x) => (dtype === "f16" ? Math.max(-1e4, Math.min(1e4, x)) : x));
  const weights = Float64Array.from({ length: rows }, (_, i) => (i * 7) % 5);
  const inline = await createLoewner();
  // One source for all: its buffer is used again in every read.
  const source = lateSource(scaled, rows, cols, dtype);
  const some = Object.entries(calls).filter(([name]) => dtype === "f32" || name !== "levelSetEllipsoid");
  const expected: string[] = [];
  for (const [, call] of some) expected.push(bitsOf(await call(inline, source, weights)));
  for (const threads of [2, 3]) {
    const loewner = await createLoewner({ ...small, threads });
    const answers = await Promise.all(some.map(([, call]) => call(loewner, source, weights)));
    some.forEach(([name], i) => expect([name, bitsOf(answers[i]) === expected[i]]).toEqual([name, true]));
    loewner.dispose();
  }
  inline.dispose();
});

test("calls run side by side, no more at a time than there are threads, and read their rows once", async () => {
  const loewner = await createLoewner({ ...small, threads: 2 });
  let reads = 0;
  let release = () => {};
  const both = new Promise<void>((resolve) => (release = resolve));
  const rows = () =>
    watched(async () => {
      // The first of two that wait for each other could not go on alone.
      if (++reads === 2) release();
      await both;
    });
  const six = Array.from({ length: 6 }, () => loewner.leverageScores(rows()));
  await Promise.all(six);
  expect(workers.length).toBe(2);
  // Three sweeps each, had they been swept over from here.
  expect(reads).toBe(6);

  let under = 0;
  let most = 0;
  let met = () => {};
  const two = new Promise<void>((resolve) => (met = resolve));
  const held = Array.from({ length: 5 }, async () => {
    let counted = false;
    const source = watched(async () => {
      if (!counted) most = Math.max(most, ++under);
      counted = true;
      if (under === 2) met();
      await two;
      await wait(20); // a third would come by now
    });
    await loewner.leverageScores(source);
    --under;
  });
  await Promise.all(held);
  expect(most).toBe(2);
  loewner.dispose();
});

test("calls on one source never read it at a time: its buffer may be used again", async () => {
  const loewner = await createLoewner({ ...small, threads: 3 });
  let under = 0;
  const source = watched(async () => {
    expect(++under).toBe(1);
    await wait(5);
    --under;
  });
  const tiny = await createLoewner({ threads: 2 });
  for (const on of [loewner, tiny]) {
    const answers = await Promise.all([
      on.leverageScores(source),
      on.singularValues(source),
      on.leverageScores(source),
    ]);
    expect(bitsOf(answers[0])).toBe(bitsOf(await on.leverageScores(a)));
    on.dispose();
  }
});

test("one call alone stays where it was, and so do small ones", async () => {
  const loewner = await createLoewner({ threads: 2 });
  await loewner.leverageScores(a);
  await Promise.all([1, 2, 3].map(() => loewner.leverageScores(a)));
  expect(workers.length).toBe(0);
  loewner.dispose();
});

test("a tall matrix among others is shared by all threads, with nothing beside it", async () => {
  const tall = matrix("plain", 3000, 4, { f32: true });
  const loewner = await createLoewner({ ...small, threads: 2, threadBytes: 4096 });
  const [inline, order] = [await createLoewner(), [] as string[]];
  const note =
    (name: string) =>
    <T>(x: T) => (order.push(name), x);
  const answers = await Promise.all([
    loewner.lowRank(a, { rank: 3 }).then(note("before")),
    loewner.leverageScores(tall).then(note("tall")),
    loewner.leverageScores(a).then(note("after")),
  ]);
  expect(order).toEqual(["before", "tall", "after"]);
  expect(bitsOf(answers[1])).toBe(bitsOf(await inline.leverageScores(tall)));
});

test.each([NaN, -1, "many"])("threadWork: %s is refused", async (threadWork) => {
  await expect(createLoewner({ threadWork: threadWork as number })).rejects.toThrow(
    `threadWork must be a number of multiply-adds of at least 0; got ${threadWork}.`,
  );
});

test("what the caller passes stays whole, and parts of larger arrays cross alone", async () => {
  const loewner = await createLoewner({ ...small, threads: 2 });
  const inline = await createLoewner();
  const large = new Float64Array(1000).fill(2);
  const rowWeights = large.subarray(100, 400);
  const { right } = await inline.lowRank(a, { rank: 4 });
  const call = (on: Loewner) => [
    on.lowRank(a, { rank: 4, rowWeights }),
    on.certify(a, right, { rowWeights }),
    on.residual(a, { left: a, right: { data: new Float32Array(256), rows: 16, cols: 16 } }),
  ];
  const expected = bitsOf(await Promise.all(call(inline)));
  expect(bitsOf(await Promise.all(call(loewner)))).toBe(expected);
  expect([large.length, a.data.length, right.data.length]).toEqual([1000, 4800, 64]);
  loewner.dispose();
});

test("progress of each call is its own, never goes back, and is not heard of afterwards", async () => {
  const loewner = await createLoewner({ ...small, threads: 2, tileRows: 256 });
  const heard: number[][] = [[], [], []];
  const over = [false, false, false];
  await Promise.all(
    heard.map(async (shares, i) => {
      const onProgress = ({ done, total }: { done: number; total: number }) => {
        expect(over[i]).toBe(false);
        shares.push(done / total);
      };
      await loewner.lewisWeights(a, { p: 1, onProgress });
      over[i] = true;
    }),
  );
  for (const shares of heard) {
    expect(shares.length).toBeGreaterThan(3);
    expect(shares).toEqual([...shares].sort((x, y) => x - y));
    expect(shares.at(-1)).toBe(1);
  }
  loewner.dispose();
});

describe("when something goes wrong", () => {
  test("an error comes back as its own class with its place, and only to its call", async () => {
    const bad = { ...a, data: Float32Array.from(a.data) };
    bad.data[250 * a.cols + 3] = NaN;
    const inline = await createLoewner();
    const message = await inline.leverageScores(bad).catch(String);
    const loewner = await createLoewner({ ...small, threads: 2 });
    const [fine, failed] = await Promise.allSettled([a, bad, a].map((each) => loewner.leverageScores(each)));
    expect(fine.status).toBe("fulfilled");
    const { reason } = failed as PromiseRejectedResult;
    expect(isLoewnerError(reason, "INVALID_INPUT") && reason.place).toMatchObject({ row: 250, column: 3 });
    expect(String(reason)).toBe(message);
    loewner.dispose();
  });

  test("a source that fails or gives too little, and a listener that throws", async () => {
    const loewner = await createLoewner({ ...small, threads: 2 });
    const fault = new Error("the disk is gone");
    const failing = watched(() => {
      throw fault;
    });
    const short = { ...watched(() => undefined), read: () => new Uint8Array(7) };
    const onProgress = () => {
      throw fault;
    };
    const results = await Promise.allSettled([
      loewner.leverageScores(failing),
      loewner.leverageScores(short),
      loewner.leverageScores(a, { onProgress }),
      loewner.leverageScores(a),
    ]);
    const reasons = results.map((result) => (result as PromiseRejectedResult).reason as unknown);
    expect([reasons[0], reasons[2], reasons[3]]).toEqual([fault, fault, undefined]);
    expect(String(reasons[1])).toContain("watched gave 7 bytes for rows 0 to 299, expected 19200;");
    loewner.dispose();
  });

  test("abort ends calls that wait, that read and that compute, and the next is right", async () => {
    const loewner = await createLoewner({ ...small, threads: 2 });
    const expected = bitsOf(await loewner.leverageScores(a));
    const abort = new AbortController();
    const { signal } = abort;
    const { onProgress, computes } = computing();
    const promises = [
      loewner.lewisWeights(a, { ...endless, signal, onProgress }),
      loewner.leverageScores(
        watched(() => new Promise(() => undefined)),
        { signal },
      ),
      loewner.leverageScores(a, { signal }),
    ];
    await computes;
    abort.abort("enough");
    expect(await codesOf(promises)).toEqual(["ABORTED", "ABORTED", "ABORTED"]);
    await expect(promises[0]).rejects.toMatchObject({ cause: "enough" });
    await expect(promises[2]).rejects.toMatchObject({ cause: "enough" });
    const answers = await Promise.all([1, 2, 3, 4].map(() => loewner.leverageScores(a)));
    for (const answer of answers) expect(bitsOf(answer)).toBe(expected);
    // The worker that computed has stopped: two calls that wait for each other find two workers.
    let reads = 0;
    let release = () => {};
    const both = new Promise<void>((resolve) => (release = resolve));
    const meeting = () => watched(() => (++reads === 2 ? release() : both));
    const met = [1, 2].map(() => loewner.leverageScores(meeting()));
    expect(await codesOf(met)).toEqual(["fine", "fine"]);
    loewner.dispose();
  });

  test("a worker that is lost ends all calls with an error, and the instance, but not the process", async () => {
    const loewner = await createLoewner({ ...small, threads: 2 });
    const { onProgress, computes } = computing();
    const promises = [1, 2, 3].map(() => loewner.lewisWeights(a, { ...endless, onProgress }));
    await computes;
    void workers[0].terminate();
    expect(await codesOf(promises)).toEqual(["WORKER_LOST", "WORKER_LOST", "WORKER_LOST"]);
    expect(await codeOf(loewner.leverageScores(a))).toBe("WORKER_LOST");
    loewner.dispose();
  });

  test("dispose ends the workers, what runs and what waits", async () => {
    const loewner = await createLoewner({ ...small, threads: 2 });
    const { onProgress, computes } = computing();
    const promises = [1, 2, 3, 4].map(() => loewner.lewisWeights(a, { ...endless, onProgress }));
    await computes;
    const ends = workers.map((worker) => new Promise((resolve) => worker.once("exit", resolve)));
    loewner.dispose();
    expect(await codesOf(promises)).toEqual(Array(4).fill("DISPOSED"));
    await Promise.all(ends);
    expect(await codeOf(loewner.leverageScores(a))).toBe("DISPOSED");
  });
});

describe("a matrix held open", () => {
  const steps: ((on: Loewner, of: MatrixLike) => Promise<unknown>)[] = [
    (on, of) => on.lowRank(of, { rank: 3, maxWork: 1e12, objective: "l21" }),
    (on, of) => on.lowRank(of, { rank: 5, method: "subspace" }),
    (on, of) => on.lowRank(of, { rank: 5, p: 2 }),
    (on, of) => on.singularValues(of),
    (on, of) => on.lowRank(of, { rank: 4, p: 1.5, tolerance: 0.1 }),
    (on, of) => on.lowRank(of, { rank: 4, p: 1.5, rowWeights: new Float64Array(300).fill(3) }),
    (on, of) => on.lowRank(of, { energy: 0.8, rowWeights: Float64Array.from({ length: 300 }, (_, i) => i % 3) }),
    (on, of) => on.quantise(of, { bits: 4 }),
    (on, of) => on.transformCode(of, { bitsPerEntry: 4 }),
    (on, of) => on.transformCode(of, { maxError: 0.1, p: 1 }),
    async (on, of) => on.certify(of, (await on.lowRank(of, { rank: 2 })).right),
    async (on, of) => on.residual(of, await on.lowRank(of, { rank: 2, method: "svd" })),
    (on, of) => on.leverageScores(of),
  ];

  test.each([1, 2])("gives the answers that it gives otherwise, %i threads", async (threads) => {
    const loewner = await createLoewner({ ...small, threads });
    const inline = await createLoewner();
    for (const kind of ["heavy-tailed rows", "plain"] as const) {
      const b = matrix(kind, 300, 9, { f32: true, seed: 4 });
      const expected: string[] = [];
      for (const step of steps) expected.push(bitsOf(await step(inline, b)));
      // Two at a time, so that neither is alone.
      const [one, other] = [loewner.open(b), loewner.open(b)];
      const inOrder = async (open: MatrixLike, order: number[]) => {
        for (const i of order) expect([i, bitsOf(await steps[i](loewner, open))]).toEqual([i, expected[i]]);
      };
      const order = [...steps.keys()];
      await Promise.all([inOrder(one, order), inOrder(other, [...order].reverse())]);
      one.close();
      other.close();
    }
    loewner.dispose();
  });

  test("is read once where a worker keeps it, and profiled once where it stays here", async () => {
    const reads = [0, 0];
    const loewner = await createLoewner({ ...small, threads: 2 });
    await Promise.all(
      [0, 1].map(async (i) => {
        const open = loewner.open(watched(() => ++reads[i]));
        for (const rank of [2, 3, 4]) await loewner.lowRank(open, { rank, method: "lewis" });
        open.close();
      }),
    );
    expect(reads).toEqual([1, 1]);
    loewner.dispose();

    const inline = await createLoewner();
    const counts: number[] = [];
    let count = 0;
    const open = inline.open(watched(() => ++count));
    for (const rank of [2, 3, 4]) {
      count = 0;
      await inline.lowRank(open, { rank, method: "lewis" });
      counts.push(count);
    }
    // All but the factors is known.
    expect(counts[0]).toBeGreaterThan(3);
    expect(counts.slice(1)).toEqual([1, 1]);
    inline.dispose();
  });

  test("survives an abort at any moment, also before the worker has begun", async () => {
    const options = { rank: 3, maxWork: 0 };
    const expected = bitsOf(await (await createLoewner()).lowRank(a, options));
    for (let turns = 0; turns < 24; turns += 1 + (turns >> 2)) {
      const loewner = await createLoewner({ ...small, threads: 2 });
      const [open, other] = [loewner.open(a), loewner.open(a)];
      const abort = new AbortController();
      const promises = [open, other].map((of) => loewner.lowRank(of, { rank: 3, signal: abort.signal }));
      const codes = Promise.all(promises.map(codeOf));
      for (let i = 0; i < turns; ++i) await new Promise((resolve) => setImmediate(resolve));
      abort.abort();
      for (const code of await codes) expect(["ABORTED", "fine"]).toContain(code);
      for (const answer of await Promise.all([open, other].map((of) => loewner.lowRank(of, options)))) {
        expect(bitsOf(answer)).toBe(expected);
      }
      loewner.dispose();
    }
  });

  test("once closed is refused; calls made before go on; other instances take it for rows like others", async () => {
    const loewner = await createLoewner({ ...small, threads: 2 });
    const other = await createLoewner();
    const expected = bitsOf(await other.lowRank(a, { rank: 3 }));
    const open = loewner.open(a);
    const before = [1, 2, 3].map(() => loewner.lowRank(open, { rank: 3 }));
    open.close();
    open.close();
    for (const answer of await Promise.all(before)) expect(bitsOf(answer)).toBe(expected);
    await expect(loewner.lowRank(open, { rank: 3 })).rejects.toThrow(
      "A (300 x 16) was closed; open it again, or pass the matrix itself.",
    );
    expect(bitsOf(await other.lowRank(open, { rank: 3 }))).toBe(expected);
    loewner.dispose();
    expect(() => loewner.open(a)).toThrow(/disposed/);
  });
});
