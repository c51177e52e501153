// The fuzzer of fuzz/, for about a minute: it finds faults that were planted; what it found before stays mended; and for some seconds
// a target it finds nothing new. docs/fuzzing.md has the promise.
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

/** The table of fuzz/targets.mjs, which is JavaScript. */
const table: { targets: object } = await import(pathToFileURL(join(root, "fuzz/targets.mjs")).href);

describe("planted faults", () => {
  // Which input meets the fault, and as what it should be found; a process that dies may be slow at it.
  const planted: [string, string, string][] = [
    ["exception", "exception", "2000"],
    ["loop", "hang", "500"],
    ["promise", "death", "2000"],
    ["buffer", "allocation", "2000"],
    ["caught buffer", "allocation", "2000"],
    ["heap", "death", "30000"],
    ["resident", "memory", "30000"],
    ["rejection", "unhandled", "2000"],
  ];

  test.each(planted)("%s", (name, kind, limit) => {
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

  test("none is none", () => {
    const { status, targets } = fuzz("--planted", "test/fuzz/planted.mjs", "--target", "clean", "--inputs", "300");
    expect([status, targets.clean.inputs, targets.clean.findings]).toEqual([0, 300, []]);
  });
});

test("what was found before", () => {
  const { targets } = fuzz("--replay", "test/fixtures/fuzz");
  for (const [name, { inputs, findings }] of Object.entries(targets)) {
    expect(inputs, name).toBeGreaterThan(0);
    expect(findings, name).toEqual([]);
  }
});

test.each(Object.keys(table.targets))("%s, for a few seconds", (name) => {
  const { results, errors, findings } = fuzz("--target", name, "--seconds", "2.5").targets[name];
  expect(findings).toEqual([]);
  // A busy machine may get no further than a few inputs; not all of them end alike.
  expect(Object.keys({ ...results, ...errors }).length).toBeGreaterThan(1);
});
