import { describe, expect, test } from "vitest";
import {
  type ByteSource,
  layOutOnnx,
  MAX_ONNX_FILE,
  type NewTensor,
  type OnnxEdits,
  type OnnxModel,
  onnxRows,
  openOnnx,
  type StreamedBytes,
} from "../../../src/formats/index.js";
import { readRows } from "../../../src/matrix.js";
import { concat, failure } from "../fixtures.js";
import {
  collect,
  externalTensor,
  graph,
  initializersOf,
  message,
  model,
  newTensor,
  node,
  open,
  tensor,
  valueInfo,
  varint,
  written,
} from "./build.js";

describe("external data", () => {
  const numbers = (n: number, from: number) => Float32Array.from({ length: n }, (_, i) => from + i);
  const raw = (values: Float32Array) => new Uint8Array(values.buffer);
  const a = numbers(600, 0);
  const b = numbers(300, 1000);
  const files = { "one.bin": concat(new Uint8Array(64), raw(a)), "sub/two.bin": raw(b) };
  const place = (location: string, offset?: string, length?: string) => ({
    location,
    ...(offset !== undefined && { offset }),
    ...(length !== undefined && { length }),
    checksum: "of the old file",
  });
  const body = graph({
    nodes: [node("Constant", [], ["k"], { value: externalTensor("deep", [300], place("sub/two.bin")) })],
    initializers: [externalTensor("inner", [20, 30], place("one.bin", "64"))],
    outputs: [valueInfo("k")],
  });
  const bytes = model({
    initializers: [
      externalTensor("a", [20, 30], place("one.bin", "64", "2400")),
      externalTensor("tied", [30, 20], place("one.bin", "64", "2400")),
      tensor("small", [2], [1, 2]),
      externalTensor("b", [300], place("sub/two.bin")),
    ],
    nodes: [
      node("Constant", [], ["c"], { value: externalTensor("", [300], place("sub/two.bin")) }),
      node("If", ["x"], ["y"], { then_branch: body, else_branch: body }),
    ],
    inputs: [valueInfo("x")],
  });
  const reopened = async (opened: OnnxModel, edits: OnnxEdits) => {
    const { main, external } = layOutOnnx(opened, edits);
    const data: Record<string, Uint8Array> = {};
    for (const file of external) data[file.name] = await written(file.bytes);
    return { data, again: await open(await written(main), data) };
  };

  test("moves to one file: aligned, tied ranges once, wherever the tensors are", async () => {
    const opened = await open(bytes, files);
    expect([opened.hasExternalData, opened.byteLength]).toEqual([true, bytes.length + 2400 + 1200]);
    const c = numbers(256, 5000);
    const { data, again } = await reopened(opened, {
      addTensors: [newTensor("e", [256], [...c]), newTensor("d", [1], [9])],
    });
    expect(Object.keys(data)).toEqual(["m.onnx_data"]);
    expect(data["m.onnx_data"]).toEqual(
      concat(raw(a), new Uint8Array(2432 - 2400), raw(b), new Uint8Array(3648 - 2432 - 1200), raw(c)),
    );
    const { initializers, nodes } = again.graph;
    const where = (name: string) => initializers.get(name)!.data;
    expect(where("a")).toEqual({ kind: "external", location: "m.onnx_data", offset: 0, length: 2400 });
    expect(where("tied")).toEqual(where("a"));
    expect(where("b")).toMatchObject({ offset: 2432, length: 1200 });
    expect(where("e")).toMatchObject({ offset: 3648, length: 1024 });
    expect([where("small").kind, where("d").kind]).toEqual(["inline", "inline"]);
    expect(nodes[0].tensors.get("value")!.data).toEqual(where("b"));
    expect(again.nested.map(({ tensor }) => [tensor.name, tensor.data])).toEqual([
      ["", where("b")],
      ["deep", where("b")],
      ["inner", where("a")],
      ["deep", where("b")],
      ["inner", where("a")],
    ]);
    expect(await readRows(onnxRows(again, initializers.get("tied")!))).toEqual(new Float64Array(a));
  });

  test("begins at a page where it is large, so that it can be mapped", async () => {
    const opened = await open(bytes, files);
    const large = (name: string) => newTensor(name, [1 << 15], new Array<number>(1 << 15).fill(1));
    const { again } = await reopened(opened, {
      addTensors: [large("e"), newTensor("f", [256], [...b.subarray(0, 256)]), large("g")],
    });
    const { initializers } = again.graph;
    expect(initializers.get("e")!.data).toMatchObject({ offset: 4096 });
    expect(initializers.get("f")!.data).toMatchObject({ offset: 4096 + (1 << 17) });
    expect(initializers.get("g")!.data).toMatchObject({ offset: 8192 + (1 << 17) });
  });

  test("that is a pointer to a file, or a page about it, is told for what it is", async () => {
    const one = model({ initializers: [externalTensor("w", [1000], { location: "w.bin" })] });
    const opening = async (text: string) =>
      (await failure(open(one, { "w.bin": new TextEncoder().encode(text) }), "INVALID_FORMAT")).message;
    expect(await opening("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4000\n")).toMatch(
      /its external data "w\.bin", but that file has 66 bytes\. It is a Git LFS pointer, not the file itself: run `git lfs pull`\.$/,
    );
    expect(await opening("<!DOCTYPE html><title>404</title>")).toMatch(
      /33 bytes\. It is a web page, perhaps an error page/,
    );
  });

  describe("ranges that overlap", () => {
    const all = numbers(5000, 0);
    const files = { "w.bin": raw(all), "./w.bin": raw(all), "v.bin": raw(b) };
    const at = (location: string, offset: number, elements: number) =>
      place(location, String(offset), String(4 * elements));
    // Windows that slide over one file, one window under another way to write its name, and a range of their own.
    const windows = Array.from({ length: 40 }, (_, i) =>
      externalTensor(`w${i}`, [1000], at(i === 7 ? "./w.bin" : "w.bin", 64 + 400 * i, 1000)),
    );
    const overlapping = model({
      initializers: [
        ...windows,
        externalTensor("inside", [10], at("w.bin", 2064, 10)),
        externalTensor("v", [300], at("v.bin", 0, 300)),
      ],
      nodes: [node("Constant", [], ["c"], { value: externalTensor("deep", [1000], at("w.bin", 1264, 1000)) })],
    });
    const [from, to] = [64, 64 + 400 * 39 + 4000];
    const numbersOf = async (again: OnnxModel, name: string) => {
      const { data } = again.graph.initializers.get(name)!;
      if (data.kind !== "external") throw new Error(name);
      return (await again.external(data.location)).slice(data.offset, data.offset + data.length);
    };

    test("are written once, and go on being shared", async () => {
      const opened = await open(overlapping, files);
      expect(opened.byteLength).toBe(overlapping.length + (to - from) + 1200);
      const { data, again } = await reopened(opened, {});
      const written = data["m.onnx_data"];
      expect(written.length).toBeLessThan(64 + (to - from) + 4096 + 1200);
      expect(written.subarray(0, to - from)).toEqual(files["w.bin"].subarray(from, to));
      for (const [i] of windows.entries())
        expect(await numbersOf(again, `w${i}`)).toEqual(files["w.bin"].slice(64 + 400 * i, 4064 + 400 * i));
      expect(await numbersOf(again, "inside")).toEqual(files["w.bin"].slice(2064, 2104));
      expect(await numbersOf(again, "v")).toEqual(files["v.bin"]);
      expect(again.nested[0].tensor.data).toEqual(again.graph.initializers.get("w3")!.data);
      // And once more: the same file.
      const twice = await reopened(again, {});
      expect(twice.data["m.onnx_data"].length).toBe(written.length);
    });

    test("of tensors that go are not kept for their sake", async () => {
      const opened = await open(overlapping, files);
      const gone = windows.map(({ name }) => name).filter((name) => name !== "w0" && name !== "w39");
      const { data, again } = await reopened(opened, {
        dropTensors: initializersOf(opened, ...gone),
        dropNodes: new Set(opened.graph.nodes),
      });
      expect(data["m.onnx_data"].length).toBe(4032 + 4032 + 1200);
      expect(await numbersOf(again, "w39")).toEqual(files["w.bin"].slice(to - 4000, to));
    });
  });

  test("goes with the nodes and tensors that go", async () => {
    const opened = await open(bytes, files);
    const { data, again } = await reopened(opened, {
      dropTensors: initializersOf(opened, "a", "tied"),
      dropNodes: new Set([opened.graph.nodes[1]]),
    });
    expect(data["m.onnx_data"]).toEqual(raw(b));
    expect(again.nested.length).toBe(1);
  });

  test("the name is the caller's, and stays in the folder", async () => {
    const opened = await open(bytes, files);
    expect(layOutOnnx(opened, {}, { externalName: "w.bin" }).external.map(({ name }) => name)).toEqual(["w.bin"]);
    const error = await failure(() => layOutOnnx(opened, {}, { externalName: "../w.bin" }), "INVALID_INPUT");
    expect(error.message).toMatch(/"\.\.\/w\.bin", which leads out/);
  });

  test("the fields of a tensor that are not about its data stay", async () => {
    const fields = concat(message(12, "doc"), varint(1, 300), message(8, "t"), message(900, "unknown"), varint(2, 1));
    const entry = message(13, message(1, "location"), message(2, "sub/two.bin"));
    const odd = concat(varint(1, 8), message(7, message(5, fields, entry, varint(14, 1))), message(8, varint(2, 17)));
    const main = await written(layOutOnnx(await open(odd, files)).main);
    const text = (part: Uint8Array) => Buffer.from(part).toString("latin1");
    expect(text(main)).toContain(text(fields));
    expect(text(main)).not.toContain("two.bin");
  });
});

describe("past 2 GiB", () => {
  const zeros = (byteLength: number): StreamedBytes => ({
    byteLength,
    *chunks() {
      for (let at = 0; at < byteLength; at += 1 << 22) yield new Uint8Array(Math.min(1 << 22, byteLength - at));
    },
  });
  const big = (name: string, megabytes: number): NewTensor => ({
    name,
    dataType: 2,
    dims: [megabytes, 1_000_000],
    data: zeros(megabytes * 1_000_000),
  });

  /** A model of two tensors of raw zeros that are nowhere in memory. */
  function sparseModel(megabytes: number): ByteSource {
    const head = (name: string) => concat(message(8, name), varint(2, 2), varint(1, megabytes), varint(1, 1_000_000));
    const size = megabytes * 1_000_000;
    // The header of a field is its empty form with the length in place of the 0.
    const prefix = (number: number, length: number) =>
      concat(varint(number, length)).map((byte, i) => (i === 0 ? byte + 2 : byte));
    const tensors = ["old", "older"].map((name) => {
      const inner = concat(head(name), prefix(9, size));
      return concat(prefix(5, inner.length + size), inner);
    });
    const graphBytes = tensors.reduce((sum, part) => sum + part.length + size, 0);
    const tail = message(8, varint(2, 17));
    const first = concat(varint(1, 8), prefix(7, graphBytes), tensors[0]);
    const second = first.length + size;
    const last = second + tensors[1].length + size;
    const parts: [number, Uint8Array][] = [
      [0, first],
      [second, tensors[1]],
      [last, tail],
    ];
    return {
      name: "big.onnx",
      size: last + tail.length,
      async slice(start, end) {
        const bytes = new Uint8Array(end - start);
        for (const [at, part] of parts)
          for (let i = Math.max(start, at); i < Math.min(end, at + part.length); i++) bytes[i - start] = part[i - at];
        return bytes;
      },
    };
  }

  test("the result stays one file up to protocol buffers' limit", async () => {
    const opened = await openOnnx(sparseModel(900));
    const { main, external } = layOutOnnx(opened, { addTensors: [big("new", 300)] });
    expect(external).toEqual([]);
    expect(main.byteLength).toBeGreaterThan(2_100_000_000);
    expect(main.byteLength).toBeLessThan(MAX_ONNX_FILE);
  });

  test("past it all large tensors go to external files of less than 2 GiB", async () => {
    const opened = await openOnnx(sparseModel(900));
    const { main, external } = layOutOnnx(opened, { addTensors: [big("new", 500), big("huge", 3000), big("rest", 1)] });
    expect(external.map(({ name, bytes }) => [name, bytes.byteLength])).toEqual([
      ["big.onnx_data", Math.ceil(900e6 / 4096) * 4096 + 900e6],
      ["big.onnx_data_1", 500e6],
      ["big.onnx_data_2", 3000e6],
      ["big.onnx_data_3", 1e6],
    ]);
    const bytes = await collect(main.chunks());
    expect(bytes.length).toBeLessThan(1000);
    const resolver = (location: string) => ({
      name: location,
      size: external.find(({ name }) => name === location)!.bytes.byteLength,
      slice: async (start: number, end: number) => new Uint8Array(end - start),
    });
    const again = await openOnnx(
      { name: "again", size: bytes.length, slice: async (s, e) => bytes.subarray(s, e) },
      { external: resolver },
    );
    expect([...again.graph.initializers.values()].map(({ name, data }) => [name, data])).toMatchObject([
      ["old", { location: "big.onnx_data", offset: 0, length: 900e6 }],
      ["older", { location: "big.onnx_data", offset: Math.ceil(900e6 / 4096) * 4096 }],
      ["new", { location: "big.onnx_data_1", offset: 0 }],
      ["huge", { location: "big.onnx_data_2", offset: 0, length: 3000e6 }],
      ["rest", { location: "big.onnx_data_3", offset: 0 }],
    ]);
  });
});
