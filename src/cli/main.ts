#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { InvalidInputError, isLoewnerError } from "../errors.js";
import { addCompress } from "./compress.js";
import { addEntrywise } from "./entrywise.js";
import { addCoreset } from "./coreset.js";
import { addExpand } from "./expand.js";
import { addInspect } from "./inspect.js";
import { addLevelSet } from "./level-set.js";
import { addLeverage } from "./leverage.js";
import { addLewisWeights } from "./lewis-weights.js";
import { addLowRank } from "./low-rank.js";
import { addSubspace } from "./subspace.js";
import { addMinVolume } from "./min-volume.js";
import { addSensitivities } from "./sensitivities.js";
import { addVerify } from "./verify.js";
import { version } from "./version.js";

const program = new Command("loewner")
  .description("Robust l_p low-rank compression of neural networks, with a proven error bound.")
  .version(version)
  .showHelpAfterError('(run "loewner --help" for what there is)')
  .exitOverride();
addInspect(program);
addCompress(program);
addExpand(program);
addVerify(program);
addLowRank(program);
addLeverage(program);
addLewisWeights(program);
addLevelSet(program);
addSubspace(program);
addMinVolume(program);
addEntrywise(program);
addSensitivities(program);
addCoreset(program);
for (const command of program.commands) {
  command.exitOverride().showHelpAfterError(`(run "loewner ${command.name()} --help" for what there is)`);
}

// A reader that closes early (head) is not an error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});

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

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
  // commander has said its own already.
  if (!(error instanceof CommanderError)) {
    const verbose = process.argv.includes("--verbose");
    const message = error instanceof Error ? error.message : String(error);
    if (isLoewnerError(error)) process.stderr.write(`loewner: ${message}\n`);
    else
      process.stderr.write(
        `loewner: ${message} (this is a bug in loewner${verbose ? "" : "; --verbose shows where"})\n`,
      );
    if (verbose && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  }
}
