import { once } from "node:events";
import { chmodSync, mkdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { bytesSource, openNpy, openSafetensors, tensorRows } from "../../src/formats/index.js";
import { readRows } from "../../src/matrix.js";
import { matrix, residualOf } from "../library/matrices.js";
import { bytesOf, listing, run, smallModel, start, temporaryFolder, tensor, writeMatrix, writeModel } from "./run.js";

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
      const { status, stdout } = compress("--keep", "0.5", "--json");
      expect(status).toBe(0);
      const report = JSON.parse(stdout);
      expect(Object.keys(report)).toEqual([
        "input",
        "output",
        "bytesBefore",
        "bytesAfter",
        "layers",
        "skipped",
        "seconds",
        "seed",
        "version",
      ]);
      expect(report.layers).toHaveLength(1);
      expect(report.layers[0]).toMatchObject({ name: word, kind: "embedding", rows: 400, cols: 16, rank: 7, p: 1 });
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
        certificate: report.layers[0].certificate,
      });

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
    compress("--keep", "0.5");
    run(folder, "compress", "model.safetensors", "-o", "again.safetensors", "--keep", "0.5");
    expect(bytesOf(folder, "again.safetensors").equals(bytesOf(folder, "small.safetensors"))).toBe(true);
  });

  test("people read bytes removed and bytes kept", () => {
    const { stdout, stderr } = compress("--keep", "0.72");
    expect(stdout).toMatch(/removed, [\d.]+ % kept/);
    expect(stdout).toContain("lewis");
    expect(stdout).toContain("Written: small.safetensors");
    expect(stderr).toBe("");
  });

  test("--quiet prints nothing, --dry-run writes nothing", () => {
    expect(compress("--keep", "0.5", "--quiet")).toEqual({ status: 0, stdout: "", stderr: "" });
    rmSync(join(folder, "small.safetensors"));
    const { status, stdout } = compress("--keep", "0.5", "--dry-run");
    expect(status).toBe(0);
    expect(stdout).toContain("would be removed");
    expect(listing(folder)).toEqual(["model.safetensors"]);
  });

  test("--layers, --exclude, all; a layer that would grow is left alone and said so", () => {
    const layers = (...args: string[]) => JSON.parse(compress("--json", "--force", ...args).stdout);
    expect(layers("--keep", "0.5", "--layers", "all").layers.map((x: { name: string }) => x.name)).toHaveLength(3);
    expect(layers("--keep", "0.5", "--layers", "layer.*").layers.map((x: { name: string }) => x.name)).toEqual([
      "layer.0.ffn.weight",
    ]);
    expect(layers("--keep", "0.5", "--layers", "all", "--exclude", "*embeddings*").layers).toHaveLength(1);
    const grown = layers("--rank", "16");
    expect(grown.layers).toEqual([]);
    expect(grown.skipped.find((x: { name: string }) => x.name === word).reason).toMatch(
      /would not shrink: rank 16 takes 6656 numbers, the layer has 6400/,
    );
  });

  test("--row-weights, and verify wants the same ones", async () => {
    await writeMatrix(
      folder,
      "counts.npy",
      Float32Array.from({ length: 400 }, (_, i) => 1 + (i % 5)),
      [400],
    );
    expect(compress("--keep", "0.5", "--row-weights", "counts.npy").status).toBe(0);
    expect(run(folder, "verify", "model.safetensors", "small.safetensors", "--row-weights", "counts.npy").status).toBe(
      0,
    );
    const without = run(folder, "verify", "model.safetensors", "small.safetensors");
    expect(without.stderr).toMatch(/compressed with row weights; pass the same ones/);
  });

  test("verify finds one changed byte, in a factor or elsewhere", async () => {
    compress("--keep", "0.5");
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
    compress("--keep", "0.5");
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
    );
    expect(status).toBe(0);
    const layers = JSON.parse((await open("smaller.safetensors")).metadata.loewner).layers;
    expect(Object.keys(layers)).toEqual([word, "layer.0.ffn.weight"]);
    expect(run(folder, "expand", "smaller.safetensors", "-o", "d.safetensors").status).toBe(0);
  });
});

describe("matrices", () => {
  const load = async (name: string) => openNpy(bytesSource(bytesOf(folder, name), name));
  test.each([
    [true, "<f4"],
    [false, "<f8"],
  ])("f32 %s: low-rank, leverage, lewis-weights write %s", async (f32, descr) => {
    const a = matrix("heavy-tailed rows", 300, 9, { f32 });
    await writeMatrix(folder, "A.npy", a.data, [300, 9]);
    const low = run(
      folder,
      "low-rank",
      "A.npy",
      "--rank",
      "3",
      "--p",
      "1",
      "--left",
      "L.npy",
      "--right",
      "R.npy",
      "--json",
    );
    expect(low.status).toBe(0);
    const report = JSON.parse(low.stdout);
    const [left, right] = [await load("L.npy"), await load("R.npy")];
    expect([left.descr, left.shape, right.descr, right.shape]).toEqual([descr, [300, 3], descr, [3, 9]]);
    const rest = residualOf(
      a,
      { data: await readRows(left), rows: 300, cols: 3 },
      { data: await readRows(right), rows: 3, cols: 9 },
    );
    expect(Math.abs(report.objective.l1 / rest.data.reduce((sum, x) => sum + Math.abs(x), 0) - 1)).toBeLessThan(1e-5);

    expect(run(folder, "leverage", "A.npy", "-o", "tau.npy").status).toBe(0);
    const tau = await readRows(await load("tau.npy"));
    expect(tau.reduce((x, y) => x + y, 0)).toBeCloseTo(9, 5);
    const lewis = run(folder, "lewis-weights", "A.npy", "--p", "1.5", "-o", "w.npy", "--gram", "G.npy", "--json");
    expect(JSON.parse(lewis.stdout)).toMatchObject({ rank: 9, p: 1.5, converged: true });
    expect((await readRows(await load("w.npy"))).reduce((x, y) => x + y, 0)).toBeCloseTo(9, 4);
    expect((await load("G.npy")).shape).toEqual([9, 9]);
  });
});

describe("errors: one line that says what and where, the exit code, and nothing left on disk", () => {
  const cases: [string, number, RegExp, string[]][] = [
    ["no such file", 1, /none\.safetensors/, ["compress", "none.safetensors", "-o", "s.safetensors", "--keep", "0.5"]],
    ["a folder", 1, /folder/, ["inspect", "."]],
    [
      "no size",
      2,
      /exactly one of --keep, --rank and --energy; got none/,
      ["compress", "model.safetensors", "-o", "s.safetensors"],
    ],
    [
      "two sizes",
      2,
      /got --keep and --rank/,
      ["compress", "model.safetensors", "-o", "s", "--keep", "0.5", "--rank", "2"],
    ],
    [
      "rank 0",
      2,
      /--rank.*'0' is invalid.*whole number of at least 1/,
      ["compress", "model.safetensors", "-o", "s", "--rank", "0"],
    ],
    ["negative rank", 2, /--rank/, ["compress", "model.safetensors", "-o", "s", "--rank=-3"]],
    ["fractional rank", 2, /--rank.*1\.5/, ["compress", "model.safetensors", "-o", "s", "--rank", "1.5"]],
    [
      "rank above min(n, d)",
      1,
      /rank 17 is above min\(rows, cols\) = 16 of embeddings\.word/,
      ["compress", "model.safetensors", "-o", "s", "--rank", "17"],
    ],
    ["keep 0", 2, /--keep.*share above 0 and at most 1/, ["compress", "model.safetensors", "-o", "s", "--keep", "0"]],
    ["keep above 1", 2, /--keep/, ["compress", "model.safetensors", "-o", "s", "--keep", "1.1"]],
    [
      "keep with letters",
      2,
      /--keep.*0\.7x.*a number was expected/,
      ["compress", "model.safetensors", "-o", "s", "--keep", "0.7x"],
    ],
    ["p 0", 2, /--p/, ["compress", "model.safetensors", "-o", "s", "--keep", "0.5", "--p", "0"]],
    [
      "a glob that matches nothing",
      1,
      /--layers nope\* matches no 2-D weight .*it has embeddings\.position_embeddings\.weight, embeddings\.word/s,
      ["compress", "model.safetensors", "-o", "s", "--keep", "0.5", "--layers", "nope*"],
    ],
    ["no output", 2, /-o small\.safetensors/, ["compress", "model.safetensors", "--keep", "0.5"]],
    [
      "output is the input",
      1,
      /is the input itself/,
      ["compress", "model.safetensors", "-o", "./model.safetensors", "--keep", "0.5", "--force"],
    ],
    ["output exists", 1, /model\.safetensors.*--force/s, ["expand", "model.safetensors", "-o", "model.safetensors"]],
    [
      "output folder missing",
      1,
      /no\/such/,
      ["compress", "model.safetensors", "-o", "no/such/s.safetensors", "--keep", "0.5"],
    ],
    ["nothing to expand", 1, /holds no factors/, ["expand", "model.safetensors", "-o", "d.safetensors"]],
    [
      "ONNX",
      1,
      /ONNX models cannot be read by this version/,
      ["compress", "model.onnx", "-o", "s.onnx", "--keep", "0.5"],
    ],
    ["a matrix where a model belongs", 1, /use "loewner low-rank/, ["inspect", "A.npy"]],
    ["unknown command", 2, /unknown command 'squeeze'/, ["squeeze"]],
    ["unknown option", 2, /unknown option '--kep'/, ["compress", "model.safetensors", "--kep", "1"]],
  ];
  test.each(cases)("%s", (_, code, message, args) => {
    const { status, stdout, stderr } = run(folder, ...args);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(stderr).not.toMatch(/this is a bug/);
    expect(stdout).toBe("");
    expect(status).toBe(code);
    expect(listing(folder)).toEqual(["model.safetensors"]);
  });

  test("NaN: tensor, row and column", async () => {
    await writeModel(folder, "model.safetensors", smallModel("f32", 16 * 33 + 5));
    const { status, stderr } = compress("--keep", "0.5");
    expect(stderr).toMatch(/embeddings\.word_embeddings\.weight.*NaN or infinity at row 33, column 5/);
    expect(status).toBe(1);
    expect(listing(folder)).toEqual(["model.safetensors"]);
  });

  test("truncated, empty, not a model at all", () => {
    for (const size of [0, 7, 8, 100, 5000]) {
      truncateSync(join(folder, "model.safetensors"), size);
      const { status, stderr } = compress("--keep", "0.5");
      expect(stderr).toMatch(/^loewner: .*model\.safetensors/);
      expect(status).toBe(1);
      expect(listing(folder)).toEqual(["model.safetensors"]);
    }
  });

  test("an existing output stays as it was without --force, and is replaced with it", () => {
    writeFileSync(join(folder, "small.safetensors"), "precious");
    expect(compress("--keep", "0.5").stderr).toMatch(/--force/);
    expect(bytesOf(folder, "small.safetensors").toString()).toBe("precious");
    expect(compress("--keep", "0.5", "--force").status).toBe(0);
    expect(bytesOf(folder, "small.safetensors").length).toBeGreaterThan(100);
  });

  test("a tensor named like a factor", async () => {
    await writeModel(folder, "model.safetensors", [...smallModel(), tensor(`${word}.left`, 3, 3)]);
    expect(compress("--keep", "0.5").stderr).toMatch(
      /already has a tensor named embeddings\.word_embeddings\.weight\.left/,
    );
  });

  test("--verbose adds the stack", () => {
    expect(run(folder, "inspect", "none.safetensors", "--verbose").stderr).toMatch(/\n\s+at /);
  });
});

describe("interrupted", () => {
  const big = async (rows: number) =>
    writeModel(folder, "model.safetensors", [tensor("wte.weight", rows, 96, { kind: "plain" })]);

  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("%s: exit %i, nothing left behind", async (signal, code) => {
    await big(120_000);
    const child = start(folder, "compress", "model.safetensors", "-o", "small.safetensors", "--keep", "0.9", "--quiet");
    setTimeout(() => child.kill(signal), 1200);
    const [status] = await once(child, "exit");
    // A machine may be done before the signal: then the whole file is there.
    if (status === 0) expect(listing(folder)).toEqual(["model.safetensors", "small.safetensors"]);
    else {
      expect(status).toBe(code);
      expect(listing(folder)).toEqual(["model.safetensors"]);
    }
  });

  test("SIGKILL at many moments: the output is absent or whole", async () => {
    await big(30_000);
    expect(run(folder, "compress", "model.safetensors", "-o", "whole.safetensors", "--keep", "0.9").status).toBe(0);
    const whole = bytesOf(folder, "whole.safetensors");
    for (let i = 0; i < 8; ++i) {
      const child = start(
        folder,
        "compress",
        "model.safetensors",
        "-o",
        "small.safetensors",
        "--keep",
        "0.9",
        "--quiet",
      );
      setTimeout(() => child.kill("SIGKILL"), 200 + 120 * i);
      await once(child, "exit");
      if (listing(folder).includes("small.safetensors")) {
        expect(bytesOf(folder, "small.safetensors").equals(whole)).toBe(true);
        rmSync(join(folder, "small.safetensors"));
      }
    }
  });

  test("a reader that closes early is not an error", async () => {
    const child = start(folder, "inspect", "model.safetensors", "--no-spectrum");
    child.stdout.destroy();
    const [status] = await once(child, "exit");
    expect(status).toBe(0);
  });
});

test("a folder that cannot be written to", () => {
  if (process.getuid?.() === 0) {
    // root may write anywhere: a read-only place of another kind.
    expect(run(folder, "compress", "model.safetensors", "-o", "/proc/small.safetensors", "--keep", "0.5").status).toBe(
      1,
    );
    return;
  }
  mkdirSync(join(folder, "locked"));
  chmodSync(join(folder, "locked"), 0o500);
  expect(run(folder, "compress", "model.safetensors", "-o", "locked/s.safetensors", "--keep", "0.5").stderr).toMatch(
    /locked/,
  );
});
