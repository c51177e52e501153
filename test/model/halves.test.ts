// Biases, norms and small tables in half precision, where little is asked of the answers.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bytesSource, memorySink, openOnnx, openSafetensors, writeSafetensors } from "../../src/formats/index.js";
import { createLoewner, type Loewner } from "../../src/index.js";
import { halvesOf } from "../../src/model/halves.js";
import { onnxModel, safetensorsModel, shrinkModel, type Model } from "../../src/model/index.js";
import { type InstalledRuntime, loadRuntime } from "../../src/node/onnxruntime.js";
import { model, node, tensor, valueInfo } from "../formats/onnx/build.js";
import { mainFile } from "./in-memory.js";
import { uniform } from "./onnx-models/random.js";

let runtime: InstalledRuntime;
let loewner: Loewner;
beforeAll(async () => {
  runtime = await loadRuntime("web");
  loewner = await createLoewner({ threads: 1 });
});
afterAll(() => loewner.dispose());

const numbers = (length: number, seed: number, scale = 1) =>
  Float32Array.from({ length }, (_, i) => scale * (uniform(seed, i) - 0.5));

const [tokens, width] = [600, 300];
const vectors: Record<string, Float32Array> = {
  bias: numbers(width, 1),
  large: numbers(width, 2, 200000),
  tiny: numbers(width, 3, 1e-7),
  zeros: new Float32Array(width),
};
const positions = numbers(8 * width, 4);

/** Each vector is an output, and added to the rows of a table. */
const graph = () =>
  model({
    inputs: [valueInfo("ids", ["n", 8], 7)],
    outputs: [valueInfo("y"), ...Object.keys(vectors).map((name) => valueInfo(`${name} as it is read`))],
    initializers: [
      tensor("word_embeddings.weight", [tokens, width], numbers(tokens * width, 5)),
      tensor("position_embeddings.weight", [8, width], positions),
      tensor("places", [8], BigInt64Array.from([0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n])),
      tensor("few", [10], numbers(10, 6)),
      ...Object.entries(vectors).map(([name, data]) => tensor(name, [width], data)),
    ],
    nodes: [
      node("Gather", ["word_embeddings.weight", "ids"], ["rows"]),
      node("Gather", ["position_embeddings.weight", "places"], ["placed"]),
      node("Add", ["rows", "placed"], ["sum"]),
      node("Add", ["sum", "bias"], ["y"]),
      ...Object.keys(vectors).map((name) => node("Identity", [name], [`${name} as it is read`])),
    ],
  });
const onnx = async () => onnxModel(await openOnnx(bytesSource(graph(), "m.onnx")));

async function safetensors(): Promise<Model> {
  const all = { ...vectors, "wpe.weight": positions, "h.0.fc.weight": numbers(64 * width, 7) };
  const tensors = Object.entries(all).map(([name, data]) => {
    const bytes = new Uint8Array(data.buffer);
    const shape = name.endsWith("weight") ? [data.length / width, width] : [width];
    return { name, dtype: "F32" as const, shape, byteLength: bytes.length, chunks: () => [bytes] };
  });
  const sink = memorySink();
  await writeSafetensors(sink, { tensors });
  return safetensorsModel(await openSafetensors(bytesSource(sink.bytes(), "m.safetensors")));
}

describe("which", () => {
  test("those that halves hold: not what is too large for them, nearly nothing in them, or too small to gain", async () => {
    expect([...(await halvesOf(await onnx(), {}))].sort()).toEqual(["bias", "position_embeddings.weight", "zeros"]);
    expect([...(await halvesOf(await safetensors(), {}))].sort()).toEqual(["bias", "wpe.weight", "zeros"]);
  });

  test("not a copy of a layer, which goes with it", async () => {
    const table = numbers(tokens * 32, 8);
    const turned = Float32Array.from(table, (_, i) => table[(i % tokens) * 32 + Math.floor(i / tokens)]);
    const bytes = model({
      inputs: [valueInfo("ids", ["n"], 7)],
      outputs: [valueInfo("y")],
      initializers: [tensor("word_embeddings.weight", [tokens, 32], table), tensor("head", [32, tokens], turned)],
      nodes: [node("Gather", ["word_embeddings.weight", "ids"], ["rows"]), node("MatMul", ["rows", "head"], ["y"])],
    });
    expect([...(await halvesOf(await onnxModel(await openOnnx(bytesSource(bytes))), {}))]).toEqual([]);
  });

  test("not an excluded table", async () => {
    const exclude = ["*position*"];
    expect([...(await halvesOf(await onnx(), { exclude }))].sort()).toEqual(["bias", "zeros"]);
  });
});

describe("with quality small", () => {
  test.each(["high", "small"] as const)("%s: the rest of an ONNX model, and that is told", async (quality) => {
    const opened = await onnx();
    const layers = ["word*"];
    const { files, halves, notes } = await shrinkModel(loewner, opened, { quality, layers });
    const told = notes.filter((note) => note.includes("half precision"));
    if (quality === "high") return expect({ halves, told }).toEqual({ halves: undefined, told: [] });
    expect(halves!.sort()).toEqual(["bias", "position_embeddings.weight", "zeros"]);
    expect(told).toEqual([
      expect.stringMatching(new RegExp(`^3 tensors .* ${2 * (2 * width + 8 * width)} bytes less`)),
    ]);
    const session = await runtime.InferenceSession.create(await mainFile(files));
    const ids = BigInt64Array.from({ length: 8 }, (_, i) => BigInt(70 * i));
    const outputs = await session.run({ ids: new runtime.Tensor("int64" as never, ids as never, [1, 8]) });
    for (const [name, data] of Object.entries(vectors)) {
      const read = outputs[`${name} as it is read`].data as Float32Array;
      const error = Math.max(...read.map((x, i) => Math.abs(x - data[i])));
      expect(error).toBeLessThanOrEqual(name === "bias" ? 2 ** -12 : 0);
      if (name === "bias") expect(error).toBeGreaterThan(0);
    }
    await session.release();
  });

  test("the rest of a safetensors model, as F16", async () => {
    const { files, halves } = await shrinkModel(loewner, await safetensors(), { quality: "small", layers: ["h*"] });
    expect(halves!.sort()).toEqual(["bias", "wpe.weight", "zeros"]);
    const { tensors } = await openSafetensors(bytesSource(await mainFile(files), "small.safetensors"));
    const dtypes = Object.keys(vectors).map((name) => [name, tensors.get(name)!.dtype]);
    expect(Object.fromEntries(dtypes)).toEqual({ bias: "F16", large: "F32", tiny: "F32", zeros: "F16" });
    expect(tensors.get("wpe.weight")).toMatchObject({ dtype: "F16", shape: [8, width] });
  });

  test("a size that is given leaves them as they are", async () => {
    const { halves } = await shrinkModel(loewner, await onnx(), { budget: 0.3, layers: ["word*"] });
    expect(halves).toBeUndefined();
  });
});
