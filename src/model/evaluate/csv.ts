/** Comma-separated values of RFC 4180, by csv-parse, which is loaded when a .csv is read. */
import { InvalidFormatError } from "../../errors.js";

/** Fields of one row, and the line that it begins on, from 1. */
export interface Row {
  readonly fields: readonly string[];
  readonly line: number;
}

/**
 * The rows of a .csv, empty lines among them as one empty field. Fields in quotation marks may hold commas, line ends, and quotation marks
 * written twice.
 * @param text without a byte order mark
 * @throws {InvalidFormatError} for a quotation mark that is never closed (it names the line where it was opened), that stands inside of a
 *   field without such marks, or that is followed by more than a comma.
 * Cost: one pass, a few MB a second; memory a few times the text.
 */
export async function csvRows(text: string, name: string): Promise<Row[]> {
  // The build for browsers, which brings its own Buffer, runs in every engine.
  const { parse } = await import("csv-parse/browser/esm/sync");
  const rows: Row[] = [];
  let line = 1;
  try {
    parse(text, {
      record_delimiter: ["\r\n", "\n"],
      relax_column_count: true,
      on_record(fields: string[]) {
        rows.push({ fields, line });
        line += fields.reduce((ends, field) => ends + field.split("\n").length - 1, 1);
        return null;
      },
    });
  } catch (cause) {
    const fault = faultOfQuotes(text, line);
    if (!fault) throw cause;
    throw new InvalidFormatError(
      `${name}: line ${fault.line} ${fault.what}`,
      { file: name, row: fault.line - 1 },
      { cause },
    );
  }
  return rows;
}

/** What is wrong with the quotation marks of the row that begins on line `first`. */
function faultOfQuotes(text: string, first: number): { line: number; what: string } | undefined {
  let at = 0;
  for (let line = 1; line < first; ++line) at = text.indexOf("\n", at) + 1;
  let line = first;
  let opened = 0; // 0: none is open
  for (let begins = true; at < text.length; ++at) {
    const char = text[at];
    if (char === '"' && opened) {
      if (text[at + 1] === '"') ++at;
      else if (!/^(,|\r?\n|$)/.test(text.slice(at + 1, at + 3)))
        return {
          line,
          what: `closes a quotation mark (") that line ${opened} opened, and goes on behind it. A comma or the end of the line must follow; a mark that is text is written twice.`,
        };
      else opened = 0;
    } else if (char === '"') {
      if (!begins)
        return {
          line,
          what: 'has a quotation mark (") within a field that does not begin with one. Put the field in quotation marks, and write those within twice; in a .tsv they mean nothing.',
        };
      opened = line;
    }
    if (char === "\n") ++line;
    begins = !opened && (char === "," || char === "\n");
  }
  const what = 'opens a quotation mark (") that is never closed. Close it, or write it twice if it is text.';
  return opened ? { line: opened, what } : undefined;
}
