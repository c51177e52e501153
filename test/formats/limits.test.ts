// What may be read of a file into memory: each limit is met exactly, passed by one, raised; the error says how.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LimitError } from "../../src/errors.js";
import {
  bytesSource,
  memorySink,
  openNpy,
  openOnnx,
  openSafetensors,
  openSafetensorsIndex,
  writeNpy,
} from "../../src/formats/index.js";
import { checkJsonDepth } from "../../src/formats/json.js";
import { defaultLimits, jsonBytes, limitFlag, limitsOf, type ReadLimits } from "../../src/formats/limits.js";
import { readPlan } from "../../src/model/plan-file.js";
import { readTokenizer } from "../../src/model/tokens/tokenizer.js";
import { failure, safetensorsBytes } from "./fixtures.js";
import { externalTensor, model, node, valueInfo } from "./onnx/build.js";

const text = (value: unknown) => new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
const entry = (name: string) => `${JSON.stringify(name)}:{"dtype":"F32","shape":[0],"data_offsets":[0,0]}`;

const header = `{${entry("a")},"__metadata__":{"k":"v"},${entry("b")}}`;
const safetensors = safetensorsBytes(header, 0);
const index = { weight_map: { a: "1", b: "2", c: "1" } };
const onnx = model({
  nodes: [node("Relu", ["x"], ["a long name"]), node("Relu", ["a long name"], ["y"])],
  inputs: [valueInfo("x")],
  outputs: [valueInfo("y")],
  initializers: ["p", "q", "r"].map((name) => externalTensor(name, [1], { location: name })),
});
const npy = async () => {
  const sink = memorySink();
  await writeNpy(sink, { data: new Float32Array(2), shape: [2, 1] });
  return sink.bytes();
};
const tokenizer = { model: { type: "WordLevel", vocab: { a: 0 }, unk_token: "a" } };

type Open = (limits: Partial<ReadLimits>) => unknown;
const openIndex: Open = (limits) =>
  openSafetensorsIndex(
    bytesSource(text(index), "i"),
    () => bytesSource(safetensorsBytes(`{${["a", "b", "c"].map(entry).join()}}`, 0)),
    { limits },
  );
const openModel: Open = (limits) => openOnnx(bytesSource(onnx, "m.onnx"), { limits });

/** What opens, the limit, and the least with which it does. */
const cases: [string, Open, keyof ReadLimits, number][] = [
  ["safetensors", (limits) => openSafetensors(bytesSource(safetensors, "s"), { limits }), "headerBytes", header.length],
  ["safetensors", (limits) => openSafetensors(bytesSource(safetensors, "s"), { limits }), "tensors", 2],
  ["safetensors", (limits) => openSafetensors(bytesSource(safetensors, "s"), { limits }), "jsonDepth", 3],
  ["safetensors", (limits) => openSafetensors(bytesSource(safetensors, "s"), { limits }), "jsonValues", 17],
  ["index", openIndex, "jsonBytes", text(index).length],
  ["index", openIndex, "tensors", 3],
  ["index", openIndex, "files", 2],
  ["ONNX", openModel, "graphNodes", 2],
  ["ONNX", openModel, "graphValues", 2],
  ["ONNX", openModel, "tensors", 3],
  ["ONNX", openModel, "files", 3],
  ["ONNX", openModel, "graphDepth", 2],
  ["tokenizer", (limits) => readTokenizer(text(tokenizer), "t", { limits }), "jsonBytes", text(tokenizer).length],
  ["tokenizer", (limits) => readTokenizer(JSON.stringify(tokenizer), "t", { limits }), "jsonDepth", 3],
  ["plan", (limits) => readPlan('{"version":1,"layers":{"[[[":{}}}', "p", { limits }), "jsonDepth", 3],
];

test.each(cases)("%s: %o is read with %s %i and refused with one less", async (_what, open, name, least) => {
  await open({ [name]: least });
  const error = (await failure(async () => open({ [name]: least - 1 }), "LIMIT")) as LimitError;
  expect(error).toBeInstanceOf(LimitError);
  expect([error.limit, error.found, error.most]).toEqual([name, least, least - 1]);
  const [, flag, enough] = /If you trust the file, allow more: --limit ([a-z-]+)=(\d+), or limits: \{ \w+: \d+ \}/.exec(
    error.message,
  )!;
  expect(flag).toBe(limitFlag(name));
  expect(error.message).toContain(`at most ${least - 1} are read`);
  // What it says to do does it.
  await open({ [name]: Number(enough) });
});

test("bytes of an ONNX model that are decoded, whose number is not told beforehand", async () => {
  let [low, high] = [1, onnx.length];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const fits = await Promise.resolve(openModel({ graphBytes: middle })).then(
      () => true,
      (error: unknown) => {
        expect(error).toBeInstanceOf(LimitError);
        return false;
      },
    );
    if (fits) high = middle;
    else low = middle + 1;
  }
  expect(low).toBeGreaterThan(50);
  expect(low).toBeLessThan(onnx.length);
});

test.each([200, 70_000])("a name of %i bytes in an ONNX model, in what was read already or not", async (length) => {
  const name = "x".repeat(length);
  const long = model({ initializers: [externalTensor(name, [1], { location: "a" })] });
  const open = (textBytes: number) => openOnnx(bytesSource(long, "m.onnx"), { limits: { textBytes } });
  await open(length);
  const { message } = await failure(open(length - 1), "LIMIT");
  expect(message).toMatch(new RegExp(`^m\\.onnx: field 8 of a tensor has ${length} bytes \\(byte`));
});

test("what is no model at all is not a matter of limits", async () => {
  const junk = new Uint8Array(2 ** 25 + 5);
  junk.set([0x12, 0x80, 0x80, 0x80, 0x10]); // a name of 2^25 bytes before anything that a model begins with
  await failure(openOnnx(bytesSource(junk, "m.onnx")), "INVALID_FORMAT");
});

describe(".npy", () => {
  test("a header longer than npyHeaderBytes is refused", async () => {
    const source = bytesSource(await npy(), "A.npy");
    await openNpy(source, { limits: { npyHeaderBytes: 118 } });
    const error = await failure(openNpy(source, { limits: { npyHeaderBytes: 117 } }), "LIMIT");
    expect(error.message).toBe(
      "A.npy: a header of 118 bytes; at most 117 are read. If you trust the file, allow more: --limit npy-header-bytes=118, or limits: { npyHeaderBytes: 118 } in JavaScript.",
    );
    expect(error.place).toEqual({ file: "A.npy", offset: 8 });
  });

  test("version 2, whose header may be longer than 65536", async () => {
    const dict = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }".padEnd(70_000);
    const start = Uint8Array.of(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 2, 0, 0, 0, 0, 0);
    new DataView(start.buffer).setUint32(8, dict.length, true);
    const source = bytesSource(Uint8Array.from([...start, ...text(dict), 0, 0, 0, 0]), "A.npy");
    await failure(openNpy(source), "LIMIT");
    expect((await openNpy(source, { limits: { npyHeaderBytes: 70_000 } })).rows).toBe(1);
  });
});

test("JSON is not read when it is too long", async () => {
  const source = { ...bytesSource(new Uint8Array(11), "config.json"), slice: () => expect.unreachable() };
  expect((await failure(jsonBytes(source, { limits: { jsonBytes: 10 } }), "LIMIT")).message).toMatch(/of 11 bytes/);
});

test("how deep JSON is, told without parsing it", () => {
  const depthOf = (value: unknown): number =>
    typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
  const passes = (json: string, jsonDepth: number) => {
    try {
      checkJsonDepth(json, { ...defaultLimits, jsonDepth }, "f");
      return true;
    } catch (error) {
      if (error instanceof LimitError) return false;
      throw error;
    }
  };
  const unit = fc.constantFrom("[", "]", "{", "}", '"', "\\", "a");
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 5 },
      fc.string({ unit }),
      fc.array(tie("value")),
      fc.dictionary(fc.string({ unit }), tie("value")),
    ),
  }));
  fc.assert(
    fc.property(value, (any) => {
      const depth = depthOf(any);
      expect(passes(JSON.stringify(any), Math.max(1, depth))).toBe(true);
      if (depth > 1) expect(passes(JSON.stringify(any), depth - 1)).toBe(false);
    }),
  );
});

test("deep nesting would pass the stack of what walks over it", async () => {
  const deep = `${'{"a":['.repeat(100_000)}${"]}".repeat(100_000)}`;
  const processors = `${'{"processors":['.repeat(50_000)}${"]}".repeat(50_000)}`;
  await failure(() => readPlan(`{"version":1,"layers":{"a":${deep}}}`, "p"), "LIMIT");
  await failure(
    () => readTokenizer(`{"model":{"type":"WordLevel","vocab":{"a":0}},"post_processor":${processors}}`),
    "LIMIT",
  );
});

describe("the limits themselves", () => {
  test.each([
    ["an unknown name", { headers: 3 }, /headers is no limit; there are headerBytes, jsonBytes/],
    ["0", { tensors: 0 }, /tensors must be a whole number from 1 to 9007199254740991; got 0/],
    ["a fraction", { tensors: 1.5 }, /got 1\.5/],
    ["no number", { tensors: Infinity }, /got Infinity/],
    ["a depth that no stack holds", { jsonDepth: 1001 }, /from 1 to 1000; got 1001/],
    ["the prototype's", { constructor: 1 }, /constructor is no limit/],
  ])("%s", async (_what, limits, message) => {
    expect(() => limitsOf({ limits } as never)).toThrow(message);
    await failure(openNpy(bytesSource(new Uint8Array(0)), { limits } as never), "INVALID_INPUT");
  });

  test("those that are left out, or undefined, are the defaults", () => {
    expect(limitsOf()).toEqual(defaultLimits);
    expect(limitsOf({ limits: { files: undefined, tensors: 7 } })).toEqual({ ...defaultLimits, tensors: 7 });
  });
});
