// Room on a disk: better said before the work than after an hour of it.
import { statfs } from "node:fs/promises";
import { FileError } from "../../errors.js";

/** Bytes that a folder's file system has room for; undefined where it does not say. */
export async function freeBytes(folder: string): Promise<number | undefined> {
  const found = await statfs(folder).catch(() => undefined);
  return found && found.bavail * found.bsize;
}

/**
 * @param what takes the room, and `remedy` what helps besides freeing some: "name another folder with -o"
 * @throws {FileError} when the file system says that there is less room in the folder; some do not say
 */
export async function checkSpace(folder: string, needed: number, what: string, remedy: string): Promise<void> {
  const free = await freeBytes(folder);
  if (free === undefined || free >= needed) return;
  throw new FileError(
    `${what} takes ${needed} bytes, and ${folder} has room for ${free}. Free some space, or ${remedy}.`,
    { file: folder },
  );
}
