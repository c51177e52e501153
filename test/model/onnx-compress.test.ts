// Every case of the model zoo, compressed, and run beside the original with left times right in the weight's place: outputs must
// agree. So the graph computes what the report says, whatever the factors are.
import { fromBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ModelProtoSchema } from "../../src/formats/onnx/onnx_pb.js";
import { createLoewner, type Loewner } from "../../src/index.js";
import type { CompressOptions } from "../../src/model/index.js";
import { compress, open } from "./onnx-models/compressing.js";
import { kept, onnxCases, type OnnxCase } from "./onnx-models.js";
import type { BuiltModel } from "./onnx-models/cases.js";
import { layerOf, store } from "./onnx-models/coded.js";
import { openedAttention, wholeAttention } from "./onnx-models/attention.js";
import { gatherCases } from "./onnx-models/gather.js";
import { productCases } from "./onnx-models/products.js";
import { randomGraph } from "./onnx-models/random-graph.js";
import { tiedCases } from "./onnx-models/tied.js";
import { subgraphCases } from "./onnx-models/subgraphs.js";
import { wholeCases } from "./onnx-models/wholes.js";
import { type OutputTensor, run } from "./onnx-models/session.js";
import { putBack, storedProduct } from "./onnx-models/stored.js";

let loewner: Loewner;
beforeAll(async () => {
  loewner = await createLoewner();
});
afterAll(() => loewner.dispose());

const compressed = onnxCases.filter((each) => each.expect === "compressed");
const skipped = onnxCases.filter((each) => each.expect === "skipped");
const titled = (cases: readonly OnnxCase[]) => cases.map((each) => [each.name, each] as const);

function expectClose(actual: Record<string, OutputTensor>, wanted: Record<string, OutputTensor>, tolerance: number) {
  expect(Object.keys(actual)).toEqual(Object.keys(wanted));
  for (const [name, { dims, type, data }] of Object.entries(wanted)) {
    expect(actual[name]).toMatchObject({ dims, type });
    const size = data.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    const difference = data.reduce((most, x, i) => Math.max(most, Math.abs(x - actual[name].data[i])), 0);
    expect(difference, `largest difference of ${name}, whose largest value is ${size}`).toBeLessThanOrEqual(
      tolerance * size,
    );
  }
}

const options: CompressOptions = { keep: 0.5, layers: ["W"] };

describe("a weight that can be factored", () => {
  it.each(titled(compressed))("%s", async (_, { weight, build, inputs, tolerance = 1e-4 }) => {
    const original = build(weight.data);
    const small = await compress(loewner, original, options);
    const { layers, bytesBefore, bytesAfter } = small.report;
    expect(layers.map((layer) => layer.name)).toEqual(["W"]);
    // Of external files only what tensors lie in is counted.
    if (!original.external) expect(bytesBefore).toBe(sizeOf(original));
    expect(bytesAfter).toBe(sizeOf(small));
    const [{ rank, keep, rows, cols }] = layers;
    // Rows that are looked up are rows of what is fitted, however many there are.
    expect([rows, cols].sort((a, b) => b - a)).toEqual([weight.rows, weight.cols].sort((a, b) => b - a));
    expect(rank).toBe(Math.floor((0.5 * rows * cols) / (rows + cols) + 1e-9));
    expect(keep).toBeLessThanOrEqual(0.5);

    const product = storedProduct(small, "W");
    const error = Math.sqrt(product.reduce((sum, x, i) => sum + (x - weight.data[i]) ** 2, 0));
    const norm = Math.sqrt(weight.data.reduce((sum, x) => sum + x * x, 0));
    // What the report calls the error of this layer is the error of what is in the file.
    expect(Math.abs(error - layers[0].objective.l2)).toBeLessThanOrEqual(tolerance * norm);

    const { graph } = fromBinary(ModelProtoSchema, small.bytes);
    expect(graph!.initializer.map(({ name }) => name)).not.toContain("W");
    expectClose(await run(small, inputs), await run(build(product), inputs), tolerance);
  });
});

/** Ranks that fill no byte in few bits: columns are padded. */
const storages: [string, CompressOptions][] = [
  ["f16", { rank: 5, type: "f16" }],
  ["int8", { rank: 5, type: "int8" }],
  ["int4", { rank: 5, type: "int4" }],
  ["int3", { rank: 5, type: "int3" }],
  ["int2", { rank: 5, type: "int2" }],
  ["f32 with onnxruntime's operators", { rank: 5, operators: "onnxruntime" }],
  ["int8 with onnxruntime's operators", { rank: 5, type: "int8", operators: "onnxruntime" }],
  ["int4 with onnxruntime's operators", { rank: 5, type: "int4", operators: "onnxruntime" }],
];
const sample = [
  ...gatherCases.filter(({ name }) => /rank [03]|unknown|no ids|two|odd/.test(name)),
  ...tiedCases.filter(({ name }) => /rank [23]|batch|odd|bias|first/.test(name)),
  ...productCases.filter(({ name }, i) => i % 9 === 0 || /odd/.test(name)),
  ...subgraphCases,
  ...wholeCases,
  ...openedAttention,
  ...wholeAttention,
];

describe.each(storages)("factors stored as %s", (_, storage) => {
  it.each(titled(sample))("%s", async (_, { weight, build, inputs }) => {
    const small = await compress(loewner, build(weight.data), { layers: ["W"], ...storage });
    expect(small.report.layers.map((layer) => layer.name)).toEqual(["W"]);
    const product = storedProduct(small, "W");
    // Half-precision scales and factors are cast to float before anything is multiplied, so nothing more is lost.
    expectClose(await run(small, inputs), await run(build(product), inputs), 1e-4);
  });
});

describe("several weights at once", () => {
  it.each(titled(onnxCases.filter(({ others }) => others)))("%s", async (_, { weight, build, inputs }) => {
    const original = build(weight.data);
    const small = await compress(loewner, original, { keep: 0.5, layers: ["all"] });
    expect(small.report.layers.length).toBeGreaterThanOrEqual(1);
    expectClose(await run(small, inputs), await run(putBack(original, small), inputs), 1e-4);
  });
});

describe("random graphs", () => {
  it("compute what their factors say, however weights are shared, turned and stored", async () => {
    await fc.assert(
      fc.asyncProperty(
        randomGraph,
        fc.constantFrom(...storages),
        async (original, [_, { rank: _rank, ...storage }]) => {
          const small = await compress(loewner, original, { keep: 0.5, multipleOf: 1, layers: ["all"], ...storage });
          expectClose(await run(small, original.inputs), await run(putBack(original, small), original.inputs), 1e-3);
        },
      ),
      { numRuns: 40, seed: 5 },
    );
  });
});

describe("a weight that stays", () => {
  it.each(titled(skipped))("%s", async (_, { weight, build, inputs, reason }) => {
    const original = build(weight.data);
    const model = await open(original);
    const listed = model.layers.some(({ name, blocked }) => name === weight.name && blocked !== undefined);
    const small = await compress(loewner, original, { ...options, layers: listed ? [weight.name] : ["all"] });
    if (reason) expect(small.report.skipped.find(({ name }) => name === weight.name)?.reason).toMatch(reason);
    expect(small.report.layers).toEqual([]);
    expect(small.report.bytesAfter).toBe(small.report.bytesBefore);
    expect(Buffer.compare(small.bytes, original.bytes)).toBe(0);
    expectClose(await run(small, inputs), await run(original, inputs), 0);
  });
});

describe("Attention", () => {
  const operatorsIn = ({ bytes }: BuiltModel) =>
    fromBinary(ModelProtoSchema, bytes).graph!.node.map(({ opType }) => opType);
  const factored = async ({ build, weight }: OnnxCase) =>
    operatorsIn(await compress(loewner, build(weight.data), options));

  it.each(titled(openedAttention))("goes through factors: %s", async (_, each) => {
    expect(await factored(each)).not.toContain("Attention");
  });

  it.each(titled(wholeAttention))("reads the whole: %s", async (_, each) => {
    expect(await factored(each)).toContain("Attention");
  });

  describe.each(openedAttention.map((each) => [each.name, each] as const))("%s", (_, each) => {
    const dense = ({ rows, cols }: OnnxCase["weight"]) => layerOf({ rows: cols, cols: rows, bits: 4 }, undefined, true);

    it.each([
      ["reads all of a weight in codes, where that is multiplied with anyway", "standard", "Attention"],
      ["multiplies by codes where they lie", "onnxruntime", "MatMulNBits"],
    ] as const)("%s", async (_title, operators, operator) => {
      const { build, weight, inputs } = each;
      const small = await store(build(weight.data), dense(weight), operators);
      expect(operatorsIn(small)).toContain(operator);
      expectClose(await run(small, inputs), await run(build(storedProduct(small, "W")), inputs), 1e-5);
    });
  });
});

describe("what is beside the weight", () => {
  it("stays: metadata, doc strings, inputs, outputs", async () => {
    const { weight, build } = onnxCases.find(({ name }) => name === "metadata and doc strings")!;
    const before = fromBinary(ModelProtoSchema, build(weight.data).bytes);
    const after = fromBinary(ModelProtoSchema, (await compress(loewner, build(weight.data), options)).bytes);
    const metadata = Object.fromEntries(after.metadataProps.map(({ key, value }) => [key, value]));
    expect(metadata).toMatchObject(kept.metadata);
    expect(Object.keys(metadata)).toEqual([...Object.keys(kept.metadata), "loewner"]);
    expect(after.graph!.docString).toBe(kept.docs[0]);
    expect(after.graph!.node.map(({ docString }) => docString)).toContain(kept.docs[1]);
    expect(after.graph!.input).toEqual(before.graph!.input);
    expect(after.graph!.output).toEqual(before.graph!.output);
    expect(after).toMatchObject({ irVersion: before.irVersion, opsetImport: before.opsetImport });
  });

  it("is given the same bytes by a second run", async () => {
    for (const { weight, build } of compressed.slice(0, 60).filter((_, i) => i % 12 === 0)) {
      const [first, second] = [build(weight.data), build(weight.data)];
      const [a, b] = [await compress(loewner, first, options), await compress(loewner, second, options)];
      expect(Buffer.compare(a.bytes, b.bytes)).toBe(0);
    }
  });
});

function sizeOf({
  bytes,
  external = new Map<string, Uint8Array>(),
}: Pick<ReturnType<OnnxCase["build"]>, "bytes" | "external">) {
  return [...external.values()].reduce((sum, file) => sum + file.byteLength, bytes.byteLength);
}
