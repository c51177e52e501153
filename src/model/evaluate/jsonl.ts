/** JSON lines: one object a line. */
import { InvalidFormatError } from "../../errors.js";
import { quote, shownJson } from "../../formats/json.js";

export interface JsonRow {
  readonly object: Readonly<Record<string, unknown>>;
  /** Of the file, from 1. */
  readonly line: number;
}

/** @throws {InvalidFormatError} when a line is no JSON object. */
export function jsonRows(text: string, name: string): { rows: JsonRow[]; emptyLines: number } {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1)?.trim() === "") lines.pop(); // what the last line's end is followed by
  const rows: JsonRow[] = [];
  for (const [i, line] of lines.entries())
    if (line.trim() !== "") rows.push({ object: parsed(line, i, name), line: i + 1 });
  return { rows, emptyLines: lines.length - rows.length };
}

function parsed(line: string, row: number, name: string): Record<string, unknown> {
  let object: unknown;
  try {
    object = JSON.parse(line);
  } catch {
    object = undefined;
  }
  if (typeof object === "object" && object !== null && !Array.isArray(object)) return object as Record<string, unknown>;
  throw new InvalidFormatError(`${name}: line ${row + 1} is no JSON object; a .jsonl file has one a line.`, {
    file: name,
    row,
  });
}

/** @throws {InvalidFormatError} when the row has no such field, or it is not one text, number or truth value. */
export function shownField({ object, line }: JsonRow, field: string, name: string): string {
  const value = Object.hasOwn(object, field) ? object[field] : undefined;
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  const bad = (what: string) =>
    new InvalidFormatError(`${name}: line ${line} ${what}`, { file: name, row: line - 1, tensor: field });
  if (value === undefined)
    throw bad(`has no field ${quote(field)}; it has ${Object.keys(object).map(quote).join(", ") || "none"}.`);
  const own =
    value === null
      ? "null; a text, a number or a truth value was expected. Leave such rows out."
      : `${quote(shownJson(value))}; a text, a number or a truth value was expected. Write what is within as fields of their own.`;
  throw bad(`has in its field ${quote(field)} ${own}`);
}
