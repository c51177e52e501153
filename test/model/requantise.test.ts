// Weights that are quantised already are read as the floats that their codes stand for, and coded anew.
import { fromBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bytesSource, decodeNumbers, memorySink } from "../../src/formats/index.js";
import { ModelProtoSchema } from "../../src/formats/onnx/onnx_pb.js";
import { openOnnx } from "../../src/formats/onnx/open.js";
import { createLoewner, type Loewner } from "../../src/index.js";
import { compressModel, dequantisedModel, onnxModel, verifyLayers } from "../../src/model/index.js";
import { plain } from "./onnx-models/cases.js";
import { model, node, tensor, Type, value } from "./onnx-models/graph.js";
import { quantisedForms } from "./onnx-models/quantised.js";
import { run } from "./onnx-models/session.js";
import { storedProduct } from "./onnx-models/stored.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

const opened = (bytes: Uint8Array) => openOnnx(bytesSource(bytes, "model.onnx"));
const asFloats = async (bytes: Uint8Array) => onnxModel(await dequantisedModel(await opened(bytes)));

describe.each(quantisedForms)("$name", ({ layer: name, operator, numbers, shape, inputs, bytes, inFloats }) => {
  it("is left alone, with the operator and the way out, unless it is asked for", async () => {
    const { layers } = await onnxModel(await opened(bytes));
    const reasons = layers.flatMap(({ blocked }) => blocked ?? []);
    expect(reasons.some((reason) => reason.startsWith(`is quantised already (${operator})`))).toBe(true);
    expect(reasons.join()).toContain("start from the float file, which loses less, or add --requantise");
  });

  it("is read as the numbers that its codes stand for", async () => {
    const view = await asFloats(bytes);
    const layer = view.layers.find((each) => each.name === name);
    expect(layer).toMatchObject({ shape, dtype: "F32" });
    expect(layer!.blocked).toBeUndefined();
    expect(layer!.bytes).toBeLessThan(numbers.byteLength / 2);
    const rows = view.rows(name);
    expect(decodeNumbers(await rows.read(0, shape[0]), "f32")).toEqual(numbers);
    const [start, count] = [7, 3];
    const part = numbers.subarray(start * shape[1], (start + count) * shape[1]);
    expect(decodeNumbers(await rows.read(start, count), "f32")).toEqual(part);
  });

  it.each([
    { type: "int8", rank: 8 },
    { type: "int2", rank: 32 },
  ] as const)("runs with what was made of it, as $type of rank $rank", async (size) => {
    const view = await asFloats(bytes);
    const { layers, files } = await compressModel(loewner, view, { layers: [name], ...size });
    expect(layers.map((layer) => layer.name)).toEqual([name]);
    const sink = memorySink();
    await files[0].write(sink);
    const small = plain(sink.bytes());
    const [actual, wanted] = [await run(small, inputs), await run(plain(inFloats(storedProduct(small, name))), inputs)];
    const most = wanted.y.data.reduce((top, x) => Math.max(top, Math.abs(x)), 0);
    const off = wanted.y.data.reduce((top, x, i) => Math.max(top, Math.abs(x - actual.y.data[i])), 0);
    expect(off).toBeLessThanOrEqual(4e-6 * most);
    const namesIn = (of: Uint8Array) => {
      const { initializer, node } = fromBinary(ModelProtoSchema, of).graph!;
      return [...initializer.map((each) => each.name), ...node.map((each) => each.output[0])];
    };
    const codes = ["Q", "s", "z", "flat"].filter((each) => namesIn(bytes).includes(each));
    expect(namesIn(small.bytes).filter((each) => codes.includes(each))).toEqual([]);
    expect((await verifyLayers(loewner, view, await onnxModel(await opened(small.bytes)))).ok).toBe(true);
  });
});

describe("codes that something else reads too", () => {
  it("stay, and are no layer", async () => {
    const [{ bytes: whole }] = quantisedForms;
    const read = fromBinary(ModelProtoSchema, whole);
    const bytes = model({
      nodes: [...read.graph!.node, node("Cast", ["Q"], ["z"], { attributes: { to: Type.float } })],
      initializers: read.graph!.initializer,
      inputs: read.graph!.input,
      outputs: [...read.graph!.output, value("z", Type.float, [96, 32])],
    });
    const { layers } = await asFloats(bytes);
    expect(layers.find(({ name }) => name === "Q")!.blocked).toMatch(
      /^is quantised already \(DequantizeLinear\): start from the float file, which loses less$/,
    );
  });
});

describe("a layer that is left out", () => {
  it("keeps its codes to the byte, and other layers go on", async () => {
    const codes = tensor(
      "Q",
      Type.int8,
      [40, 24],
      Int8Array.from({ length: 960 }, (_, i) => ((i * 37) % 255) - 127),
    );
    const other = tensor(
      "P",
      Type.int8,
      [24, 40],
      Int8Array.from({ length: 960 }, (_, i) => ((i * 53) % 255) - 127),
    );
    const scale = tensor("s", Type.float, [], Float32Array.of(0.02));
    const bytes = model({
      nodes: [
        node("DequantizeLinear", ["Q", "s"], ["W"]),
        node("MatMul", ["x", "W"], ["h"]),
        node("DequantizeLinear", ["P", "s"], ["V"]),
        node("MatMul", ["h", "V"], ["y"]),
      ],
      initializers: [codes, other, scale],
      inputs: [value("x", Type.float, [3, 40])],
      outputs: [value("y", Type.float, [3, 40])],
    });
    const { files } = await compressModel(loewner, await asFloats(bytes), { layers: ["V"], rank: 4, type: "int8" });
    const sink = memorySink();
    await files[0].write(sink);
    const { graph } = fromBinary(ModelProtoSchema, sink.bytes());
    const tensors = new Map(graph!.initializer.map((each) => [each.name, each]));
    expect(tensors.get("Q")!.rawData).toEqual(codes.rawData);
    expect(tensors.has("s")).toBe(true);
    expect(tensors.has("P")).toBe(false);
  });
});
