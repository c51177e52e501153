// The package as it is installed, without onnxruntime beside it: what needs none is proved, and what is missing is said.
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeMadeFiles } from "../docs/made.js";
import { installPacked } from "./packed.js";

let folder: string;
beforeAll(async () => {
  ({ folder } = await installPacked());
  await writeMadeFiles(folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const loewner = (...args: string[]) =>
  spawnSync(process.execPath, [join(folder, "node_modules/loewner/dist/cli/main.js"), ...args], {
    cwd: folder,
    encoding: "utf8",
  });
const missing =
  /The models were not run: Neither onnxruntime-node nor onnxruntime-web is installed.*npm install onnxruntime-web/;

test("compress --verify and verify prove errors and bounds, and say what to install for running the models", () => {
  const made = loewner("compress", "model.onnx", "-o", "small.onnx", "--keep", "0.3", "--verify");
  expect({ status: made.status, stderr: made.stderr }).toEqual({ status: 0, stderr: "" });
  expect(made.stdout).toMatch(missing);
  const { status, stdout } = loewner("verify", "model.onnx", "small.onnx", "--json");
  expect(status).toBe(0);
  const report = JSON.parse(stdout) as { ok: boolean; notes: string[]; layers: unknown[]; outputs?: unknown };
  expect(report).toMatchObject({ ok: true, layers: [{}] });
  expect(report.notes).toEqual([expect.stringMatching(/^The models were not run: Neither /)]);
  expect(report.outputs).toBeUndefined();
});

test("a runtime that was asked for by name, or inputs to run on, make it an error", () => {
  for (const asked of [
    ["--runtime", "web"],
    ["--shape", "input_ids=2,4"],
  ]) {
    const { status, stderr } = loewner("verify", "model.onnx", "model.onnx", ...asked);
    expect(status).toBe(1);
    expect(stderr).toMatch(/is installed, and running|is not installed, and running/);
  }
});
