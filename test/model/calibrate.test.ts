import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bytesSource, f16ToF32, f32ToF16, openOnnx } from "../../src/formats/index.js";
import { createLoewner, type Loewner } from "../../src/index.js";
import { calibrate, type CalibrationOptions } from "../../src/model/calibrate/calibrate.js";
import { arrayFeeds, type Feed, madeUpFeeds } from "../../src/model/calibrate/feeds.js";
import { type InstalledRuntime, loadRuntime } from "../../src/node/onnxruntime.js";
import { failure } from "../formats/fixtures.js";
import { externalTensor, model, type ModelParts, node, open, tensor, valueInfo } from "../formats/onnx/build.js";
import { uniform } from "./onnx-models/random.js";

const INT64 = 7;
let runtime: InstalledRuntime;
let loewner: Loewner;
beforeAll(async () => {
  runtime = await loadRuntime("web");
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

const numbers = (length: number, seed = 1) => Float32Array.from({ length }, (_, i) => 2 * uniform(seed, i) - 1);
const float = (
  shape: number[],
  data = numbers(
    shape.reduce((n, size) => n * size, 1),
    5,
  ),
): Feed[string] => ({
  ...{ dtype: "float32", shape, data },
});
const int = (shape: number[], values: number[]): Feed[string] => ({
  ...{ dtype: "int64", shape, data: BigInt64Array.from(values, BigInt) },
});
const run = async (bytes: Uint8Array, feeds: readonly Feed[], options: Partial<CalibrationOptions> = {}) =>
  calibrate(loewner, await open(bytes), { feeds, runtime, ...options });

/** Sum of x x' over rows x, by its definition. */
function secondMoments(rows: readonly (readonly number[])[]): number[] {
  const d = rows[0].length;
  return Array.from({ length: d * d }, (_, at) => rows.reduce((sum, x) => sum + x[Math.floor(at / d)] * x[at % d], 0));
}
const rowsOf = (data: ArrayLike<number>, d: number) =>
  Array.from({ length: data.length / d }, (_, i) => Array.from(data).slice(i * d, (i + 1) * d));
const close = (h: ArrayLike<number>, exact: readonly number[]) =>
  expect(Math.max(...exact.map((x, i) => Math.abs(x - h[i])))).toBeLessThan(1e-12 * Math.max(...exact.map(Math.abs)));

/** Rows of a table times "up" and "gate", then their sum times "down"; a head that is tied to the table. */
function encoder(parts: Partial<ModelParts> = {}): Uint8Array {
  return model({
    inputs: [
      valueInfo("input_ids", ["batch", "sequence"], INT64),
      valueInfo("attention_mask", ["batch", "sequence"], INT64),
    ],
    outputs: [valueInfo("logits")],
    initializers: [
      tensor("table", [12, 4], numbers(48)),
      tensor("up", [4, 6], numbers(24, 2)),
      tensor("gate", [4, 6], numbers(24, 3)),
      tensor("down", [6, 4], numbers(24, 4)),
    ],
    nodes: [
      node("Gather", ["table", "input_ids"], ["x"]),
      node("MatMul", ["x", "up"], ["u"]),
      node("MatMul", ["x", "gate"], ["g"]),
      node("Mul", ["u", "g"], ["z"]),
      node("MatMul", ["z", "down"], ["h"]),
      node("Transpose", ["table"], ["across"], { perm: [1, 0] }),
      node("MatMul", ["h", "across"], ["logits"]),
    ],
    ...parts,
  });
}
const ids = [1, 2, 3, 11, 0, 0, 5, 5, 4];
const mask = [1, 1, 1, 1, 0, 0, 1, 1, 1];
const feed = { input_ids: int([3, 3], ids), attention_mask: int([3, 3], mask) };

describe("what second moments are sums of", () => {
  test("inputs of every product, in two feeds, padding left out; layers that read one value share their sums", async () => {
    const other = { input_ids: int([1, 2], [7, 8]), attention_mask: int([1, 2], [1, 1]) };
    const { moments, axes, counts, samples, notes } = await run(encoder(), [feed, other]);
    const table = numbers(48);
    const read = [...ids.filter((_, i) => mask[i]), 7, 8];
    const x = read.map((id) => Array.from(table.subarray(4 * id, 4 * id + 4)));
    expect([...moments.keys()]).toEqual(["table", "up", "gate", "down"]);
    expect(moments.get("up")).toBe(moments.get("gate"));
    expect(moments.get("up")).toMatchObject({ cols: 4, rows: 9 });
    close(moments.get("up")!.h, secondMoments(x));
    const times = (v: readonly number[], w: Float32Array, cols: number) =>
      Array.from({ length: cols }, (_, j) => Math.fround(v.reduce((sum, a, k) => sum + a * w[k * cols + j], 0)));
    const z = x.map((row) => {
      const [u, g] = [times(row, numbers(24, 2), 6), times(row, numbers(24, 3), 6)];
      return u.map((a, j) => Math.fround(a * g[j]));
    });
    const exact = secondMoments(z);
    exact.forEach((value, i) => expect(moments.get("down")!.h[i]).toBeCloseTo(value, 5));
    expect(Object.fromEntries(axes)).toEqual({ table: 1, up: 0, gate: 0, down: 0 });
    expect(Array.from(counts.get("table")!)).toEqual([0, 1, 1, 1, 1, 2, 0, 1, 1, 0, 0, 1]);
    expect([samples, notes]).toEqual([4, []]);
  });

  test("the model's file stays as it is, and other values of it too", async () => {
    const bytes = encoder();
    const before = bytes.slice();
    await run(bytes, [feed]);
    expect(bytes).toEqual(before);
  });

  test("one layer by name; none that is multiplied", async () => {
    const { moments, counts } = await run(encoder(), [feed], { layers: ["d*"] });
    expect([[...moments.keys()], [...counts.keys()]]).toEqual([["down"], []]);
    const { message } = await failure(run(encoder(), [feed], { layers: ["attention*"] }), "INVALID_INPUT");
    expect(message).toMatch(/attention\* matches no 2-D weight of m\.onnx; it has/);
    const lookup = model({
      inputs: [valueInfo("ids", ["n"], INT64)],
      outputs: [valueInfo("y")],
      initializers: [tensor("table", [12, 4], numbers(48))],
      nodes: [node("Gather", ["table", "ids"], ["y"])],
    });
    const only = await run(lookup, [{ ids: int([3], [-1, 0, 11]) }]);
    expect(only.moments.size).toBe(0);
    expect(only.notes).toEqual(["No layer among those chosen is multiplied by activations."]);
    expect(Array.from(only.counts.get("table")!)).toEqual([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
  });

  test("products of either side and orientation", async () => {
    const a = float([5, 3]);
    const across = Float32Array.from({ length: 15 }, (_, i) => a.data[(i % 5) * 3 + Math.floor(i / 5)] as number);
    const b = float([3, 5], across);
    const exact = secondMoments(rowsOf(a.data as Float32Array, 3));
    const cases: [string, ReturnType<typeof node>, number[], Feed[string], 0 | 1][] = [
      ["x W", node("MatMul", ["x", "w"], ["y"]), [3, 2], a, 0],
      ["W x", node("MatMul", ["w", "x"], ["y"]), [2, 3], b, 1],
      ["Gemm x W", node("Gemm", ["x", "w"], ["y"]), [3, 2], a, 0],
      ["Gemm x W'", node("Gemm", ["x", "w"], ["y"], { transB: 1 }), [2, 3], a, 1],
      ["Gemm x' W", node("Gemm", ["x", "w"], ["y"], { transA: 1 }), [3, 2], b, 0],
      ["Gemm W x", node("Gemm", ["w", "x"], ["y"]), [2, 3], b, 1],
      ["Gemm W' x", node("Gemm", ["w", "x"], ["y"], { transA: 1 }), [3, 2], b, 0],
      ["Gemm W x'", node("Gemm", ["w", "x"], ["y"], { transB: 1 }), [2, 3], a, 1],
    ];
    for (const [name, product, shape, x, axis] of cases) {
      const bytes = model({
        inputs: [valueInfo("x", ["n", "m"])],
        outputs: [valueInfo("y")],
        initializers: [tensor("w", shape, numbers(6))],
        nodes: [product],
      });
      const { moments, axes } = await run(bytes, [{ x }]);
      expect([name, moments.get("w")!.rows, axes.get("w")]).toEqual([name, 5, axis]);
      close(moments.get("w")!.h, exact);
    }
  });

  test("a batch of matrices from the left, a value of half precision, and one that is an output already", async () => {
    const left = model({
      inputs: [valueInfo("x", ["b", 3, "n"])],
      outputs: [valueInfo("y")],
      initializers: [tensor("w", [2, 3], numbers(6))],
      nodes: [node("MatMul", ["w", "x"], ["y"])],
    });
    const x = float([2, 3, 4]);
    const columns = [0, 1].flatMap((b) =>
      [0, 1, 2, 3].map((j) => [0, 1, 2].map((i) => (x.data as Float32Array)[12 * b + 4 * i + j])),
    );
    close((await run(left, [{ x }])).moments.get("w")!.h, secondMoments(columns));
    const half = f32ToF16(numbers(12));
    const narrow = model({
      inputs: [valueInfo("x", ["n", 3], 10)],
      outputs: [valueInfo("twice", ["n", 3], 10), valueInfo("y", ["n", 2], 10)],
      initializers: [tensor("w", [3, 2], f32ToF16(numbers(6)), 10)],
      nodes: [node("Add", ["x", "x"], ["twice"]), node("MatMul", ["twice", "w"], ["y"])],
    });
    const fed = { x: { dtype: "float16" as const, shape: [4, 3], data: half } };
    const doubled = rowsOf(
      Float32Array.from(f16ToF32(half), (value) => 2 * value),
      3,
    );
    close((await run(narrow, [fed])).moments.get("w")!.h, secondMoments(doubled));
  });

  test("positions in a row of all texts, as exporters flatten them, are left out by the mask too", async () => {
    const bytes = encoder({
      initializers: [
        tensor("table", [12, 4], numbers(48)),
        tensor("w", [4, 2], numbers(8, 2)),
        tensor("shape", [2], BigInt64Array.of(-1n, 4n)),
      ],
      nodes: [
        node("Gather", ["table", "input_ids"], ["x"]),
        node("Reshape", ["x", "shape"], ["flat"]),
        node("Gemm", ["flat", "w"], ["logits"]),
      ],
    });
    expect((await run(bytes, [feed])).moments.get("w")!.rows).toBe(7);
  });

  test("external data", async () => {
    const bytes = model({
      inputs: [valueInfo("x", ["n", 3])],
      outputs: [valueInfo("y", ["n", 2])],
      initializers: [externalTensor("w", [3, 2], { location: "w.bin" })],
      nodes: [node("Abs", ["x"], ["a"]), node("MatMul", ["a", "w"], ["y"])],
    });
    const external = { "w.bin": new Uint8Array(numbers(6).buffer) };
    const file = await openOnnx(bytesSource(bytes, "m.onnx"), {
      external: (name) => bytesSource(external[name as "w.bin"], name),
    });
    const x = float([4, 3]);
    const { moments } = await calibrate(loewner, file, { feeds: [{ x }], runtime });
    close(moments.get("w")!.h, secondMoments(rowsOf((x.data as Float32Array).map(Math.abs), 3)));
  });
});

test("some rows of each input are kept where they are asked for, a random choice, always the same", async () => {
  const bytes = model({
    inputs: [valueInfo("x", ["n", 3])],
    outputs: [valueInfo("y", ["n", 2])],
    initializers: [tensor("w", [3, 2], numbers(6))],
    nodes: [node("MatMul", ["x", "w"], ["y"])],
  });
  const x = float([100, 3]);
  const feeds = await arrayFeeds(await open(bytes), { x });
  const sampleOf = async (samples?: number) => (await run(bytes, feeds, { samples })).moments.get("w")!.sample;
  expect(await sampleOf()).toBeUndefined();
  expect(await sampleOf(1000)).toEqual({ data: x.data, rows: 100, cols: 3 });
  const some = (await sampleOf(10))!;
  expect(some.rows).toBe(10);
  const all = new Set(rowsOf(x.data as Float32Array, 3).map(String));
  expect(rowsOf(some.data, 3).every((row) => all.has(String(row)))).toBe(true);
  expect(new Set(rowsOf(some.data, 3).map(String)).size).toBe(10);
  expect(await sampleOf(10)).toEqual(some);
  await expect(sampleOf(-1)).rejects.toThrow(/samples must be a whole number of at least 0; got -1/);
});

describe("under Lewis weights", () => {
  const bytes = model({
    inputs: [valueInfo("x", ["n", 3])],
    outputs: [valueInfo("y", ["n", 2])],
    initializers: [tensor("w", [3, 2], numbers(6))],
    nodes: [node("MatMul", ["x", "w"], ["y"])],
  });
  const x = float([60, 3]);

  test("X' W^(1 - 2/p) X with the trace of X'X, in one feed or in several", async () => {
    const rows = rowsOf(x.data as Float32Array, 3);
    const trace = rows.flat().reduce((sum, value) => sum + value * value, 0);
    for (const p of [1, 1.5, 2]) {
      const { weights } = await loewner.lewisWeights({ data: x.data as Float32Array, rows: 60, cols: 3 }, { p });
      const weighted = secondMoments(rows.map((row, i) => row.map((value) => value * weights[i] ** (0.5 - 1 / p))));
      const size = weighted[0] + weighted[4] + weighted[8];
      for (const feeds of [
        [{ x }],
        [0, 20, 40].map((at) => ({ x: float([20, 3], (x.data as Float32Array).slice(3 * at, 3 * at + 60)) })),
      ]) {
        const { h, rows: count } = (await run(bytes, feeds, { p })).moments.get("w")!;
        expect(count).toBe(60);
        weighted.forEach((value, i) => expect(Math.abs(h[i] - (value / size) * trace)).toBeLessThan(0.01 * trace));
      }
    }
  });

  test("of more rows than are kept, a random choice stands for all, always the same", async () => {
    const many = await arrayFeeds(await open(bytes), { x: float([10_000, 3]) });
    const [one, two] = [await run(bytes, many, { p: 1 }), await run(bytes, many, { p: 1 })];
    const { h, rows } = one.moments.get("w")!;
    expect(rows).toBe(10_000);
    expect(h).toEqual(two.moments.get("w")!.h);
    const plain = (await run(bytes, many)).moments.get("w")!.h;
    expect(h[0] + h[4] + h[8]).toBeCloseTo(plain[0] + plain[4] + plain[8], 6);
    for (const i of [0, 4, 8]) expect(Math.abs(h[i] / plain[i] - 1)).toBeLessThan(0.05);
  });
});

test("in less memory: layers by groups, a pass over the feeds for each, and the same sums", async () => {
  const whole = await run(encoder(), [feed]);
  const stages: string[] = [];
  const parts: string[][] = [];
  const result = await run(encoder(), [feed], {
    memory: 600,
    onProgress: ({ stage, done, total }) => stages.push(`${stage} ${done}/${total}`),
    onMoments(moments) {
      parts.push([...moments.keys()]);
      for (const [name, { h }] of moments) expect(h).toEqual(whole.moments.get(name)!.h);
    },
  });
  expect(parts).toEqual([["table"], ["up", "gate"], ["down"]]);
  expect(result.moments.size).toBe(0);
  expect(result.counts).toEqual(whole.counts);
  expect(stages).toEqual(["calibration 0/3", "calibration 1/3", "calibration 2/3", "done 3/3"]);
});

describe("feeds", () => {
  test("arrays are cut along the dimension that they share; what is not given is made up", async () => {
    const many = int(
      [70, 3],
      Array.from({ length: 210 }, (_, i) => i % 12),
    );
    const feeds = await arrayFeeds(await open(encoder()), { input_ids: many });
    expect(feeds.map(({ input_ids }) => input_ids.shape)).toEqual([
      [32, 3],
      [32, 3],
      [6, 3],
    ]);
    expect(feeds.flatMap(({ input_ids }) => [...input_ids.data])).toEqual([...many.data]);
    expect([...feeds[2].attention_mask.data]).toEqual(new Array(18).fill(1n));
    const { samples, counts } = await run(encoder(), feeds);
    expect([samples, counts.get("table")!.reduce((a, b) => a + b)]).toEqual([70, 210]);
  });

  test("made up from a seed: each batch has its own numbers, and the next run the same", async () => {
    const file = await open(encoder());
    const feeds = await madeUpFeeds(file, { seed: 3, count: 4, dims: { sequence: 5 } });
    expect(feeds).toEqual(await madeUpFeeds(file, { seed: 3, count: 4, dims: { sequence: 5 } }));
    expect(feeds).toHaveLength(4);
    expect(feeds[0].input_ids.shape).toEqual([2, 5]);
    expect(feeds[0]).not.toEqual(feeds[1]);
    expect((await run(encoder(), feeds)).moments.get("down")!.rows).toBe(40);
    await failure(madeUpFeeds(file, { count: 0 }), "INVALID_INPUT");
  });
});

describe("what is said", () => {
  test("one sample; fewer rows than columns", async () => {
    const { notes } = await run(encoder(), [
      { input_ids: int([1, 5], [1, 2, 3, 4, 5]), attention_mask: int([1, 5], [1, 1, 1, 1, 1]) },
    ]);
    expect(notes).toEqual([
      "One sample says little of what inputs look like; a few hundred do.",
      "down: 5 rows for 6 columns; second moments of fewer rows than columns want damping, or more inputs.",
    ]);
  });
});

describe("what is refused, and how", () => {
  const message = async (work: Promise<unknown>) => (await failure(work, "INVALID_INPUT")).message;

  test("no feeds, a missing input, one too many, another type or shape", async () => {
    expect(await message(run(encoder(), []))).toBe("m.onnx: there is nothing to calibrate on: no feeds were given.");
    const takes =
      "The model takes input_ids (int64, batch x sequence), attention_mask (int64, batch x sequence); the feed has";
    expect(await message(run(encoder(), [feed, { input_ids: feed.input_ids }]))).toBe(
      `m.onnx: feed 1 has no "attention_mask". ${takes} input_ids (int64, 3 x 3).`,
    );
    expect(await message(run(encoder(), [{ ...feed, pixels: float([1]) }]))).toBe(
      `m.onnx: feed 0 has "pixels", which is no input of the model. ${takes} input_ids (int64, 3 x 3), attention_mask (int64, 3 x 3), pixels (float32, 1).`,
    );
    expect(await message(run(encoder(), [{ ...feed, attention_mask: float([3, 3]) }]))).toMatch(
      /its input "attention_mask" takes int64, but the array given is float32/,
    );
    expect(await message(run(encoder(), [{ ...feed, attention_mask: int([9], mask) }]))).toMatch(
      /its input "attention_mask" is batch x sequence, but the shape given for it is 9/,
    );
  });
  test("a row number past the table", async () => {
    const wrong = { ...feed, input_ids: int([3, 3], [0, 1, 2, 3, 4, 12, 0, 0, 0]) };
    const error = await failure(run(encoder(), [feed, wrong]), "INVALID_INPUT");
    expect(error.message).toBe(
      'm.onnx: feed 1 has 12 in "input_ids", row 1, column 2, but the table that it indexes has 12 rows. Take inputs, or a tokenizer.json, that belong to this model.',
    );
    expect(error.place).toEqual({ file: "m.onnx", tensor: "input_ids", row: 1, column: 2 });
  });
  test("an original that onnxruntime does not load, or not run, with its words", async () => {
    const broken = encoder({ nodes: [node("NoSuchOperator", ["input_ids"], ["logits"])] });
    const idle = model({
      inputs: [valueInfo("x", ["n", 3])],
      outputs: [valueInfo("y")],
      initializers: [tensor("w", [3, 2], numbers(6))],
      nodes: [node("MatMul", ["x", "w"], ["m"]), node("NoSuchOperator", ["m"], ["y"])],
    });
    expect((await run(broken, [feed])).moments.size).toBe(0); // nothing to find out
    expect(await message(run(idle, [{ x: float([2, 3]) }]))).toMatch(
      /^m\.onnx: onnxruntime cannot load the model, so it cannot be calibrated: .*NoSuchOperator.* It can be compressed without calibration all the same\.$/,
    );
    const narrow = { input_ids: feed.input_ids, attention_mask: int([3, 2], [1, 1, 1, 1, 1, 1]) };
    const added = encoder({
      nodes: [
        node("Gather", ["table", "input_ids"], ["x"]),
        node("Add", ["input_ids", "attention_mask"], ["sum"]),
        node("MatMul", ["x", "up"], ["logits"]),
      ],
      outputs: [valueInfo("logits"), valueInfo("sum", undefined, INT64)],
    });
    expect(await message(run(added, [narrow]))).toMatch(/^m\.onnx: onnxruntime cannot run the model/);
  });
  test("activations that are not finite: which layer, which feed, where", async () => {
    const root = model({
      inputs: [valueInfo("x", ["n", 2])],
      outputs: [valueInfo("y")],
      initializers: [tensor("w", [2, 2], numbers(4))],
      nodes: [node("Sqrt", ["x"], ["r"]), node("MatMul", ["r", "w"], ["y"])],
    });
    const [good, bad] = [float([2, 2], Float32Array.of(1, 2, 3, 4)), float([2, 2], Float32Array.of(1, 2, 3, -4))];
    const error = await failure(run(root, [{ x: good }, { x: bad }]), "INVALID_INPUT");
    expect(error.message).toBe(
      "m.onnx: what w is multiplied by holds NaN or infinity when feed 1 runs, at row 1, column 1. Leave that input out, or leave this layer out of the calibration.",
    );
    expect(error.place).toEqual({ file: "m.onnx", tensor: "w", row: 1, column: 1 });
  });
  test("inputs that nothing is left of", async () => {
    const masked = { ...feed, attention_mask: int([3, 3], new Array(9).fill(0)) };
    expect(await message(run(encoder(), [masked]))).toMatch(
      /^m\.onnx: no row of the inputs reaches table: they are empty/,
    );
  });
  test("options out of range; a signal that has fired", async () => {
    await failure(run(encoder(), [feed], { p: 0 }), "INVALID_INPUT");
    await failure(run(encoder(), [feed], { memory: 0 }), "INVALID_INPUT");
    await failure(run(encoder(), [feed], { signal: AbortSignal.abort() }), "ABORTED");
  });
  test("the session is released, whatever happens", async () => {
    let sessions = 0;
    const counting = {
      Tensor: runtime.Tensor,
      InferenceSession: {
        async create(bytes: string | Uint8Array) {
          const session = await runtime.InferenceSession.create(bytes as Uint8Array, { logSeverityLevel: 4 });
          sessions++;
          const { inputNames, outputNames } = session;
          return {
            inputNames,
            outputNames,
            run: session.run.bind(session),
            release: () => (sessions--, session.release()),
          };
        },
      },
    };
    await run(encoder(), [feed], { runtime: counting });
    const onMoments = () => Promise.reject(new Error("full"));
    await expect(run(encoder(), [feed], { runtime: counting, onMoments })).rejects.toThrow("full");
    expect(sessions).toBe(0);
  });
});
