/**
 * Puts files that lie whole under temporary names in place. Everything here is synchronous, so that no signal handler of
 * JavaScript runs in the middle; but a process that is killed outright can stop between any two calls, and so can the machine.
 *
 * One file is put in place by one call of the system. Of several, the main file, which names the others, comes last, and what is
 * about to be done is written down first (a swap record, hidden beside them; node-swap.ts), so that whoever comes to that folder
 * next can finish it or take it back. Where old files are replaced:
 *
 *   - an interim main file, which names the new data under names of their own, replaces the old main file first; then data and
 *     main file get their names. At any moment the main file is whole, and so is what it names.
 *   - without one (files that stand for themselves, a file system without hard links) the old main file goes first and the new
 *     one comes last: old and new are never side by side, but for that moment the main file is missing.
 */
import { existsSync, linkSync, renameSync, unlinkSync } from "node:fs";
import { dirname } from "node:path";
import { FileError } from "../errors.js";
import { codeOf, writeFault } from "./file-faults.js";
import { asideName, flushFolder, writeSwapRecord, type Interim, type ReadyFile } from "./node-swap.js";
import { removeFile, temporaryName } from "./node-temporary.js";

/**
 * Files in their places, the main file last. On an error all is as it was.
 * @throws {FileError} when the system refuses, or a target has appeared and `force` is not set
 */
export function publish(files: readonly ReadyFile[], force: boolean, interim?: Interim): void {
  const main = files[files.length - 1];
  const data = files.slice(0, -1);
  const mixes = force && existsSync(main.target) && data.some(({ target }) => existsSync(target));
  const swap = new Swap(force);
  const record = data.length > 0 ? writeSwapRecord(files, mixes ? interim : undefined) : undefined;
  try {
    if (mixes) {
      if (!interim || !swap.linkAsides(data, interim)) swap.takeAway(main.target, record !== undefined);
      else swap.put({ temporary: interim.temporary, target: main.target }, "keep old");
      flushFolder(dirname(main.target));
    }
    for (const file of data) swap.put(file, "keep old");
    if (data.length > 0) flushFolder(dirname(main.target));
    swap.put(main);
    for (const folder of new Set(files.map(({ target }) => dirname(target)))) flushFolder(folder);
  } catch (error) {
    throw swap.undo(error);
  } finally {
    swap.cleanUp();
    if (record) removeFile(record);
  }
}

class Swap {
  /** What puts things back, with the old file that it needs for it. */
  private readonly steps: { target: string; backup?: string }[] = [];
  private spare: string[] = [];

  constructor(private readonly force: boolean) {}

  /** What comes last need not be put back: its own failure leaves the old file where it was. */
  put({ temporary, target }: ReadyFile, keep?: "keep old"): void {
    const backup = keep && this.force && existsSync(target) ? this.backUp(target) : undefined;
    this.steps.push({ target, backup });
    try {
      if (this.force) renameSync(temporary, target);
      else publishNew(temporary, target);
    } catch (error) {
      // A backup that is a second name of what is still there does no harm: it goes with the others.
      if (!backup || existsSync(target)) this.steps.pop();
      throw error instanceof FileError ? error : writeFault(target, error, 0, 0);
    }
  }

  /** @param recorded somebody would finish it; else the old file must not look like one that nobody needs */
  takeAway(target: string, recorded: boolean): void {
    const backup = recorded ? temporaryName(target) : asideName(target);
    try {
      renameSync(target, backup);
    } catch (error) {
      throw writeFault(target, error, 0, 0);
    }
    this.spare.push(backup);
    this.steps.push({ target, backup });
  }

  /** False, and nothing done, where the file system has no hard links. */
  linkAsides(data: readonly ReadyFile[], { asides }: Interim): boolean {
    try {
      for (const { temporary, target } of data) {
        linkSync(temporary, asides.get(target)!);
        this.spare.push(asides.get(target)!);
      }
      return true;
    } catch {
      this.cleanUp();
      return false;
    }
  }

  /** The error to throw: what could not be put back is kept beside its place, and the message says where. */
  undo(error: unknown): unknown {
    const kept: string[] = [];
    for (const { target, backup } of this.steps.reverse()) {
      try {
        if (backup) renameSync(backup, target);
        else unlinkSync(target);
      } catch {
        if (!backup) continue;
        const place = asideName(target);
        renameSync(backup, place);
        kept.push(`${target} as it was is in ${place}`);
      }
    }
    if (kept.length === 0) return error;
    return new FileError(
      `${(error as Error).message} What was done could not be taken back: ${kept.join(", ")}; move it back.`,
      {},
      { cause: error },
    );
  }

  cleanUp(): void {
    this.spare.forEach(removeFile);
    this.spare = [];
  }

  private backUp(target: string): string {
    const backup = temporaryName(target);
    this.spare.push(backup);
    try {
      linkSync(target, backup);
    } catch {
      renameSync(target, backup); // a file system without hard links
    }
    return backup;
  }
}

/** Puts a file in place without ever replacing one: a hard link fails when the name exists, a rename would not. */
function publishNew(temporary: string, target: string): void {
  try {
    linkSync(temporary, target);
  } catch (cause) {
    const code = codeOf(cause);
    const appeared = () =>
      new FileError(
        `${target} appeared while its content was being made; it was left alone. Pass --force to replace it.`,
        { file: target },
        { cause },
      );
    if (code === "EEXIST") throw appeared();
    if (code === "ENOENT" || code === "EACCES" || code === "EROFS" || code === "ENOSPC") throw cause;
    if (existsSync(target)) throw appeared();
    renameSync(temporary, target); // a file system without hard links
  }
}
