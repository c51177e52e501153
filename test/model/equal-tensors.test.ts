// Constants beside the weights, vectors and masks, that hold the same bytes are stored once in whatever is written.
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ModelProtoSchema } from "../../src/formats/onnx/onnx_pb.js";
import { createLoewner, type Loewner } from "../../src/index.js";
import type { CompressOptions } from "../../src/model/index.js";
import { type BuiltModel, type InputTensor, plain, randomFloats, weight } from "./onnx-models/cases.js";
import { compress } from "./onnx-models/compressing.js";
import { floats, graph, model, type ModelParts, node, tensor, Type, value } from "./onnx-models/graph.js";
import { type OutputTensor, run } from "./onnx-models/session.js";
import { storedProduct } from "./onnx-models/stored.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

function expectClose(actual: Record<string, OutputTensor>, wanted: Record<string, OutputTensor>, tolerance: number) {
  const [a, b] = [actual.logits.data, wanted.logits.data];
  const size = b.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  expect(b.reduce((most, x, i) => Math.max(most, Math.abs(x - a[i])), 0)).toBeLessThanOrEqual(tolerance * size);
}

describe("constants beside the weights", () => {
  const width = 512;
  const bias = weight("b", 2, width / 2, 9).data;
  const x: InputTensor = randomFloats([3, 24]);
  const given: ModelParts = {
    inputs: [value("x", Type.float, [3, 24])],
    outputs: [value("logits", Type.float, [3, width])],
  };
  const W = weight("W", 24, width, 8).data;
  const mask = Uint8Array.from({ length: 3 * width }, (_, i) => Number(i % 3 > 0));
  /** Reads two vectors, the second of them in a branch, and two masks. */
  const build = (second: Float32Array) => {
    const then = graph({ nodes: [node("Add", ["p", "b2"], ["a"])], outputs: [value("a", Type.float, [3, width])] });
    const otherwise = graph({ nodes: [node("Neg", ["p"], ["c"])], outputs: [value("c", Type.float, [3, width])] });
    return plain(
      model({
        ...given,
        nodes: [
          node("MatMul", ["x", "W"], ["y"]),
          node("Add", ["y", "b1"], ["p"]),
          node("Cast", ["one"], ["yes"], { attributes: { to: Type.bool } }),
          node("If", ["yes"], ["q"], { attributes: { then_branch: then, else_branch: otherwise } }),
          node("Where", ["m1", "q", "zero"], ["r"]),
          node("Where", ["m2", "r", "zero"], ["logits"]),
        ],
        initializers: [
          floats("W", [24, width], W),
          floats("b1", [width], bias),
          floats("b2", [width], second),
          tensor("m1", Type.bool, [3, width], mask),
          tensor("m2", Type.bool, [3, width], mask),
          floats("one", [1], Float32Array.of(1)),
          floats("zero", [], Float32Array.of(0)),
        ],
      }),
    );
  };
  const namesIn = ({ bytes }: BuiltModel) =>
    fromBinary(ModelProtoSchema, bytes).graph!.initializer.map(({ name }) => name);

  it.each([
    ["beside layers as they are", { names: [], keep: 0.5 }],
    ["beside factors", { layers: ["W"], keep: 0.5 }],
    ["in halves", { layers: ["W"], keep: 0.5, halves: new Set(["b1", "b2"]) }],
  ] as [string, CompressOptions][])("are stored once, %s", async (_, options) => {
    const original = build(bias);
    const small = await compress(loewner, original, options);
    for (const name of ["b2", "m2"]) expect(namesIn(small)).not.toContain(name);
    const layered = small.report.layers.length ? storedProduct(small, "W") : W;
    const back = fromBinary(ModelProtoSchema, original.bytes);
    back.graph!.initializer.find(({ name }) => name === "W")!.rawData = new Uint8Array(layered.buffer.slice(0));
    const wanted = await run(plain(toBinary(ModelProtoSchema, back)), { x });
    expectClose(await run(small, { x }), wanted, "halves" in options ? 1e-3 : 2e-6);
  });

  it("that differ in one number stay apart", async () => {
    const small = await compress(loewner, build(bias.with(100, 1)), { names: [], keep: 0.5 });
    expect(namesIn(small)).toEqual(expect.arrayContaining(["b1", "b2", "m1"]));
  });
});
