// The first moves of somebody who has never seen this: an empty folder, the package installed from the archive that npm packs, and what is
// typed then. docs/first-moves.md records what each ends with, and this file holds it to that:
//
//   FIRST_MOVES=write npx vitest run test/package/first-moves.test.ts      writes it anew
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { matrix } from "../library/matrices.js";
import { smallModel, writeMatrix, writeModel } from "../cli/run.js";
import { model, node, tensor, valueInfo } from "../formats/onnx/build.js";
import { uniform } from "../model/onnx-models/random.js";
import { installPacked } from "./packed.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const record = join(root, "docs/first-moves.md");

/** In their order: later ones find what earlier ones wrote. */
const moves = [
  "npx loewner",
  "npx loewner --help",
  "npx loewner -v",
  "npx loewner compress",
  "npx loewner compress model.onnx",
  "npx loewner verify model.onnx model.small.onnx",
  "npx loewner inspect model.small.onnx",
  "npx loewner compress model.onnx",
  "npx loewner compress model.small.onnx",
  "npx loewner compress model.safetensors",
  "npx loewner compress model.safetensors -o half.safetensors --keep 50% --dtype float32",
  "npx loewner expand half.safetensors -o dense.safetensors",
  "npx loewner compress model.onnx --quantize int8",
  "npx loewner compress model.onnx --bits 4",
  "npx loewner compress model.onnx small.onnx",
  "npx loewner compress model.onnx -o -",
  "npx loewner compress model.onnx -o tiny.onnx --bytes 100k --dry-run",
  "npx loewner compress exported",
  "npx loewner compress weights.pt",
  "npx loewner compress llama.gguf",
  "npx loewner compress owner/name",
  "npx loewner compress modle.onnx",
  "npx loewner model.onnx",
  "npx loewner compres model.onnx",
  "npx loewner help compres",
  "npx loewner quantize model.onnx",
  "npx loewner inspect model.onnx --json",
  "npx loewner inspect nothing.onnx --json",
  "npx loewner compress model.onnx --calibrate texts.txt",
  "npx loewner low-rank A.npy --rank 4 --left L.npy --right R.npy",
  "npx loewner completion fish",
  "node five-lines.mjs",
];

const fiveLines = `import { createLoewner } from "loewner";
const loewner = await createLoewner();
const data = Float32Array.from({ length: 600 }, (_, i) => (i * i) % 97);
const { rank, converged } = await loewner.lowRank({ data, rows: 60, cols: 10 }, { rank: 3 });
console.log({ rank, converged });
loewner.dispose();
`;

const [rows, width] = [3000, 64];
const numbers = (length: number, seed: number) => Float32Array.from({ length }, (_, i) => uniform(seed, i) - 0.5);

let folder: string;
beforeAll(async () => {
  const packed = await installPacked();
  folder = mkdtempSync(join(tmpdir(), "loewner-first-"));
  const { dependencies } = JSON.parse(
    readFileSync(join(packed.folder, "node_modules/loewner/package.json"), "utf8"),
  ) as { dependencies: Record<string, string> };
  // The packages that it depends on are those of this checkout, so that no registry is asked.
  const overrides = Object.fromEntries(
    Object.keys(dependencies).map((name) => [name, `file:${join(root, "node_modules", name)}`]),
  );
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, type: "module", overrides }));
  const shell = process.platform === "win32";
  execFileSync("npm", ["install", "--offline", "--no-audit", "--no-fund", packed.tarball], { cwd: folder, shell });
  rmSync(packed.folder, { recursive: true });

  const bytes = model({
    inputs: [valueInfo("input_ids", ["batch", "sequence"], 7)],
    outputs: [valueInfo("hidden")],
    initializers: [
      tensor("embeddings.weight", [rows, width], numbers(rows * width, 1)),
      tensor("up.weight", [width, width], numbers(width * width, 2)),
      tensor("out.weight", [width, width], numbers(width * width, 3)),
    ],
    nodes: [
      node("Gather", ["embeddings.weight", "input_ids"], ["x"]),
      node("MatMul", ["x", "up.weight"], ["u"]),
      node("Relu", ["u"], ["r"]),
      node("MatMul", ["r", "out.weight"], ["hidden"]),
    ],
  });
  mkdirSync(join(folder, "exported", "onnx"), { recursive: true });
  for (const path of ["model.onnx", "exported/onnx/model.onnx"]) writeFileSync(join(folder, path), bytes);
  await writeModel(folder, "model.safetensors", smallModel("f16"));
  await writeMatrix(folder, "A.npy", matrix("heavy-tailed rows", 200, 12, { f32: true }).data, [200, 12]);
  writeFileSync(join(folder, "weights.pt"), `PK\x03\x04${"\0".repeat(60)}archive/data.pkl`, "latin1");
  writeFileSync(join(folder, "llama.gguf"), `GGUF\x03\0\0\0${"\0".repeat(60)}`, "latin1");
  writeFileSync(join(folder, "texts.txt"), "one text\nanother text\n");
  writeFileSync(join(folder, "five-lines.mjs"), fiveLines);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What a move ends with: its exit code, and the last line that is seen. Times and versions are no part of it. */
function made(move: string): { code: number | null; last: string } {
  const [command, ...args] = move.split(" ");
  const { status, stdout, stderr } = spawnSync(command, args, {
    ...{ cwd: folder, encoding: "utf8", shell: process.platform === "win32" },
    env: { ...process.env, COLUMNS: "120", NO_COLOR: "1", npm_config_update_notifier: "false" },
  });
  const last = `${stdout}${stderr}`.trimEnd().split("\n").at(-1) ?? "";
  return {
    code: status,
    last: last.replace(/\d+\.\d+ s\b/g, "1.0 s").replace(/^\d+\.\d+\.\d+\S*$/, "1.0.0"),
  };
}

function page(found: { move: string; code: number | null; last: string }[]): string {
  const entries = found.map(
    ({ move, code, last }) => `    $ ${move}\n${last ? `    ${last.trim()}\n` : ""}    exit code ${code}\n`,
  );
  return `# First moves

What somebody may type first, in a folder with a few models, after \`npm install loewner\`: the last line that is seen, and the exit code. A
test installs the package as npm packs it, makes these moves, and compares this page (\`FIRST_MOVES=write\` writes it anew; times and the
version stand for any).

${entries.join("\n")}`;
}

test("what the first moves of a newcomer end with is what docs/first-moves.md says", () => {
  const text = page(moves.map((move) => ({ move, ...made(move) })));
  if (process.env.FIRST_MOVES === "write") writeFileSync(record, text);
  expect(text).toBe(readFileSync(record, "utf8"));
  // None of them ends in a stack, and what fails says how to go on.
  expect(text).not.toMatch(/this is a bug|^ +at /m);
});
