import { rmSync } from "node:fs";
import { afterEach, beforeEach, expect, test } from "vitest";
import { bytesSource, openNpy, openSafetensors, readNpyArray, tensorRows } from "../../src/formats/index.js";
import { readRows } from "../../src/matrix.js";
import { strays, unionOfSubspaces } from "../library/unions.js";
import { bytesOf, listing, run, temporaryFolder, writeMatrix, writeModel } from "./run.js";

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const { a, truth } = unionOfSubspaces(400, 24, { groups: 3, rank: 3 });
const numbersOf = async (name: string) => readRows(await openNpy(bytesSource(bytesOf(folder, name), name)));

test("low-rank: factors of three groups, and the group of each row", async () => {
  await writeMatrix(folder, "A.npy", a.data, [400, 24]);
  const flags = "--rank 3 --method clusters --groups 3 --left L.npy --right R.npy --group-numbers G.npy --json".split(
    " ",
  );
  const { status, stdout } = run(folder, "low-rank", "A.npy", ...flags);
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ method: "clusters", rank: 3, groups: 3, groupNumbers: "G.npy" });
  const [left, right, groups] = [
    await numbersOf("L.npy"),
    await numbersOf("R.npy"),
    (await readNpyArray(bytesSource(bytesOf(folder, "G.npy"), "G.npy"))).data,
  ];
  expect([left.length, right.length, groups.length]).toEqual([400 * 3, 9 * 24, 400]);
  expect(strays(truth, Uint8Array.from(groups, Number), 3)).toBe(0);
  for (let i = 0; i < 400; ++i)
    for (let j = 0; j < 24; ++j) {
      let x = 0;
      for (let t = 0; t < 3; ++t) x += left[i * 3 + t] * right[(Number(groups[i]) * 3 + t) * 24 + j];
      expect(Math.abs(x - a.data[i * 24 + j])).toBeLessThan(0.5);
    }
});

test("compress, verify, expand: the rows come back near what they were", async () => {
  const bytes = new Uint8Array(a.data.buffer);
  const tensor = { name: "wte.weight", dtype: "F32" as const, shape: [400, 24], byteLength: bytes.length };
  await writeModel(folder, "model.safetensors", [{ ...tensor, chunks: () => [bytes] }]);
  const wanted = "--layers all --rank 3 --method clusters --groups 3 --verify --verbose".split(" ");
  const { status, stdout, stderr } = run(folder, "compress", "model.safetensors", "-o", "small.safetensors", ...wanted);
  expect([status, stderr]).toEqual([0, ""]);
  expect(stdout).toContain("rank 3 in 3 groups, f32");
  expect(stdout).toContain("rows in 3 groups, each with a subspace of its own");
  expect(run(folder, "expand", "small.safetensors", "-o", "dense.safetensors").status).toBe(0);
  const dense = await openSafetensors(bytesSource(bytesOf(folder, "dense.safetensors"), "dense"));
  const after = await readRows(tensorRows(dense, "wte.weight"));
  after.forEach((x, at) => expect(Math.abs(x - a.data[at])).toBeLessThan(0.5));
});

test("bad usage: exit 2 and what to do; nothing is written", async () => {
  await writeMatrix(folder, "A.npy", a.data, [400, 24]);
  const factors = ["low-rank", "A.npy", "--rank", "3", "--left", "L.npy", "--right", "R.npy"];
  const cases: [string[], RegExp][] = [
    [[...factors, "--groups", "3"], /--groups is for --method clusters; the method is auto/],
    [[...factors, "--method", "svd", "--groups", "3"], /--groups is for --method clusters; the method is svd/],
    [[...factors, "--method", "clusters"], /name a file with --group-numbers/],
    [[...factors, "--group-numbers", "G.npy"], /--group-numbers is for --method clusters with more than one group/],
    [[...factors, "--method", "clusters", "--groups", "0"], /--groups.*a whole number of at least 1/],
  ];
  for (const [args, message] of cases) {
    const { status, stderr, stdout } = run(folder, ...args);
    expect([args, status === 0, stdout]).toEqual([args, false, ""]);
    expect(stderr).toMatch(message);
  }
  expect(listing(folder)).toEqual(["A.npy"]);
});
