// Path in, path out.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createLoewner } from "../../src/index.js";
import { compressModel, type Model } from "../../src/model/index.js";
import { compressFile, type CompressFileOptions } from "../../src/node.js";
import { run, smallModel, writeModel } from "../cli/run.js";

let folder: string;
const at = (name: string) => join(folder, name);
const fault = async (promise: Promise<unknown>) => {
  const error = (await promise.then(
    () => undefined,
    (e: unknown) => e,
  )) as Error & { code: string };
  return `${error.code}: ${error.message}`;
};
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "loewner-file-"));
  await writeModel(folder, "model.safetensors", smallModel());
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("compressFile writes what the command line does", () => {
  const cases: [string, CompressFileOptions, string[]][] = [
    ["without an option", {}, []],
    ["of a quality", { quality: "small" }, ["--quality", "small"]],
    ["of a share", { keep: 0.3 }, ["--keep", "0.3"]],
    ["of a rank, in 16 bits", { rank: 4, dtype: "bf16" }, ["--rank", "4", "--dtype", "bf16"]],
    ["of a size in bytes, by SVD", { bytes: 30_000, p: 2 }, ["--bytes", "30000", "--p", "2"]],
  ];
  test.each(cases)("%s", async (_, options, args) => {
    const [ours, theirs] = [at("ours.safetensors"), at("theirs.safetensors")];
    const result = await compressFile(at("model.safetensors"), ours, { ...options, force: true });
    const { status, stderr } = run(
      folder,
      "compress",
      "model.safetensors",
      "-o",
      "theirs.safetensors",
      "--force",
      ...args,
    );
    expect(status, stderr).toBe(0);
    expect(readFileSync(ours).equals(readFileSync(theirs))).toBe(true);
    expect(result.paths).toEqual([ours]);
    expect(result.bytesAfter).toBe(readFileSync(ours).length);
    expect(result.bytesAfter).toBeLessThan(result.bytesBefore);
  });
});

describe("compressFile refuses, and leaves nothing behind", () => {
  test.each<[string, string, string, object, RegExp]>([
    ["an input that is not there", "gone.onnx", "x.onnx", {}, /^FILE: .*gone\.onnx/],
    ["an ending of the other format", "model.safetensors", "x.onnx", {}, /^INVALID_INPUT: .*name it \.safetensors/],
    ["the file that it reads", "model.safetensors", "model.safetensors", { force: true }, /^(FILE|INVALID_INPUT): /],
    [
      "an option that is misspelt",
      "model.safetensors",
      "x.safetensors",
      { qualty: "high" },
      /compressFile has no option "qualty"\. Did you mean "quality"\?/,
    ],
    [
      "what is for the function to decide",
      "model.safetensors",
      "x.safetensors",
      { mainName: "a" },
      /has no option "mainName"/,
    ],
    [
      "texts for a model without a graph",
      "model.safetensors",
      "x.safetensors",
      { calibrate: "texts.txt" },
      /calibrate is for ONNX/,
    ],
    ["a share that leaves nothing to do", "model.safetensors", "x.safetensors", { keep: 1e-9 }, /^INVALID_INPUT: /],
  ])("%s", async (_, input, output, options, expected) => {
    const before = readdirSync(folder).sort();
    expect(await fault(compressFile(at(input), at(output), options))).toMatch(expected);
    expect(readdirSync(folder).sort()).toEqual(before);
  });

  test("an output that exists, unless told to replace it", async () => {
    await compressFile(at("model.safetensors"), at("there.safetensors"));
    expect(existsSync(at("there.safetensors"))).toBe(true);
    const again = () => compressFile(at("model.safetensors"), at("there.safetensors"));
    expect(await fault(again())).toMatch(/^FILE: .*exists already/);
  });
});

test("compressModel refuses a path, and says what takes one", async () => {
  const loewner = await createLoewner();
  expect(await fault(compressModel(loewner, "model.onnx" as unknown as Model, { keep: 0.5 }))).toBe(
    'INVALID_INPUT: compressModel takes an open model, as onnxModel() and safetensorsModel() make them; got the string "model.onnx". For paths there is compressFile(input, output, options) of loewner/node.',
  );
});

test("type is taken for dtype once more", async () => {
  const loewner = await createLoewner();
  const { openModelPath } = await import("../../src/node.js");
  const { safetensorsModel } = await import("../../src/model/index.js");
  const open = await openModelPath(at("model.safetensors"));
  if (open.kind !== "safetensors") throw new Error("it is safetensors");
  const model = safetensorsModel(open.file);
  const dtypes = await Promise.all(
    [{ type: "int8" } as const, { dtype: "int8" } as const].map(async (how) => {
      const { layers } = await compressModel(loewner, model, { rank: 4, ...how });
      return layers.map(({ dtype }) => dtype);
    }),
  );
  expect(dtypes[0]).toEqual(dtypes[1]);
  expect(dtypes[0]).toContain("int8");
  await open.close();
});
