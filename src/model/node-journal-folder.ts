/**
 * The folder of a journal (node-journal.ts): whose it is, which entries are in it, and its removal. A folder without the mark is not
 * touched, and of one that has it no file but the journal's own.
 */
import { createHash } from "node:crypto";
import { closeSync, lstatSync, mkdirSync, openSync, readFileSync, rmdirSync, statSync, utimesSync, writeSync } from "node:fs"; // prettier-ignore
import { basename, dirname, join } from "node:path";
import { FileError } from "../errors.js";
import { codeOf, writeFault } from "../formats/file-faults.js";
import { isLeftBehind, ownTag } from "../formats/node-owner.js";
import { namesIn, removeFile } from "../formats/node-temporary.js";

const MARK = "journal.json";
/** Another machine's process is taken to be gone when it has not touched its mark for so long; it does so every minute. */
const FOREIGN_MS = 10 * 60_000;
const entryName = /^([0-9a-f]{24})\.(json|\d+)$/;

export interface EntryPart {
  readonly size: number;
  readonly sha256: string;
}

export interface Entry {
  readonly name: string;
  readonly key: string;
  readonly text: string;
  readonly seconds: number;
  readonly parts: readonly EntryPart[];
}

interface Mark {
  loewner: "journal";
  owner: string;
  /** Inode of the output once it is about to be put in place. */
  output?: string;
}

/** Where the journal of an output lies: beside it, under its name unless that is too long for more. */
export function journalFolder(output: string): string {
  if (Buffer.byteLength(basename(output)) <= 240) return `${output}.partial`;
  const start = [...basename(output)].slice(0, 50).join("");
  return join(dirname(output), `${start}-${entryId(output)}.partial`);
}

/** What the files of an entry are called: `<id>.json`, `<id>.<n>`. */
export const entryId = (name: string) => createHash("sha256").update(name).digest("hex").slice(0, 24);

/**
 * Makes the folder, or takes over one that a process which runs no more has left.
 * @throws {FileError} when it is something else, cannot be made, or its process still runs
 */
export function claimJournal(output: string): void {
  const folder = journalFolder(output);
  makeFolder(folder, output);
  for (let taken = false; ;) {
    try {
      return writeMark(folder, "wx");
    } catch (error) {
      if (codeOf(error) === "ENOENT" && !taken) {
        makeFolder(folder, output); // another process took it for one that was left
        continue;
      }
      if (codeOf(error) !== "EEXIST" || taken) {
        rmdirIfEmpty(folder);
        throw writeFault(output, error, 0, 0);
      }
    }
    const { owner } = readMark(folder) ?? {};
    if (owner !== undefined && owner !== ownTag && !isGone(folder, owner)) throw journalInUse(output, `process ${owner.split("-")[0]}`); // prettier-ignore
    removeFile(join(folder, MARK));
    taken = true; // if another process is faster now, it has the folder
  }
}

export function journalInUse(output: string, by: string): FileError {
  return new FileError(
    `${output} is being made already, by ${by}, which keeps its layers in ${journalFolder(output)}. Wait until that has ended, or write under another name.`,
    { file: output },
  );
}

/** Tells other machines that this process still runs. */
export function touchMark(folder: string): void {
  try {
    utimesSync(join(folder, MARK), new Date(), new Date());
  } catch {
    // the next time
  }
}

/** Says that this file is about to be put in place as the output. */
export function markFinishing(folder: string, file: string): void {
  try {
    writeMark(folder, "w", inodeOf(file));
  } catch {
    // without it a run that is killed within milliseconds leaves a folder of no use
  }
}

/** Removes the journal of an output that was put in place by a process which was killed before it could clear up. */
export function removeFinishedJournal(output: string): void {
  const folder = journalFolder(output);
  const { owner, output: inode } = readMark(folder) ?? {};
  if (inodeOf(output) === undefined) return;
  if (owner === undefined) rmdirIfEmpty(folder);
  else if (inode === inodeOf(output) && isGone(folder, owner)) removeJournal(folder);
}

/** By their ids. Parts that belong to none are removed. */
export function readEntries(folder: string): Map<string, Entry> {
  const entries = new Map<string, Entry>();
  const found = namesIn(folder).flatMap((name) => {
    const [, id, ending] = entryName.exec(name) ?? [];
    return id === undefined ? [] : [{ path: join(folder, name), id, ending }];
  });
  for (const { path, id, ending } of found) {
    const entry = ending === "json" ? readJson(path) : undefined;
    if (isEntry(entry)) entries.set(id, entry);
  }
  for (const { path, id } of found) if (!entries.has(id)) removeFile(path);
  return entries;
}

export function removeJournal(folder: string): void {
  for (const name of namesIn(folder)) if (entryName.test(name)) removeFile(join(folder, name));
  removeFile(join(folder, MARK));
  rmdirIfEmpty(folder);
}

const isGone = (folder: string, owner: string) => isLeftBehind(join(folder, MARK), owner, FOREIGN_MS);

function makeFolder(folder: string, output: string): void {
  try {
    return mkdirSync(folder);
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw writeFault(output, error, 0, 0);
  }
  if (lstatSync(folder).isDirectory() && (namesIn(folder).length === 0 || readMark(folder))) return;
  throw new FileError(
    `${folder} is in the way: finished layers of ${output} would be kept there until it is whole. Move it, or write under another name.`,
    { file: folder },
  );
}

function writeMark(folder: string, flags: "w" | "wx", output?: string): void {
  const mark: Mark = { loewner: "journal", owner: ownTag, output };
  const file = openSync(join(folder, MARK), flags);
  try {
    writeSync(file, JSON.stringify(mark));
  } finally {
    closeSync(file);
  }
}

/** Undefined when there is none. One that was not written to its end has no owner. */
function readMark(folder: string): Partial<Mark> | undefined {
  const path = join(folder, MARK);
  const mark = readJson(path) as Partial<Mark> | undefined;
  if (mark?.loewner === "journal") return mark;
  return statOf(path)?.size === 0n ? {} : undefined;
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}

function isEntry(value: unknown): value is Entry {
  const { name, key, text, seconds, parts } = (value ?? {}) as Partial<Entry>;
  return (
    [name, key, text].every((each) => typeof each === "string") &&
    typeof seconds === "number" &&
    Array.isArray(parts) &&
    parts.every((part: Partial<EntryPart> | null) => typeof part?.size === "number" && typeof part.sha256 === "string")
  );
}

function rmdirIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // something lies in it that is not the journal's to remove
  }
}

function statOf(path: string) {
  try {
    return statSync(path, { bigint: true });
  } catch {
    return undefined;
  }
}

function inodeOf(path: string): string | undefined {
  const found = statOf(path);
  return found && String(found.ino);
}
