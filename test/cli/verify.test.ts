// verify, and compress --verify, as they are typed: what is told, and the exit code.
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { bytesOf, run, smallModel, temporaryFolder, tensor, writeMatrix, writeModel } from "./run.js";
import { writeFileSync } from "node:fs";
import { onnxBytes } from "../model/in-memory.js";

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const verify = (...args: string[]) => run(folder, "verify", ...args);

test("a table past 16,000 rows, which compress takes its start from a sample of, is what its file says", async () => {
  await writeModel(folder, "T.safetensors", [tensor("wte.weight", 20000, 128, { kind: "plain" })]);
  const how = ["-o", "small.safetensors", "--rank", "20", "--method", "lewis", "--verify", "--verbose"];
  const { status, stdout, stderr } = run(folder, "compress", "T.safetensors", ...how);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(stdout).toMatch(
    /ok {6}wte\.weight\n {8}errors as saved to .*\n {8}bound saved [\d.e+]+, proved afresh [\d.e+]+\n/,
  );
});

test("--json tells what was checked, and nothing else of what the file says", async () => {
  await writeModel(folder, "model.safetensors", smallModel());
  run(folder, "compress", "model.safetensors", "-o", "small.safetensors", "--keep", "0.5", "--dtype", "f32");
  const { status, stdout } = verify("model.safetensors", "small.safetensors", "--json");
  expect(status).toBe(0);
  const report = JSON.parse(stdout);
  expect(report).toMatchObject({ ok: true, unproved: [], altered: [], missing: [] });
  expect(Object.keys(report.layers[0])).toEqual(
    ["name", "saved", "computed", "difference", "boundHolds", "faults", "ok"], // prettier-ignore
  );
  for (const claims of ["saved", "computed"])
    expect(Object.keys(report.layers[0][claims])).toEqual(["objective", "bound"]);
});

test("a power of counts that the file does not name is refused", async () => {
  await writeModel(folder, "model.safetensors", smallModel());
  const counts = Float32Array.from({ length: 400 }, (_, i) => 1 + (i % 5));
  await writeMatrix(folder, "counts.npy", counts, [400]);
  const weighted = ["--row-weights", "counts.npy"];
  run(
    folder,
    "compress",
    "model.safetensors",
    "-o",
    "small.safetensors",
    "--keep",
    "0.5",
    "--dtype",
    "f32",
    ...weighted,
  );
  const files = ["model.safetensors", "small.safetensors", ...weighted];
  expect(verify(...files).status).toBe(0);
  const other = verify(...files, "--row-weights-power", "0.75");
  expect(other.status).toBe(1);
  expect(other.stderr).toMatch(/says that its row weights are counts to the power [\d.]+, not 0\.75/);
});

describe.each(["safetensors", "onnx"])("two files that leave nothing to prove: %s", (format) => {
  const [original, small] = [`model.${format}`, `small.${format}`];
  beforeEach(async () => {
    if (format === "onnx") writeFileSync(join(folder, original), onnxBytes([{ name: "words", rows: 400, cols: 16 }]));
    else await writeModel(folder, original, smallModel());
    expect(run(folder, "compress", original, "-o", small, "--keep", "0.5", "--dtype", "f32").status).toBe(0);
  });

  test("a compressed file against itself, or against a copy: exit 1, and what was not proved", () => {
    writeFileSync(join(folder, `copy.${format}`), bytesOf(folder, small));
    for (const other of [small, `copy.${format}`]) {
      const { status, stdout, stderr } = verify(small, other, "--no-run");
      expect(status).toBe(1);
      expect(stdout).toMatch(
        /^not proved {2}\S+: small\.\w+ holds it as the same factors, so there is no table to prove it by$/m,
      );
      expect(stderr).toMatch(
        /^loewner: Nothing of .* was proved: small\.\w+ holds the same factors\. Give the model as it was before/,
      );
    }
  });

  test("an original against itself: exit 1, there is nothing to verify", () => {
    const { status, stderr } = verify(original, original, "--no-run");
    expect([status, stderr]).toEqual([1, expect.stringMatching(/holds no factors: there is nothing to verify/)]);
  });

  test("the wrong way round: exit 1, and how to type it", () => {
    const { status, stderr } = verify(small, original, "--no-run");
    expect(status).toBe(1);
    expect(stderr).toMatch(/they were given the wrong way round\. The original comes first/);
  });

  test("one byte of a factor that both files hold: exit 1", () => {
    const bytes = Buffer.from(bytesOf(folder, small));
    const at = format === "onnx" ? bytes.lastIndexOf(Buffer.from("words.left")) + 200 : bytes.length - 3000;
    bytes[at] ^= 1;
    writeFileSync(join(folder, `bad.${format}`), bytes);
    const { status, stderr } = verify(small, `bad.${format}`, "--no-run");
    expect(status).toBe(1);
    expect(stderr).toMatch(/other factors than in the original|changed:/);
  });
});
