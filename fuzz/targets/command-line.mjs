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
  ...["counts.npy", "broken.npy", "text.txt", "model.safetensors.index.json", "names.safetensors"],
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
const outputs = ["out.npy", "out.safetensors", "out.onnx", "out.json", "missing/out.npy", ".", "left.npy", "right.npy"];

/** What an operand mostly is, by its name. */
const operands = {
  matrix: ["A.npy", "A.npy", "vector.npy", "broken.npy"],
  model: [
    "model.safetensors",
    "model.onnx",
    "small.safetensors",
    "small.onnx",
    "names.safetensors",
    "model.safetensors.index.json",
  ],
  compressed: ["small.safetensors", "small.onnx", "model.safetensors"],
};

/** What a value mostly is, by what stands for it in the option's help; where it names a choice, the words of the help itself. */
const values = {
  file: [...outputs, ...files, "x=A.npy"],
  flops: ["1e6", "1e11"],
  g: ["0.25", "0", "1", "0.125"],
  glob: ["all", "*", "wte.weight", "h.*", "embed*", "nothing*", "["],
  k: ["1", "2", "3", "100"],
  m: ["1", "3", "10"],
  n: ["0", "1", "2", "5", "auto", "batch=2"],
  p: ["1", "2", "1.5", "4", "inf", "0.5"],
  share: ["0.5", "0.72", "1", "0.01"],
  size: ["25MB", "1.5GiB", "2kB", "900"],
  t: ["0.01", "0.1", "1e-9"],
};

/** What compress mostly has: an output, and one size. */
const usual = [
  fc.constantFrom(...["safetensors", "onnx"].map((ending) => ["-o", `out.${ending}`])),
  fc.constantFrom(["--keep", "0.5"], ["--rank", "1"], ["--bytes", "2kB"], ["--plan", "plan.json"], ["--budget", "0.7"]),
];

/**
 * Lists of words that are mostly a command with options that it has, and mostly values that they take.
 * @param {Command} program
 */
export function argumentLists(program) {
  const flags = program.commands.flatMap(({ options }) => options.flatMap(({ long, short }) => [long, short]));
  const word = fc.oneof(
    fc.constantFrom(...Object.values(values).flat()),
    fc.constantFrom(...numerals),
    fc.constantFrom(...texts),
    fc.string({ maxLength: 8 }),
  );
  const mostly = (list, other) =>
    fc.oneof({ weight: 12, arbitrary: fc.constantFrom(...list) }, { weight: 1, arbitrary: other });
  const valueOf = ({ flags: usage, description }) => {
    const name = /<([a-z]+)/.exec(usage)?.[1];
    return mostly(values[name] ?? description.match(/[a-z][a-z0-9-]+/g), word);
  };
  const option = (each) => {
    const { long, short, required, optional } = each;
    const flag = fc.constantFrom(...[long, short].filter(Boolean));
    if (!required && !optional) return flag.map((text) => [text]);
    return fc
      .tuple(flag, valueOf(each), fc.boolean())
      .map(([text, own, joined]) => (joined && text === long ? [`${text}=${own}`] : [text, own]));
  };
  const commands = program.commands.filter((command) => command.name() !== "serve");
  const listOf = (command) => {
    const needed = command.options.filter(({ mandatory }) => mandatory);
    const own = command.registeredArguments.map((each) =>
      mostly(operands[each.name()], fc.oneof(fc.constantFrom(...files, ...elsewhere), word)),
    );
    const must =
      command.name() === "compress"
        ? usual
        : needed.map(({ long }, i) => fc.constantFrom(...outputs).map((name) => [long, i ? `${i}${name}` : name]));
    const more = fc.array(fc.constantFrom(...command.options).chain(option), { maxLength: 4 });
    const loud = fc.constantFrom(["--json"], ["--json"], ["--quiet"], []);
    return fc
      .tuple(fc.tuple(...own), fc.tuple(...must), more, loud, fc.nat({ max: 20 }), fc.nat())
      .map(([first, second, third, last, damage, at]) => {
        const all = [command.name(), ...first, ...second.flat(), ...third.flat(), ...last];
        if (damage === 0) all.splice(at % all.length, 1);
        if (damage === 1) all.splice(at % all.length, 0, all[(at >> 4) % all.length]);
        return all;
      });
  };
  const names = commands.map((command) => command.name());
  const anything = fc.array(fc.oneof(fc.constantFrom(...flags.filter(Boolean), ...names), word), { maxLength: 8 });
  return fc
    .oneof({ weight: 9, arbitrary: fc.oneof(...commands.map(listOf)) }, anything)
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
