// The fuzzer of fuzz/: it finds faults that were planted; what it found before stays mended; and in so many inputs a target it finds
// nothing new. docs/fuzzing.md has the promise.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "loewner-fuzz-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Report {
  inputs: number;
  results: Record<string, number>;
  errors: Record<string, number>;
  findings: { index: number; kind: string; detail: string; path: string }[];
}

function fuzz(...args: string[]): { status: number | null; targets: Record<string, Report> } {
  const json = join(folder, "report.json");
  const all = ["fuzz/main.mjs", "--save", folder, "--json", json, "--seed", "8", ...args];
  const { status, stderr } = spawnSync(process.execPath, all, { cwd: root, encoding: "utf8" });
  if (stderr) throw new Error(stderr);
  return { status, ...JSON.parse(readFileSync(json, "utf8")) };
}

/** An input that ends is not to be taken for one that hangs because the machine is busy. */
const patient = ["--limit", "60000"];

/** The table of fuzz/targets.mjs, which is JavaScript. */
const table: { targets: object } = await import(pathToFileURL(join(root, "fuzz/targets.mjs")).href);

describe("the fuzzer finds faults planted for it", () => {
  // Which input meets the fault, and as what it should be found; a process that dies may be slow at it.
  const planted: [string, string, string][] = [
    ["exception", "exception", "2000"],
    ["loop", "hang", "1000"],
    ["promise", "death", "2000"],
    ["buffer", "allocation", "2000"],
    ["caught buffer", "allocation", "2000"],
    ["heap", "death", "30000"],
    ["resident", "memory", "30000"],
    ["rejection", "unhandled", "2000"],
  ];

  test.each(planted)("%s: found, classified and kept as the input that shows it", (name, kind, limit) => {
    const args = ["--planted", "test/fuzz/planted.mjs", "--target", name, "--inputs", "10", "--limit", limit];
    const { status, targets } = fuzz(...args);
    const [first, ...more] = targets[name].findings;
    expect({ status, kind: first?.kind, index: first?.index, more: more.length }).toEqual({
      status: 1,
      kind,
      index: 7,
      more: 0,
    });
    expect([...readFileSync(first.path)]).toEqual([7, 0]);
  });

  test("a target without faults has no findings", () => {
    const { status, targets } = fuzz("--planted", "test/fuzz/planted.mjs", "--target", "clean", "--inputs", "300");
    expect([status, targets.clean.inputs, targets.clean.findings]).toEqual([0, 300, []]);
  });
});

test("inputs that showed a fault before show none any more", () => {
  const { targets } = fuzz("--replay", "test/fixtures/fuzz", ...patient);
  for (const [name, { inputs, findings }] of Object.entries(targets)) {
    expect(inputs, name).toBeGreaterThan(0);
    expect(findings, name).toEqual([]);
  }
});

/** Inputs that take a second or so; the same number on any machine. */
const counts: Record<string, number> = {
  ...{ npy: 5000, safetensors: 500, "safetensors-index": 3000, onnx: 400, "onnx-external": 800, tokenizer: 1000 },
  ...{ plan: 2500, description: 250, "onnx-description": 200, json: 4000, "python-literal": 20_000, http: 800 },
  ...{ arguments: 4000, commands: 40 },
};

test.each(Object.keys(table.targets))("%s: a fixed number of made-up inputs shows no fault", (name) => {
  const count = counts[name] ?? 200;
  const { inputs, results, errors, findings } = fuzz("--target", name, "--inputs", String(count), ...patient).targets[
    name
  ];
  expect(findings).toEqual([]);
  expect(inputs).toBe(count);
  expect(Object.keys({ ...results, ...errors }).length).toBeGreaterThan(1);
});
