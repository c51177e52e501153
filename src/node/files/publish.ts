/**
 * Puts files that lie whole under temporary names in place. Everything here is synchronous, so that no signal handler of
 * JavaScript runs in the middle; but a process that is killed outright can stop between any two calls, and so can the machine.
 *
 * One file is put in place by one call of the system. Of several, the main file, which names the others, comes last. Where old files are
 * replaced they are set aside first, the main file before the others, and removed when the new ones are there: old and new
 * are never side by side. A process that is killed within those milliseconds leaves the old files aside, and the next command that writes
 * to that folder says so; nothing but a person moves them back or removes them.
 */
import { closeSync, existsSync, fsyncSync, linkSync, openSync, renameSync, unlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { FileError } from "../../errors.js";
import { codeOf, writeFault } from "./faults.js";
import { refuseOriginal } from "./originals.js";
import { isLeftBehind, ownedName, ownerIn } from "./owner.js";
import { isRegularFile, namesIn, removeFile } from "./temporary.js";

/** A file that is written and flushed, and where it goes. */
export interface ReadyFile {
  readonly temporary: string;
  readonly target: string;
}

const ASIDE = "old";

/**
 * Files in their places, the main file last. On an error all is as it was.
 * @throws {FileError} when the system refuses, or a target has appeared and `force` is not set
 * @throws {InvalidInputError} when a target has become a file that was read
 */
export function publish(files: readonly ReadyFile[], force: boolean): void {
  const targets = files.map(({ target }) => target);
  const main = targets[targets.length - 1];
  targets.forEach(refuseOriginal);
  const old = force ? targets.filter((target) => existsSync(target)) : [];
  // A main file that alone is replaced gives way in the very call that puts the new one there.
  const giveWay = old.length === 1 && old[0] === main ? [] : old.reverse();
  const done: { target: string; aside?: string }[] = [];
  try {
    for (const target of giveWay) {
      const aside = asideName(target);
      attempt(target, () => renameSync(target, aside));
      done.push({ target, aside });
    }
    flush(giveWay);
    for (const { temporary, target } of files) {
      if (target === main) flush(targets.slice(0, -1));
      attempt(target, () => (force ? renameSync(temporary, target) : putNew(temporary, target)));
      done.push({ target });
    }
  } catch (error) {
    throw takenBack(done, error);
  }
  flush(targets);
  for (const { aside } of done) if (aside !== undefined) removeFile(aside);
}

/** What a process that was killed had set aside in a folder: old files whose new ones may not be there. */
export function asidesIn(folder: string): string[] {
  return namesIn(folder).flatMap((name) => {
    const path = join(folder, name);
    const owner = ownerIn(`.${name}`, ASIDE);
    return owner !== undefined && isLeftBehind(path, owner, 0) && isRegularFile(path) ? [path] : [];
  });
}

/**
 * Puts a file in place without ever replacing one: a hard link fails when the name exists, a rename would not.
 * @throws {FileError} when there is one, with EEXIST as its cause
 */
export function putNew(temporary: string, target: string): void {
  try {
    linkSync(temporary, target);
  } catch (cause) {
    const code = codeOf(cause);
    if (code === "ENOENT" || code === "EACCES" || code === "EROFS" || code === "ENOSPC") throw cause;
    if (code === "EEXIST" || existsSync(target))
      throw new FileError(
        `${target} appeared while its content was being made; it was left alone. Pass --force to replace it.`,
        { file: target },
        { cause },
      );
    renameSync(temporary, target); // a file system without hard links
  }
}

/** The error to throw: what could not be put back stays aside, and the message says where. */
function takenBack(done: { target: string; aside?: string }[], error: unknown): unknown {
  const kept: string[] = [];
  for (const { target, aside } of done.reverse()) {
    try {
      if (aside !== undefined) renameSync(aside, target);
      else unlinkSync(target);
    } catch {
      if (aside !== undefined) kept.push(`${target} as it was is in ${aside}`);
    }
  }
  if (kept.length === 0) return error;
  return new FileError(
    `${(error as Error).message} What was done could not be taken back: ${kept.join(", ")}; move it back.`,
    {},
    { cause: error },
  );
}

function attempt(target: string, call: () => void): void {
  try {
    call();
  } catch (error) {
    throw error instanceof FileError ? error : writeFault(target, error, 0, 0);
  }
}

/** Not hidden: it is somebody's only copy until the new file is there. */
function asideName(target: string): string {
  return join(dirname(target), basename(ownedName(target, ASIDE)).slice(1));
}

/** On disk, not only in the system's memory: names, new and old. Not possible everywhere; the files' own bytes are safe. */
function flush(paths: readonly string[]): void {
  for (const folder of new Set(paths.map(dirname))) {
    try {
      const handle = openSync(folder, "r");
      try {
        fsyncSync(handle);
      } finally {
        closeSync(handle);
      }
    } catch {
      // Windows has no such call
    }
  }
}
