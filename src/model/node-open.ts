/** Opens a model by its path: one safetensors file, an index with shards, an ONNX file with its data, or a folder with one of them. */
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { FileError, InvalidInputError } from "../errors.js";
import { readFault } from "../formats/file-faults.js";
import type { OnnxModel } from "../formats/index.js";
import { quote } from "../formats/json.js";
import { openFile, type FileSource } from "../formats/node-file.js";
import { onnxFolderResolver } from "../formats/onnx/node-external.js";
import { chooseModelFile } from "./model-file.js";
import { openSafetensorsSet, type SafetensorsSet } from "./safetensors/set.js";

/** An open model; close it when done. */
export type OpenModel = {
  /** The file that was opened: inside `path` when that is a folder. */
  readonly path: string;
  /** That and every other that the model lies in: external data, shards. */
  readonly files: readonly string[];
  /** config.json beside the model (or above a folder called onnx), parsed; undefined without one. */
  readonly config: Readonly<Record<string, unknown>> | undefined;
  close(): Promise<void>;
} & (
  { readonly kind: "safetensors"; readonly file: SafetensorsSet } | { readonly kind: "onnx"; readonly file: OnnxModel }
);

/**
 * Opens a model: told by the end of its name, else by its first bytes. In a folder the model is chosen as `modelFileOrder` says.
 * @throws {FileError} when there is no such file, or a file that it needs is missing.
 * @throws {InvalidFormatError} when it breaks its format, or names files outside its folder.
 * @throws {InvalidInputError} when it is a matrix.
 */
export async function openModelPath(path: string): Promise<OpenModel> {
  if (/\.npy$/i.test(path))
    throw new InvalidInputError(`${path} is a matrix, not a model; use "loewner low-rank ${path}".`, { file: path });
  const main = await mainFile(path);
  const source = await openFile(main);
  const beside = onnxFolderResolver(main); // the same rules hold for shards
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
  const close = async () => void (await Promise.all([source.close(), beside.close()]));
  try {
    const config = await readConfig(main);
    if (!(await isOnnx(source)))
      return { kind: "safetensors", path: main, files, config, file: await openSafetensorsSet(source, shard), close };
    // Half of what a short run loads belongs to this format.
    const { openOnnx } = await import("../formats/onnx/open.js");
    return { kind: "onnx", path: main, files, config, file: await openOnnx(source, { external }), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function mainFile(path: string): Promise<string> {
  const found = await stat(path).catch((error: unknown) => Promise.reject(readFault(path, error)));
  if (!found.isDirectory()) return path;
  const list = (folder: string) => readdir(join(path, folder)).catch((): string[] => []);
  const names = [...(await list(".")), ...(await list("onnx")).map((name) => `onnx/${name}`)].sort();
  return join(path, chooseModelFile(names, path).file);
}

/** Files without a telling name, such as blobs of a cache: an ONNX model begins with field 1 (its IR version), as a varint. */
async function isOnnx(source: FileSource): Promise<boolean> {
  if (/\.onnx$/i.test(source.name)) return true;
  if (/\.(safetensors|json)$/i.test(source.name)) return false;
  const [first, , , , , , , , ninth] = await source.slice(0, Math.min(9, source.size));
  return first === 0x08 && ninth !== 0x7b;
}

/** A file of that name which is not a JSON object belongs to something else. */
async function readConfig(model: string): Promise<Record<string, unknown> | undefined> {
  const folder = dirname(model);
  for (const each of basename(folder) === "onnx" ? [folder, dirname(folder)] : [folder]) {
    try {
      const config: unknown = JSON.parse(await readFile(join(each, "config.json"), "utf8"));
      if (typeof config === "object" && config !== null && !Array.isArray(config)) {
        return config as Record<string, unknown>;
      }
    } catch {
      continue;
    }
  }
  return undefined;
}
