// Examples in files: texts and labels (.tsv, .csv, .jsonl), or arrays of token ids (.npz, .npy, a folder of these).
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { FileError, InvalidInputError, isLoewnerError } from "../errors.js";
import { jsonBytes, type LimitOptions } from "../formats/limits.js";
import { type NpyTensor, readNpyArray } from "../formats/npy-array.js";
import { readNpz } from "../formats/npz.js";
import { checkTextBytes } from "../model/calibrate/text-files.js";
import { classNamesIn } from "../model/evaluate/class-names.js";
import type { EvaluationData } from "../model/evaluate/task.js";
import { readTable, type Table, type TableOptions } from "../model/evaluate/table.js";
import { parseHubAddress } from "../model/hub-address.js";
import { openFile } from "./files/file.js";
import { resolveModel, type ResolveOptions } from "./hub/hub.js";

export interface EvaluationFiles extends LimitOptions {
  /** One table, one .npz, or .npy files: named by their own names (`input_ids.npy`) or by `name=x.npy`. A folder stands for those in it. */
  readonly data: readonly string[];
  /** Retrieval: what is searched. */
  readonly passages?: string;
  /** Retrieval: which passage answers which query. */
  readonly relevance?: string;
  /** Names of columns, where the file of the data has no row of them. */
  readonly columns?: readonly string[];
  /** Take rows with too many fields by their first ones, and leave out rows with too few. Default false: an error. */
  readonly ragged?: boolean;
}

/**
 * @throws {FileError} when a file cannot be read.
 * @throws {InvalidFormatError} when one breaks its format.
 * @throws {InvalidInputError} when a name ends in something else, or files of several kinds are given.
 */
export async function readEvaluationData(files: EvaluationFiles): Promise<EvaluationData> {
  const { passages, relevance, columns, ragged, ...rest } = files;
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
  return { name: first, table: await tableIn(first, { columns, ragged }), ...others };
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

async function tableIn(path: string, options?: TableOptions): Promise<Table> {
  const source = await openFile(path);
  try {
    checkTextBytes(path, source.size);
    return await readTable(await source.slice(0, source.size), path, options);
  } finally {
    await source.close();
  }
}

async function arraysOf(paths: readonly string[], { limits }: LimitOptions): Promise<Record<string, NpyTensor>> {
  const arrays: Record<string, NpyTensor> = {};
  for (const given of paths) {
    const [, own, path = given] = /^([\w.]+)=(.+\.npy)$/i.exec(given) ?? [];
    if (!isArray(path))
      throw new InvalidInputError(`${path}: arrays and texts are given together; give one or the other.`, {
        file: path,
      });
    const source = await openFile(path);
    try {
      if (/\.npz$/i.test(path)) for (const [name, array] of await readNpz(source, { limits })) arrays[name] = array;
      else arrays[own ?? basename(path).replace(/\.npy$/i, "")] = await readNpyArray(source, { limits });
    } finally {
      await source.close();
    }
  }
  return arrays;
}

/** Names of classes out of the config.json of a model; undefined where there is none, or it says only LABEL_0. */
export async function classNames(model: string, reading: LimitOptions = {}): Promise<string[] | undefined> {
  const path = await besideModel(model, "config.json");
  const source = path === undefined ? undefined : await openFile(path).catch(() => undefined);
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

/**
 * The tokenizer.json of a model: of its repository on the hub, which brings it here; beside its file; or, of a folder `onnx`, in the
 * folder above. Undefined where there is none.
 * @param address as it was given: `hf:owner/name`, or a path
 * @param path of its file on this machine
 * @throws {FileError} when its repository has none, or the hub cannot be reached
 */
export async function tokenizerOf(address: string, path: string, options: ResolveOptions): Promise<string | undefined> {
  const hub = parseHubAddress(address);
  if (!hub) return besideModel(path, "tokenizer.json");
  try {
    return (await resolveModel(`hf:${hub.repo}@${encodeURIComponent(hub.revision)}/tokenizer.json`, options)).path;
  } catch (error) {
    if (!isLoewnerError(error, "FILE")) throw error;
    throw new FileError(`${error.message} A tokenizer from elsewhere is given by --tokenizer.`, error.place, {
      cause: error,
    });
  }
}

/**
 * A sentence for each model that has another tokenizer.json than the one that texts are cut by.
 * @param used its path
 */
export async function otherTokenizers(used: string, models: readonly string[]): Promise<string[]> {
  const own = await readFile(used);
  const notes = models.map(async (model) => {
    const path = await besideModel(model, "tokenizer.json");
    if (path === undefined || own.equals(await readFile(path))) return [];
    return [`${model} has a tokenizer.json of its own; texts are cut by ${used}, for all models.`];
  });
  return (await Promise.all(notes)).flat();
}

/** As repositories are laid out on the hub: beside the model, or above its folder `onnx`. */
async function besideModel(model: string, name: string): Promise<string | undefined> {
  const folder = dirname(resolve(model));
  for (const each of [folder, ...(basename(folder) === "onnx" ? [dirname(folder)] : [])]) {
    const path = join(each, name);
    if (await stat(path).catch(() => undefined)) return path;
  }
  return undefined;
}
