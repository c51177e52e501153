/**
 * Where files of a model really lie, symbolic links followed, for Node, Deno and Bun: a folder that a stranger packed may hold links to
 * anything on this machine.
 */
import { realpath } from "node:fs/promises";
import { dirname, isAbsolute, join, relative, sep } from "node:path";
import { InvalidInputError } from "../../errors.js";
import { innerPathFault } from "../../formats/inner-path.js";
import { quote } from "../../formats/json.js";

/** What a path inside a folder leads to. */
export interface RealPath {
  /** Without links. */
  readonly path: string;
  /** It lies in the folder or below, or where a cache of Hugging Face's tools keeps the files of this folder. */
  readonly isInside: boolean;
}

/**
 * Follows the links of a path inside a folder. Links may lead elsewhere in that folder, and out of it in one case only: from
 * snapshots/<commit>/ to the folder blobs/ beside snapshots/, which is how Hugging Face's tools keep models.
 *
 * The file system's own errors are passed on.
 * @param path absolute or relative to the current folder; checked by innerPathFault before it was joined to the folder
 */
export async function realPathIn(folder: string, path: string): Promise<RealPath> {
  const [real, within] = [await realpath(path), await realpath(folder)];
  const blobs = blobsOf(within);
  return { path: real, isInside: contains(within, real) || (blobs !== undefined && contains(blobs, real)) };
}

/**
 * Before anything is written: files beside `main` whose names come from a model must come to lie in the folder of `main`.
 * @param names relative to that folder
 * @throws {InvalidInputError} for a name that leads out of it, or does so by a link that is there already
 */
export async function checkOutputsIn(main: string, names: readonly string[]): Promise<void> {
  const folder = dirname(main);
  const within = await realpath(folder).catch(() => undefined); // that it is missing is told by whoever writes
  const refuse = (name: string, what: string) =>
    new InvalidInputError(
      `The file ${quote(name)} beside ${main} ${what}; every file of the model must lie in the folder of its main file. Write to another folder.`,
      { file: join(folder, name) },
    );
  for (const name of names) {
    const fault = innerPathFault(name);
    if (fault !== undefined) throw refuse(name, fault);
    if (within === undefined) continue;
    // The file itself, where it is replaced, else its folder.
    const path = join(folder, name);
    const real = await realpath(path).catch(() => realpath(dirname(path)).catch(() => within));
    if (!contains(within, real)) throw refuse(name, `is a link that leads to ${real}`);
  }
}

/** Whether a path is that of the folder, or below it; both absolute, and real where links count. */
export function contains(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

/** Of the real path of a folder in snapshots/<commit>/. */
function blobsOf(folder: string): string | undefined {
  const parts = folder.split(sep);
  const at = parts.lastIndexOf("snapshots");
  return at > 0 && at < parts.length - 1 ? [...parts.slice(0, at), "blobs"].join(sep) : undefined;
}
