import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { f32ToF16 } from "../../src/formats/index.js";
import { ValueInfoProtoSchema } from "../../src/formats/onnx/onnx_pb.js";
import { type ModelInput, onnxInputs } from "../../src/model/onnx/inputs.js";
import { type InstalledRuntime, loadRuntime, runnableFile } from "../../src/node/onnxruntime.js";
import { OutputDifference } from "../../src/model/onnx/output-difference.js";
import { compareOnnx } from "../../src/model/onnx/run.js";
import { type RunnableModel, runnableModel, type RuntimeTensor } from "../../src/model/onnx/runtime.js";
import { failure } from "../formats/fixtures.js";
import { externalTensor, model, type ModelParts, node, open, tensor, valueInfo } from "../formats/onnx/build.js";

const INT64 = 7;
let runtime: InstalledRuntime;
beforeAll(async () => {
  runtime = await loadRuntime("web");
});

/** logits = mean over the sequence of table[ids] times W; `change` is added to W[0][0]. */
function classifier(change = 0, parts: Partial<ModelParts> = {}): Uint8Array {
  const table = Float32Array.from({ length: 10 * 4 }, (_, i) => ((i * 7) % 11) - 5);
  const weight = Float32Array.from({ length: 4 * 3 }, (_, i) => ((i * 5) % 7) - 3);
  weight[0] += change;
  return model({
    inputs: [valueInfo("ids", ["batch", "sequence"], INT64)],
    outputs: [valueInfo("logits", ["batch", 3])],
    initializers: [tensor("table", [10, 4], table), tensor("weight", [4, 3], weight)],
    nodes: [
      node("Gather", ["table", "ids"], ["rows"]),
      node("ReduceMean", ["rows"], ["mean"], { axes: [1], keepdims: 0 }),
      node("MatMul", ["mean", "weight"], ["logits"]),
    ],
    ...parts,
  });
}

/** A model of one operator on x. */
const unary = (opType: string, type = 1, shape: (number | string)[] = ["n", 3]) =>
  model({
    inputs: [valueInfo("x", shape, type)],
    outputs: [valueInfo("y", shape, type)],
    nodes: [node(opType, ["x"], ["y"])],
  });

const runnable = async (bytes: Uint8Array, name = "m.onnx"): Promise<RunnableModel> => ({
  ...runnableModel(await open(bytes)),
  name,
});
const given = (name: string, shape: number[], data: ModelInput["data"], dtype: ModelInput["dtype"]): ModelInput => ({
  ...{ name, shape, data, dtype, source: "given" },
  declared: shape.map((_, i) => `d${i}`),
});

describe("in onnxruntime-web", () => {
  test("a model against itself: no difference, and what else is reported", async () => {
    const bytes = classifier();
    const inputs = await onnxInputs(await open(bytes));
    const both = await runnable(bytes);
    const result = await compareOnnx(runtime, both, both, inputs, { repeats: 2 });
    expect(result.outputs).toEqual([
      {
        ...{ name: "logits", dtype: "float32", elements: 6, equal: 1, newNonFinite: 0 },
        ...{ cosine: 1, maxDifference: 0, relativeDifference: 0, top1Agreement: 1, top1Vectors: 2 },
      },
    ]);
    expect(result.bytes).toEqual({ before: bytes.length, after: bytes.length });
    expect([result.runs, result.rows]).toEqual([1, undefined]);
    for (const seconds of [result.seconds, result.loadSeconds]) {
      expect(seconds.original).toBeGreaterThan(0);
      expect(seconds.compressed).toBeGreaterThan(0);
    }
    expect(result.seconds.ratio).toBeCloseTo(result.seconds.compressed / result.seconds.original, 12);
  });

  test("a changed weight: the difference that it must make, whole or cut into any slices", async () => {
    const [a, b] = [await runnable(classifier()), await runnable(classifier(0.5))];
    const ids = BigInt64Array.from({ length: 50 }, (_, i) => BigInt((i * i) % 10));
    const inputs = [given("ids", [25, 2], ids, "int64")];
    // Only logits[:, 0] differs: by half of the mean's first element.
    const mean = (row: number) =>
      (((Number(ids[2 * row]) * 28) % 11) + ((Number(ids[2 * row + 1]) * 28) % 11) - 10) / 2;
    const means = Array.from({ length: 25 }, (_, row) => mean(row) / 2);
    for (const [rowsAtOnce, runs] of [
      [64, 1],
      [25, 1],
      [24, 2],
      [7, 4],
      [1, 25],
    ]) {
      const result = await compareOnnx(runtime, a, b, inputs, { repeats: 1, rowsAtOnce });
      expect([result.runs, result.rows]).toEqual([runs, runs === 1 ? undefined : rowsAtOnce]);
      const [{ maxDifference, equal, elements, cosine, top1Agreement }] = result.outputs;
      expect(elements).toBe(75);
      expect(maxDifference).toBeCloseTo(Math.max(...means.map(Math.abs)), 5);
      expect(equal).toBeCloseTo(1 - means.filter((x) => x !== 0).length / 75, 10);
      expect(cosine).toBeLessThan(1);
      expect(top1Agreement).toBeLessThanOrEqual(1);
    }
  });

  test("a graph with its number of rows built in is not cut", async () => {
    const bytes = model({
      inputs: [valueInfo("x", ["n", 2])],
      outputs: [valueInfo("y", [3, 2])],
      initializers: [tensor("shape", [2], BigInt64Array.of(3n, 2n))],
      nodes: [node("Reshape", ["x", "shape"], ["y"])],
    });
    const both = await runnable(bytes);
    const inputs = [given("x", [3, 2], Float32Array.of(1, 2, 3, 4, 5, 6), "float32")];
    const { runs, outputs } = await compareOnnx(runtime, both, both, inputs, { rowsAtOnce: 1, repeats: 1 });
    expect([runs, outputs[0].elements]).toEqual([1, 6]);
  });

  test("NaN that the original has not is counted, NaN and infinity of both is no difference", async () => {
    const x = [given("x", [2, 3], Float32Array.of(-1, 4, 0, 9, -16, 25), "float32")];
    const [square, root] = [await runnable(unary("Abs")), await runnable(unary("Sqrt"))];
    const bad = (await compareOnnx(runtime, square, root, x, { repeats: 1 })).outputs[0];
    expect([bad.newNonFinite, bad.elements]).toEqual([2, 6]);
    const same = (await compareOnnx(runtime, root, root, x, { repeats: 1 })).outputs[0];
    expect([same.newNonFinite, same.cosine, same.equal]).toEqual([0, 1, 1]);
  });

  test("float16 in and out, int64 out, bool out, no rows at all", async () => {
    const half = await runnable(unary("Abs", 10));
    const x = [given("x", [1, 3], f32ToF16(Float32Array.of(-1.5, 2, 3)), "float16")];
    const [f16] = (await compareOnnx(runtime, half, await runnable(unary("Identity", 10)), x, { repeats: 1 })).outputs;
    expect([f16.dtype, f16.maxDifference, f16.elements]).toEqual(["float16", 3, 3]);
    const [abs, neg] = [await runnable(unary("Abs", INT64)), await runnable(unary("Neg", INT64))];
    const ints = [given("x", [1, 3], BigInt64Array.of(1n, -2n, 0n), "int64")];
    const [i64] = (await compareOnnx(runtime, abs, neg, ints, { repeats: 1 })).outputs;
    expect([i64.maxDifference, i64.equal, i64.top1Agreement]).toEqual([2, 2 / 3, undefined]);
    const not = await runnable(unary("Not", 9));
    const flags = [given("x", [1, 3], Uint8Array.of(1, 0, 1), "bool")];
    expect(
      (await compareOnnx(runtime, not, await runnable(unary("Identity", 9)), flags, { repeats: 1 })).outputs[0].equal,
    ).toBe(0);
    const none = [given("x", [0, 3], new Float32Array(0), "float32")];
    const [empty] = (await compareOnnx(runtime, await runnable(unary("Abs")), await runnable(unary("Neg")), none))
      .outputs;
    expect([empty.elements, empty.equal, empty.cosine]).toEqual([0, 1, 1]);
  });

  test("outputs that are tensors, of a model that puts out a sequence as well", async () => {
    // onnxruntime infers its type.
    const rows = create(ValueInfoProtoSchema, { name: "rows" });
    const bytes = model({
      inputs: [valueInfo("x", [2, 3])],
      outputs: [rows, valueInfo("y", [2, 3])],
      nodes: [node("SplitToSequence", ["x"], ["rows"]), node("Neg", ["x"], ["y"])],
    });
    const both = await runnable(bytes);
    const { outputs } = await compareOnnx(runtime, both, both, await onnxInputs(await open(bytes)));
    expect(outputs).toMatchObject([{ name: "y", cosine: 1, elements: 6 }]);
  });

  test("external data, in two files", async () => {
    const files = {
      "w.bin": new Uint8Array(Float32Array.of(0, 1, 2, 3).buffer),
      "sub/v.bin": new Uint8Array(Float32Array.of(9, 8).buffer),
    };
    const bytes = model({
      inputs: [valueInfo("x", ["n", 2])],
      outputs: [valueInfo("y", ["n", 2])],
      initializers: [
        externalTensor("w", [2, 2], { location: "w.bin" }),
        externalTensor("v", [2], { location: "sub/v.bin" }),
      ],
      nodes: [node("MatMul", ["x", "w"], ["t"]), node("Add", ["t", "v"], ["y"])],
    });
    const both = runnableModel(await open(bytes, files));
    expect(both.byteLength).toBe(bytes.length + 24);
    const inputs = [given("x", [1, 2], Float32Array.of(1, 1), "float32")];
    expect((await compareOnnx(runtime, both, both, inputs, { repeats: 1 })).outputs[0].elements).toBe(2);
  });
});

describe("what fails", () => {
  const inputs = [given("ids", [1, 2], BigInt64Array.of(1n, 2n), "int64")];
  const broken = () => classifier(0, { nodes: [node("NoSuchOperator", ["ids"], ["logits"])] });

  test("a compressed model that does not load, with the runtime's words", async () => {
    const [good, bad] = [await runnable(classifier()), await runnable(broken(), "small.onnx")];
    const { message } = await failure(compareOnnx(runtime, good, bad, inputs), "VERIFICATION_FAILED");
    expect(message).toMatch(
      /^small\.onnx: onnxruntime cannot load it, though it can load the original: .*NoSuchOperator/s,
    );
  });
  test("the original's fault is not the compressed model's", async () => {
    const [good, bad] = [await runnable(classifier()), await runnable(broken(), "big.onnx")];
    const { message } = await failure(compareOnnx(runtime, bad, good, inputs), "INVALID_INPUT");
    expect(message).toMatch(/^big\.onnx: onnxruntime cannot load the original model, so nothing can be compared: /);
    const outside = [given("ids", [1, 1], BigInt64Array.of(10n), "int64")];
    const run = await failure(compareOnnx(runtime, good, good, outside), "INVALID_INPUT");
    expect(run.message).toContain("cannot run the original");
    expect(run.message).toContain("out of data bounds");
  });
  test("one that does not run", async () => {
    const small = tensor("table", [2, 4], new Array(8).fill(1));
    const weight = tensor("weight", [4, 3], new Array(12).fill(1));
    const bad = await runnable(classifier(0, { initializers: [small, weight] }), "small.onnx");
    const { message } = await failure(
      compareOnnx(runtime, await runnable(classifier()), bad, inputs),
      "VERIFICATION_FAILED",
    );
    expect(message).toMatch(
      /^small\.onnx: onnxruntime cannot run it, though it can run the original: .*out of data bounds/s,
    );
  });
  test("other inputs or outputs", async () => {
    const { message } = await failure(
      compareOnnx(runtime, await runnable(classifier()), await runnable(unary("Abs"), "small.onnx"), inputs),
      "VERIFICATION_FAILED",
    );
    expect(message).toBe("small.onnx has the inputs x, but m.onnx has ids. It is not a compressed form of that model.");
  });
  test("a signal that fires outside: the event loop has its turn between runs", async () => {
    const both = await runnable(classifier());
    const inputs = await onnxInputs(await open(classifier()));
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const onProgress = () => (timer ??= setTimeout(() => abort.abort(), 0));
    const options = { repeats: 500, signal: abort.signal, onProgress };
    await failure(compareOnnx(runtime, both, both, inputs, options), "ABORTED");
  });

  test("options, and a signal that has fired", async () => {
    const both = await runnable(classifier());
    await failure(compareOnnx(runtime, both, both, inputs, { repeats: 0 }), "INVALID_INPUT");
    await failure(compareOnnx(runtime, both, both, inputs, { signal: AbortSignal.abort() }), "ABORTED");
  });
  test("sessions are released, whatever happens", async () => {
    let open = 0;
    const counting = {
      Tensor: runtime.Tensor,
      InferenceSession: {
        async create(bytes: string | Uint8Array) {
          const session = await runtime.InferenceSession.create(bytes as Uint8Array, { logSeverityLevel: 4 });
          open++;
          const release = () => (open--, session.release());
          const { inputNames, outputNames } = session;
          return { inputNames, outputNames, run: session.run.bind(session), release };
        },
      },
    };
    const [good, bad] = [await runnable(classifier()), await runnable(broken())];
    await compareOnnx(counting, good, good, inputs, { repeats: 1 });
    await failure(compareOnnx(counting, good, bad, inputs), "VERIFICATION_FAILED");
    await failure(compareOnnx(counting, good, await runnable(unary("Abs")), inputs), "VERIFICATION_FAILED");
    expect(open).toBe(0);
  });
});

describe("differences of outputs", () => {
  const output = (data: Float32Array, ...dims: number[]): RuntimeTensor => ({ type: "float32", dims, data });

  test("known figures", () => {
    const difference = new OutputDifference("y");
    difference.add(output(Float32Array.of(3, 4, 0, 0), 2, 2), output(Float32Array.of(4, 3, 0, 0), 2, 2));
    expect(difference.result()).toEqual({
      ...{ name: "y", dtype: "float32", elements: 4, equal: 0.5, newNonFinite: 0 },
      ...{ cosine: 24 / 25, maxDifference: 1, relativeDifference: Math.SQRT2 / 5 },
      ...{ top1Agreement: 0.5, top1Vectors: 2 },
    });
  });
  test("zero against zero, zero against something, infinities of either sign", () => {
    const of = (a: number[], b: number[]) => {
      const difference = new OutputDifference("y");
      difference.add(output(Float32Array.from(a), a.length), output(Float32Array.from(b), b.length));
      return difference.result();
    };
    expect(of([0, 0], [0, 0])).toMatchObject({ cosine: 1, relativeDifference: 0 });
    expect(of([0, 0], [1, 0])).toMatchObject({ cosine: 0, relativeDifference: Infinity });
    expect(of([-Infinity, 1], [-Infinity, 1])).toMatchObject({ newNonFinite: 0, equal: 1, maxDifference: 0 });
    expect(of([-Infinity, 1], [Infinity, 1])).toMatchObject({ newNonFinite: 1 });
    expect(of([1, 2], [NaN, NaN])).toEqual({ name: "y", dtype: "float32", elements: 2, equal: 0, newNonFinite: 2 });
    expect(of([NaN, 1], [2, 1])).toMatchObject({ newNonFinite: 0, equal: 0.5, top1Agreement: 0 });
  });
  test("other shapes, strings", () => {
    const shapes = new OutputDifference("y");
    shapes.add(output(new Float32Array(2), 2), output(new Float32Array(2), 1, 2));
    expect(shapes.result()).toMatchObject({ shapes: { original: [2], compressed: [1, 2] } });
    expect(shapes.result()).not.toHaveProperty("cosine");
    const text = (...data: string[]): RuntimeTensor => ({ type: "string", dims: [data.length], data });
    const strings = new OutputDifference("y");
    strings.add(text("a", "b"), text("a", "c"));
    expect(strings.result()).toEqual({ name: "y", dtype: "string", elements: 2, equal: 0.5, newNonFinite: 0 });
  });
  test("adding runs is the same as one long run; scaling both scales what it must", () => {
    const float = fc.float({ noNaN: true, min: -1000, max: 1000 });
    fc.assert(
      fc.property(fc.array(fc.tuple(float, float, float, float), { minLength: 1, maxLength: 20 }), (rows) => {
        const a = Float32Array.from(rows.flatMap(([x, y]) => [x, y]));
        const b = Float32Array.from(rows.flatMap(([, , x, y]) => [x, y]));
        const [whole, pieces, scaled] = [0, 1, 2].map(() => new OutputDifference("y"));
        whole.add(output(a, rows.length, 2), output(b, rows.length, 2));
        for (let i = 0; i < rows.length; ++i)
          pieces.add(output(a.subarray(2 * i, 2 * i + 2), 1, 2), output(b.subarray(2 * i, 2 * i + 2), 1, 2));
        expect(pieces.result()).toEqual(whole.result());
        scaled.add(
          output(
            a.map((x) => 4 * x),
            rows.length,
            2,
          ),
          output(
            b.map((x) => 4 * x),
            rows.length,
            2,
          ),
        );
        const { maxDifference, cosine, relativeDifference, top1Agreement } = whole.result();
        expect(scaled.result()).toMatchObject({ maxDifference: 4 * maxDifference!, top1Agreement });
        expect(scaled.result().cosine).toBeCloseTo(cosine!, 12);
        if (Number.isFinite(relativeDifference))
          expect(scaled.result().relativeDifference).toBeCloseTo(relativeDifference!, 9);
        expect(Math.abs(cosine!)).toBeLessThanOrEqual(1);
      }),
    );
  });
});

test("a runtime that is asked for and not there: the commands that install it", async () => {
  const { message } = await failure(loadRuntime("node"), "INVALID_INPUT");
  expect(message).toBe(
    "onnxruntime-node is not installed, and running a model needs it. Install it: ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node (ONNXRUNTIME_NODE_INSTALL=skip spares the native package a download of GPU libraries, which the CPU does not need).",
  );
});

test("more bytes than WebAssembly has room for: refused before anything is read", async () => {
  const file = { ...(await open(classifier())), byteLength: 2 ** 30 + 1 };
  const { message } = await failure(() => runnableFile(runtime, "big.onnx", file), "OUT_OF_MEMORY");
  expect(message).toBe(
    "big.onnx takes 1073741825 bytes; models of at most 1073741824 bytes can be compared in onnxruntime-web. Use onnxruntime-node: ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node",
  );
  expect(await runnableFile({ ...runtime, kind: "node" }, "big.onnx", file).load()).toEqual({ model: "big.onnx" });
});
