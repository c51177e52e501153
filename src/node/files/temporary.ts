/**
 * Temporary files: made under a name that tells their owner, gone when their work is done, when the process is interrupted, or,
 * where it was killed outright, when a later one comes by.
 */
import { closeSync, lstatSync, openSync, readdirSync, type Stats, unlinkSync } from "node:fs";
import { join } from "node:path";
import { originalAt } from "./originals.js";
import { isLeftBehind, ownedName, ownerIn } from "./owner.js";

const ENDING = "tmp";
/** Temporary files of this process that are not yet in place. */
const live = new Set<string>();

/** A name beside `target` that nobody else has. */
export function temporaryName(target: string): string {
  return ownedName(target, ENDING);
}

/** Synchronous, so that a signal handler never meets a file on its way to being made. */
export function createTemporary(path: string, fault: (error: unknown) => never): void {
  try {
    closeSync(openSync(path, "wx"));
    live.add(path);
  } catch (error) {
    fault(error);
  }
}

export function removeTemporary(path: string): void {
  removeFile(path);
  live.delete(path);
}

/** Removes every temporary file of this process, synchronously: for handlers of SIGINT and SIGTERM just before the exit. */
export function removeTemporaryFiles(): void {
  live.forEach(removeTemporary);
}

/** Removes temporary files in a folder that processes of this machine made which run no more. */
export function removeLeftBehind(folder: string): void {
  for (const name of namesIn(folder)) {
    const path = join(folder, name);
    const owner = ownerIn(name, ENDING);
    if (owner !== undefined && isLeftBehind(path, owner) && isRegularFile(path) && originalAt(path) === undefined)
      removeFile(path);
  }
}

/** What is no regular file, a link included, was made by somebody else; to open a pipe would wait for its other end. */
export function isRegularFile(path: string): boolean {
  return lookAt(path)?.isFile() ?? false;
}

/** Of a link, the link itself; undefined where nothing is, or may be seen. */
export function lookAt(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}

/** Names in a folder; none where there is no such folder. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Gone afterwards, unless the system refuses. */
export function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // it is in place under its own name, or was never made
  }
}
