// loewner compress without a size: a quality in its place, inputs to calibrate on, a name for the output.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { model, node, tensor, valueInfo } from "../formats/onnx/build.js";
import { uniform } from "../model/onnx-models/random.js";
import { listing, run, temporaryFolder } from "./run.js";

const [rows, width] = [3000, 64];
const numbers = (length: number, seed: number) => Float32Array.from({ length }, (_, i) => uniform(seed, i) - 0.5);

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
  const bytes = model({
    inputs: [valueInfo("input_ids", ["batch", "sequence"], 7)],
    outputs: [valueInfo("hidden")],
    initializers: [
      tensor("table", [rows, width], numbers(rows * width, 1)),
      tensor("up", [width, width], numbers(width * width, 2)),
      tensor("out", [width, width], numbers(width * width, 3)),
    ],
    nodes: [
      node("Gather", ["table", "input_ids"], ["x"]),
      node("MatMul", ["x", "up"], ["u"]),
      node("Relu", ["u"], ["r"]),
      node("MatMul", ["r", "out"], ["hidden"]),
    ],
  });
  writeFileSync(join(folder, "model.onnx"), bytes);
  const ids = BigInt64Array.from({ length: 40 * 8 }, (_, i) => BigInt(Math.floor(rows * uniform(9, i))));
  writeFileSync(join(folder, "input_ids.npy"), npyOf(ids, [40, 8]));
});

/** An .npy file of int64. */
function npyOf(data: BigInt64Array, shape: number[]): Buffer {
  const text = `{'descr': '<i8', 'fortran_order': False, 'shape': (${shape.join(", ")}), }`;
  const header = text.padEnd(117) + "\n";
  return Buffer.concat([
    Buffer.from([0x93, ...Buffer.from("NUMPY"), 1, 0, header.length, 0]),
    Buffer.from(header),
    Buffer.from(data.buffer),
  ]);
}

const compress = (...args: string[]) => run(folder, "compress", "model.onnx", ...args);
const json = (...args: string[]) => JSON.parse(compress("--json", "--force", ...args).stdout) as Record<string, never>;

describe("without any option", () => {
  test("the output lies beside the model, with a last line that says what came of it", () => {
    const { status, stdout } = compress();
    expect(status).toBe(0);
    expect(listing(folder)).toEqual(["input_ids.npy", "model.onnx", "model.small.onnx"]);
    expect(stdout.trimEnd().split("\n").at(-1)).toMatch(
      /^\d\S* \S+ -> \d\S* \S+, [\d.]+ % smaller; answers should agree to about 0\.99\d\. Written: model\.small\.onnx \([\d.]+ s\)\. Next: loewner verify model\.onnx model\.small\.onnx$/,
    );
  });

  test("a model in another folder gets its smaller one there; an output that exists is kept", () => {
    mkdirSync(join(folder, "deep"));
    writeFileSync(join(folder, "deep", "net.onnx"), run(folder, "--version").stdout);
    expect(compress().status).toBe(0);
    const again = compress();
    expect(again.status).not.toBe(0);
    expect(again.stderr).toContain("model.small.onnx");
    expect(again.stderr).toContain("--force");
  });

  test("less quality, fewer bytes; a dry run foretells them", () => {
    const sizes = ["lossless", "high", "small"].map((quality) => {
      const { bytesAfter } = json("--quality", quality);
      const foretold: number = json("--quality", quality, "--dry-run").bytesAfter;
      expect(foretold).toBeGreaterThan(0.98 * bytesAfter);
      // Tables of bands that transform codes may have, or not.
      expect(foretold).toBeLessThan(bytesAfter + 12 * 1024);
      return Number(bytesAfter);
    });
    expect(sizes[0]).toBeGreaterThan(sizes[1]);
    expect(sizes[1]).toBeGreaterThan(sizes[2]);
  });
});

describe("--calibrate", () => {
  test("answers are compared, and said to agree", () => {
    const { status, stdout, stderr } = compress("--calibrate", "input_ids.npy", "--cosine", "0.98", "--runtime", "web");
    expect(stderr).toBe("");
    expect(status).toBe(0);
    expect(stdout).toContain("calibrated on input_ids.npy");
    const [, agreed] = /answers agree to (0\.\d+) \(40 inputs; 0\.\d+ was expected\)/.exec(stdout)!;
    expect(Number(agreed)).toBeGreaterThanOrEqual(0.98);
  });

  test("the report for programs has the agreement and what was asked for", () => {
    const report = json("--calibrate", "input_ids.npy", "--quality", "small", "--runtime", "web");
    expect(report).toMatchObject({ asked: 0.96, agreement: { samples: 40 } });
  });

  test.each([
    [["--tokenizer", "missing.json"], "missing.json"],
    [["--tokenizer", "model.onnx"], "model.onnx"],
    [["--column", "text"], "--column is for the inputs of --calibrate"],
    [["--calibration-p", "1"], "--calibration-p is for the inputs of --calibrate"],
    [["--quality", "small", "--cosine", "0.9"], "Give one of --quality and --cosine"],
    [["--quality", "small", "--bytes", "100kB"], "--quality finds the size"],
    [["--cosine", "1.5"], "between 0 and 1"],
    [["--quality", "best"], "lossless, high, small"],
    [["--calibrate", "missing.txt"], "missing.txt"],
    [["--calibrate", "model.onnx"], "model.onnx"],
  ])("%s is refused, and says why", (args, what) => {
    const { status, stderr } = compress(...args);
    expect(status).not.toBe(0);
    expect(stderr).toContain(what);
    expect(listing(folder)).toEqual(["input_ids.npy", "model.onnx"]);
  });
});

describe("--tokenizer", () => {
  /** Of `count` words, w0 and so on. */
  const tokenizer = (count: number) => {
    const words = Array.from({ length: count }, (_, id) => [`w${id}`, id]);
    const vocab = Object.fromEntries(words) as Record<string, number>;
    writeFileSync(
      join(folder, "tokenizer.json"),
      JSON.stringify({ model: { type: "WordLevel", unk_token: "w0", vocab } }),
    );
  };
  const rowsOf = ({ layers }: Record<string, never>) =>
    (layers as { name: string; exactRows?: number[]; exactTokens?: string[] }[]).find(({ name }) => name === "table")!;

  test("names the rows that are kept nearly exactly, in the report for programs and in print", () => {
    tokenizer(rows);
    const size = ["--keep", "0.1", "--dtype", "transform", "--layers", "table"];
    const { exactRows, exactTokens } = rowsOf(json(...size, "--tokenizer", "tokenizer.json"));
    expect(exactRows!.length).toBeGreaterThan(0);
    expect(exactTokens).toEqual(exactRows!.map((row) => `w${row}`));
    const [first] = exactRows!;
    expect(compress("--force", ...size).stdout).toContain(`rows nearly exact: ${first}, `);
    const { stdout } = compress("--force", ...size, "--row-weights", "tokenizer.json");
    expect(stdout).toMatch(/rows nearly exact: \d+ "w\d+", .* more \(--verbose\)/);
    const line = /rows nearly exact: (.*)/.exec(compress("--force", "--verbose", ...size).stdout)![1];
    expect(line).toBe(exactRows!.join(", "));
  });

  test("one of another model is refused with both sizes, before anything is computed", () => {
    tokenizer(100);
    const { status, stderr } = compress("--tokenizer", "tokenizer.json");
    expect(status).not.toBe(0);
    expect(stderr).toMatch(/tokenizer\.json has 100 tokens .* 3000 rows/);
  });
});
