// Kinds of files that people reported of other tools, by the number of the kind: what is made of each, or what is said of it.
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { failure } from "../../formats/fixtures.js";
import { externalTensor } from "../../formats/onnx/build.js";
import { weight } from "../../model/onnx-models/cases.js";
import { floats, graph, node, tensor, Type, value } from "../../model/onnx-models/graph.js";
import { cols, data, ids, opened, reportFolder, rows, table, W } from "./folder.js";

const { put } = reportFolder();
const transposed = Float32Array.from(data, (_, i) => data[(i % rows) * cols + Math.floor(i / rows)]);

test("report 02: external data that was renamed is named, with the tensor that wants it and what lies there", async () => {
  const renamed = externalTensor("W", [rows, cols], { location: "model.onnx_data" });
  const path = put("encoder.onnx", table(undefined, [renamed]));
  put("encoder.onnx_data", new Uint8Array(rows * cols * 4));
  const { message } = await failure(opened(path), "FILE");
  expect(message).toMatch(
    /external data of tensor "W" cannot be read.*model\.onnx_data.*has encoder\.onnx, encoder\.onnx_data/,
  );
});

test("report 04: a weight listed as an input is a constant before IR version 4; after it, how to make it one is said", async () => {
  const inputs = [ids, value("W", Type.float, [rows, cols])];
  const old = await opened(put("ir3.onnx", table(undefined, undefined, { inputs, irVersion: 3 })));
  expect(old.layers).toMatchObject([{ name: "W" }]);
  expect(old.layers[0].blocked).toBeUndefined();
  const later = await opened(put("ir8.onnx", table(undefined, undefined, { inputs })));
  expect(later.layers[0].blocked).toMatch(/take it out of the graph's inputs to make it a constant/);
});

test("report 05: a table beside its copy or its transpose is one tied layer", async () => {
  const nodes = [node("Gather", ["W", "ids"], ["h"]), node("MatMul", ["h", "V"], ["y"])];
  const turned = await opened(put("tied.onnx", table(nodes, [W, floats("V", [cols, rows], transposed)])));
  expect(turned.layers).toMatchObject([{ name: "W", kind: "tied", copies: [{ name: "V", transposed: true }] }]);
  const sum = [
    node("Gather", ["W", "ids"], ["a"]),
    node("Gather", ["V", "ids"], ["b"]),
    node("Add", ["a", "b"], ["y"]),
  ];
  const twice = await opened(put("twice.onnx", table(sum, [W, floats("V", [rows, cols], data)])));
  expect(twice.layers).toMatchObject([{ name: "W", kind: "embedding", copies: [{ name: "V", transposed: false }] }]);
});

test("report 07: weights that branches of a merged decoder read are layers", async () => {
  const branch = (name: string) =>
    graph({
      name,
      nodes: [node("Gather", ["W", "ids"], ["h"]), node("MatMul", ["h", "H"], ["out"])],
      outputs: [value("out", Type.float)],
    });
  const both = { then_branch: branch("first"), else_branch: branch("later") };
  const head = floats("H", [cols, rows], weight("H", cols, rows, 3).data);
  const inputs = [ids, value("use_cache", Type.bool, [])];
  const nodes = [node("If", ["use_cache"], ["y"], { attributes: both })];
  const { layers } = await opened(put("merged.onnx", table(nodes, [W, head], { inputs })));
  expect(layers).toMatchObject([
    { name: "W", kind: "embedding" },
    { name: "H", kind: "head" },
  ]);
  expect(layers.map(({ blocked }) => blocked)).toEqual([undefined, undefined]);
});

test("report 08: a table in halves is found with Cast before Gather, and behind it", async () => {
  const halves = tensor(
    "W",
    Type.float16,
    [rows, cols],
    new Uint16Array(rows * cols).map((_, i) => 0x3c00 + (i % 64)),
  );
  const cast = { attributes: { to: Type.float } };
  const before = [node("Cast", ["W"], ["f"], cast), node("Gather", ["f", "ids"], ["y"])];
  const behind = [node("Gather", ["W", "ids"], ["g"]), node("Cast", ["g"], ["y"], cast)];
  for (const nodes of [before, behind]) {
    const { layers } = await opened(put("m.onnx", table(nodes, [halves])));
    expect(layers).toMatchObject([{ name: "W", kind: "embedding", dtype: "F16" }]);
    expect(layers[0].blocked).toBeUndefined();
  }
});

describe("report 36: paths", () => {
  const stored = (entries: Record<string, string>) => table(undefined, [externalTensor("W", [rows, cols], entries)]);

  test.each(["with space", "per%20cent #1", "a;b&c", "\u00fcn\u00ef-\u30b3\u30fc\u30c9"])(
    "a folder called %s",
    async (name) => {
      put(join(name, "W.data"), new Uint8Array(rows * cols * 4));
      const path = put(join(name, "my model.v1.onnx"), stored({ location: "W.data" }));
      expect((await opened(path)).layers).toHaveLength(1);
    },
  );

  test("data without offset and length, and under a name that begins with digits: read", async () => {
    put("160ea76f-918f.data", new Uint8Array(rows * cols * 4));
    expect((await opened(put("m.onnx", stored({ location: "160ea76f-918f.data" })))).layers).toHaveLength(1);
  });

  test.each([
    ["weights\\W.data", /holds a backslash: folders are separated by \/, so replace \\ by \/ in it/],
    ["C:\\Users\\me\\W.data", /names a drive: give the file's path from the model's folder on/],
  ])("a location %s: refused, with what to write", async (location, wanted) => {
    expect((await failure(opened(put("m.onnx", stored({ location }))), "INVALID_FORMAT")).message).toMatch(wanted);
  });
});
