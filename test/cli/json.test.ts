// --json: one document, in the vocabulary that docs/json-schema.json says, of every command, and of every way to fail.
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Ajv from "ajv";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { model, node, tensor, valueInfo } from "../formats/onnx/build.js";
import { matrix } from "../library/matrices.js";
import { filledFolder } from "./evaluate-files.js";
import { bytesOf, listing, run, smallModel, start, temporaryFolder, writeMatrix, writeModel } from "./run.js";

const read = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), "utf8");
const schema = JSON.parse(read("json-schema.json")) as { oneOf: { properties: { command: { const?: string } } }[] };
const ajv = new Ajv({ allErrors: true });
ajv.addSchema(schema, "documents");

let folder: string;
beforeAll(async () => {
  folder = temporaryFolder();
  await writeModel(folder, "model.safetensors", smallModel());
  const { data } = matrix("heavy-tailed rows", 120, 6, { f32: true });
  await writeMatrix(folder, "A.npy", data, [120, 6]);
  const numbers = (length: number) => Float32Array.from({ length }, (_, i) => Math.fround(Math.sin(i * i)));
  writeFileSync(
    join(folder, "model.onnx"),
    model({
      inputs: [valueInfo("ids", ["batch", "sequence"], 7)],
      outputs: [valueInfo("hidden")],
      initializers: [tensor("table", [600, 32], numbers(600 * 32)), tensor("up", [32, 32], numbers(32 * 32))],
      nodes: [node("Gather", ["table", "ids"], ["x"]), node("MatMul", ["x", "up"], ["hidden"])],
    }),
  );
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let scored: string;
beforeAll(async () => void (scored = await filledFolder()));
afterAll(() => rmSync(scored, { recursive: true, force: true }));

/** What is wrong with a document: of the alternatives that are about its command. */
function faultsOf(document: { command?: string; error?: unknown }): unknown {
  if (ajv.validate("documents", document)) return [];
  const ofCommand = schema.oneOf.flatMap(({ properties }, i) =>
    properties.command.const === document.command ? [i] : [],
  );
  return (ofCommand.length ? ofCommand : [0]).map((i) => {
    ajv.validate(`documents#/oneOf/${i}`, document);
    return ajv.errorsText(undefined, { separator: "\n" });
  });
}

function documentOf(code: number, ...args: string[]): Record<string, unknown> {
  return documentIn(folder, code, ...args);
}

function documentIn(where: string, code: number, ...args: string[]): Record<string, unknown> {
  const { status, stdout } = run(where, ...args, "--json");
  const document = JSON.parse(stdout) as Record<string, unknown>;
  expect(faultsOf(document)).toEqual([]);
  expect(status).toBe(code);
  return document;
}

const matrixCommands = [
  "low-rank A.npy --rank 2 --left L.npy --right R.npy",
  "leverage A.npy -o tau.npy",
  "lewis-weights A.npy -o w.npy --gram G.npy",
  "lewis-weights A.npy --p inf -o wi.npy",
  "level-set A.npy -o H.npy --contacts X.npy",
  "subspace A.npy --rank 2 -o V.npy",
  "min-volume A.npy -o E.npy --weights u.npy",
  "entrywise A.npy --rank 2 --left EL.npy --right ER.npy",
  "sensitivities A.npy -o s.npy",
  "coreset A.npy --size 40 --indices i.npy --weights cw.npy -o rows.npy",
].map((line) => line.split(" "));

describe("a document of every command keeps to docs/json-schema.json", () => {
  test.each(matrixCommands)("loewner %s", (...args) => {
    expect(documentOf(0, ...args)).toMatchObject({ command: args[0], input: "A.npy", shape: [120, 6], dtype: "f32" });
  });

  test("loewner compress, verify and expand of factors", () => {
    documentOf(0, "compress", "model.safetensors", "--keep", "50%", "--dtype", "fp32", "-o", "f.safetensors");
    documentOf(0, "verify", "model.safetensors", "f.safetensors");
    documentOf(0, "expand", "f.safetensors", "-o", "d.safetensors");
    documentOf(0, "inspect", "f.safetensors");
  });

  test("loewner compress of a whole model, and what would come of it", () => {
    documentOf(0, "compress", "model.onnx", "--dry-run");
    documentOf(0, "compress", "model.onnx", "--keep", "0.4", "--dry-run");
    const made = documentOf(0, "compress", "model.onnx", "--verify", "--runtime", "web", "-o", "v.onnx");
    const layers = made.layers as { relativeError: number }[];
    for (const { relativeError } of layers) expect(relativeError).toBeGreaterThan(0);
    documentOf(0, "verify", "model.onnx", "v.onnx", "--runtime", "web");
    documentOf(0, "inspect", "v.onnx", "--spectrum", "all");
    documentOf(0, "inspect", "model.onnx", "--spectrum", "all", "--plan", "plan.json", "--html", "page.html");
  });

  test("loewner evaluate, of models and of a curve with a size that a method cannot give", () => {
    const data = ["--data", "dev.tsv", "--task", "sst2", "--runtime", "web"];
    const { models } = documentIn(scored, 0, "evaluate", "model.onnx", "other.onnx", ...data);
    expect(models).toMatchObject([{ model: "model.onnx" }, { scores: [{ difference: {} }, {}] }]);
    const curve = ["--curve", "0.5,0.0001", "--methods", "svd", "--samples", "0"];
    const { points } = documentIn(scored, 0, "evaluate", "model.onnx", ...data, ...curve);
    expect(points).toMatchObject([{ scores: expect.any(Array) }, { reason: expect.any(String) }]);
  });
});

describe("a command that fails says so in one document, with the exit code that it has anyway", () => {
  test.each([
    [1, "FILE", "compress none.onnx"],
    [1, "FILE", "inspect none.onnx"],
    [1, "INVALID_FORMAT", "inspect A.safetensors"],
    [2, "USAGE", "compress"],
    [2, "USAGE", "compress model.onnx --bits 4"],
    [2, "USAGE", "compress model.onnx --keep x"],
    [2, "USAGE", "compress model.onnx --keep 0.5 --rank 3"],
    [2, "USAGE", "squeeze model.onnx"],
    [2, "USAGE", "compress model.onnx -o -"],
    [1, "INVALID_INPUT", "compress model.onnx --layers none*"],
    [1, "INVALID_INPUT", "low-rank A.npy --rank 20 --left x.npy --right y.npy"],
  ])("exit %i, %s: %s", (status, code, line) => {
    writeFileSync(join(folder, "A.safetensors"), "no model at all, but a text");
    expect(documentOf(status, ...line.split(" "))).toMatchObject({ error: { code, message: expect.any(String) } });
  });

  test("a file that is not what it says: what was found, and the error, in one", () => {
    run(folder, ..."compress model.safetensors --keep 0.5 --dtype f32 -o g.safetensors".split(" "));
    const bytes = Buffer.from(bytesOf(folder, "g.safetensors"));
    bytes[bytes.length - 40] ^= 0x7f;
    writeFileSync(join(folder, "broken.safetensors"), bytes);
    expect(documentOf(1, "verify", "model.safetensors", "broken.safetensors")).toMatchObject({
      ok: false,
      error: { code: "VERIFICATION_FAILED", file: "broken.safetensors" },
    });
  });

  test("a run that is interrupted says so too", async () => {
    await writeMatrix(folder, "big.npy", matrix("plain", 20000, 96, { f32: true }).data, [20000, 96]);
    const before = listing(folder).length;
    const child = start(folder, ..."low-rank big.npy --rank 30 --left x.npy --right y.npy --json".split(" "));
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
    await expect.poll(() => listing(folder).length).toBeGreaterThan(before);
    child.kill("SIGINT");
    const code = await new Promise((resolve) => child.on("close", resolve));
    const document = JSON.parse(text) as { error: { code: string } };
    expect(faultsOf(document)).toEqual([]);
    expect([code, document.error.code]).toEqual([130, "ABORTED"]);
  });
});

test("docs/json.md names every key of the vocabulary, and every command", () => {
  const text = read("json.md");
  for (const { properties } of schema.oneOf)
    if (properties.command.const !== undefined) expect(text).toContain(`\`${properties.command.const}\``);
  for (const key of ["command", "version", "input", "output", "shape", "dtype", "bytesBefore", "bytesAfter", "error"])
    expect(text).toContain(`\`${key}\``);
});
