/** External data on disk: files in the folder of the model, for Node, Deno and Bun. */
import { dirname, resolve } from "node:path";
import { FileError, InvalidFormatError } from "../../errors.js";
import { type ByteSource, changed } from "../../formats/bytes.js";
import { namedFault } from "./faults.js";
import { innerPathFault } from "../../formats/inner-path.js";
import { quote } from "../../formats/json.js";
import { type FileSource, openFile } from "./file.js";
import { realPathIn, type RealPath } from "./inner-path.js";
import type { ExternalResolver } from "../../formats/onnx/types.js";

/** A resolver that holds files open; close it when done with the model. */
export interface OnnxFolderResolver extends ExternalResolver {
  /** Closes every file; what was handed out cannot be read any more. */
  close(): Promise<void>;
}

/** Old exporters write a file for every tensor: more than a process may hold open. */
const MAX_OPEN = 64;

/**
 * Finds external data, or shards, beside a model on disk. Symbolic links are followed, but not out of the model's own folder, except to
 * the blobs/ of a cache of Hugging Face's tools.
 *
 * At most 64 files are open at a time; the one used longest ago is closed for the next.
 * @throws {InvalidFormatError} (from the resolver) when a location is absolute, leads out of the folder, or is a link that does.
 * @throws {FileError} (from the resolver) when there is no such file, or it may not be read.
 */
export function onnxFolderResolver(modelPath: string): OnnxFolderResolver {
  const open = new Map<string, Promise<FileSource>>();
  /** Of each file when it was opened first. */
  const states = new Map<string, Pick<FileSource, "size" | "modifiedNs">>();
  let closed = false;

  /** One that was closed for others must be the same file still. */
  const openSame = async (path: string): Promise<FileSource> => {
    const file = await openFile(path);
    const { size, modifiedNs } = states.get(path) ?? file;
    states.set(path, { size, modifiedNs });
    if (file.size === size && file.modifiedNs === modifiedNs) return file;
    await file.close();
    throw changed(path, 0, "it was written to between two of its uses");
  };

  const acquire = (path: string): Promise<FileSource> => {
    if (closed)
      throw new FileError(`${path} was closed together with its model; open the model again.`, { file: path });
    const file = open.get(path) ?? openSame(path);
    open.delete(path);
    open.set(path, file); // the last one is the one used last
    file.catch(() => open.delete(path));
    for (const [oldest, old] of open) {
      if (open.size <= MAX_OPEN) break;
      open.delete(oldest);
      void old.then(
        (source) => source.close(),
        () => undefined,
      ); // waits for reads under way
    }
    return file;
  };

  const resolver = async (location: string): Promise<ByteSource> => {
    const path = await locate(modelPath, location);
    const { size } = await acquire(path);
    return {
      name: path,
      size,
      slice: async (start, end) => (await acquire(path)).slice(start, end),
      at: (offset) => ({ address: path, offset }),
    };
  };
  return Object.assign(resolver, {
    async close() {
      closed = true;
      const files = [...open.values()];
      open.clear();
      await Promise.all(
        files.map((file) =>
          file.then(
            (source) => source.close(),
            () => undefined,
          ),
        ),
      );
    },
  });
}

async function locate(modelPath: string, location: string): Promise<string> {
  const outside = (what: string) =>
    new InvalidFormatError(
      `${modelPath}: external data at ${quote(location)}, which ${what}; it must lie in the model's folder, or in one under it.`,
      { file: modelPath },
    );
  const wrong = innerPathFault(location);
  if (wrong !== undefined) throw outside(wrong);
  const folder = dirname(modelPath);
  const path = resolve(folder, location);
  let real: RealPath;
  try {
    real = await realPathIn(folder, path);
  } catch (cause) {
    throw await namedFault(path, cause);
  }
  if (!real.isInside) throw outside(`is a link that leads to ${real.path}`);
  return real.path;
}
