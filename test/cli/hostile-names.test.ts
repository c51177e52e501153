// Names of tensors, operators and files that would act on a terminal, or pass for lines of the command's own: every command that reads them.
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { model, node, tensor as onnxTensor, valueInfo } from "../formats/onnx/build.js";
import { weight } from "../model/onnx-models/cases.js";
import { run, temporaryFolder, tensor, writeMatrix, writeModel } from "./run.js";

/** Line ends, carriage return, ESC, C1, direction marks and overrides, zero width, a byte order mark, fillers, tags. */
const acting =
  "\n\r\u0085\u2028\u2029\u000b\u000c\u0000\u0007\u001b[2J\u009b2J\u202e\u2066\u200e\u061c\u200b\u2060\ufeff\u00ad\u3164\u{e0041}";
const hostile = (name: string) => `${name}${acting}Written: faked\r\nFaked line${acting}.weight`;

let folder: string;
beforeAll(async () => {
  folder = temporaryFolder();
  const tables = ["wte", "lm_head", "h.0"].map((name, i) => tensor(hostile(name), 300 + i, 16));
  await writeModel(folder, "m.safetensors", [...tables, tensor(hostile("bias"), 1, 40), tensor(hostile("cube"), 4, 4)]);
  await writeModel(folder, "other.safetensors", [...tables.slice(0, 2), tensor(hostile("bias"), 1, 41)]);
  const words = weight(hostile("word_embeddings"), 2000, 24);
  const [ids, hidden, out] = ["ids", "h", "y"].map(hostile);
  writeFileSync(
    join(folder, "m.onnx"),
    model({
      inputs: [valueInfo(ids, ["n"], 7)],
      outputs: [valueInfo(out, ["n", 24], 1)],
      nodes: [
        node("Gather", [words.name, ids], [hidden], {}, { name: hostile("gather") }),
        node("Add", [hidden, hostile("bias")], [out], {}, { name: hostile("add") }),
      ],
      initializers: [
        onnxTensor(words.name, [words.rows, words.cols], words.data),
        onnxTensor(hostile("bias"), [24], new Float32Array(24)),
      ],
    }),
  );
  writeFileSync(
    join(folder, "model.safetensors.index.json"),
    JSON.stringify({ metadata: {}, weight_map: { [hostile("wte")]: `${hostile("shard")}.safetensors` } }),
  );
  writeFileSync(
    join(folder, "plan.json"),
    JSON.stringify({ version: 1, layers: { [hostile("none")]: { keep: 0.5 } } }),
  );
  writeFileSync(join(folder, "tokens.json"), JSON.stringify({ model: { type: hostile("kind"), vocab: {} } }));
  await writeMatrix(folder, "ids.npy", new Float32Array(3), [3]);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Whatever was printed: no character that acts, and no line that a name made. */
function checkPrinted(...args: string[]): ReturnType<typeof run> {
  const done = run(folder, ...args);
  const text = done.stdout + done.stderr;
  const found = [...text.matchAll(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu)];
  expect(found.map(([char]) => char.codePointAt(0)!.toString(16))).toEqual([]);
  expect(text.split("\n").filter((line) => /^\s*(Written: faked|Faked line)/.test(line))).toEqual([]);
  expect(text).toMatch(/\\u\{?0*a/); // the names were there, escaped
  expect(text).not.toMatch(/bug in loewner/);
  return done;
}

const cases: [string, number, ...string[]][] = [
  ["inspect", 0, "m.safetensors"],
  ["inspect", 0, "m.safetensors", "--all", "--spectrum", "all"],
  ["inspect", 0, "m.onnx", "--all"],
  ["compress", 0, "m.safetensors", "--keep", "0.5", "--layers", "all", "--dry-run"],
  ["compress", 0, "m.safetensors", "--keep", "0.5", "--layers", "all", "-o", "s.safetensors"],
  ["compress", 0, "m.safetensors", "--keep", "0.5", "--layers", "all", "-o", "v.safetensors", "--verify"],
  ["compress", 0, "m.onnx", "--keep", "0.5", "--layers", "all", "-o", "s.onnx"],
  ["compress", 0, "m.onnx", "--keep", "0.5", "--layers", "all", "--dry-run"],
  ["compress", 1, "m.safetensors", "--keep", "0.5", "--layers", "none*", "-o", "x.safetensors"],
  ["compress", 1, "m.safetensors", "--plan", "plan.json", "-o", "x.safetensors"],
  ["compress", 1, "m.safetensors", "--keep", "0.5", "--row-weights", "tokens.json", "-o", "x.safetensors"],
  ["inspect", 0, "s.safetensors"],
  ["verify", 0, "m.safetensors", "s.safetensors"],
  ["verify", 1, "other.safetensors", "s.safetensors"],
  ["expand", 0, "s.safetensors", "-o", "d.safetensors", "--verbose"],
  ["inspect", 1, "model.safetensors.index.json"],
];

describe("names that come from a file neither act on the terminal nor make lines", () => {
  test.each(
    cases.map(([command, status, ...rest]) => [[command, ...rest].join(" "), status, [command, ...rest]] as const),
  )("%s", (_, status, args) => expect(checkPrinted(...args).status).toBe(status));

  test.each(cases.filter(([, status, ...rest]) => status === 0 && !rest.includes("-o")))(
    "%s --json",
    (...[command, status, ...rest]) => {
      const done = checkPrinted(command, ...rest, "--json");
      expect(done.status).toBe(status);
      const names = JSON.stringify(JSON.parse(done.stdout));
      expect(names).toContain(JSON.stringify(acting).slice(1, -1)); // as they are, for programs
    },
  );

  test("verify of an ONNX model, run or refused", () => {
    checkPrinted("verify", "m.onnx", "s.onnx");
    checkPrinted("verify", "m.onnx", "s.onnx", "--inputs", "ids.npy", "--inputs", "ids.npy");
  });
});
