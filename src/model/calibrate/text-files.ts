// Files of texts: lines of .txt, fields of .jsonl, columns of .tsv.
import { FileError, InvalidFormatError, InvalidInputError } from "../../errors.js";
import { quote } from "../../formats/json.js";
import { standIn } from "../../formats/sniff.js";

/** Texts that are used of more, unless told otherwise. */
export const usualTexts = 200;

/** Bytes of a file of texts. */
const mostTextBytes = 2 ** 28;

export const isTextFile = (name: string) => /\.(txt|jsonl|tsv)$/i.test(name);

/**
 * The texts in a file's bytes; empty ones are left out. Of several columns, those of the first come first.
 * @param name says by its end what the file is, and stands in messages
 * @throws {FileError} when it is no UTF-8.
 * @throws {InvalidFormatError} when something else stands in its place, a line is no JSON object, or has no such field or column.
 * @throws {InvalidInputError} when there is no such column, or several and none is named.
 */
export function textsIn(name: string, bytes: Uint8Array, columns?: readonly string[]): string[] {
  const what = standIn(bytes);
  if (what !== "") throw new InvalidFormatError(`${name}: these are no texts.${what}`, { file: name });
  const lines = decoded(name, bytes).split(/\r?\n/);
  const columnsOf = /\.jsonl$/i.test(name) ? jsonColumns : /\.tsv$/i.test(name) ? tableColumns : undefined;
  const texts = columnsOf ? columnsOf(name, lines, columns) : lines;
  return texts.filter((text) => text.trim() !== "");
}

/** So many at even distances. */
export function evenly<T>(all: readonly T[], most: number): readonly T[] {
  if (all.length <= most) return all;
  return Array.from({ length: most }, (_, i) => all[Math.floor((i * all.length) / most)]);
}

/** Before a file of texts is read. */
export function checkTextBytes(name: string, size: number): void {
  if (size <= mostTextBytes) return;
  throw new InvalidInputError(
    `${name} has ${size} bytes; texts of at most ${mostTextBytes} are read. A few hundred texts are enough: give a part of it.`,
    { file: name },
  );
}

function decoded(name: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new FileError(`${name} is no text in UTF-8. Convert it first.`, { file: name }, { cause: error });
  }
}

function jsonColumns(path: string, lines: readonly string[], fields: readonly string[] = ["text"]): string[] {
  const rows = lines.flatMap((line, row) => (line.trim() === "" ? [] : [parseLine(path, line, row)]));
  return fields.flatMap((field) =>
    rows.map(({ row, object }) => {
      const text = Object.hasOwn(object, field) ? object[field] : undefined;
      if (typeof text === "string") return text;
      const names = Object.keys(object).filter((name) => typeof object[name] === "string");
      throw new InvalidFormatError(
        `${path}: line ${row + 1} has no text in a field ${quote(field)}; it has ${names.map(quote).join(", ") || "none"}.`,
        { file: path, row },
      );
    }),
  );
}

function parseLine(path: string, line: string, row: number): { row: number; object: Record<string, unknown> } {
  let object: unknown;
  try {
    object = JSON.parse(line);
  } catch {
    object = undefined;
  }
  if (typeof object === "object" && object !== null && !Array.isArray(object))
    return { row, object: object as Record<string, unknown> };
  throw new InvalidFormatError(`${path}: line ${row + 1} is no JSON object; a .jsonl file has one a line.`, {
    file: path,
    row,
  });
}

/** Fields are divided by tabs; quotation marks mean nothing. */
function tableColumns(path: string, lines: readonly string[], columns?: readonly string[]): string[] {
  const [head, ...rows] = lines.map((line) => line.split("\t"));
  const names = columns ?? (head.length === 1 ? head : []);
  if (names.length === 0) {
    throw new InvalidInputError(
      `${path} has the columns ${head.map(quote).join(", ")}: say which of them hold texts.`,
      {
        file: path,
      },
    );
  }
  return names.flatMap((name) => {
    const column = head.indexOf(name);
    if (column < 0) {
      throw new InvalidInputError(`${path} has no column ${quote(name)}; it has ${head.map(quote).join(", ")}.`, {
        file: path,
      });
    }
    return rows.map((fields) => fields[column] ?? "");
  });
}
