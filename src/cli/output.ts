// The one way to a terminal: what is printed, on stdout and on stderr. Names in it come from files, hubs and Redis, and none of them may act on
// the terminal or make a line of its own.
import { printable, printableJson } from "../errors.js";
import { version } from "./version.js";

/** One line, or one an entry: a line end within an entry is part of a name, and is written as \\u{a}. */
type Lines = string | readonly string[];

function linesOf(lines: Lines): string {
  return [lines]
    .flat()
    .map((line) => `${printable(line)}\n`)
    .join("");
}

/** Answers. */
export function print(lines: Lines): void {
  process.stdout.write(linesOf(lines));
}

/** What is no answer: errors, notices, a worker's log. */
export function note(lines: Lines): void {
  process.stderr.write(linesOf(lines));
}

let answers = 0;

/** Whether there is a document on stdout, beside which there may be no other. */
export const hasAnswered = () => answers > 0;

/**
 * One document, with what acts on a terminal written as JSON's own escapes. It begins with the command and the version; Infinity is
 * written as the command line reads it.
 */
export function printJson(value: object): void {
  ++answers;
  const command = process.argv[2];
  const text = JSON.stringify(
    { ...(/^[a-z]/.test(command ?? "") && { command }), version, ...value },
    (_, each: unknown) => (each === Infinity ? "inf" : each),
    2,
  );
  process.stdout.write(`${text.split("\n").map(printableJson).join("\n")}\n`);
}
