// --requantise on the command line: what is listed, what is said, and that nothing grows.
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { model, node, tensor, Type, value } from "../model/onnx-models/graph.js";
import { quantisedForms } from "../model/onnx-models/quantised.js";
import { run, temporaryFolder } from "./run.js";

let folder: string;
const [rows, cols] = [2000, 64];
beforeAll(() => {
  folder = temporaryFolder();
  writeFileSync(join(folder, "tiny.onnx"), quantisedForms[0].bytes);
  const codes = Int8Array.from({ length: rows * cols }, (_, i) => ((i * 37 + (i >> 6) * 11) % 255) - 127);
  const bytes = model({
    nodes: [node("Gather", ["Q", "ids"], ["q"]), node("DequantizeLinear", ["q", "s"], ["y"])],
    initializers: [tensor("Q", Type.int8, [rows, cols], codes), tensor("s", Type.float, [], Float32Array.of(0.02))],
    inputs: [value("ids", Type.int64, [2, 5])],
    outputs: [value("y", Type.float, [2, 5, cols])],
  });
  writeFileSync(join(folder, "model.onnx"), bytes);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("without it one line says why, and how", () => {
  const { status, stderr } = run(folder, "compress", "model.onnx", "-o", "out.onnx");
  expect(status).toBe(1);
  expect(stderr).toMatch(/Q: is quantised already \(DequantizeLinear\): start from the float file.*--requantise/);
});

test("the table is listed with the type of its codes, coded anew and proved", () => {
  expect(run(folder, "inspect", "model.onnx", "--requantise").stdout).toMatch(/Q +embedding +2000 x 64 +I8/);
  const { status, stdout } = run(folder, "compress", "model.onnx", "-o", "out.onnx", "--requantise", "--keep", "0.6");
  expect(status).toBe(0);
  expect(stdout).toMatch(
    /1 layer was quantised already: coded anew, [\d.]+ % off \(relative, l_2\) what the old codes/,
  );
  expect(run(folder, "verify", "model.onnx", "out.onnx", "--repeats", "1").status).toBe(0);
});

test("a result that is no smaller is not written", () => {
  const { status, stderr } = run(folder, "compress", "tiny.onnx", "-o", "grown.onnx", "--requantise", "--keep", "0.9");
  expect(status).toBe(1);
  expect(stderr).toMatch(/nothing was written/);
  expect(existsSync(join(folder, "grown.onnx"))).toBe(false);
});
