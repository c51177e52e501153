/**
 * Opens a model by its path or http address: one safetensors file, an index with shards, an ONNX file with its data, or a folder with one
 * of them.
 */
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { FileError, InvalidFormatError, InvalidInputError } from "../errors.js";
import { readFault } from "./files/faults.js";
import type { ByteSource } from "../formats/bytes.js";
import { isHttpAddress, openHttp } from "../formats/http-bytes.js";
import type { OnnxModel } from "../formats/index.js";
import { quote } from "../formats/json.js";
import { standIn } from "../formats/sniff.js";
import { jsonBytes, type LimitOptions } from "../formats/limits.js";
import { type FileSource, openFile } from "./files/file.js";
import { realPathIn } from "./files/inner-path.js";
import { httpResolver } from "../formats/onnx/http-external.js";
import { onnxFolderResolver } from "./files/onnx-external.js";
import type { ExternalResolver } from "../formats/onnx/types.js";
import { chooseModelFile } from "../model/model-file.js";
import { openSafetensorsSet, type SafetensorsSet } from "../model/safetensors/set.js";
import { checkOptions, type Names } from "../option-names.js";

const openModelPathNames: Names<OpenModelOptions> = { limits: 1, signal: 1 };

/** An open model; close it when done. */
export type OpenModel = {
  /** The file that was opened: inside `path` when that is a folder. */
  readonly path: string;
  /** That and every other that the model lies in: external data, shards. */
  readonly files: readonly string[];
  /** Other models in the folder that was given, which the order of names put behind the one that was opened. */
  readonly others: readonly string[];
  /** config.json beside the model (or above a folder called onnx), parsed; undefined without one. */
  readonly config: Readonly<Record<string, unknown>> | undefined;
  close(): Promise<void>;
} & (
  { readonly kind: "safetensors"; readonly file: SafetensorsSet } | { readonly kind: "onnx"; readonly file: OnnxModel }
);

/**
 * Opens a model: told by the end of its name, else by its first bytes. In a folder the model is chosen as `modelFileOrder` says. At an
 * http or https address a model, its shards and external data are read by ranges, anew in every sweep; nothing is kept on this machine.
 *
 * Files that the model names lie in its folder or below, links followed; so does the model itself where `path` is a folder.
 * @param options.signal ends what an address is being asked for, until the model is closed
 * @param options.limits how much of a file that is not numbers is read into memory
 * @throws {FileError} when there is no such file, or a file that it needs is missing.
 * @throws {InvalidFormatError} when it breaks its format, or names files outside its folder.
 * @throws {LimitError} when a file holds more than the limits allow.
 * @throws {InvalidInputError} when it is a matrix, or a limit is out of range.
 */
export async function openModelPath(path: string, options: OpenModelOptions = {}): Promise<OpenModel> {
  checkOptions("openModelPath", options, openModelPathNames);
  const { limits } = options;
  if (/\.npy$/i.test(path))
    throw new InvalidInputError(`${path} is a matrix, not a model; use "loewner low-rank ${path}".`, { file: path });
  const { main, others, source, beside, config, close } = isHttpAddress(path)
    ? await onServer(path, options)
    : await onDisk(path, options);
  const files = [main];
  const external = async (location: string) => {
    const found = await beside(location);
    files.push(found.name);
    return found;
  };
  const shard = async (name: string) => {
    try {
      return await external(name);
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      throw new FileError(`${main} has tensors in ${quote(name)}: ${error.message}`, error.place, { cause: error });
    }
  };
  try {
    if (!(await isOnnx(source)))
      return {
        kind: "safetensors",
        path: main,
        files,
        others,
        config,
        file: await openSafetensorsSet(source, shard, { limits }),
        close,
      };
    // Half of what a short run loads belongs to this format.
    const { openOnnx } = await import("../formats/onnx/open.js");
    return {
      kind: "onnx",
      path: main,
      files,
      others,
      config,
      file: await openOnnx(source, { external, limits }),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

export interface OpenModelOptions extends LimitOptions {
  signal?: AbortSignal;
}

/** A model's main file, what finds others beside it (the same rules hold for shards and external data), and its config.json. */
interface Place {
  readonly main: string;
  readonly others: readonly string[];
  readonly source: ByteSource;
  readonly beside: ExternalResolver;
  readonly config: OpenModel["config"];
  close(): Promise<void>;
}

async function onDisk(path: string, options: OpenModelOptions): Promise<Place> {
  const { main, others } = await mainFile(path);
  const source = await openFile(main);
  const beside = onnxFolderResolver(main);
  const close = async () => void (await Promise.all([source.close(), beside.close()]));
  const folder = dirname(main);
  const folders = basename(folder) === "onnx" ? [folder, dirname(folder)] : [folder];
  try {
    const config = await readConfig(
      folders.map((each) => () => openInside(each, "config.json")),
      options,
    );
    return { main, others, source, beside, config, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function onServer(main: string, options: OpenModelOptions): Promise<Place> {
  const { signal } = options;
  const source = await openHttp(main, { signal });
  const folders = /\/onnx\/[^/]*$/.test(source.name) ? [".", ".."] : ["."];
  const config = await readConfig(
    folders.map((each) => () => openHttp(new URL(`${each}/config.json`, main), { signal })),
    options,
  );
  return { main, others: [], source, beside: httpResolver(main, { signal }), config, close: async () => undefined };
}

/** A file that was not named by whoever asked: of a folder's own, not of any that a link in it leads to. */
async function openInside(folder: string, name: string): Promise<FileSource> {
  const path = join(folder, name);
  return openFile(await insideOf(folder, path));
}

/** @returns the real path */
async function insideOf(folder: string, path: string): Promise<string> {
  const real = await realPathIn(folder, path).catch((error: unknown) => Promise.reject(readFault(path, error)));
  if (real.isInside) return real.path;
  throw new InvalidFormatError(
    `${path} is a link that leads to ${real.path}, out of its folder. Copy that file into the folder, or name the model's own file.`,
    { file: path },
  );
}

async function mainFile(path: string): Promise<Pick<Place, "main" | "others">> {
  const found = await stat(path).catch((error: unknown) => Promise.reject(readFault(path, error)));
  if (!found.isDirectory()) return { main: path, others: [] };
  const list = (folder: string) => readdir(join(path, folder)).catch((): string[] => []);
  const names = [...(await list(".")), ...(await list("onnx")).map((name) => `onnx/${name}`)].sort();
  const { file, others } = chooseModelFile(names, path);
  const main = join(path, file);
  await insideOf(path, main);
  return { main, others };
}

/** Files without a telling name, such as blobs of a cache: an ONNX model begins with field 1 (its IR version), as a varint. */
async function isOnnx(source: ByteSource): Promise<boolean> {
  if (/\.onnx$/i.test(source.name)) return true;
  if (/\.(safetensors|json)$/i.test(source.name)) return false;
  const [first, , , , , , , , ninth] = await source.slice(0, Math.min(9, source.size));
  return first === 0x08 && ninth !== 0x7b;
}

/**
 * The first that is there. A file of that name which is not a JSON object belongs to something else.
 * @throws {LimitError} for one that is too large to be looked at
 */
async function readConfig(
  places: (() => Promise<ByteSource & Partial<FileSource>>)[],
  options: LimitOptions,
): Promise<Record<string, unknown> | undefined> {
  for (const open of places) {
    try {
      const source = await open();
      const bytes = await jsonBytes(source, options).finally(() => source.close?.());
      const what = standIn(bytes);
      if (what !== "")
        throw new InvalidFormatError(
          `${source.name}: a config.json was expected.${what} A model is read without one too: remove it.`,
          {
            file: source.name,
          },
        );
      const config: unknown = JSON.parse(new TextDecoder().decode(bytes));
      if (typeof config === "object" && config !== null && !Array.isArray(config)) {
        return config as Record<string, unknown>;
      }
    } catch (error) {
      if (!(error instanceof FileError || error instanceof SyntaxError)) throw error;
    }
  }
  return undefined;
}
