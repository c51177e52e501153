import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { bytesSource, openSafetensors, tensorRows } from "../../src/formats/index.js";
import { readRows } from "../../src/matrix.js";
import { residualOf } from "../library/matrices.js";
import { bytesOf, listing, run, smallModel, temporaryFolder, writeMatrix, writeModel } from "./run.js";

let folder: string;
beforeEach(async () => {
  folder = temporaryFolder();
  await writeModel(folder, "model.safetensors", smallModel());
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const word = "embeddings.word_embeddings.weight";
const compress = (...args: string[]) =>
  run(folder, "compress", "model.safetensors", "-o", "small.safetensors", ...args);
const open = (name: string) => openSafetensors(bytesSource(bytesOf(folder, name), name));

describe("compress, verify, expand", () => {
  test.each(["f32", "f16", "bf16", "f64"] as const)(
    "%s: factors in the tensor's type, everything else byte for byte",
    async (type) => {
      await writeModel(folder, "model.safetensors", smallModel(type));
      const { status, stdout } = compress("--keep", "0.5", "--dtype", type, "--json");
      expect(status).toBe(0);
      const report = JSON.parse(stdout);
      expect(Object.keys(report)).toEqual([
        "command",
        "version",
        "input",
        "output",
        "bytesBefore",
        "bytesAfter",
        "layers",
        "skipped",
        "seconds",
        "seed",
      ]);
      expect(report.layers).toHaveLength(1);
      expect(report.layers[0]).toMatchObject({ name: word, kind: "embedding", shape: [400, 16], rank: 7, p: 1 });
      expect(report.skipped.map((x: { name: string }) => x.name)).toEqual([
        "embeddings.position_embeddings.weight",
        "layer.0.ffn.weight",
      ]);
      const [before, after] = [await open("model.safetensors"), await open("small.safetensors")];
      expect(report.bytesAfter).toBe(after.source.size);
      expect([...after.tensors.keys()].sort()).toEqual(
        ["embeddings.position_embeddings.weight", `${word}.left`, `${word}.right`, "ids", "layer.0.ffn.weight"].sort(),
      );
      for (const name of ["embeddings.position_embeddings.weight", "layer.0.ffn.weight", "ids"]) {
        const [x, y] = [before.tensors.get(name)!, after.tensors.get(name)!];
        expect(await after.source.slice(y.start, y.end)).toEqual(await before.source.slice(x.start, x.end));
      }
      expect(after.metadata).toMatchObject({ format: "pt", note: "a test" });
      const described = JSON.parse(after.metadata.loewner).layers[word];
      expect(described).toMatchObject({
        left: `${word}.left`,
        right: `${word}.right`,
        rank: 7,
      });
      const { bound, slack, rounding } = report.layers[0].certificate;
      expect(described.bound).toBe(bound * (1 + slack) + rounding);

      // The saved error is that of the factors as they are in the file.
      const rows = async (file: typeof after, name: string) => ({
        data: await readRows(tensorRows(file, name)),
        rows: file.tensors.get(name)!.shape[0],
        cols: file.tensors.get(name)!.shape[1],
      });
      const rest = residualOf(
        await rows(before, word),
        await rows(after, `${word}.left`),
        await rows(after, `${word}.right`),
      );
      const l1 = rest.data.reduce((sum, x) => sum + Math.abs(x), 0);
      expect(Math.abs(described.objective.l1 / l1 - 1)).toBeLessThan(1e-5);

      expect(run(folder, "verify", "model.safetensors", "small.safetensors").status).toBe(0);
      expect(run(folder, "expand", "small.safetensors", "-o", "dense.safetensors").status).toBe(0);
      const dense = await open("dense.safetensors");
      expect([...dense.tensors.keys()].sort()).toEqual([...before.tensors.keys()].sort());
      expect(dense.metadata).toEqual(before.metadata);
      expect(dense.tensors.get(word)).toMatchObject({ dtype: before.tensors.get(word)!.dtype, shape: [400, 16] });
      const product = await rows(dense, word);
      const again = residualOf(await rows(before, word), product, {
        data: Float64Array.from({ length: 256 }, (_, i) => (i % 17 ? 0 : 1)),
        rows: 16,
        cols: 16,
      });
      const unit = { f64: 1e-12, f32: 1e-5, f16: 3e-2, bf16: 2e-1 }[type];
      expect(Math.abs(again.data.reduce((sum, x) => sum + Math.abs(x), 0) / l1 - 1)).toBeLessThan(unit);
    },
  );

  test("two runs write the same bytes", () => {
    compress("--keep", "0.5", "--dtype", "f32");
    run(folder, "compress", "model.safetensors", "-o", "again.safetensors", "--keep", "0.5", "--dtype", "f32");
    expect(bytesOf(folder, "again.safetensors").equals(bytesOf(folder, "small.safetensors"))).toBe(true);
  });

  test("people read the sizes, where it is and what next in the last line; every error with --verbose", () => {
    const { stdout, stderr } = compress("--keep", "0.72", "--dtype", "f32");
    expect(stdout.trimEnd().split("\n").at(-1)).toMatch(
      /^\d+ B -> \d+ B, [\d.]+ % smaller\. Written: small\.safetensors \([\d.]+ s\)\. Next: loewner verify model\.safetensors small\.safetensors$/,
    );
    for (const word of ["l_2,1", "worst row", "bound", "lewis"]) expect(stdout).not.toContain(word);
    expect(compress("--keep", "0.72", "--dtype", "f32", "--verbose", "--force").stdout).toMatch(
      /worst row +bound\n +\w+ \(chosen\)/,
    );
    expect(stderr).toBe("");
  });

  test("--quiet prints nothing, --dry-run writes nothing", () => {
    expect(compress("--keep", "0.5", "--dtype", "f32", "--quiet")).toEqual({ status: 0, stdout: "", stderr: "" });
    rmSync(join(folder, "small.safetensors"));
    const { status, stdout } = compress("--keep", "0.5", "--dtype", "f32", "--dry-run");
    expect(status).toBe(0);
    expect(stdout).toMatch(/% smaller: what would come of it\. Dry run: nothing was written\.\n$/);
    expect(listing(folder)).toEqual(["model.safetensors"]);
  });

  test("--layers, --exclude, all; a layer that would grow is left alone and said so", () => {
    const layers = (...args: string[]) => JSON.parse(compress("--json", "--force", ...args).stdout);
    expect(
      layers("--keep", "0.5", "--dtype", "f32", "--layers", "all").layers.map((x: { name: string }) => x.name),
    ).toHaveLength(3);
    expect(
      layers("--keep", "0.5", "--dtype", "f32", "--layers", "layer.*").layers.map((x: { name: string }) => x.name),
    ).toEqual(["layer.0.ffn.weight"]);
    expect(
      layers("--keep", "0.5", "--dtype", "f32", "--layers", "all", "--exclude", "*embeddings*").layers,
    ).toHaveLength(1);
    const { status, stderr } = compress("--rank", "16", "--force");
    expect(status).toBe(1);
    expect(stderr).toMatch(/would not shrink: rank 16 takes 26624 bytes, the layer has 25600/);
  });

  test("--row-weights, and verify wants the same ones", async () => {
    await writeMatrix(
      folder,
      "counts.npy",
      Float32Array.from({ length: 400 }, (_, i) => 1 + (i % 5)),
      [400],
    );
    expect(compress("--keep", "0.5", "--dtype", "f32", "--row-weights", "counts.npy").status).toBe(0);
    expect(run(folder, "verify", "model.safetensors", "small.safetensors", "--row-weights", "counts.npy").status).toBe(
      0,
    );
    const without = run(folder, "verify", "model.safetensors", "small.safetensors");
    expect(without.stderr).toMatch(/compressed with row weights; pass the same ones/);
  });

  test("verify finds one changed byte, in a factor or elsewhere", async () => {
    compress("--keep", "0.5", "--dtype", "f32");
    const { tensors } = await open("small.safetensors");
    for (const name of [`${word}.left`, "ids"]) {
      const bytes = Buffer.from(bytesOf(folder, "small.safetensors"));
      bytes[tensors.get(name)!.start + 2] ^= 0xff;
      writeFileSync(join(folder, "broken.safetensors"), bytes);
      const { status, stderr } = run(folder, "verify", "model.safetensors", "broken.safetensors");
      expect(status).toBe(1);
      expect(stderr).toMatch(name === "ids" ? /changed: ids/ : /is not what the file says/);
    }
  });

  test("a compressed model can be compressed further, and keeps its first factors", async () => {
    compress("--keep", "0.5", "--dtype", "f32");
    const { status } = run(
      folder,
      "compress",
      "small.safetensors",
      "-o",
      "smaller.safetensors",
      "--layers",
      "layer.*",
      "--keep",
      "0.5",
      "--dtype",
      "f32",
    );
    expect(status).toBe(0);
    const layers = JSON.parse((await open("smaller.safetensors")).metadata.loewner).layers;
    expect(Object.keys(layers)).toEqual([word, "layer.0.ffn.weight"]);
    expect(run(folder, "expand", "smaller.safetensors", "-o", "d.safetensors").status).toBe(0);
  });
});
