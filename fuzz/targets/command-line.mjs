// The command line in this process, and words for it. What is written stays in the folder that the process runs in: words with a
// slash in them are only those of the lists below.
import { copyFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import fc from "fast-check";
import { numerals, texts } from "../interesting.mjs";

const modules = {
  inspect: "addInspect",
  compress: "addCompress",
  expand: "addExpand",
  verify: "addVerify",
  "low-rank": "addLowRank",
  leverage: "addLeverage",
  "lewis-weights": "addLewisWeights",
  "level-set": "addLevelSet",
  subspace: "addSubspace",
  "min-volume": "addMinVolume",
  entrywise: "addEntrywise",
  sensitivities: "addSensitivities",
  coreset: "addCoreset",
  serve: "addServe",
};

/** version.js reads the version two folders above its own, which are other ones in dist/. */
function putPackageFile() {
  copyFileSync(new URL("../../package.json", import.meta.url), new URL("../../build/package.json", import.meta.url));
}

/** As src/cli/main.ts puts it together; what it would print goes to `print`. */
export async function commandLine(print) {
  putPackageFile();
  const program = new Command("loewner").exitOverride();
  for (const [file, add] of Object.entries(modules)) (await import(`../../build/lib/cli/${file}.js`))[add](program);
  const output = { writeOut: print, writeErr: print };
  program.configureOutput(output);
  for (const command of program.commands) command.exitOverride().configureOutput(output);
  return program;
}

export const isUsageError = (error) => error instanceof CommanderError;

/** Files that a run finds in its folder; commands.mjs makes them. */
export const files = [
  ...[
    "A.npy",
    "vector.npy",
    "model.safetensors",
    "small.safetensors",
    "model.onnx",
    "small.onnx",
    "plan.json",
    "tokenizer.json",
  ],
  ...["counts.npy", "broken.npy", "text.txt", "model.safetensors.index.json"],
];

const elsewhere = [
  ".",
  "..",
  "missing.npy",
  "missing/x.npy",
  "hf:owner/name",
  "https://host/A.npy",
  "https://host/model.onnx",
];
const outputs = [
  "out.npy",
  "out.safetensors",
  "out.onnx",
  "out.json",
  "A.npy",
  "model.onnx",
  "missing/out.npy",
  ".",
  "left.npy",
  "right.npy",
];

const choices = [
  ...[
    "auto",
    "lewis",
    "svd",
    "level-set",
    "subspace",
    "entrywise",
    "lp",
    "l21",
    "l2",
    "operator",
    "f64",
    "f32",
    "f16",
    "bf16",
  ],
  ...[
    "int8",
    "int4",
    "int3",
    "int2",
    "standard",
    "onnxruntime",
    "node",
    "web",
    "inf",
    "Infinity",
    "lewis",
    "leverage",
    "*",
    "all",
  ],
  ...[
    "wte.weight",
    "h.*",
    "!*",
    "[",
    "(a|",
    "x=A.npy",
    "ids=counts.npy",
    "A.npy",
    "batch=2",
    "x=1,2",
    "25MB",
    "1.5GiB",
    "1kb",
    "0MB",
  ],
];
const amounts = ["1", "2", "3", "0.5", "0.25", "0.72", "1e-3", "4", "10", "100", "0", "0.01"];

/**
 * Lists of words that are mostly a command with options that it has.
 * @param {Command} program
 */
export function argumentLists(program) {
  const flags = [
    ...new Set(program.commands.flatMap(({ options }) => options.flatMap(({ long, short }) => [long, short]))),
  ].filter(Boolean);
  const word = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...amounts) },
    { weight: 3, arbitrary: fc.constantFrom(...choices) },
    { weight: 2, arbitrary: fc.constantFrom(...files) },
    fc.constantFrom(...numerals),
    fc.constantFrom(...texts),
    fc.string({ maxLength: 8 }),
  );
  const input = fc.oneof({ weight: 12, arbitrary: fc.constantFrom(...files) }, fc.constantFrom(...elsewhere), word);
  const commands = program.commands.filter((command) => command.name() !== "serve");
  const of = (command) => {
    const required = command.options.filter(({ mandatory }) => mandatory).map(({ long }) => long);
    const option = fc.constantFrom(...command.options).chain(({ long, short, required: takes, optional }) => {
      const flag = fc.constantFrom(...[long, short].filter(Boolean));
      if (!takes && !optional) return flag.map((text) => [text]);
      const value = /output|left|right|gram|basis|weights|indices|html|plan|contacts/.test(long)
        ? fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...outputs, ...files) }, word)
        : word;
      return fc
        .tuple(flag, value, fc.boolean())
        .map(([text, own, joined]) => (joined && text === long ? [`${text}=${own}`] : [text, own]));
    });
    const must = fc.tuple(
      ...required.map((flag, i) => fc.constantFrom(...outputs).map((own) => [flag, i ? `${i}${own}` : own])),
    );
    const operands = fc.array(input, {
      minLength: command.registeredArguments.length,
      maxLength: command.registeredArguments.length,
    });
    const quiet = fc.constantFrom(["--json"], ["--json"], ["--quiet"], []);
    return fc
      .tuple(operands, must, fc.array(option, { maxLength: 6 }), quiet, fc.nat({ max: 20 }), fc.nat())
      .map(([own, needed, more, loud, damage, at]) => {
        const all = [command.name(), ...own, ...needed.flat(), ...more.flat(), ...loud];
        if (damage === 0) all.splice(at % all.length, 1);
        if (damage === 1) all.splice(at % all.length, 0, all[(at >> 4) % all.length]);
        return all;
      });
  };
  const anything = fc.array(
    fc.oneof(fc.constantFrom(...flags), word, fc.constantFrom(...commands.map((each) => each.name()))),
    { maxLength: 8 },
  );
  return fc
    .oneof({ weight: 9, arbitrary: fc.oneof(...commands.map(of)) }, anything)
    .map((list) => (list[0] === "serve" ? list.slice(1) : list).map(kept));
}

/** Nothing that would leave the folder. */
function kept(text) {
  const own = text.replace(/^--?[a-z-]+=/, "");
  if (elsewhere.includes(own) || outputs.includes(own) || files.includes(own)) return text;
  return text
    .replace(/[/\\]/g, "_")
    .replace(/^https?:/i, "x:")
    .replace(/=https?:/i, "=x:");
}
