/** Messages for the errors of the operating system. */
import { readdir } from "node:fs/promises";
import { FileError } from "../../errors.js";
import { listNames } from "../../formats/names.js";

/** The error code of the operating system, such as "ENOENT". */
export function codeOf(error: unknown): string {
  return String((error as { code?: unknown } | undefined)?.code);
}

/** What a failure to open or read means for a person. */
export function readFault(path: string, cause: unknown): FileError {
  const code = codeOf(cause);
  const message =
    code === "ENOENT" || code === "ENOTDIR"
      ? `No such file: ${path}. Check the path.`
      : code === "EACCES" || code === "EPERM"
        ? `No permission to read ${path}. Change its permissions, or run as a user who may.`
        : `Cannot read ${path}: ${(cause as Error).message}.`;
  return new FileError(message, { file: path }, { cause });
}

/** The same for a file that another one names: where it is missing, what lies in its folder instead. */
export async function namedFault(path: string, cause: unknown): Promise<FileError> {
  if (codeOf(cause) !== "ENOENT") return readFault(path, cause);
  const folder = folderOf(path);
  const names = await readdir(folder).catch(() => undefined);
  const there = names === undefined ? `there is no folder ${folder}` : `${folder} has ${listNames(names.sort())}`;
  return new FileError(
    `No such file: ${path}; ${there}. Get the missing file, or give it the name that is asked for.`,
    { file: path },
    { cause },
  );
}

/** What a failure to write means for a person; `written` of `needed` bytes were on disk by then. */
export function writeFault(path: string, cause: unknown, written: number, needed: number): FileError {
  const code = codeOf(cause);
  const message =
    code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG"
      ? `Cannot write ${path}: no space left (${code}); needed ${needed} bytes, got room for ${written}. No unfinished file is left. Free some space, or write elsewhere.`
      : code === "EACCES" || code === "EPERM" || code === "EROFS"
        ? `Cannot write ${path}: no permission to write in ${folderOf(path)} (${code}). Write elsewhere, or change its permissions.`
        : `Cannot write ${path}: ${(cause as Error).message}.`;
  return new FileError(message, { file: path }, { cause });
}

function folderOf(path: string): string {
  return /^(.*)[/\\]/.exec(path)?.[1] || ".";
}
