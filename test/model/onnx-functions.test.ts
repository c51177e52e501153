// Bodies of a model's own functions in place of their calls: which calls, under which names, and what stays.
import { fromBinary } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import { bytesSource, openOnnx } from "../../src/formats/index.js";
import { ModelProtoSchema, type NodeProto } from "../../src/formats/onnx/onnx_pb.js";
import { onnxModel } from "../../src/model/index.js";
import { inlinedModel } from "../../src/model/onnx/functions/inlined.js";
import { plain, weight } from "./onnx-models/cases.js";
import { open } from "./onnx-models/compressing.js";
import { floats, functionField, model, node, Type, value } from "./onnx-models/graph.js";
import { run } from "./onnx-models/session.js";

const mine = "mine";
const call = (name: string, inputs: string[], outputs: string[]) => node(name, inputs, outputs, { domain: mine });

function own(name: string, inputs: string[], outputs: string[], nodes: NodeProto[], opsets = {}): Uint8Array {
  return functionField({ domain: mine, name }, inputs, outputs, nodes, { opsets: { "": 17, [mine]: 1, ...opsets } });
}

function built(
  nodes: NodeProto[],
  functions: Uint8Array[],
  initializers = [floats("W", [24, 24], weight("W", 24, 24).data)],
) {
  const bytes = model({
    ...{ nodes, initializers, domains: { [mine]: 1 } },
    inputs: [value("x", Type.float, [3, 24])],
    outputs: [value("y", Type.float, [3, 24])],
  });
  return Uint8Array.of(...bytes, ...functions.flatMap((field) => [...field]));
}

/** The model as it is read: its bytes, and what is in them. */
async function inlined(bytes: Uint8Array) {
  const opened = await openOnnx(bytesSource(bytes));
  const made = await inlinedModel(opened);
  const { size } = made.source;
  const all = (await made.source.slice(0, size)).slice();
  return { isSame: made === opened, bytes: all, made, message: fromBinary(ModelProtoSchema, all) };
}

const relu = own("Soft", ["a"], ["b"], [node("Tanh", ["a"], ["b"])]);
const constant = node("Constant", [], ["w"], {
  attributes: { value: floats("", [24, 24], weight("w", 24, 24, 7).data) },
});
const holding = own("Own", ["a"], ["c"], [constant, node("MatMul", ["a", "w"], ["c"])]);
const dense = own("Dense", ["a", "b"], ["c"], [node("MatMul", ["a", "b"], ["c"])]);
const x = { x: { type: "float32" as const, dims: [3, 24], data: weight("x", 3, 24, 6).data } };

describe("functions of a model", () => {
  it("that no weight goes into stay, and are called as before", async () => {
    const nodes = [call("Dense", ["x", "W"], ["h"]), call("Soft", ["h"], ["y"])];
    const { message } = await inlined(built(nodes, [dense, relu]));
    expect(message.graph!.node.map(({ opType }) => opType)).toEqual(["MatMul", "Soft"]);
    expect(message.functions.map(({ name }) => name)).toEqual(["Soft"]);
    const alone = built([node("MatMul", ["x", "W"], ["h"]), call("Soft", ["h"], ["y"])], [relu]);
    expect(await inlined(alone)).toMatchObject({ isSame: true });
  });

  it("stay where others that stay call them", async () => {
    const both = own("Both", ["a", "b"], ["c"], [call("Soft", ["a"], ["s"]), node("MatMul", ["s", "b"], ["c"])]);
    const { message } = await inlined(built([call("Both", ["x", "W"], ["y"])], [both, relu]));
    expect(message.graph!.node.map(({ opType }) => opType)).toEqual(["Soft", "MatMul"]);
    expect(message.functions.map(({ name }) => name)).toEqual(["Soft"]);
  });

  it("have constants that are layers, once where they are called twice", async () => {
    const bytes = built([call("Own", ["x"], ["h"]), call("Own", ["h"], ["y"])], [holding], []);
    const { layers, byteLength } = await open(plain(bytes));
    expect(layers).toMatchObject([{ name: "h/w", shape: [24, 24], copies: [{ name: "y/w" }] }]);
    expect(layers[0].blocked).toBeUndefined();
    expect(byteLength).toBe(bytes.byteLength);
    expect(await run(plain((await inlined(bytes)).bytes), x)).toEqual(await run(plain(bytes), x));
  });

  it("pass an input on by Identity, and put out what nobody reads under a fresh name", async () => {
    const odd = own("Odd", ["a", "b"], ["c", "a", "c"], [node("MatMul", ["a", "b"], ["c"])]);
    const nodes = [call("Odd", ["x", "W"], ["", "same", "twice"]), node("Add", ["same", "twice"], ["y"])];
    const { message } = await inlined(built(nodes, [odd]));
    expect(message.graph!.node.map(({ opType, input, output }) => [opType, input, output])).toEqual([
      ["MatMul", ["x", "W"], ["same/c"]],
      ["Identity", ["x"], ["same"]],
      ["Identity", ["same/c"], ["twice"]],
      ["Add", ["same", "twice"], ["y"]],
    ]);
  });

  it("that call themselves, or read what they do not have, stay", async () => {
    const self = own("Self", ["a", "b"], ["c"], [call("Self", ["a", "b"], ["c"])]);
    const { message } = await inlined(built([call("Self", ["x", "W"], ["y"])], [self]));
    expect(message.graph!.node.map(({ opType }) => opType)).toEqual(["Self"]);
    expect(message.functions).toHaveLength(1);
    const lost = own("Lost", ["a", "b"], ["c"], [node("MatMul", ["a", "elsewhere"], ["c"])]);
    expect(await inlined(built([call("Lost", ["x", "W"], ["y"])], [lost]))).toMatchObject({ isSame: true });
  });

  it("that double at each level are not taken apart beyond bounds", async () => {
    const levels = Array.from({ length: 40 }, (_, i) =>
      own(`F${i}`, ["a", "b"], ["c"], [call(`F${i + 1}`, ["a", "b"], ["d"]), call(`F${i + 1}`, ["d", "b"], ["c"])]),
    );
    const last = own("F40", ["a", "b"], ["c"], [node("MatMul", ["a", "b"], ["c"])]);
    expect(await inlined(built([call("F0", ["x", "W"], ["y"])], [...levels, last]))).toMatchObject({ isSame: true });
  });

  it("of another version of an operator set stay, and their weights are said to lie in them", async () => {
    const old = own("Own", ["a"], ["c"], [constant, node("MatMul", ["a", "w"], ["c"])], { "": 13 });
    const { layers } = await open(plain(built([call("Own", ["x"], ["y"])], [old], [])));
    expect(layers).toMatchObject([
      {
        name: "mine.Own, constant 1",
        blocked: expect.stringMatching(/^lies in the model's own function mine\.Own; onnx/),
      },
    ]);
  });

  it("are in a result as they were where nothing of it is compressed", async () => {
    const bytes = built([call("Dense", ["x", "W"], ["y"])], [dense]);
    const { layOut } = await onnxModel(await openOnnx(bytesSource(bytes)));
    expect(await layOut([])).toMatchObject([{ byteLength: bytes.byteLength }]);
  });
});
