// --limit, and files of a model that would come to lie elsewhere.
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { listing, run, smallModel, temporaryFolder, tensor, writeMatrix, writeModel } from "./run.js";

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => rmSync(folder, { recursive: true }));
const message = (...args: string[]) => {
  const { status, stderr } = run(folder, ...args);
  return `${status} ${stderr}`;
};

test("a model that passes a limit, and with what is advised", async () => {
  await writeModel(folder, "m.safetensors", smallModel());
  const inspect = (...more: string[]) => message("inspect", "m.safetensors", "--no-spectrum", ...more);
  const passed = inspect("--limit", "header-bytes=100", "--limit", "tensors=9");
  const [, advice] = /^1 loewner: m\.safetensors: a header of \d+ bytes; .*more: --limit (header-bytes=\d+), or/.exec(
    passed,
  )!;
  expect(inspect("--limit", advice)).toBe("0 ");
  expect(inspect("--limit", "tensors=3")).toMatch(/^1 loewner: m\.safetensors: it has 4 tensors; at most 3 are read/);
  expect(inspect("--limit", "header-bytes=1kB", "--limit", "json-depth=2")).toMatch(/more than 2 objects and lists/);
});

test("a matrix, its row weights, a plan", async () => {
  await writeMatrix(folder, "A.npy", new Float32Array(6).fill(1), [3, 2]);
  const over = /^1 loewner: A\.npy: a header of 118 bytes; at most 64 are read.*--limit npy-header-bytes=118/;
  expect(message("leverage", "A.npy", "-o", "l.npy", "--limit", "npy-header-bytes=64")).toMatch(over);
  await writeModel(folder, "m.safetensors", smallModel());
  const compress = (...more: string[]) => message("compress", "m.safetensors", "-o", "s.safetensors", ...more);
  expect(compress("--keep", "0.5", "--row-weights", "A.npy", "--limit", "npy-header-bytes=64")).toMatch(over);
  writeFileSync(join(folder, "plan.json"), '{"version":1,"layers":{"a":{"keep":{}}}}');
  expect(compress("--plan", "plan.json", "--limit", "json-depth=3")).toMatch(/plan\.json: it has more than 3 objects/);
});

test.each([
  ["header=3", /name=value was expected, of header-bytes, json-bytes, json-depth, /],
  ["headerBytes=3", /name=value was expected/],
  ["header-bytes", /name=value was expected/],
  ["header-bytes=lots", /a size was expected, such as 25MB/],
  ["tensors=1.5", /a whole number of at least 1 was expected/],
  ["json-depth=5000", /jsonDepth must be a whole number from 1 to 1000/],
])("--limit %s is bad usage", (limit, expected) => {
  const { status, stderr } = run(folder, "inspect", "m.safetensors", "--limit", limit);
  expect([status, stderr.split("\n")[0]]).toEqual([2, expect.stringMatching(expected)]);
});

test("shards are never written through a link out of the output's folder", async () => {
  mkdirSync(join(folder, "in", "part"), { recursive: true });
  mkdirSync(join(folder, "out"));
  mkdirSync(join(folder, "elsewhere"));
  const tensors = smallModel();
  await writeModel(folder, "in/part/a.safetensors", tensors);
  const weight_map = Object.fromEntries(tensors.map(({ name }) => [name, "part/a.safetensors"]));
  writeFileSync(join(folder, "in", "m.safetensors.index.json"), JSON.stringify({ weight_map }));
  symlinkSync("../elsewhere", join(folder, "out", "part"));
  const compress = () =>
    message(
      "compress",
      "in/m.safetensors.index.json",
      "-o",
      "out/s.safetensors.index.json",
      "--keep",
      "0.5",
      "--force",
    );
  expect(compress()).toMatch(
    /^1 loewner: The file "part\/a\.safetensors" beside .* is a link that leads to .*elsewhere/,
  );
  expect(listing(join(folder, "elsewhere"))).toEqual([]);
  rmSync(join(folder, "out", "part"));
  mkdirSync(join(folder, "out", "part"));
  writeFileSync(join(folder, "elsewhere", "mine"), "mine");
  symlinkSync("../../elsewhere/mine", join(folder, "out", "part", "a.safetensors"));
  expect(compress()).toMatch(/^1 .* is a link that leads to .*mine/);
  expect(readFileSync(join(folder, "elsewhere", "mine"), "utf8")).toBe("mine");
  rmSync(join(folder, "out", "part", "a.safetensors"));
  expect(compress()).toBe("0 ");
});

test("names in a file do not talk to the terminal", async () => {
  const name = "\u001b]0;title\u0007\u001b[2Jtoken\u202eemb\r.weight";
  await writeModel(folder, "m.safetensors", [tensor(name, 400, 16)]);
  const { status, stdout } = run(folder, "inspect", "m.safetensors", "--no-spectrum");
  expect(status).toBe(0);
  expect(stdout).toContain("\\u{1b}]0;title\\u{7}\\u{1b}[2Jtoken\\u{202e}emb\\u{d}.weight");
  expect(stdout).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202e]/);
});
