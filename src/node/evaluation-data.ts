// Examples in files: texts and labels (.tsv, .csv, .jsonl), or arrays of token ids (.npz, .npy, a folder of these).
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { InvalidInputError } from "../errors.js";
import { jsonBytes, type LimitOptions } from "../formats/limits.js";
import { type NpyTensor, readNpyArray } from "../formats/npy-array.js";
import { readNpz } from "../formats/npz.js";
import { checkTextBytes } from "../model/calibrate/text-files.js";
import { classNamesIn } from "../model/evaluate/class-names.js";
import type { EvaluationData } from "../model/evaluate/task.js";
import { readTable, type Table } from "../model/evaluate/table.js";
import { openFile } from "./files/file.js";

export interface EvaluationFiles extends LimitOptions {
  /** One table, one .npz, or .npy files: named by their own names (`input_ids.npy`) or by `name=x.npy`. A folder stands for those in it. */
  readonly data: readonly string[];
  /** Retrieval: what is searched. */
  readonly passages?: string;
  /** Retrieval: which passage answers which query. */
  readonly relevance?: string;
  /** Names of columns, where the file of the data has no row of them. */
  readonly columns?: readonly string[];
}

/**
 * @throws {FileError} when a file cannot be read.
 * @throws {InvalidFormatError} when one breaks its format.
 * @throws {InvalidInputError} when a name ends in something else, or files of several kinds are given.
 */
export async function readEvaluationData(files: EvaluationFiles): Promise<EvaluationData> {
  const { passages, relevance, columns, ...rest } = files;
  const data = (await Promise.all(files.data.map(filesOf))).flat();
  const [first] = data;
  if (first === undefined) throw new InvalidInputError("There is no data to score on: give --data FILE.");
  const others = {
    ...(passages !== undefined && { passages: await tableIn(passages) }),
    ...(relevance !== undefined && { relevance: await tableIn(relevance) }),
  };
  if (isArray(first)) return { name: files.data.join(", "), arrays: await arraysOf(data, rest), ...others };
  if (data.length > 1)
    throw new InvalidInputError(`${data[1]}: one file of texts is read at a time, and ${first} is given already.`, {
      file: data[1],
    });
  return { name: first, table: await tableIn(first, columns), ...others };
}

const isArray = (path: string) => /\.np[yz]$/i.test(path);

/** Of a folder those that hold arrays. */
async function filesOf(path: string): Promise<string[]> {
  const names = await readdir(path).catch(() => undefined);
  if (!names) return [path];
  const arrays = names.filter((name) => /\.npy$/i.test(name)).sort();
  if (arrays.length > 0) return arrays.map((name) => join(path, name));
  throw new InvalidInputError(
    `${path} is a folder without .npy files. Name the file of the data: .tsv, .csv, .jsonl or .npz.`,
    { file: path },
  );
}

async function tableIn(path: string, columns?: readonly string[]): Promise<Table> {
  const source = await openFile(path);
  try {
    checkTextBytes(path, source.size);
    return await readTable(await source.slice(0, source.size), path, { columns });
  } finally {
    await source.close();
  }
}

async function arraysOf(paths: readonly string[], reading: LimitOptions): Promise<Record<string, NpyTensor>> {
  const arrays: Record<string, NpyTensor> = {};
  for (const given of paths) {
    const [, own, path = given] = /^([\w.]+)=(.+\.npy)$/i.exec(given) ?? [];
    if (!isArray(path))
      throw new InvalidInputError(`${path}: arrays and texts are given together; give one or the other.`, {
        file: path,
      });
    const source = await openFile(path);
    try {
      if (/\.npz$/i.test(path)) for (const [name, array] of await readNpz(source, reading)) arrays[name] = array;
      else arrays[own ?? basename(path).replace(/\.npy$/i, "")] = await readNpyArray(source, reading);
    } finally {
      await source.close();
    }
  }
  return arrays;
}

/** Names of classes out of the config.json beside a model; undefined where there is none, or it says only LABEL_0. */
export async function classNames(model: string, reading: LimitOptions = {}): Promise<string[] | undefined> {
  const source = await openFile(join(dirname(model), "config.json")).catch(() => undefined);
  if (!source) return undefined;
  try {
    const text = new TextDecoder().decode(await jsonBytes(source, reading));
    return classNamesIn(JSON.parse(text));
  } catch {
    return undefined; // whatever it holds, nobody asked for it
  } finally {
    await source.close();
  }
}

/** The tokenizer.json beside a model, or, as on the hub, a folder above; undefined where there is none. */
export async function tokenizerBeside(model: string): Promise<string | undefined> {
  for (const folder of [dirname(model), join(dirname(model), "..")]) {
    const path = join(folder, "tokenizer.json");
    if (await stat(path).catch(() => undefined)) return path;
  }
  return undefined;
}
