import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { onnxTensorChunks, openOnnx } from "../../src/formats/index.js";
import { openFile } from "../../src/node/files/file.js";
import { onnxFolderResolver } from "../../src/node/files/onnx-external.js";
import { failure } from "../formats/fixtures.js";
import { collect, externalTensor, model } from "../formats/onnx/build.js";

let base: string;
let folder: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "onnx-"));
  folder = join(base, "model");
  mkdirSync(folder);
});
afterEach(() => rmSync(base, { recursive: true }));

const data = Uint8Array.from({ length: 8 }, (_, i) => i);

/** Writes a model whose tensors lie at these locations and reads all of them. */
async function readAll(locations: string[], path = join(folder, "m.onnx")) {
  const initializers = locations.map((location, i) => externalTensor(`w${i}`, [2], { location }));
  writeFileSync(join(folder, "m.onnx"), model({ initializers }));
  const source = await openFile(path);
  const external = onnxFolderResolver(path);
  try {
    const opened = await openOnnx(source, { external });
    const all = [...opened.graph.initializers.values()];
    return await Promise.all(all.map((one) => collect(onnxTensorChunks(opened, one))));
  } finally {
    await external.close();
    await source.close();
  }
}

test("files in the folder and under it, and links that stay inside", async () => {
  mkdirSync(join(folder, "sub"));
  writeFileSync(join(folder, "a.bin"), data);
  writeFileSync(join(folder, "sub", "..b.bin"), data);
  symlinkSync("sub/..b.bin", join(folder, "link.bin"));
  expect(await readAll(["a.bin", "./sub/..b.bin", "link.bin"])).toEqual([data, data, data]);
});

test("more files than are held open", async () => {
  const names = Array.from({ length: 150 }, (_, i) => `${i}.bin`);
  for (const [i, name] of names.entries()) writeFileSync(join(folder, name), new Uint8Array(8).fill(i));
  expect(await readAll(names)).toEqual(names.map((_, i) => new Uint8Array(8).fill(i)));
});

test("a file that was closed for others and has changed since", async () => {
  const names = Array.from({ length: 70 }, (_, i) => `${i}.bin`);
  for (const name of ["m.onnx", ...names]) writeFileSync(join(folder, name), data);
  const external = onnxFolderResolver(join(folder, "m.onnx"));
  const sources = [];
  for (const name of names) sources.push(await external(name));
  writeFileSync(join(folder, "0.bin"), data.subarray(1));
  utimesSync(join(folder, "1.bin"), 1e9, 1e9);
  for (const at of [0, 1])
    expect((await failure(sources[at].slice(0, 2), "FILE")).message).toMatch(
      new RegExp(`${at}\\.bin changed while it was being read: it was written to between two of its uses`),
    );
  expect(await sources[2].slice(0, 2)).toEqual(data.subarray(0, 2));
  await external.close();
});

test("links out of the folder are refused", async () => {
  writeFileSync(join(base, "secret"), data);
  symlinkSync("../secret", join(folder, "a.bin"));
  const error = await failure(readAll(["a.bin"]), "INVALID_FORMAT");
  expect(error.message).toMatch(
    /external data at "a\.bin", which is a link that leads to .*secret; it must lie in the model's folder/,
  );
  mkdirSync(join(base, "model2"));
  writeFileSync(join(base, "model2", "b.bin"), data); // a folder whose name only begins like the model's
  symlinkSync("../model2", join(folder, "sub"));
  await failure(readAll(["sub/b.bin"]), "INVALID_FORMAT");
});

test("a cache that links model and data to its blobs/, and no other folder of links", async () => {
  const snapshot = join(base, "snapshots", "0123");
  for (const path of [join(snapshot, "onnx"), join(base, "blobs")]) mkdirSync(path, { recursive: true });
  const link = (name: string) => symlinkSync(`../../../blobs/${name}`, join(snapshot, "onnx", name));
  for (const name of ["m.onnx", "a.bin", "b.bin"]) link(name);
  writeFileSync(join(base, "blobs", "a.bin"), data);
  folder = join(base, "blobs");
  const path = join(snapshot, "onnx", "m.onnx");
  expect(await readAll(["a.bin"], path)).toEqual([data]);
  // What the blobs themselves lead to is not the cache's.
  writeFileSync(join(base, "secret"), data);
  symlinkSync("../secret", join(base, "blobs", "b.bin"));
  await failure(readAll(["b.bin"], path), "INVALID_FORMAT");
  // The same links in a folder of another name.
  mkdirSync(join(base, "links"));
  for (const name of ["m.onnx", "a.bin"]) symlinkSync(`../blobs/${name}`, join(base, "links", name));
  await failure(readAll(["a.bin"], join(base, "links", "m.onnx")), "INVALID_FORMAT");
});

test("files that are missing, are folders, or are too short", async () => {
  const missing = await failure(readAll(["a.bin"]), "FILE");
  expect(missing.message).toMatch(
    /m\.onnx: the external data of tensor "w0" cannot be read\. No such file: .*a\.bin; .*model has m\.onnx\. Get the missing file, or give it the name/,
  );
  mkdirSync(join(folder, "a.bin"));
  expect((await failure(readAll(["a.bin"]), "FILE")).message).toMatch(/a\.bin is a folder/);
  writeFileSync(join(folder, "b.bin"), data.subarray(1));
  expect((await failure(readAll(["b.bin"]), "INVALID_FORMAT")).message).toMatch(
    /ends at byte 8 .* that file has 7 bytes/,
  );
  await failure(async () => onnxFolderResolver(join(folder, "m.onnx"))("../x"), "INVALID_FORMAT");
});

test("nothing can be read after close()", async () => {
  writeFileSync(join(folder, "m.onnx"), model({}));
  writeFileSync(join(folder, "a.bin"), data);
  const external = onnxFolderResolver(join(folder, "m.onnx"));
  const source = await external("a.bin");
  expect(await source.slice(2, 4)).toEqual(Uint8Array.of(2, 3));
  await external.close();
  expect((await failure(source.slice(2, 4), "FILE")).message).toMatch(/was closed together with its model/);
});
