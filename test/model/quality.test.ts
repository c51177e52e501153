// As small as answers allow: bits by what errors of each layer cost, and what is promised is kept on the inputs.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createLoewner, type Loewner } from "../../src/index.js";
import type { Feed } from "../../src/model/calibrate/feeds.js";
import { openFed } from "../../src/model/calibrate/fed-weights.js";
import { shrinkModel, type ShrinkOptions } from "../../src/model/index.js";
import { fitLayer } from "../../src/model/fit.js";
import { matrixOf, outputsByInputs } from "../../src/model/model.js";
import { onnxModel } from "../../src/model/onnx/model.js";
import { Runner } from "../../src/model/onnx/runner.js";
import { runnableModel } from "../../src/model/onnx/runtime.js";
import { Answers } from "../../src/model/quality/answers.js";
import { runnableFiles } from "../../src/model/quality/laid-out.js";
import { sampleOf } from "../../src/model/quality/sample.js";
import { measuredSensitivities } from "../../src/model/quality/sensitivity.js";
import { noCertificate } from "../../src/model/sizes.js";
import { type InstalledRuntime, loadRuntime } from "../../src/node/onnxruntime.js";
import { failure } from "../formats/fixtures.js";
import { model, node, open, tensor, valueInfo } from "../formats/onnx/build.js";
import { uniform } from "./onnx-models/random.js";

const INT64 = 7;
let runtime: InstalledRuntime;
let loewner: Loewner;
beforeAll(async () => {
  runtime = await loadRuntime("web");
  loewner = await createLoewner({ threads: 1 });
});
afterAll(() => loewner.dispose());

/** Nearly normal. */
const normals = (length: number, seed: number) =>
  Float32Array.from({ length }, (_, i) => [0, 1, 2, 3].reduce((sum, k) => sum + uniform(seed, 4 * i + k) - 0.5, 0));

const [tokens, width, inner] = [1200, 64, 160];

/** Two blocks of fully connected layers over a table of tokens; `faint` is added times 1/200. */
const encoder = () =>
  model({
    inputs: [valueInfo("input_ids", ["batch", "sequence"], INT64)],
    outputs: [valueInfo("hidden")],
    initializers: [
      tensor("table", [tokens, width], normals(tokens * width, 1)),
      tensor("up", [width, inner], normals(width * inner, 2)),
      tensor("down", [inner, width], normals(inner * width, 3)),
      tensor("faint", [width, width], normals(width * width, 4)),
      tensor("hundredth", [], Float32Array.of(0.005)),
      tensor("out", [width, width], normals(width * width, 5)),
    ],
    nodes: [
      node("Gather", ["table", "input_ids"], ["x"]),
      node("MatMul", ["x", "up"], ["u"]),
      node("Relu", ["u"], ["r"]),
      node("MatMul", ["r", "down"], ["d"]),
      node("MatMul", ["x", "faint"], ["f"]),
      node("Mul", ["f", "hundredth"], ["g"]),
      node("Add", ["d", "g"], ["y"]),
      node("MatMul", ["y", "out"], ["hidden"]),
    ],
  });

/** The sign of one number a text, as two logits. */
const classifier = () =>
  model({
    inputs: [valueInfo("input_ids", ["batch", "sequence"], INT64)],
    outputs: [valueInfo("logits")],
    initializers: [
      tensor("table", [tokens, width], normals(tokens * width, 1)),
      tensor("up", [width, inner], normals(width * inner, 2)),
      tensor("down", [inner, width], normals(inner * width, 3)),
      tensor(
        "line",
        [width, 2],
        normals(2 * width, 6).map((_, i, all) => (i % 2 ? -1 : 1) * all[i >> 1]),
      ),
    ],
    nodes: [
      node("Gather", ["table", "input_ids"], ["x"]),
      node("MatMul", ["x", "up"], ["u"]),
      node("Relu", ["u"], ["r"]),
      node("MatMul", ["r", "down"], ["d"]),
      node("ReduceMean", ["d"], ["mean"], { axes: [1], keepdims: 0 }),
      node("MatMul", ["mean", "line"], ["logits"]),
    ],
  });

const ids = (seed: number, texts = 16, length = 12): Feed => ({
  input_ids: {
    ...{ dtype: "int64", shape: [texts, length] },
    // Low numbers more often than high ones.
    data: BigInt64Array.from({ length: texts * length }, (_, i) => BigInt(Math.floor(tokens * uniform(seed, i) ** 3))),
  },
});
const feeds = [11, 12, 13, 14].map((seed) => ids(seed));

async function shrunk(options: ShrinkOptions = {}, given: readonly Feed[] = feeds, bytes = encoder()) {
  const opened = await open(bytes);
  const inputs = { model: opened, feeds: given, runtime };
  return shrinkModel(loewner, await onnxModel(opened), { layers: ["all"], inputs, ...options });
}

const fault = (_: string, __: string, message: string) => new Error(message);
const answersOf = (given: readonly Feed[] = feeds) => new Answers({ runtime, feeds: given, width, threads: 1, fault });

/** What a model puts out on a feed. */
async function hidden(runner: Runner): Promise<Float32Array> {
  const inputs = Object.entries(feeds[0]).map(([name, array]) => ({ name, source: "given" as const, ...array }));
  const { outputs } = await runner.run(inputs);
  return outputs.hidden.data as Float32Array;
}

const apart = (x: ArrayLike<number>, y: ArrayLike<number>) =>
  Math.sqrt(Array.from(x).reduce((sum, value, i) => sum + (value - y[i]) ** 2, 0));

describe("weights that each run is given", () => {
  test("answer as those in the file, and others in their place as a file with these does", async () => {
    const opened = await open(encoder());
    const fed = await openFed(opened, { runtime, threads: 1, fault });
    const whole = await Runner.open(runtime, runnableModel(opened), 1, fault);
    expect(fed.givenAs("up")?.shape).toEqual([width, inner]);
    expect(fed.givenAs("hundredth")).toBeUndefined();
    const plain = await hidden(whole);
    const size = apart(plain, new Float32Array(plain.length));
    expect(apart(await hidden(fed), plain)).toBeLessThan(1e-6 * size);
    const before = fed.givenAs("table")!;
    fed.exchange([{ ...before, data: normals(tokens * width, 9) }]);
    expect(apart(await hidden(fed), plain)).toBeGreaterThan(0.1 * size);
    fed.exchange([before]);
    expect(apart(await hidden(fed), plain)).toBeLessThan(1e-6 * size);
    await Promise.all([fed.release(), whole.release()]);
  });

  test("stay in a model that a runtime takes only with them", async () => {
    const opened = await open(encoder());
    const refusing = {
      ...runtime,
      InferenceSession: {
        create: async (bytes: Uint8Array) => {
          if (bytes.byteLength < encoder().byteLength) throw new Error("a constant is wanted");
          return runtime.InferenceSession.create(bytes);
        },
      },
    } as typeof runtime;
    const runner = await openFed(opened, { runtime: refusing, threads: 1, fault });
    expect(runner.givenAs("up")).toBeUndefined();
    expect((await hidden(runner)).length).toBe(16 * 12 * width);
    await runner.release();
  });

  test("a layer is worth what a file with its codes in it loses, and a table what the rows that are read lose", async () => {
    const opened = await open(encoder());
    const found = await onnxModel(opened);
    const layerOf = (name: string) => found.layers.find((each) => each.name === name)!;
    const read = Uint32Array.from(new Set([...(feeds[0].input_ids.data as BigInt64Array)].map(Number))).sort();
    const cases = [
      [outputsByInputs(layerOf("down")), { type: "trellis", bits: 2 }, undefined],
      [layerOf("table"), { type: "transform", bytes: tokens * width * 0.3 }, read],
      [layerOf("table"), { rank: width, type: "int4", dense: true }, undefined],
    ] as const;
    for (const [layer, target, only] of cases) {
      const rowWeights = Float64Array.from({ length: tokens }, (_, i) => 1 + (i % 3));
      const options = layer.name === "table" ? { rowWeights } : {};
      const fitted = await fitLayer(loewner, layer, matrixOf(found, layer), target, options);
      const part = only && (await fitLayer(loewner, layer, matrixOf(found, layer), target, { ...options, only }));
      const planned = { layer, own: {}, targets: [target], expected: 1, because: "" };
      const draft = { ...(part ?? fitted), ...(only && { only }) };
      const fits = { chosen: [planned], made: [draft], skipped: [] };
      const files = await found.layOut([{ ...fitted, certificate: noCertificate }]);
      const answers = answersOf(feeds.slice(0, 1));
      await answers.ask(runnableModel(opened));
      const measured = { original: opened, all: answers, sample: answersOf(feeds.slice(0, 1)) };
      const cost = (await measuredSensitivities(found, measured, fits, {})).get(layer.name)!;
      const { cosine } = await answers.agreement(runnableFiles("codes", files));
      expect(cost / (1 - cosine)).toBeCloseTo(1, 1);
    }
  });
});

describe("with inputs", () => {
  test("answers agree as was asked for, in fewer bytes the less was asked", async () => {
    let before = Infinity;
    for (const cosine of [0.9995, 0.995, 0.97]) {
      const { agreement, bytesAfter, asked } = await shrunk({ cosine });
      expect(asked).toBe(cosine);
      expect(agreement!.cosine).toBeGreaterThanOrEqual(cosine);
      expect(agreement!.samples).toBe(64);
      expect(bytesAfter).toBeLessThan(before);
      before = bytesAfter;
    }
    expect(before).toBeLessThan(0.16 * encoder().byteLength);
  });

  test("what is lost was foretold to a quarter, at five sizes", async () => {
    for (const share of [0.3, 0.2, 0.16, 0.12, 0.1]) {
      const bytes = Math.floor(share * encoder().byteLength);
      const { agreement, forecast, bytesAfter } = await shrunk({ bytes });
      expect(bytesAfter).toBeLessThanOrEqual(bytes);
      const ratio = (1 - forecast!) / (1 - agreement!.cosine);
      expect(ratio).toBeGreaterThan(0.75);
      expect(ratio).toBeLessThan(1.25);
    }
  });

  test("no table loses all of its components, however few bytes there are: what that costs is told by no smaller error", async () => {
    for (const share of [0.095, 0.09]) {
      const { agreement, forecast, layers } = await shrunk({ bytes: Math.floor(share * encoder().byteLength) });
      expect(layers.find(({ name }) => name === "table")!.rank).toBeGreaterThanOrEqual(8);
      const ratio = (1 - forecast!) / (1 - agreement!.cosine);
      expect(ratio).toBeGreaterThan(0.6);
      expect(ratio).toBeLessThan(1.6);
    }
  });

  test("two logits on a line err by their length: their cosine says nothing until a sign changes", async () => {
    const original = classifier();
    let before = 0;
    for (const share of [0.25, 0.18, 0.12]) {
      const { agreement, forecast } = await shrunk({ bytes: share * original.byteLength }, feeds, original);
      expect(agreement!.vectors).toBe(64);
      const lost = 1 - agreement!.cosine;
      expect(lost).toBeGreaterThan(before);
      expect(agreement!.worst).toBe(agreement!.cosine);
      const ratio = (1 - forecast!) / lost;
      expect(ratio).toBeGreaterThan(0.5);
      expect(ratio).toBeLessThan(2);
      before = lost;
    }
  });

  test("a few rows of inputs are taken from all over them, unless the inputs of a run differ in rows", () => {
    const few = sampleOf(feeds);
    expect(few.map((feed) => feed.input_ids.shape)).toEqual([4, 4, 4, 4].map((rows) => [rows, 12]));
    few.forEach(({ input_ids: { data } }, i) => {
      const all = feeds[i].input_ids.data as BigInt64Array;
      expect([...(data as BigInt64Array)]).toEqual(
        [2, 6, 10, 14].flatMap((row) => [...all.slice(12 * row, 12 * row + 12)]),
      );
    });
    expect(sampleOf([ids(1, 3), ids(2, 5)])).toEqual([ids(1, 3), ids(2, 5)]);
    const odd = feeds.map((feed) => ({
      ...feed,
      sizes: { dtype: "int64" as const, shape: [2], data: BigInt64Array.of(1n, 2n) },
    }));
    expect(sampleOf(odd)).toEqual([odd[2]]);
  });

  test("a layer that answers hardly depend on gets the fewest bits", async () => {
    const { layers } = await shrunk({ bytes: Math.floor(0.16 * encoder().byteLength) });
    const bits = new Map(layers.map((layer) => [layer.name, layer.bits]));
    for (const other of ["up", "down", "out"]) expect(bits.get("faint")).toBeLessThan(bits.get(other)!);
  });

  test("second moments of the inputs serve error feedback, counts of tokens weigh rows", async () => {
    const { layers } = await shrunk({ bytes: Math.floor(0.16 * encoder().byteLength) });
    const [table, up] = ["table", "up"].map((name) => layers.find((layer) => layer.name === name)!);
    expect(table.rowWeights).toBe("counts in 64 calibration inputs");
    const plain = await shrunk({ bytes: Math.floor(0.16 * encoder().byteLength), inputs: undefined });
    expect(up.outputError).toBeGreaterThan(0);
    expect(plain.layers.find((layer) => layer.name === "up")!.outputError).toBeUndefined();
  });

  test("one sample, and fewer samples than columns, are remarked upon", async () => {
    const { notes } = await shrunk({ cosine: 0.9 }, [ids(7, 1)]);
    expect(notes.join(" ")).toMatch(/One sample/);
    expect(notes.join(" ")).toMatch(/12 rows for \d+ columns/);
  });

  test("the same files every time", async () => {
    const written = async () => {
      const { files } = await shrunk({ quality: "small" });
      const chunks: Uint8Array[] = [];
      await files[0].write({ write: async (bytes) => void chunks.push(bytes.slice()) });
      return Buffer.concat(chunks);
    };
    expect((await written()).equals(await written())).toBe(true);
  });
});

describe("without inputs", () => {
  test("a quality is kept by what errors usually cost", async () => {
    const [lossless, high, small] = await Promise.all(
      (["lossless", "high", "small"] as const).map((quality) => shrunk({ quality, inputs: undefined })),
    );
    expect(high.agreement).toBeUndefined();
    expect(high.forecast).toBeGreaterThanOrEqual(0.99);
    expect(lossless.bytesAfter).toBeGreaterThan(high.bytesAfter);
    expect(high.bytesAfter).toBeGreaterThan(small.bytesAfter);
  });

  test("of a largest error of each layer: the fewest bits that keep to it", async () => {
    const { layers } = await shrunk({ inputs: undefined, maxError: 0.1 });
    for (const layer of layers.filter(({ bits }) => bits !== undefined)) {
      expect(layer.bits).toBe(4);
    }
  });

  test("a cosine that is none is refused", async () => {
    for (const cosine of [0, 1, 2, NaN])
      expect((await failure(shrunk({ cosine, inputs: undefined }), "INVALID_INPUT")).message).toContain(
        `got ${cosine}`,
      );
  });
});
