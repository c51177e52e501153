/** Tables of texts and labels: rows of named columns out of .tsv, .csv and .jsonl, and of one column out of .txt. */
import { FileError, InvalidFormatError, InvalidInputError } from "../../errors.js";
import { quote } from "../../formats/json.js";
import { sniffedBytes, standIn } from "../../formats/sniff.js";
import { csvRows, type Row } from "./csv.js";
import { type JsonRow, jsonRows, shownField } from "./jsonl.js";
import { nearest } from "../../nearest.js";

export interface TableOptions {
  /** Of .tsv and .csv: names of the columns, where the first line is a row already (GLUE's CoLA has none: source, label, star, sentence). */
  readonly columns?: readonly string[];
  /**
   * Of .tsv and .csv: take rows with more fields than there are columns by their first ones, and leave out rows with fewer, as those who
   * publish GLUE read its few damaged rows. Default false: such a row is an error.
   */
  readonly ragged?: boolean;
}

export interface Table {
  /** File name, for messages. */
  readonly name: string;
  /** In the file's order; of .jsonl as they first occur; of .txt "text". */
  readonly columns: readonly string[];
  /** Rows; at least one. */
  readonly length: number;
  /** Line of the file that each row begins on, from 1. */
  readonly lines: readonly number[];
  /** Lines without a character (of .jsonl, without more than spaces), which are no rows. */
  readonly emptyLines: number;
  /** Rows with too few fields, left out where `ragged` allows. */
  readonly leftOut: number;
  /**
   * One text a row; of .jsonl, numbers and truth values as JSON writes them.
   * @throws {InvalidInputError} when there is no such column, or two are called that: the message has those there, and the nearest.
   * @throws {InvalidFormatError} when the field of a row of .jsonl is missing, null, or an object or list.
   */
  column(name: string): string[];
}

export const isTableFile = (name: string) => /\.(txt|jsonl|tsv|csv)$/i.test(name);

/**
 * Reads a table. UTF-8, with a byte order mark or without; lines end in \n or \r\n; empty ones are skipped and counted.
 *
 * - .tsv: tabs divide, the first line names the columns, and quotation marks mean nothing. So GLUE's own files are: in SST-2, MRPC and
 *   STS-B many a text has one quotation mark, or begins with it, and a reader that obeyed them would swallow the rows up to the next. Those
 *   of a spreadsheet, which writes marks around a field, stay in the text: save that as .csv.
 * - .csv: RFC 4180, the first line names the columns. Loads csv-parse.
 * - .jsonl: one JSON object a line.
 * - .txt: one text a line, in a column "text".
 * @param name says by its end what the file is, and stands in messages
 * @throws {InvalidInputError} when the name ends in something else, there is no row, or `columns` are given for .jsonl or .txt.
 * @throws {InvalidFormatError} when something else stands in the file's place, a row has more or fewer fields than there are columns, a
 *   quotation mark of a .csv is never closed, or a line of a .jsonl is no JSON object; it names the line.
 * @throws {FileError} when it is no UTF-8.
 * Cost: one pass, a few MB a second for .csv and more for the others; memory a few times the file.
 */
export async function readTable(
  file: Uint8Array | string,
  name: string,
  { columns, ragged = false }: TableOptions = {},
): Promise<Table> {
  const kind = /\.(txt|jsonl|tsv|csv)$/i.exec(name)?.[1].toLowerCase();
  if (kind === undefined)
    throw new InvalidInputError(
      `${name}: rows are read from .tsv, .csv, .jsonl and .txt files, told by the end of the name.`,
      { file: name },
    );
  if (columns && (kind === "jsonl" || kind === "txt"))
    throw new InvalidInputError(
      `${name}: columns are named for .tsv and .csv; those of a .${kind} have names already.`,
      {
        file: name,
      },
    );
  const text = textOf(file, name);
  if (kind === "jsonl") return tableOfObjects(name, jsonRows(text, name));
  const rows = kind === "csv" ? await csvRows(text, name) : linesOf(text, kind === "tsv");
  const full = rows.filter(({ fields }) => fields.length > 1 || fields[0] !== "");
  const head = kind === "txt" ? ["text"] : (columns ?? full.shift()?.fields);
  if (!head || full.length === 0) throw withoutRows(name, head && !columns && kind !== "txt");
  if (head.length === 0) throw new InvalidInputError(`${name}: columns must have a name each; none was given.`);
  const uneven = full.find(({ fields }) => fields.length !== head.length);
  if (uneven && !ragged) throw unevenRow(name, kind, uneven, head, columns !== undefined);
  const kept = full.filter(({ fields }) => fields.length >= head.length);
  if (kept.length === 0) throw withoutRows(name, false);
  return {
    ...{ name, columns: head, length: kept.length, lines: kept.map(({ line }) => line) },
    ...{ emptyLines: rows.length - full.length - (head === columns || kind === "txt" ? 0 : 1) },
    leftOut: full.length - kept.length,
    column(wanted) {
      const at = placeOf(wanted, head, name, head !== columns && kind !== "txt");
      return kept.map(({ fields }) => fields[at]);
    },
  };
}

function tableOfObjects(name: string, { rows, emptyLines }: { rows: readonly JsonRow[]; emptyLines: number }): Table {
  if (rows.length === 0) throw withoutRows(name, false);
  const columns = [...new Set(rows.flatMap(({ object }) => Object.keys(object)))];
  return {
    ...{ name, columns, length: rows.length, lines: rows.map(({ line }) => line), emptyLines, leftOut: 0 },
    column(wanted) {
      placeOf(wanted, columns, name, false);
      return rows.map((row) => shownField(row, wanted, name));
    },
  };
}

function textOf(file: Uint8Array | string, name: string): string {
  const start = typeof file === "string" ? new TextEncoder().encode(file.slice(0, sniffedBytes)) : file;
  const what = standIn(start);
  if (what !== "") throw new InvalidFormatError(`${name}: these are no texts.${what}`, { file: name });
  if (typeof file === "string") return file.replace(/^\ufeff/, "");
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(file);
  } catch (error) {
    throw new FileError(`${name} is no text in UTF-8. Convert it first.`, { file: name }, { cause: error });
  }
}

function linesOf(text: string, divided: boolean): Row[] {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop(); // what the last line's end is followed by
  return lines.map((line, i) => ({ fields: divided ? line.split("\t") : [line], line: i + 1 }));
}

function placeOf(wanted: string, columns: readonly string[], name: string, isFirstLine: boolean): number {
  const at = columns.indexOf(wanted);
  if (at >= 0 && at === columns.lastIndexOf(wanted)) return at;
  const place = { file: name, tensor: wanted };
  if (at >= 0)
    throw new InvalidInputError(`${name} has two columns ${quote(wanted)}; give each a name of its own.`, place);
  const near = nearest(wanted, columns);
  const meant = near === undefined ? "" : ` Did you mean ${quote(near)}?`;
  const isRow = isFirstLine && near === undefined ? " If that line is a row already, say what the columns are." : "";
  throw new InvalidInputError(
    `${name} has no column ${quote(wanted)}; it has ${namesOf(columns)}${isRow && " by its first line"}.${meant}${isRow}`,
    place,
  );
}

/** The first thirty: the rest is too much to read. */
export function namesOf(columns: readonly string[]): string {
  const more = columns.length > 30 ? ` and ${columns.length - 30} more` : "";
  return columns.slice(0, 30).map(quote).join(", ") + more;
}

function unevenRow(name: string, kind: string, { fields, line }: Row, head: readonly string[], given: boolean) {
  const fewer = fields.length < head.length;
  const of = given
    ? `columns (${namesOf(head)}) without a line of names are what it should have`
    : `columns are in its first line (${namesOf(head)})`;
  const why =
    kind === "tsv"
      ? fields.some((field) => field.startsWith('"'))
        ? " Tabs and line ends within quotation marks divide a .tsv too: save it as .csv."
        : ` ${fewer ? "A tab is missing, or a text has a line end" : "A text has a tab"} in it.`
      : ` ${fewer ? "A comma is missing, or a" : "A"} text with ${fewer ? "a line end" : "a comma"} in it needs quotation marks.`;
  return new InvalidFormatError(
    `${name}: line ${line} has ${fields.length} ${fields.length === 1 ? "field" : "fields"}, and ${head.length} ${of}.${why}`,
    { file: name, row: line - 1 },
  );
}

function withoutRows(name: string, hasHead: boolean | undefined): InvalidInputError {
  const what = hasHead ? "has no row behind the names of its columns" : "has no rows";
  return new InvalidInputError(`${name} ${what}.`, { file: name });
}
