/** Messages for the errors of the operating system. */
import { FileError } from "../../errors.js";

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
