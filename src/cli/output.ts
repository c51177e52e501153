// The one way to a terminal: what is printed, on stdout and on stderr. Names in it come from files, hubs and Redis, and none of them may act on
// the terminal or make a line of its own.
import { printable, printableJson } from "../errors.js";
import { infinityAsText } from "../model/json.js";

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

/** One document, with what acts on a terminal written as JSON's own escapes. */
export function printJson(value: unknown): void {
  const text = JSON.stringify(value, infinityAsText, 2);
  process.stdout.write(`${text.split("\n").map(printableJson).join("\n")}\n`);
}
