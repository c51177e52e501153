// Examples out of anyone's data: texts or token ids, and their labels.
import { InvalidInputError } from "../../errors.js";
import { quote } from "../../formats/json.js";
import type { NpyTensor } from "../../formats/npy-array.js";
import type { Sequence } from "../calibrate/texts.js";
import type { Table } from "./table.js";
import type { EvaluationData, Setting } from "./task.js";

/** The rows of a table. @throws {InvalidInputError} when the data is no table */
export function tableOf({ name, table }: EvaluationData, task: string): Table {
  if (table) return table;
  throw new InvalidInputError(`${name} holds arrays, but ${task} reads texts: give a .tsv, .csv or .jsonl file.`, {
    file: name,
  });
}

/** Texts, or pairs of them, as token ids. */
export function sequencesOf(setting: Setting, columns: readonly string[]): Sequence[] {
  const { data } = setting;
  const table = tableOf(data, "this task");
  const encoder = setting.encoder();
  const [first, second] = columns.map((name) => table.column(name));
  return first.map((text, i) => encoder.encode(text, second?.[i]));
}

/**
 * Rows of token ids, cut where their mask ends.
 * @throws {InvalidInputError} without `input_ids`, or where the arrays' shapes differ
 */
export function sequencesOfArrays({ name: file, arrays = {} }: EvaluationData): Sequence[] {
  const ids = required(file, arrays, "input_ids");
  const { attention_mask: mask, token_type_ids: types } = arrays;
  const [rows, width] = ids.shape;
  for (const [name, array] of Object.entries({ input_ids: ids, attention_mask: mask, token_type_ids: types })) {
    if (!array || (array.shape.length === 2 && array.shape[0] === rows && array.shape[1] === width)) continue;
    throw new InvalidInputError(
      `${file}: ${name} has shape ${array.shape.join(" x ")}; ${name === "input_ids" ? "texts x tokens" : ids.shape.join(" x ")} was expected.`,
      { file, tensor: name },
    );
  }
  return Array.from({ length: rows }, (_, i) => {
    let length = width;
    if (mask) while (length > 0 && !Number(mask.data[i * width + length - 1])) --length;
    const part = ({ data }: NpyTensor) => Int32Array.from({ length }, (_, j) => Number(data[i * width + j]));
    return { ids: part(ids), ...(types && { types: part(types) }) };
  });
}

/** @throws {InvalidInputError} when it is not there: the message has those that are */
export function required(file: string, arrays: Readonly<Record<string, NpyTensor>>, name: string): NpyTensor {
  if (Object.hasOwn(arrays, name)) return arrays[name];
  throw new InvalidInputError(
    `${file} has no array ${quote(name)}; it has ${Object.keys(arrays).map(quote).join(", ") || "none"}.`,
    { file, tensor: name },
  );
}

/** Numbers out of a column. @throws {InvalidInputError} naming the row of what is no number */
export function numbersOf(table: Table, column: string): Float64Array {
  return Float64Array.from(table.column(column), (text, row) => {
    const value = text.trim() === "" ? NaN : Number(text);
    if (Number.isFinite(value)) return value;
    throw new InvalidInputError(
      `${table.name}: line ${table.lines[row]} has ${quote(text)} in ${quote(column)}, where a number was expected. Choose the column of the labels with --label.`,
      { file: table.name, row },
    );
  });
}

/** @throws {InvalidInputError} for data without an example */
export function checkExamples(file: string, examples: number): void {
  if (examples > 0) return;
  throw new InvalidInputError(`${file} holds no example, so there is nothing to score.`, { file });
}
