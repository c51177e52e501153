import { toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isLoewnerError } from "../../../src/errors.js";
import { bytesSource, layOutOnnx, onnxTensorChunks, openOnnx, readNode } from "../../../src/formats/index.js";
import { GraphProtoSchema } from "../../../src/formats/onnx/onnx_pb.js";
import { concat, failure, latin1 } from "../fixtures.js";
import { collect, externalTensor, graph, message, model, node, open, tensor, valueInfo, varint } from "./build.js";
import { sample, strange } from "./samples.js";

const fault = async (bytes: Uint8Array) => (await failure(open(bytes), "INVALID_FORMAT")).message;
const opset = message(8, varint(2, 17));
/** A model around the fields of a graph. */
const withGraph = (...fields: Uint8Array[]) => concat(varint(1, 8), message(7, ...fields), opset);
const withTensor = (...fields: Uint8Array[]) => fault(withGraph(message(5, message(8, "w"), ...fields)));

/** Opens, reads every node and tensor, and writes; true when all of it went well, false after a tagged error. */
async function survives(bytes: Uint8Array): Promise<boolean> {
  try {
    const opened = await open(bytes);
    for (const one of opened.graph.nodes) await readNode(opened, one);
    for (const one of opened.graph.initializers.values()) await collect(onnxTensorChunks(opened, one));
    await collect(layOutOnnx(opened).main.chunks());
    return true;
  } catch (error) {
    if (isLoewnerError(error)) return false;
    throw error;
  }
}

describe("truncated", () => {
  test("a small model at every byte", async () => {
    const bytes = sample();
    for (let end = 0; end < bytes.length; end++) {
      const error = await failure(open(bytes.subarray(0, end)), "INVALID_FORMAT");
      expect(error.message).toMatch(/^m\.onnx: /);
      expect(error.place.offset).toBeLessThanOrEqual(end);
    }
  });

  test("whole top-level fields that are missing at the end cannot be seen; anything else is", async () => {
    const bytes = strange();
    const whole = new Set<number>();
    for (let end = 0; end < bytes.length; end++) if (await survives(bytes.subarray(0, end))) whole.add(end);
    expect([...whole].filter((end) => bytes[end] !== 0x72)).toEqual([]); // the tag of the last metadata entry
    expect(whole.size).toBeLessThanOrEqual(1);
  });

  test("a larger one at 200 places", async () => {
    const weights = Array.from({ length: 40 }, (_, i) => tensor(`w${i}`, [64, 33], new Float32Array(64 * 33).fill(i)));
    const nodes = weights.map((_, i) => node("MatMul", [i ? `v${i - 1}` : "x", `w${i}`], [`v${i}`]));
    const bytes = model({ nodes, initializers: weights, inputs: [valueInfo("x")] });
    let state = 7;
    for (let i = 0; i < 200; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      expect(await survives(bytes.subarray(0, state % bytes.length))).toBe(false);
    }
    expect(await fault(bytes.subarray(0, bytes.length / 2))).toMatch(
      /field 7 of a model ends at byte \d+, but the file has \d+ bytes \(byte \d+\): it is truncated or damaged\. Copy or download it again\.$/,
    );
  });
});

describe("not a model", () => {
  test("other files", async () => {
    expect(await fault(new Uint8Array(0))).toBe("m.onnx: the file is empty (0 bytes); an ONNX model was expected.");
    expect(await fault(latin1("PK\x03\x04 and so on"))).toMatch(/^m\.onnx: not an ONNX model\. It is a zip archive/);
    expect(await fault(latin1("version https://git-lfs.github.com/spec/v1\n"))).toMatch(/Git LFS pointer/);
    expect(await fault(latin1("\x10\0\0\0ORTM model"))).toMatch(/ONNX Runtime's own format/);
    expect(await fault(latin1("\x1c\0\0\0TFL3 model"))).toMatch(/TensorFlow Lite/);
    expect(await fault(latin1("Some text, not a model at all."))).toMatch(/It is text that begins with "Some text/);
    expect(await fault(new Uint8Array(100))).toMatch(/a field tag of 0/);
  });

  test("a protocol buffer that lacks what a model has", async () => {
    expect(await fault(message(2, "producer"))).toMatch(/it has no ir_version/);
    expect(await fault(concat(varint(1, 8), opset))).toMatch(/it has no graph/);
    expect(await fault(concat(varint(1, 8), message(7)))).toMatch(/it has no opset_import/);
    expect(await fault(concat(varint(1, 0), message(7)))).toMatch(/an ir_version of 0/);
    expect(await fault(concat(varint(1, 8), message(7), message(7), opset))).toMatch(/a second graph/);
    await open(concat(varint(1, 1), message(7))); // before version 3 there was no opset_import
  });
});

describe("the wire format", () => {
  test.each([
    [
      "a number of more than 10 bytes",
      concat(Uint8Array.of(0x08), new Uint8Array(10).fill(0x80), Uint8Array.of(0)),
      /more than 10 bytes/,
    ],
    ["groups", withGraph(Uint8Array.of(0x0b, 0x0c)), /wire type 3 of field 1 in a graph; groups/],
    ["unknown wire types", withGraph(Uint8Array.of(0x0f)), /wire type 7/],
    ["field 0", withGraph(Uint8Array.of(0x02, 0)), /a field tag of 2 in a graph/],
    [
      "a field past its message",
      withGraph(Uint8Array.of(0x0a, 5, 0x0a, 9, 0x41, 0x42, 0x43)),
      /field 1 of a node ends at byte \d+, past the end of the node/,
    ],
    [
      "a length of 2^63",
      withGraph(concat(Uint8Array.of(0x12), new Uint8Array(9).fill(0x80), Uint8Array.of(1))),
      /a length of -9223372036854776000 in a graph/,
    ],
    [
      "another wire type",
      withGraph(varint(1, 1)),
      /field 1 of a graph has wire type 0 \(Varint\), where the ONNX format has 2/,
    ],
    ["names that are not UTF-8", withGraph(message(2, Uint8Array.of(0xff))), /text, but not UTF-8/],
    [
      "an opset that is none",
      concat(varint(1, 8), message(7), message(8, Uint8Array.of(0x0a, 9))),
      /OperatorSetIdProto that cannot be decoded/,
    ],
    [
      "metadata twice",
      concat(withGraph(), message(14, message(1, "k")), message(14, message(1, "k"))),
      /the metadata "k" stands twice/,
    ],
  ])("%s", async (_, bytes, expected) => {
    const error = await failure(open(bytes), "INVALID_FORMAT");
    expect(error.message).toMatch(expected);
    expect(error.place.offset).toBeGreaterThanOrEqual(0);
  });

  test("graphs in graphs: 33 deep, and no deeper", async () => {
    const nested = (depth: number) => {
      let inner = graph({});
      for (let i = 0; i < depth; i++) inner = graph({ nodes: [node("If", [], [], { then_branch: inner })] });
      return withGraph(toBinary(GraphProtoSchema, inner));
    };
    await open(nested(33));
    const deeper = bytesSource(nested(34), "m.onnx");
    expect((await failure(openOnnx(deeper), "LIMIT")).message).toMatch(/more than 100 deep/);
    await openOnnx(deeper, { limits: { graphDepth: 103 } });
  });

  test("a read that fails is passed on", async () => {
    const slice = () => Promise.reject(new RangeError("broken"));
    await expect(openOnnx({ ...bytesSource(sample()), slice })).rejects.toThrow(RangeError);
  });
});

describe("tensors whose shape and data are at odds", () => {
  const f32 = varint(2, 1);
  test.each([
    [
      "raw_data",
      [f32, varint(1, 3), message(9, new Uint8Array(8))],
      /tensor "w" is F32 of shape \[3\], which takes 12 bytes, but raw_data has 8/,
    ],
    ["nothing", [f32, varint(1, 3)], /which takes 12 bytes, but none are stored/],
    ["strings", [varint(2, 8), varint(1, 2)], /STRING of shape \[2\], but no string_data is stored/],
    ["fewer strings", [varint(2, 8), varint(1, 2), message(6, "a")], /takes 2 entries of string_data, but 1 are/],
    [
      "float_data",
      [f32, varint(1, 3), message(4, new Uint8Array(16))],
      /takes 3 entries of float_data, but 4 are stored/,
    ],
    [
      "int32_data",
      [varint(2, 6), varint(1, 3), message(5, Uint8Array.of(1, 2))],
      /takes 3 entries of int32_data, but 1 to 2 are/,
    ],
    [
      "the wrong field",
      [f32, varint(1, 1), message(5, Uint8Array.of(1))],
      /in int32_data, where F32 has them in float_data/,
    ],
    [
      "two fields",
      [f32, varint(1, 1), message(4, new Uint8Array(4)), message(5, Uint8Array.of(1))],
      /in both float_data and int32_data/,
    ],
    [
      "raw and typed",
      [f32, varint(1, 1), message(4, new Uint8Array(4)), message(9, "abcd")],
      /both raw_data and float_data/,
    ],
    ["a negative size", [f32, varint(1, -1)], /has the shape \[-1\]/],
    ["a size past 2^53", [f32, varint(1, 2n ** 60n)], /has the shape \[115292150460684\d+\]/],
    ["a product past 2^53", [f32, varint(1, 2 ** 30), varint(1, 2 ** 30)], /more than 2\^53/],
    ["dimensions", [f32, ...Array.from({ length: 65 }, () => varint(1, 1))], /more than 64 dimensions/],
    ["packed dimensions", [f32, message(1, new Uint8Array(65).fill(1))], /more than 64 dimensions/],
  ])("%s", async (_, fields, expected) => {
    expect(await withTensor(...fields)).toMatch(expected);
  });

  test("more or fewer packed numbers than the shape takes show when they are read", async () => {
    for (const data of [Uint8Array.of(1, 2, 3, 4), Uint8Array.of(0xff, 1, 0xff, 1)]) {
      const opened = await open(withGraph(message(5, message(8, "w"), varint(2, 6), varint(1, 3), message(5, data))));
      const read = collect(onnxTensorChunks(opened, opened.graph.initializers.get("w")!));
      expect((await failure(read, "INVALID_FORMAT")).message).toMatch(
        /has [24] entries of int32_data; its shape takes 3/,
      );
    }
  });
});

describe("names", () => {
  const x = valueInfo("x");
  test.each([
    [
      "two initializers",
      { initializers: [tensor("w", [1], [1]), tensor("w", [1], [2])] },
      /two initializers are named "w"/,
    ],
    [
      "a value written twice",
      { inputs: [x], nodes: [node("Relu", ["x"], ["y"]), node("Abs", ["x"], ["y"], {}, { name: "second" })] },
      /node 1 \(Abs "second"\) writes "y", which node 0 \(Relu\) defines already/,
    ],
    [
      "an input written",
      { inputs: [x], nodes: [node("Relu", ["x"], ["x"])] },
      /node 0 \(Relu\) writes "x", which an input/,
    ],
    [
      "an initializer written",
      { inputs: [x], initializers: [tensor("w", [1], [1])], nodes: [node("Relu", ["x"], ["w"])] },
      /writes "w", which an initializer defines/,
    ],
    [
      "a cycle",
      { inputs: [x], nodes: [node("Add", ["x", "b"], ["a"], {}, { name: "first" }), node("Relu", ["a"], ["b"])] },
      /node 0 \(Add "first"\) reads "b", which is written only later, by node 1 \(Relu\): the nodes form a cycle, or do not stand/,
    ],
    ["a cycle of one", { nodes: [node("Relu", ["a"], ["a"])] }, /reads "a", which it writes itself: a cycle/],
    ["nothing to read", { nodes: [node("Relu", ["q"], ["a"])] }, /reads "q", which is no input or initializer/],
    [
      "nothing for a subgraph to read",
      { inputs: [x], nodes: [node("If", ["x"], ["a"], { then_branch: graph({ outputs: [valueInfo("q")] }) })] },
      /node 0 \(If\) reads "q"/,
    ],
    ["no output", { outputs: [valueInfo("z")] }, /output "z" of the graph is no output of a node/],
  ])("%s", async (_, parts, expected) => {
    expect(await fault(model(parts))).toMatch(expected);
  });
});

describe("how external data is described", () => {
  const described = (entries: Record<string, string>) =>
    fault(model({ initializers: [externalTensor("w", [2], entries)] }));

  test.each([
    [{}, /tensor "w" has external data, but no location/],
    [{ location: "a", offset: "-1" }, /has "-1" as the offset/],
    [{ location: "a", offset: "1e3" }, /has "1e3" as the offset/],
    [{ location: "a", length: "" }, /has "" as the length/],
    [{ location: "a", offset: "99999999999999999999" }, /whole number from 0 to 2\^53/],
    [{ location: "a", length: "9" }, /takes 8 bytes, but its external data has 9/],
    [{ location: "../a" }, /"\.\.\/a", which leads out of the model's folder/],
    [{ location: "b/../../a" }, /leads out/],
    [{ location: "/etc/passwd" }, /is absolute/],
    [{ location: "C:a" }, /names a drive/],
    [{ location: "a\\b" }, /backslash/],
    [{ location: "a\0b" }, /NUL/],
    [{ location: "a/" }, /names a folder/],
  ])("%o", async (entries, expected) => {
    expect(await described(entries as Record<string, string>)).toMatch(expected);
  });

  test("a file that is too short, or not given", async () => {
    const bytes = model({ initializers: [externalTensor("w", [2], { location: "a.bin", offset: "4" })] });
    const error = await failure(open(bytes, { "a.bin": new Uint8Array(11) }), "INVALID_FORMAT");
    expect(error.message).toMatch(
      /^m\.onnx: tensor "w" ends at byte 12 of its external data "a\.bin", but that file has 11 bytes/,
    );
    const alone = await open(bytes);
    expect([alone.hasExternalData, alone.byteLength]).toEqual([true, bytes.length + 8]);
    const read = collect(onnxTensorChunks(alone, alone.graph.initializers.get("w")!));
    expect((await failure(read, "FILE")).message).toMatch(
      /keeps tensors in the file "a\.bin" beside it, and only the model file was given/,
    );
    const opened = await open(bytes, { "a.bin": Uint8Array.from({ length: 12 }, (_, i) => i) });
    expect(await collect(onnxTensorChunks(opened, opened.graph.initializers.get("w")!))).toEqual(
      Uint8Array.of(4, 5, 6, 7, 8, 9, 10, 11),
    );
  });
});

test("any change of bytes ends in a tagged error or a model", async () => {
  const models = [sample({ metadata: { k: "v" } }), strange()];
  const change = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }));
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...models),
      fc.array(change, { minLength: 1, maxLength: 4 }),
      async (whole, changes) => {
        const bytes = whole.slice();
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        await survives(bytes);
      },
    ),
    { numRuns: 2000 },
  );
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
      expect(await survives(bytes)).toBe(false);
    }),
  );
});
