// expand: how large the output will be, room on the disk, and Ctrl-C.
import { once } from "node:events";
import { rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { memorySink, writeSafetensors } from "../../src/formats/index.js";
import { bytesOf, listing, run, start, temporaryFolder, tensor, writeModel } from "./run.js";

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Factors of rank 1, of a product of any size. */
async function writeFactors(rows: number, cols: number): Promise<void> {
  const objective = { lp: 1, l1: 1, l21: 1, l2: 1, worstRow: { row: 0, norm: 1 } };
  const certificate = { lower: 0, upper: 1, slack: 0, sigmaNext: 1, bound: 1, rounding: 0 };
  const layer = {
    ...{ rows, cols, rank: 1, type: "f32", dtype: "F32", method: "svd", left: "L", right: "R" },
    ...{ p: 1, objective, certificate, tolerance: 0.01, rowWeights: false, seed: 0 },
  };
  const part = (name: string, shape: number[]) => {
    const bytes = new Uint8Array(4 * shape[0] * shape[1]);
    return { name, dtype: "F32" as const, shape, byteLength: bytes.length, chunks: () => [bytes] };
  };
  const sink = memorySink();
  const metadata = { loewner: JSON.stringify({ version: 1, layers: { W: layer } }) };
  await writeSafetensors(sink, { tensors: [part("L", [rows, 1]), part("R", [1, cols])], metadata });
  writeFileSync(join(folder, "small.safetensors"), sink.bytes());
}

test("says how large the output is, before and as JSON", async () => {
  await writeModel(folder, "model.safetensors", [tensor("wte.weight", 3000, 16)]);
  run(folder, "compress", "model.safetensors", "-o", "small.safetensors", "--keep", "0.5", "--dtype", "f32");
  const [before, after] = ["small", "model"].map((name) => bytesOf(folder, `${name}.safetensors`).length);
  const { status, stdout } = run(folder, "expand", "small.safetensors", "-o", "dense.safetensors");
  expect(status).toBe(0);
  expect(stdout).toMatch(/^\d+ B -> 0\.19 MB; 1 layer multiplied back\. Written: dense\.safetensors\n$/);
  const report = JSON.parse(run(folder, "expand", "small.safetensors", "-o", "again.safetensors", "--json").stdout);
  const written = bytesOf(folder, "again.safetensors").length;
  expect([report.bytesBefore, report.bytesAfter]).toEqual([before, written]);
  expect(Math.abs(written - after)).toBeLessThan(200); // the header has no description of its own
});

test("a product that the disk has no room for is refused before anything is written", async () => {
  const { bavail, bsize } = statfsSync(folder);
  const n = Math.ceil(Math.sqrt((bavail * bsize) / 4)) + 1000;
  await writeFactors(n, n);
  const { status, stdout, stderr } = run(folder, "expand", "small.safetensors", "-o", "dense.safetensors");
  expect([status, stdout]).toEqual([1, ""]);
  expect(stderr).toMatch(
    /^loewner: dense\.safetensors takes \d+ bytes, and \. has room for \d+\. Free some space, or name a file elsewhere with -o\.\n$/,
  );
  expect(listing(folder)).toEqual(["small.safetensors"]);
});

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("%s while it writes: exit %i, nothing is left", async (signal, code) => {
  await writeFactors(10_000, 20_000);
  const child = start(folder, "expand", "small.safetensors", "-o", "dense.safetensors", "--quiet");
  const exited = once(child, "exit");
  await expect.poll(() => listing(folder).length, { interval: 5, timeout: 20_000 }).toBeGreaterThan(1);
  child.kill(signal);
  const [status] = await exited;
  expect([status, listing(folder)]).toEqual([code, ["small.safetensors"]]);
});
