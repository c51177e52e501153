// What stands in place of a file that was not fetched, whichever file is opened: the message says what it is, and how to get the file.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { externalTensor } from "../formats/onnx/build.js";
import { model as onnx, node, Type, value } from "../model/onnx-models/graph.js";
import { run, smallModel, temporaryFolder, writeModel } from "./run.js";

let folder: string;
beforeAll(async () => {
  folder = temporaryFolder();
  await writeModel(folder, "model.safetensors", smallModel());
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const standIns: [string, string, RegExp][] = [
  [
    "a Git LFS pointer",
    `version https://git-lfs.github.com/spec/v1\noid sha256:${"4d".repeat(32)}\nsize 4\n`,
    /It is a Git LFS pointer, not the file itself: run `git lfs pull`/,
  ],
  ["a git-annex pointer", "/annex/objects/SHA256E-s4--4d.bin\n", /It is a git-annex pointer.*run `git annex get`/],
  [
    "a web page",
    "\n<!DOCTYPE html>\n<html><head><title>404</title></head></html>",
    /It is a web page.*download it again/,
  ],
  ["a web page without a doctype", "<html lang=en><body>Sorry.</body></html>", /It is a web page.*download it again/],
  [
    "an XML error",
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>',
    /It is an XML document, perhaps the error message of a server/,
  ],
];
/** Told where a format was expected: of texts nothing can be said. */
const texts: [string, string, RegExp][] = [
  ["a line of text", "Entry not found", /It is text that begins with "Entry not found"/],
  ["an error in JSON", '{"error":"Repository not found"}', /It holds an error message \("\{\\"error\\":/],
];

const inModel = ["compress", "model.safetensors", "-o", "small.safetensors", "--keep", "0.5"];
const files: [string, string, string[]][] = [
  ["a model", "stand-in.onnx", ["inspect", "stand-in.onnx"]],
  ["a safetensors file", "stand-in.safetensors", ["inspect", "stand-in.safetensors"]],
  ["an index", "stand-in.safetensors.index.json", ["inspect", "stand-in.safetensors.index.json"]],
  ["an array of counts", "counts.npy", [...inModel, "--row-weights", "counts.npy"]],
  ["a tokenizer", "tokenizer.json", [...inModel, "--row-weights", "tokenizer.json"]],
  ["a matrix", "a.npy", ["leverage", "a.npy", "-o", "out.npy"]],
];

describe.each([...standIns, ...texts])("%s", (_, content, wanted) => {
  test.each(files)("in place of %s", (_what, name, args) => {
    writeFileSync(join(folder, name), content);
    const { status, stderr } = run(folder, ...args);
    expect(stderr).toMatch(wanted);
    expect(stderr).toContain(name);
    expect(status).toBe(1);
  });
});

/** A model of one small tensor whose numbers lie outside: as many bytes as any stand-in has. */
function external(): Uint8Array {
  const outside = externalTensor("W", [2, 2], { location: "w.bin" });
  return onnx({
    nodes: [node("MatMul", ["x", "W"], ["y"])],
    initializers: [outside],
    inputs: [value("x", Type.float, [3, 2])],
    outputs: [value("y", Type.float, [3, 2])],
  });
}

describe.each(standIns)("%s", (_, content, wanted) => {
  test("in place of external data that is small enough to be read from it", () => {
    writeFileSync(join(folder, "outside.onnx"), external());
    writeFileSync(join(folder, "w.bin"), content);
    const { status, stderr } = run(folder, "inspect", "outside.onnx");
    expect(stderr).toMatch(wanted);
    expect(stderr).toMatch(/external data "w\.bin" of tensor "W"/);
    expect(status).toBe(1);
  });

  test("in place of the config.json beside a model", async () => {
    mkdirSync(join(folder, "repository"), { recursive: true });
    await writeModel(join(folder, "repository"), "model.safetensors", smallModel());
    writeFileSync(join(folder, "repository", "config.json"), content);
    expect(run(folder, "inspect", "repository").stderr).toMatch(wanted);
  });
});
