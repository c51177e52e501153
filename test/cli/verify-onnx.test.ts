// verifyOnnx as the command line calls it: files on disk, options as they are parsed.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Context } from "../../src/cli/context.js";
import { addRunOptions, type RunOptions, runFailure, verifyOnnx } from "../../src/cli/verify-onnx.js";
import { memorySink, writeNpy } from "../../src/formats/index.js";
import { openModelPath } from "../../src/node/open.js";
import { failure } from "../formats/fixtures.js";
import { model, node, tensor, valueInfo } from "../formats/onnx/build.js";
import { model as typedModel, tensor as typedTensor, Type, value as typed } from "../model/onnx-models/graph.js";
import { temporaryFolder } from "./run.js";

const folder = temporaryFolder();
const at = (name: string) => join(folder, name);
const closers: (() => Promise<void>)[] = [];
afterAll(() => Promise.all(closers.map((close) => close())));

/** y = op(a + b), with b's shape fixed. */
function write(name: string, op: string) {
  const inputs = [valueInfo("a", ["n", 3]), valueInfo("b", [3])];
  const nodes = [node("Add", ["a", "b"], ["sum"]), node(op, ["sum"], ["y"])];
  const initializers = [tensor("unused", [4, 2], new Array(8).fill(1))];
  writeFileSync(at(name), model({ inputs, outputs: [valueInfo("y", ["n", 3])], nodes, initializers }));
}

async function npy(name: string, data: Float32Array, shape: number[]) {
  const sink = memorySink();
  await writeNpy(sink, { data, shape });
  writeFileSync(at(name), sink.bytes());
}

async function opened(name: string) {
  const open = await openModelPath(at(name));
  closers.push(() => open.close());
  if (open.kind !== "onnx") throw new Error(`${name} was opened as ${open.kind}`);
  return open;
}

async function verify(original: string, compressed: string, ...args: string[]) {
  let said = "";
  const context = new Context({});
  context.say = (text) => void (said += `${text}\n`);
  const command = addRunOptions(new Command())
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  const options = command.parse(["--runtime", "web", "--repeats", "1", ...args], { from: "user" }).opts<RunOptions>();
  const report = await verifyOnnx(context, await opened(original), await opened(compressed), options);
  return { report, said };
}

beforeAll(async () => {
  write("abs.onnx", "Abs");
  write("neg.onnx", "Neg");
  write("log.onnx", "Log");
  await npy("a.npy", Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]);
  await npy("b.npy", Float32Array.of(-1, -2, -4), [3]);
});

test("made-up inputs: the report, and what is said", async () => {
  const { report, said } = await verify("abs.onnx", "abs.onnx", "--shape", "a=5,3", "--seed", "1");
  expect(report).toMatchObject({
    ...{ runtime: "onnxruntime-web 1.30.0", ok: true },
    inputs: [
      { name: "a", dtype: "f32", shape: [5, 3], source: "normal" },
      { name: "b", dtype: "f32", shape: [3], source: "normal" },
    ],
    outputs: [{ name: "y", dtype: "f32", cosine: 1, maxDifference: 0, top1Agreement: 1, top1Vectors: 65 }],
    // 5 rows each.
    runs: 13,
  });
  expect(report.bytesBefore).toBeGreaterThan(100);
  expect(said.split("\n").map((line) => line.replace(/[\d.e+-]+ ms|[\d.]+ times/g, "#"))).toMatchInlineSnapshot(`
    [
      "run in onnxruntime-web 1.30.0",
      "input  type  shape  numbers",
      "a      f32   5 x 3  normal",
      "b      f32   3      normal",
      "",
      "output  type    cosine  largest difference  relative (l_2)     same top 1    equal",
      "y       f32   1.000000                   0               0  100.0 % of 65  100.0 %",
      "",
      "a run: #, compressed #, # (median of 1); loading: #, compressed #",
      "size: 164 B, compressed 164 B",
      "",
    ]
  `);
  expect(JSON.parse(JSON.stringify(report)).inputs[0]).not.toHaveProperty("data");
});

test("top 1 is compared in 64 vectors at least, of other numbers each time, unless all inputs are given", async () => {
  const of = async (...args: string[]) => {
    const { report } = await verify("abs.onnx", "neg.onnx", ...args);
    return [report.runs, report.outputs[0].top1Vectors, report.outputs[0].top1Agreement];
  };
  const [runs, vectors, agreement] = await of("--shape", "a=2,3");
  expect([runs, vectors]).toEqual([32, 64]);
  expect((64 * agreement!) % 1).toBe(0);
  expect(agreement).toBeGreaterThan(0);
  expect(agreement).toBeLessThan(1);
  expect(await of("--shape", "a=2,3")).toEqual([runs, vectors, agreement]);
  expect((await of("--shape", "a=100,3")).slice(0, 2)).toEqual([1, 100]);
  expect((await of("--inputs", at("a.npy"), "--inputs", at("b.npy"))).slice(0, 2)).toEqual([1, 2]);
  expect((await of("--inputs", at("a.npy"))).slice(0, 2)).toEqual([32, 64]);
});

test("arrays: by name, by place, both", async () => {
  const sources = async (...args: string[]) =>
    (await verify("abs.onnx", "abs.onnx", ...args)).report.inputs.map(({ source, shape }) => [source, shape]);
  const [a, b] = [
    [at("a.npy"), [2, 3]],
    [at("b.npy"), [3]],
  ];
  expect(await sources("--inputs", at("a.npy"))).toEqual([a, ["normal", [3]]]);
  expect(await sources("--inputs", `b=${at("b.npy")}`)).toEqual([["normal", [2, 3]], b]);
  expect(await sources("--inputs", `b=${at("b.npy")}`, "--inputs", at("a.npy"))).toEqual([a, b]);
  expect(await sources("--inputs", at("a.npy"), "--inputs", at("b.npy"))).toEqual([a, b]);
});

test("the difference is that of the arrays given; it is reported, not judged", async () => {
  const { report } = await verify("abs.onnx", "neg.onnx", "--inputs", at("a.npy"), "--inputs", at("b.npy"));
  // a + b = 0 0 -1 / 3 3 2
  expect(report.outputs[0]).toMatchObject({ maxDifference: 6, equal: 3 / 6, newNonFinite: 0 });
  expect(report.ok).toBe(true);
  expect(runFailure(report, "neg.onnx")).toBeUndefined();
});

test("NaN fails", async () => {
  const { report } = await verify("abs.onnx", "log.onnx", "--inputs", at("a.npy"), "--inputs", at("b.npy"));
  expect(report.ok).toBe(false);
  expect(runFailure(report, "log.onnx")).toMatchObject({
    code: "VERIFICATION_FAILED",
    message:
      'log.onnx does not answer as the original does: output "y" has 3 of 6 elements NaN or infinite that were not so. Compress it again, in a wider type (--dtype) if it was a narrow one.',
  });
});

test("refused", async () => {
  const message = async (...args: string[]) =>
    (await failure(verify("abs.onnx", "abs.onnx", ...args), "INVALID_INPUT")).message;
  expect(await message("--inputs", `c=${at("a.npy")}`)).toContain(
    'has no input "c"; it takes a (float32, n x 3), b (float32, 3).',
  );
  const three = ["a.npy", "b.npy", "a.npy"].flatMap((name) => ["--inputs", at(name)]);
  expect(await message(...three)).toContain("there is no input left for it; the model takes a, b");
  expect(await message("--inputs", `a=${at("a.npy")}`, "--inputs", `a=${at("a.npy")}`)).toContain("twice");
  expect(await message("--inputs", at("b.npy"))).toContain('its input "a" is n x 3, but the shape given for it is 3');
  await expect(verify("abs.onnx", "abs.onnx", "--shape", "a:2,3")).rejects.toThrow("ids=2,128");
  await expect(verify("abs.onnx", "abs.onnx", "--runtime", "rust")).rejects.toThrow("one of node, web");
});

test("row numbers past a table: what onnxruntime's own operators do is said, though no run shows it", async () => {
  const look = { inputs: [typed("ids", Type.int64, [2])], outputs: [typed("y", Type.float, [2, 16])] };
  const codes = typedTensor("codes", Type.uint8, [4, 8], new Uint8Array(32).fill(0x99));
  const scales = tensor("scales", [4, 1], [1, 1, 1, 1]);
  const rows = tensor("table", [4, 16], new Array(64).fill(1));
  writeFileSync(
    at("table.onnx"),
    typedModel({ ...look, nodes: [node("Gather", ["table", "ids"], ["y"])], initializers: [rows] }),
  );
  const own = { domain: "com.microsoft" };
  const unpacked = node("GatherBlockQuantized", ["codes", "ids", "scales"], ["y"], { bits: 4, block_size: 16 }, own);
  writeFileSync(
    at("codes.onnx"),
    typedModel({ ...look, nodes: [unpacked], initializers: [codes, scales], domains: { "com.microsoft": 1 } }),
  );
  const { report, said } = await verify("table.onnx", "codes.onnx");
  expect(report.ok).toBe(true);
  expect(report.notes).toHaveLength(1);
  expect(said).toMatch(/past the end of a table give rows of zeros in .*codes\.onnx.*GatherBlockQuantized/);
  expect((await verify("table.onnx", "table.onnx")).report.notes).toEqual([]);
});
