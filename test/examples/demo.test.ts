// The demo of `npm start`, run as a reader would from the built dist/, twice, into folders of its own.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";

const demo = fileURLToPath(new URL("../../examples/demo.mjs", import.meta.url));
const files = ["counts.npy", "l1.safetensors", "model.safetensors", "svd.safetensors"];

let folder: string;
const runs: { status: number | null; stdout: string; stderr: string }[] = [];
const output = (run: number) => join(folder, `run-${run}`);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "loewner-demo-"));
  // The second run starts elsewhere and writes over what the first left in its own folder.
  for (const [cwd, into] of [
    [folder, "run-0"],
    [tmpdir(), output(1)],
    [tmpdir(), output(1)],
  ]) {
    runs.push(spawnSync(process.execPath, [demo, into], { cwd, encoding: "utf8" }));
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The table's row that begins with `label`: its numbers by column name. */
function row(stdout: string, label: string): Record<string, number> {
  const lines = stdout.split("\n");
  const cells = (line: string) => line.split(/ {2,}/);
  const names = cells(lines.find((line) => line.startsWith("method"))!);
  const values = cells(lines.find((line) => line.startsWith(label))!);
  expect(values).toHaveLength(names.length);
  return Object.fromEntries(names.slice(1).map((name, i) => [name, Number(values[i + 1])]));
}

test("it exits with 0 and says nothing on stderr", () => {
  for (const { status, stderr } of runs) expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
});

test("the table has both methods at the same size, each the better in its own norm", () => {
  const svd = row(runs[0].stdout, "SVD");
  const l1 = row(runs[0].stdout, "Lewis, p=1");
  for (const value of [...Object.values(svd), ...Object.values(l1)]) expect(value).toBeGreaterThan(0);
  const size = (name: string) => statSync(join(output(0), name)).size;
  expect(svd.bytes).toBe(size("svd.safetensors"));
  expect(l1.bytes).toBe(size("l1.safetensors"));
  expect(Math.abs(svd.bytes - l1.bytes)).toBeLessThan(100); // the text of the metadata
  expect(l1.bytes).toBeLessThan(0.5 * size("model.safetensors"));
  expect(svd.l_2).toBeLessThan(l1.l_2);
  for (const column of ["l_1", "ordinary row", "certified bound"]) expect(l1[column]).toBeLessThan(svd[column]);
});

test("it fits 100 columns and names the files that it wrote", () => {
  const table = runs[0].stdout.split("\n\n").slice(0, 3).join("\n").split("\n");
  for (const line of table) expect(line.length, line).toBeLessThanOrEqual(100);
  for (const file of files) expect(runs[0].stdout).toContain(join("run-0", file));
});

test("every run writes the same bytes", () => {
  for (const run of [0, 1]) expect(readdirSync(output(run)).sort()).toEqual(files);
  for (const file of files) {
    expect(readFileSync(join(output(0), file)).equals(readFileSync(join(output(1), file))), file).toBe(true);
  }
  const withoutSeconds = (text: string) => text.replace(/ +\d+\.\d\d$/gm, "");
  expect(withoutSeconds(runs[2].stdout)).toBe(withoutSeconds(runs[1].stdout));
});
