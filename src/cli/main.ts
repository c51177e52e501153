#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { InvalidInputError, isLoewnerError } from "../errors.js";
import { failureOf, isPlaced } from "./documents.js";
import { hasAnswered, note, printJson } from "./output.js";
import { unknownCommand, usageMessage } from "./usage.js";
import { version } from "./version.js";

/** In the order that help lists them. Only the one that runs is loaded: most of a short run would be loading the others. */
const commands: Record<string, () => Promise<(program: Command) => void>> = {
  inspect: async () => (await import("./inspect.js")).addInspect,
  compress: async () => (await import("./compress.js")).addCompress,
  expand: async () => (await import("./expand.js")).addExpand,
  verify: async () => (await import("./verify.js")).addVerify,
  evaluate: async () => (await import("./evaluate.js")).addEvaluate,
  "low-rank": async () => (await import("./low-rank.js")).addLowRank,
  leverage: async () => (await import("./leverage.js")).addLeverage,
  "lewis-weights": async () => (await import("./lewis-weights.js")).addLewisWeights,
  "level-set": async () => (await import("./level-set.js")).addLevelSet,
  subspace: async () => (await import("./subspace.js")).addSubspace,
  "min-volume": async () => (await import("./min-volume.js")).addMinVolume,
  entrywise: async () => (await import("./entrywise.js")).addEntrywise,
  sensitivities: async () => (await import("./sensitivities.js")).addSensitivities,
  coreset: async () => (await import("./coreset.js")).addCoreset,
  serve: async () => (await import("./serve.js")).addServe,
  worker: async () => (await import("./worker.js")).addWorker,
  cluster: async () => (await import("./cluster.js")).addCluster,
  completion: async () => (await import("./completion.js")).addCompletion,
};

/** What help says above a command, and those that follow it. */
const headings: Partial<Record<string, string>> = {
  inspect: "Models:",
  "low-rank": "Matrices (.npy files):",
  serve: "The page, clusters, shells:",
};

const names = Object.keys(commands);
const words = process.argv.slice(2);
// "help compress" and "compress --help" are one.
if (words[0] === "help") words.splice(0, 1, ...words.splice(1, 1), "--help");
const [first = ""] = words;

const program = new Command("loewner")
  .description(
    "Shrinks a model's weights to a tenth without retraining; the output is still a normal ONNX or safetensors file.",
  )
  .version(version, "-v, --version", "tell the version")
  .helpOption("-h, --help", "list commands, or the options of one")
  .helpCommand(false)
  .enablePositionalOptions()
  .addHelpText(
    "after",
    `
Start with one of these:
  loewner compress model.onnx        writes model.small.onnx, which answers the same
  loewner inspect model.onnx         what is in it
  loewner compress --help            all options of a command`,
  )
  .configureOutput({ outputError: () => undefined })
  .exitOverride();
const wanted = commands[first];
// Help and completions are of all of them.
const isAlone = wanted !== undefined && first !== "completion";
for (const name of isAlone ? [first] : /^(-v|--version)$/.test(first) ? [] : names) {
  if (headings[name] !== undefined) program.commandsGroup(headings[name]);
  (await commands[name]())(program);
}
for (const command of program.commands) command.exitOverride().configureOutput({ outputError: () => undefined });

// What cannot be printed is no reason to stop: the work is done, and the exit code is its own. A reader that closes early (head) is
// not even told.
let isTold = false;
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE" && !isTold) note(`loewner: Cannot write to stdout: ${error.message}.`);
  isTold = true;
});
process.stderr.on("error", () => undefined);

/** 0 done, 1 could not do it, 2 bad usage. 130 and 143 are set where signals are caught. */
function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  return error instanceof InvalidInputError && !isPlaced(error) ? 2 : 1;
}

/** Options of the library that a message names, as the command line spells them. */
function inOptions(message: string): string {
  const options = program.commands.flatMap((command) => command.options);
  const spelled = new Map(options.map((option) => [option.attributeName(), option.long]));
  return message.replace(/(?<![\w./"'-])[a-z]+([A-Z][a-z]*)+(?![\w./"'-])/g, (word) => spelled.get(word) ?? word);
}

/** Without the message, whose lines are not the stack's. */
function stackOf({ name, message, stack = "" }: Error): string[] {
  const head = `${name}: ${message}`;
  return stack.startsWith(head) ? [head, ...stack.slice(head.length).trim().split("\n")] : stack.split("\n");
}

/** One line of what went wrong, or more with --verbose; "" where it has been said. */
function told(error: unknown): string {
  if (error instanceof CommanderError) {
    if (error.code === "commander.help" || error.exitCode === 0) return "";
    return usageMessage(
      error,
      program.commands.find((command) => command.name() === first),
      words.slice(1),
    );
  }
  const message = error instanceof Error ? error.message : String(error);
  if (isLoewnerError(error)) return inOptions(message);
  return `${message} (this is a bug in loewner${isVerbose ? "" : "; --verbose shows where"})`;
}

const isVerbose = words.includes("--verbose");
try {
  if (first !== "" && !first.startsWith("-") && !wanted) throw new InvalidInputError(unknownCommand(first, names));
  await program.parseAsync(words, { from: "user" });
} catch (error) {
  process.exitCode = exitCodeOf(error);
  const message = told(error);
  if (message) {
    note(`loewner: ${message}`);
    const failure = error instanceof CommanderError ? { code: "USAGE", message } : failureOf(error, message);
    if (words.includes("--json") && !hasAnswered()) printJson({ error: failure });
  }
  if (isVerbose && error instanceof Error && !(error instanceof CommanderError)) note(stackOf(error));
}
