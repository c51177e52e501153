/**
 * The files that a model names beside itself: shards, external data. A name comes from inside a file that strangers made,
 * so it must not leave the model's folder, by itself or through a symbolic link.
 */
import { realpath } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { FileError, InvalidFormatError } from "../errors.js";
import { codeOf, readFault } from "../formats/file-faults.js";
import { staysInFolder } from "../formats/inner-path.js";
import { quote } from "../formats/json.js";
import { openFile, type FileSource } from "../formats/node-file.js";

/** Files beside a model, each opened once. */
export interface FilesBeside {
  /**
   * @param name relative to the model's folder, with /
   * @throws {InvalidFormatError} when the name would leave the folder, or a link there leads out of it.
   * @throws {FileError} when there is no such file, or it may not be read.
   */
  open(name: string): Promise<FileSource>;
  close(): Promise<void>;
}

/**
 * Links are followed inside the model's folder and, where the model itself is a link, inside the folder of the file that
 * it leads to: so do snapshots in the cache of Hugging Face's own tools link to the blobs.
 */
export function filesBeside(model: string): FilesBeside {
  const opened = new Map<string, Promise<FileSource>>();
  const folders = (): Promise<string[]> =>
    Promise.all([realpath(dirname(model)), realpath(model).then(dirname)]).catch((error: unknown) =>
      Promise.reject(readFault(model, error)),
    );
  async function open(name: string): Promise<FileSource> {
    const refuse = (what: string) =>
      new InvalidFormatError(
        `${model}: it names the file ${quote(name)}, ${what}; files of a model must lie in its folder. Get the model from a source that you trust.`,
        { file: model },
      );
    if (!staysInFolder(name)) throw refuse("which is no relative name inside its folder");
    const path = join(dirname(model), name);
    const real = await realpath(path).catch((error: unknown) => {
      if (codeOf(error) !== "ENOENT") throw readFault(path, error);
      throw new FileError(
        `${model} needs the file ${quote(name)}, which is missing in ${dirname(model)}. Put it there; it belongs to the model.`,
        { file: path },
        { cause: error },
      );
    });
    const inside = (folder: string) => real.startsWith(folder.endsWith(sep) ? folder : folder + sep);
    if (!(await folders()).some(inside)) throw refuse(`a link to ${real}, outside its folder`);
    return { ...(await openFile(real)), name: path };
  }
  return {
    open(name) {
      let file = opened.get(name);
      if (!file) opened.set(name, (file = open(name)));
      return file;
    },
    async close() {
      const files = await Promise.allSettled(opened.values());
      await Promise.all(files.map((file) => (file.status === "fulfilled" ? file.value.close() : undefined)));
    },
  };
}
