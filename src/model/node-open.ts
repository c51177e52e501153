/**
 * Opens a model by its path or http address: one safetensors file, an index with shards, an ONNX file with its data, or a folder with one
 * of them.
 */
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { FileError, InvalidInputError } from "../errors.js";
import { readFault } from "../formats/file-faults.js";
import type { ByteSource } from "../formats/bytes.js";
import { isHttpAddress, openHttp } from "../formats/http-bytes.js";
import type { OnnxModel } from "../formats/index.js";
import { quote } from "../formats/json.js";
import { openFile } from "../formats/node-file.js";
import { httpResolver } from "../formats/onnx/http-external.js";
import { onnxFolderResolver } from "../formats/onnx/node-external.js";
import type { ExternalResolver } from "../formats/onnx/types.js";
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
 * Opens a model: told by the end of its name, else by its first bytes. In a folder the model is chosen as `modelFileOrder` says. At an
 * http or https address a model, its shards and external data are read by ranges, anew in every sweep; nothing is kept on this machine.
 * @param options.signal ends what an address is being asked for, until the model is closed
 * @throws {FileError} when there is no such file, or a file that it needs is missing.
 * @throws {InvalidFormatError} when it breaks its format, or names files outside its folder.
 * @throws {InvalidInputError} when it is a matrix.
 */
export async function openModelPath(path: string, { signal }: { signal?: AbortSignal } = {}): Promise<OpenModel> {
  if (/\.npy$/i.test(path))
    throw new InvalidInputError(`${path} is a matrix, not a model; use "loewner low-rank ${path}".`, { file: path });
  const { main, source, beside, config, close } = isHttpAddress(path)
    ? await onServer(path, signal)
    : await onDisk(path);
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
      return { kind: "safetensors", path: main, files, config, file: await openSafetensorsSet(source, shard), close };
    // Half of what a short run loads belongs to this format.
    const { openOnnx } = await import("../formats/onnx/open.js");
    return { kind: "onnx", path: main, files, config, file: await openOnnx(source, { external }), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** A model's main file, what finds others beside it (the same rules hold for shards and external data), and its config.json. */
interface Place {
  readonly main: string;
  readonly source: ByteSource;
  readonly beside: ExternalResolver;
  readonly config: OpenModel["config"];
  close(): Promise<void>;
}

async function onDisk(path: string): Promise<Place> {
  const main = await mainFile(path);
  const source = await openFile(main);
  const beside = onnxFolderResolver(main);
  const close = async () => void (await Promise.all([source.close(), beside.close()]));
  const folder = dirname(main);
  const folders = basename(folder) === "onnx" ? [folder, dirname(folder)] : [folder];
  const config = await readConfig(folders.map((each) => () => readFile(join(each, "config.json"), "utf8")));
  return { main, source, beside, config, close };
}

async function onServer(main: string, signal?: AbortSignal): Promise<Place> {
  const source = await openHttp(main, { signal });
  const folders = /\/onnx\/[^/]*$/.test(source.name) ? [".", ".."] : ["."];
  const config = await readConfig(
    folders.map((each) => async () => {
      const file = await openHttp(new URL(`${each}/config.json`, main), { signal });
      return new TextDecoder().decode(await file.slice(0, file.size));
    }),
  );
  return { main, source, beside: httpResolver(main, { signal }), config, close: async () => undefined };
}

async function mainFile(path: string): Promise<string> {
  const found = await stat(path).catch((error: unknown) => Promise.reject(readFault(path, error)));
  if (!found.isDirectory()) return path;
  const list = (folder: string) => readdir(join(path, folder)).catch((): string[] => []);
  const names = [...(await list(".")), ...(await list("onnx")).map((name) => `onnx/${name}`)].sort();
  return join(path, chooseModelFile(names, path).file);
}

/** Files without a telling name, such as blobs of a cache: an ONNX model begins with field 1 (its IR version), as a varint. */
async function isOnnx(source: ByteSource): Promise<boolean> {
  if (/\.onnx$/i.test(source.name)) return true;
  if (/\.(safetensors|json)$/i.test(source.name)) return false;
  const [first, , , , , , , , ninth] = await source.slice(0, Math.min(9, source.size));
  return first === 0x08 && ninth !== 0x7b;
}

/** The first that is there. A file of that name which is not a JSON object belongs to something else. */
async function readConfig(places: (() => Promise<string>)[]): Promise<Record<string, unknown> | undefined> {
  for (const read of places) {
    try {
      const config: unknown = JSON.parse(await read());
      if (typeof config === "object" && config !== null && !Array.isArray(config)) {
        return config as Record<string, unknown>;
      }
    } catch {
      continue;
    }
  }
  return undefined;
}
