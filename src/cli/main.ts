#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { InvalidInputError, isLoewnerError } from "../errors.js";
import { note } from "./output.js";
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
};

const program = new Command("loewner")
  .description("Robust l_p low-rank compression of neural networks, with a proven error bound.")
  .version(version)
  .showHelpAfterError('(run "loewner --help" for what there is)')
  .exitOverride();
const wanted = commands[process.argv[2]];
for (const load of wanted ? [wanted] : process.argv[2] === "--version" ? [] : Object.values(commands))
  (await load())(program);
for (const command of program.commands) {
  command.exitOverride().showHelpAfterError(`(run "loewner ${command.name()} --help" for what there is)`);
}

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
  return error instanceof InvalidInputError &&
    error.place.file === undefined &&
    error.place.tensor === undefined &&
    error.place.row === undefined
    ? 2
    : 1;
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

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
  // commander has said its own already.
  if (!(error instanceof CommanderError)) {
    const verbose = process.argv.includes("--verbose");
    const message = error instanceof Error ? error.message : String(error);
    if (isLoewnerError(error)) note(`loewner: ${inOptions(message)}`);
    else note(`loewner: ${message} (this is a bug in loewner${verbose ? "" : "; --verbose shows where"})`);
    if (verbose && error instanceof Error) note(stackOf(error));
  }
}
