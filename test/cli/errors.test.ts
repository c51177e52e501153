import { chmodSync, mkdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { bytesOf, listing, run, smallModel, temporaryFolder, tensor, writeModel } from "./run.js";

let folder: string;
beforeEach(async () => {
  folder = temporaryFolder();
  await writeModel(folder, "model.safetensors", smallModel());
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const word = "embeddings.word_embeddings.weight";
const compress = (...args: string[]) =>
  run(folder, "compress", "model.safetensors", "-o", "small.safetensors", ...args);

describe("errors: one line that says what and where, the exit code, and nothing left on disk", () => {
  const cases: [string, number, RegExp, string[]][] = [
    ["no such file", 1, /none\.safetensors/, ["compress", "none.safetensors", "-o", "s.safetensors", "--keep", "0.5"]],
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
    [
      "--for memory of safetensors",
      1,
      /model\.safetensors is a safetensors model.*--for memory is for ONNX/,
      ["compress", "model.safetensors", "-o", "s", "--for", "memory"],
    ],
    [
      "--for memory with standard operators",
      2,
      /--for memory takes onnxruntime's own operators, which --operators standard rules out/,
      ["compress", "model.safetensors", "-o", "s", "--for", "memory", "--operators", "standard"],
    ],
    [
      "--for memory with a rank",
      2,
      /--for memory chooses how layers are stored; leave --rank out/,
      ["compress", "model.safetensors", "-o", "s", "--for", "memory", "--rank", "3"],
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
      "the other format",
      1,
      /a safetensors model, and so will be what comes out: name the output \.safetensors, not s\.onnx/,
      ["compress", "model.safetensors", "-o", "s.onnx", "--keep", "0.5"],
    ],
    ["bytes without a number", 2, /--bytes.*25MB/, ["compress", "model.safetensors", "-o", "s", "--bytes", "MB"]],
    [
      "a budget that is too small",
      1,
      /2000 bytes are too few for model\.safetensors: the chosen layers at their smallest make \d+ bytes/,
      ["compress", "model.safetensors", "-o", "s", "--bytes", "2kB"],
    ],
    [
      "auto without a size",
      1,
      /dtype auto chooses rank and bits for a size: give keep, budget or bytes/,
      ["compress", "model.safetensors", "-o", "s", "--rank", "2", "--dtype", "auto"],
    ],
    [
      "a plan that is not there",
      1,
      /Cannot read the plan none\.json: no such file\. Check the path\.$/m,
      ["compress", "model.safetensors", "-o", "s", "--keep", "0.5", "--plan", "none.json"],
    ],
    [
      "a plan of several lines that is no JSON",
      1,
      /^loewner: model\.safetensors: the plan is not JSON \([^\n]*\); "loewner inspect MODEL --plan FILE" writes one\.\n$/,
      ["compress", "model.safetensors", "-o", "s", "--plan", "model.safetensors"],
    ],
    [
      "what to verify on, without --verify",
      2,
      /--inputs is for --verify/,
      ["compress", "model.safetensors", "-o", "s", "--keep", "0.5", "--inputs", "ids.npy"],
    ],
    [
      "--verify of a dry run",
      2,
      /--dry-run writes nothing that --verify could look at/,
      ["compress", "model.safetensors", "--keep", "0.5", "--verify", "--dry-run"],
    ],
    [
      "a power of no counts",
      2,
      /--row-weights-power is the power of the counts in --row-weights/,
      ["compress", "model.safetensors", "-o", "s", "--keep", "0.5", "--row-weights-power", "0.5"],
    ],
    [
      "a smallest rank of no budget",
      2,
      /--min-rank is the smallest rank that --budget and --bytes give/,
      ["compress", "model.safetensors", "-o", "s", "--keep", "0.5", "--min-rank", "4"],
    ],
    [
      "--min-rank that the size has no room for",
      1,
      /2000 bytes are too few .* lower --min-rank/,
      ["compress", "model.safetensors", "-o", "s", "--bytes", "2kB", "--min-rank", "4"],
    ],
    ["a web address", 1, /is a web address; write hf:owner\/name/, ["inspect", "https://example.com/owner/name"]],
    ["a matrix where a model belongs", 1, /use "loewner low-rank/, ["inspect", "A.npy"]],
    ["unknown command", 2, /Unknown command 'squeeze': there are inspect, compress, /, ["squeeze"]],
    [
      "unknown option",
      2,
      /Unknown option '--kep': did you mean --keep\?/,
      ["compress", "model.safetensors", "--kep", "1"],
    ],
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

  test("a folder stands for the model in it; without one it says so", () => {
    expect(run(folder, "inspect", ".", "--quiet").status).toBe(0);
    mkdirSync(join(folder, "empty"));
    const { status, stderr } = run(folder, "inspect", "empty");
    expect(stderr).toMatch(/^loewner: empty holds no \.safetensors or \.onnx model/);
    expect(status).toBe(1);
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
