// Files of texts: lines of .txt, fields of .jsonl, columns of .tsv and .csv.
import { InvalidInputError } from "../../errors.js";
import { isTableFile, namesOf, readTable, type Table } from "../evaluate/table.js";

/** Texts that are used of more, unless told otherwise. */
export const usualTexts = 200;

/** Bytes of a file of texts. */
const mostTextBytes = 2 ** 28;

export const isTextFile = isTableFile;

/**
 * The texts in a file's bytes; empty ones are left out. Of several columns, those of the first come first.
 * @param name says by its end what the file is, and stands in messages
 * @param columns default: the only one, or of .jsonl "text"
 * @throws {FileError}, {InvalidFormatError} and {InvalidInputError} as `readTable` and its columns.
 * @throws {InvalidInputError} when there are several columns and none is named.
 */
export async function textsIn(name: string, bytes: Uint8Array, columns?: readonly string[]): Promise<string[]> {
  const table = await readTable(bytes, name);
  return columnsOf(table, columns)
    .flatMap((column) => table.column(column))
    .filter((text) => text.trim() !== "");
}

function columnsOf({ name, columns: all }: Table, columns?: readonly string[]): readonly string[] {
  if (/\.txt$/i.test(name)) return all;
  if (columns) return columns;
  if (/\.jsonl$/i.test(name)) return ["text"];
  if (all.length === 1) return all;
  throw new InvalidInputError(`${name} has the columns ${namesOf(all)}: say which of them hold texts.`, { file: name });
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
