// What looks like numbers or bytes and is none: an error that says what to pass, on every engine, and never an answer.
import { afterAll, describe, expect, test } from "vitest";
import type { Loewner, RowSource, RowWeights } from "../../src/index.js";
import { rowWeightsOf } from "../../src/model/index.js";
import { failure } from "../formats/fixtures.js";
import { matrix } from "./matrices.js";
import { createLoewner } from "./threads.js";

const [rows, cols] = [600, 4];
const a = matrix("plain", rows, cols, { f32: true });
const all = new Uint8Array(a.data.buffer, a.data.byteOffset, a.data.byteLength);
const rowBytes = 4 * cols;
const ones = new Float64Array(rows).fill(1);

/** With threads by blocks, with whole calls in a thread, and without. */
const engines: [string, Loewner][] = [
  ["inline", await createLoewner({ threads: 1 })],
  ["rows shared by threads", await createLoewner({ threads: 2, threadWork: 0 })],
  ["calls in threads", await createLoewner({ threads: 2, threadWork: 1e12 })],
];
afterAll(() => engines.forEach(([, loewner]) => loewner.dispose()));

const detached = <T extends ArrayBufferView>(view: T): T => {
  structuredClone(view.buffer, { transfer: [view.buffer as ArrayBuffer] });
  return view;
};

/** The error, which is of the built package's own class. */
async function refused(promise: Promise<unknown>): Promise<{ message: string; place: object }> {
  const error = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).toMatchObject({ name: "InvalidInputError", code: "INVALID_INPUT" });
  return error as { message: string; place: object };
}

describe.each(engines)("row weights, %s", (_, loewner) => {
  const bad: [string, unknown, RegExp][] = [
    [
      "BigInt64Array",
      new BigInt64Array(rows).fill(1n),
      /^rowWeights\[0\] is the BigInt 1n, not a number; pass a Float64Array, .*Float64Array\.from\(rowWeights, Number\)\.$/,
    ],
    ["BigUint64Array", new BigUint64Array(rows), /rowWeights\[0\] is the BigInt 0n, not a number/],
    ["one BigInt among numbers", [...ones.subarray(1), 5n], /rowWeights\[599\] is the BigInt 5n, not a number/],
    ["texts", Array<string>(rows).fill("1"), /rowWeights\[0\] is a string, not a number; pass a Float64Array/],
    ["objects", Array<object>(rows).fill({}), /rowWeights\[0\] is a Object, not a number/],
    ["a DataView", new DataView(ones.slice().buffer), /^rowWeights is a DataView; pass a Float64Array/],
    ["an ArrayBuffer", ones.slice().buffer, /^rowWeights is a ArrayBuffer; pass/],
    ["a SharedArrayBuffer", new SharedArrayBuffer(8 * rows), /^rowWeights is a SharedArrayBuffer; pass/],
    ["null", null, /^rowWeights is null; pass/],
    ["a number", 1, /^rowWeights is a number; pass/],
    ["a text", "x".repeat(rows), /^rowWeights is a string; pass/],
    ["a function", () => 1, /^rowWeights is a function; pass/],
    [
      "a detached array",
      detached(ones.slice()),
      /has 0 entries, for its buffer was transferred away, but A has 600 rows/,
    ],
  ];
  test.each(bad)("%s", async (_, rowWeights, message) => {
    const options = { rowWeights: rowWeights as RowWeights };
    expect((await refused(loewner.leverageScores(a, options))).message).toMatch(message);
    expect((await refused(loewner.lowRank(a, { rank: 2, ...options }))).message).toMatch(message);
    const scores = refused(loewner.coreset(a, { size: 20, scores: rowWeights as RowWeights }));
    expect((await scores).message).toMatch(new RegExp(message.source.replaceAll("rowWeights", "scores")));
  });

  test("other arrays of numbers weigh like Float64Array", async () => {
    const { scores } = await loewner.leverageScores(a, { rowWeights: ones });
    for (const rowWeights of [new Int32Array(rows).fill(1), new Uint8Array(rows).fill(1), Array<number>(rows).fill(1)])
      expect((await loewner.leverageScores(a, { rowWeights: rowWeights as RowWeights })).scores).toEqual(scores);
    const shared = new Float64Array(new SharedArrayBuffer(8 * rows)).fill(1);
    expect((await loewner.leverageScores(a, { rowWeights: shared })).scores).toEqual(scores);
  });
});

test("counts: BigInt", async () => {
  const counts = new BigInt64Array(3).fill(1n) as unknown as number[];
  expect((await failure(() => rowWeightsOf(counts), "INVALID_INPUT")).message).toMatch(
    /^counts\[0\] is the BigInt 1n, not a number; .*Float64Array\.from\(counts, Number\)/,
  );
});

describe.each(engines)("what read() gives, %s", (_, loewner) => {
  const source = (read: (bytes: Uint8Array<ArrayBuffer>) => unknown): RowSource => ({
    ...{ rows, cols, dtype: "f32", name: "wte" },
    read: (start, count) => read(all.slice(start * rowBytes, (start + count) * rowBytes)) as Uint8Array,
  });
  const uint8 = /its read\(\) must return a Uint8Array of them, or a promise of one/;
  const bad: [string, (bytes: Uint8Array<ArrayBuffer>) => unknown, RegExp][] = [
    [
      "a detached buffer",
      detached,
      /^wte gave bytes of a detached buffer for rows 0 to \d+, .* must return bytes that it has not transferred/,
    ],
    ["floats", ({ buffer }) => new Float32Array(buffer), /^wte gave a Float32Array for rows 0 to/],
    ["doubles", ({ buffer }) => new Float64Array(buffer), /^wte gave a Float64Array/],
    ["BigInts", ({ buffer }) => new BigInt64Array(buffer), /^wte gave a BigInt64Array/],
    ["a DataView", ({ buffer }) => new DataView(buffer), /^wte gave a DataView/],
    ["an ArrayBuffer", ({ buffer }) => buffer, /^wte gave a ArrayBuffer/],
    ["a SharedArrayBuffer", ({ length }) => new SharedArrayBuffer(length), /^wte gave a SharedArrayBuffer/],
    ["an array", (bytes) => [...bytes], /^wte gave a Array/],
    ["nothing", () => undefined, /^wte gave undefined for rows 0 to/],
    ["null", () => null, /^wte gave null/],
    [
      "too few bytes",
      (bytes) => bytes.subarray(1),
      /^wte gave \d+ bytes for rows 0 to \d+, expected \d+; its read\(\) must return whole rows/,
    ],
    ["too many bytes", ({ length }) => new Uint8Array(length + 1), /^wte gave \d+ bytes .* must return whole rows/],
    ["no bytes", () => new Uint8Array(0), /^wte gave 0 bytes .* must return whole rows/],
  ];
  const methods: Record<string, (a: RowSource) => Promise<unknown>> = {
    leverageScores: (a) => loewner.leverageScores(a),
    lowRank: (a) => loewner.lowRank(a, { rank: 2 }),
    johnEllipsoid: (a) => loewner.johnEllipsoid(a),
    quantise: (a) => loewner.quantise(a, { bits: 8 }),
    coreset: (a) => loewner.coreset(a, { size: 20 }),
    push: (a) => loewner.coresetStream({ cols, size: 20 }).push(a),
  };
  test.each(bad)("%s", async (_, read, message) => {
    for (const [name, method] of Object.entries(methods))
      for (const later of [false, true]) {
        const rows = source(later ? async (bytes) => read(bytes) : read);
        const error = await refused(method(rows));
        expect(`${name}: ${error.message}`).toMatch(new RegExp(`^${name}: ${message.source.replace(/^\^/, "")}`));
        if (!/whole rows|detached/.test(error.message)) expect(error.message).toMatch(uint8);
        expect(error.place).toEqual({ tensor: "wte", row: 0 });
      }
  });

  test("Buffers, clamped bytes and bytes of shared memory are bytes", async () => {
    const { scores } = await loewner.leverageScores(a);
    const shared = (bytes: Uint8Array) => {
      const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
      copy.set(bytes);
      return copy;
    };
    for (const read of [Buffer.from, (bytes: Uint8Array<ArrayBuffer>) => new Uint8ClampedArray(bytes.buffer), shared])
      expect((await loewner.leverageScores(source((bytes) => read(bytes as never)))).scores).toEqual(scores);
  });

  test("a dtype that is none", async () => {
    const odd = { ...source((bytes) => bytes), dtype: "int8" as "f32" };
    expect((await refused(loewner.leverageScores(odd))).message).toBe(
      "wte is a row source of dtype int8; it must be one of f16, bf16, f32, f64.",
    );
  });
});

test("a matrix whose memory goes to another thread while it is in use", async () => {
  const [, loewner] = engines[0];
  const data = Float32Array.from({ length: 200_000 * cols }, (_, i) => ((i * 7919) % 1000) - 500);
  const running = loewner.lewisWeights(
    { data, rows: 200_000, cols },
    { p: 1, onProgress: () => data.length && detached(data) },
  );
  expect((await refused(running)).message).toMatch(
    /^A\.data was transferred to another thread while it was in use; pass a copy/,
  );
});
