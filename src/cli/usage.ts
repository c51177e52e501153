// Bad usage in one line: what was typed, what was expected, and the way out. commander finds it; the words are ours.
import type { Command, CommanderError } from "commander";
import { nearestCommand, optionHint } from "./hints.js";

/** What looks like a model where the name of a command belongs. */
const modelLike = /^hf:|^https?:|[./\\]|^-$/;

/** @param commands all there are, by name */
export function unknownCommand(word: string, commands: readonly string[]): string {
  const isModel = modelLike.test(word);
  const nearest = isModel ? undefined : nearestCommand(word, commands);
  const way = isModel
    ? `say what to do with it: loewner compress ${word}`
    : nearest
      ? `did you mean ${nearest}?`
      : `there are ${commands.join(", ")}`;
  return `Unknown command '${word}': ${sentence(way)} ${helpOf()}`;
}

/**
 * @param command the one that was called; undefined where none was
 * @param words what was typed after it
 */
export function usageMessage(error: CommanderError, command: Command | undefined, words: readonly string[]): string {
  const text = error.message.replace(/^error: /, "");
  const help = helpOf(command?.name());
  const name = command?.name() ?? "loewner";
  const [, quoted = ""] = /'([^']*)'/.exec(text) ?? [];
  switch (error.code) {
    case "commander.unknownOption": {
      const [, nearest] = /\(Did you mean (?:one of )?([^,?]*)/.exec(text) ?? [];
      const hint = (command && optionHint(command, quoted)) ?? (nearest && `did you mean ${nearest}?`);
      return `Unknown option '${quoted}'${hint ? `: ${sentence(hint)}` : ` of ${name}.`} ${help}`;
    }
    case "commander.missingArgument": {
      const what = quoted === "compressed" ? "the compressed model too" : `a ${quoted}`;
      const example = quoted === "matrix" ? "A.npy" : quoted === "compressed" ? "model.onnx small.onnx" : "model.onnx";
      return `${name} needs ${what}, such as: loewner ${name} ${quoted === "shell" ? "bash" : example}. ${help}`;
    }
    case "commander.missingMandatoryOptionValue":
      return `${name} needs ${quoted}. ${help}`;
    case "commander.optionMissingArgument":
      return `${quoted.replace(/^-\w, /, "")} needs what its name is followed by. ${help}`;
    case "commander.excessArguments": {
      const output = command?.options.some(({ long }) => long === "--output");
      const last = words.at(-1);
      const way = output && last !== undefined ? `; an output is named by -o: -o ${last}` : "";
      return `${text.replace(/^too/, "Too").replace(/\.$/, "")}${way}. ${help}`;
    }
    case "commander.invalidArgument": {
      const [, flags, value, expected] = /^option '([^']*)' argument '(.*)' is invalid\. (.*)$/s.exec(text) ?? [];
      if (flags === undefined) return `${text} ${help}`;
      return `${flags.replace(/^-\w, /, "")}: '${value}' is invalid, ${expected} ${help}`;
    }
    default:
      return text;
  }
}

const sentence = (text: string) => (/[.?]$/.test(text) ? text : `${text}.`);

const helpOf = (command?: string) => `"loewner ${command ? `${command} ` : ""}--help" says more.`;
