/**
 * Records of several files being put in place at once (node-publish.ts): written before the first of them, removed after the last.
 * One whose process runs no more tells what became of it:
 *
 *   - the new main file is in place: all is done;
 *   - the old main file has given way (it is gone, or the interim one stands there): the rest is done now;
 *   - else (there was none, it is still there, or somebody has put another there since) new data files that were put in place
 *     already are taken back, so that all is as it was.
 *
 * A record names files of its own folder alone: a folder that came from elsewhere can do no harm beyond itself.
 */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, statSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { writeFault } from "./file-faults.js";
import { isLeftBehind, ownedName, ownerIn } from "./node-owner.js";
import { isTemporaryName, namesIn, removeFile, removeLeftBehind } from "./node-temporary.js";

/** A file that is written and flushed, and where it goes. */
export interface ReadyFile {
  readonly temporary: string;
  readonly target: string;
}

/** A main file that names data files as they are called for the time of the swap. */
export interface Interim {
  readonly temporary: string;
  /** Target of a data file -> its path for that time. */
  readonly asides: ReadonlyMap<string, string>;
}

const RECORD = "swap";
const ASIDE = "part";

/** Names are of the record's folder; inodes tell whether a file still is the one that was meant. */
interface SwapRecord {
  /** The main file last. */
  files: { temporary: string; target: string; inode: string; aside?: string }[];
  /** Whether there was a main file before. */
  replaces: boolean;
  interim?: { temporary: string; inode: string };
}

/** A name for a data file while main files are exchanged: not hidden, since the interim main file is useful with it alone. */
export function asideName(target: string): string {
  return join(dirname(target), basename(ownedName(target, ASIDE)).slice(1));
}

/**
 * Writes down what is about to be done; undefined where the files go to several folders, which no record covers.
 * @throws {FileError} when there is no room for it
 */
export function writeSwapRecord(files: readonly ReadyFile[], interim?: Interim): string | undefined {
  const main = files[files.length - 1].target;
  const folder = dirname(main);
  if (files.some(({ target }) => dirname(target) !== folder)) return undefined;
  const record: SwapRecord = {
    files: files.map(({ temporary, target }) => {
      const aside = interim?.asides.get(target);
      return {
        ...{ temporary: basename(temporary), target: basename(target), inode: inodeOf(temporary)! },
        ...(aside !== undefined && { aside: basename(aside) }),
      };
    }),
    replaces: inodeOf(main) !== undefined,
    ...(interim && { interim: { temporary: basename(interim.temporary), inode: inodeOf(interim.temporary)! } }),
  };
  const path = ownedName(main, RECORD);
  try {
    const file = openSync(path, "wx");
    try {
      writeSync(file, JSON.stringify(record));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    removeFile(path);
    throw writeFault(main, error, 0, 0);
  }
  flushFolder(folder);
  return path;
}

/** Finishes or takes back what processes that run no more left in a folder, and removes their temporary files. */
export function recoverFolder(folder: string): void {
  for (const name of namesIn(folder)) {
    const path = join(folder, name);
    const owner = ownerIn(name, RECORD);
    if (owner === undefined || !isLeftBehind(path, owner)) continue;
    const record = readRecord(path);
    try {
      if (record) settle(folder, record);
    } catch {
      return; // a folder that may not be written to, say: as it is until somebody may
    }
    removeFile(path);
  }
  removeLeftBehind(folder);
}

function settle(folder: string, { files, replaces, interim }: SwapRecord): void {
  const at = (name: string) => join(folder, name);
  const main = files[files.length - 1];
  const found = inodeOf(at(main.target));
  if (found === main.inode) {
    // done
  } else if (replaces && (found === undefined || found === interim?.inode)) {
    for (const { temporary, target, inode } of files)
      if (inodeOf(at(temporary)) === inode) renameSync(at(temporary), at(target));
    flushFolder(folder);
  } else {
    for (const { target, inode } of files) if (inodeOf(at(target)) === inode) removeFile(at(target));
  }
  for (const { temporary, aside } of files) {
    removeFile(at(temporary));
    if (aside !== undefined) removeFile(at(aside));
  }
  if (interim) removeFile(at(interim.temporary));
}

/** Undefined for one that was not written to its end: nothing was begun then. */
function readRecord(path: string): SwapRecord | undefined {
  let record: SwapRecord;
  try {
    record = JSON.parse(readFileSync(path, "utf8")) as SwapRecord;
  } catch {
    return undefined;
  }
  const isPlain = (name: unknown) =>
    typeof name === "string" && name !== "" && basename(name) === name && name !== "..";
  const isOurs = ({ temporary, target, inode, aside }: Partial<SwapRecord["files"][number]>) =>
    isPlain(temporary) &&
    isTemporaryName(temporary!) &&
    isPlain(target) &&
    typeof inode === "string" &&
    (aside === undefined || (isPlain(aside) && ownerIn(`.${aside}`, ASIDE) !== undefined));
  const { files, replaces, interim } = (record ?? {}) as Partial<SwapRecord>;
  const isWhole =
    Array.isArray(files) &&
    files.length > 1 &&
    files.every((file) => typeof file === "object" && file !== null && isOurs(file)) &&
    typeof replaces === "boolean" &&
    (interim === undefined || (isPlain(interim?.temporary) && isTemporaryName(interim.temporary)));
  return isWhole ? record : undefined;
}

/** On disk, not only in the system's memory: names in it, new and old. Not possible everywhere; the files' own bytes are safe. */
export function flushFolder(folder: string): void {
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

function inodeOf(path: string): string | undefined {
  try {
    return String(statSync(path, { bigint: true }).ino);
  } catch {
    return undefined;
  }
}
