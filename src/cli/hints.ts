// What a newcomer may type, by the names that other tools have, and what is here in its place.
import type { Command } from "commander";
import { nearest } from "../nearest.js";

interface Hint {
  readonly names: readonly string[];
  /** An option without which the hint says nothing. */
  readonly needs?: string;
  readonly text: string;
}

const dtypeHint =
  "--dtype says how numbers are stored (int8, int4, f16, ...), --quality how good the answers have to be";

const optionHints: readonly Hint[] = [
  {
    names: ["quantize", "quantise", "quantization", "quant", "q", "bits", "precision", "type", "weight-type"],
    needs: "--dtype",
    text: dtypeHint,
  },
  {
    names: ["int8", "int4", "int3", "int2", "fp16", "f16", "bf16", "half", "q8", "q4", "8bit", "4bit"],
    needs: "--dtype",
    text: dtypeHint,
  },
  {
    names: ["size", "max-size", "target-size", "ratio", "sparsity", "compression"],
    needs: "--bytes",
    text: "--bytes 12MB is a size of the whole, --budget 25% a share of it",
  },
  {
    names: ["accuracy", "similarity", "loss", "error", "preset", "level"],
    needs: "--quality",
    text: "--quality lossless, high or small says how good the answers have to be; --max-error 5% bounds the error of each layer",
  },
  {
    names: ["data", "dataset", "calibration", "calibration-data", "calib", "texts-file"],
    needs: "--calibrate",
    text: "--calibrate FILE takes texts or arrays",
  },
  {
    names: ["out", "outfile", "output-file", "output-dir", "o", "dest"],
    needs: "--output",
    text: "-o FILE names the output",
  },
  { names: ["overwrite", "yes", "y", "f"], needs: "--force", text: "--force replaces an output that exists" },
  { names: ["v"], needs: "--verbose", text: '--verbose says more; "loewner --version" tells the version' },
  { names: ["h"], text: "--help lists the options" },
  { names: ["q", "silent"], needs: "--quiet", text: "--quiet prints nothing but errors" },
  {
    names: ["j", "workers", "cores", "num-threads"],
    needs: "--threads",
    text: "--threads N says how many threads compute",
  },
  {
    names: ["gpu", "cuda", "device", "cpu"],
    needs: "--threads",
    text: "loewner computes on the processor's cores: --threads N says on how many",
  },
  {
    names: ["m", "i", "in", "input", "model", "model-path", "file"],
    text: "what is read is named without an option, right after the command",
  },
];

/** What to use in the place of an option that a command does not have; undefined where nothing is known. */
export function optionHint(command: Command, flag: string): string | undefined {
  const name = flag.replace(/^-+/, "").replace(/=.*$/s, "").replaceAll("_", "-").toLowerCase();
  const has = (long: string) => command.options.some((option) => option.long === long);
  return optionHints.find(({ names, needs }) => names.includes(name) && (needs === undefined || has(needs)))?.text;
}

/** By name of the command: what others call it. */
const commandNames: Record<string, readonly string[]> = {
  compress: ["quantize", "quantise", "optimize", "optimise", "shrink", "convert", "reduce", "prune", "run", "small"],
  inspect: ["info", "show", "list", "ls", "summary", "analyze", "analyse", "stats", "describe", "print"],
  expand: ["decompress", "dequantize", "dequantise", "unpack", "restore", "dense"],
  verify: ["check", "compare", "test", "validate", "diff"],
  evaluate: ["eval", "score", "benchmark", "bench", "measure"],
  serve: ["ui", "web", "page", "gui", "open", "start"],
  completion: ["completions", "autocomplete", "complete"],
  help: ["usage", "man", "?"],
};

/** The command that a word is meant for: by another tool's name of it, or by its letters. */
export function nearestCommand(word: string, commands: readonly string[]): string | undefined {
  const name = word.toLowerCase();
  const known = Object.entries(commandNames).find(([, others]) => others.includes(name))?.[0];
  if (known !== undefined && commands.includes(known)) return known;
  return nearest(name, commands);
}
