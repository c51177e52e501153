/**
 * The folder of a journal (journal.ts): whose it is, which entries are in it, and its removal. A folder without the mark is not
 * touched, and of one that has it no file but the journal's own.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { FileError } from "../../errors.js";
import { codeOf, writeFault } from "../files/faults.js";
import { refuseOriginalsIn } from "../files/originals.js";
import { isLeftBehind, ownTag } from "../files/owner.js";
import { putNew } from "../files/publish.js";
import { createTemporary, isRegularFile, lookAt, namesIn, removeFile, removeTemporary, temporaryName } from "../files/temporary.js"; // prettier-ignore

const markName = /^journal(?:\.([1-9]\d{0,8}))?\.json$/;
/** More than processes that come at once can be in each other's way. */
const ATTEMPTS = 100;
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
 * Makes the folder, or takes over one that a process which runs no more has left. Of all that try at once one has it.
 *
 * Marks are numbered and never replaced: whoever comes after a process that is gone makes the mark after its own, which the system lets one
 * do alone, and has the folder if the marks it had seen are still the last before it.
 * @throws {FileError} when it is something else, cannot be made, or its process still runs
 * @throws {InvalidInputError} when a file that was read lies in it
 */
export function claimJournal(output: string): void {
  const folder = journalFolder(output);
  refuseOriginalsIn(folder);
  for (let attempt = 0; attempt < ATTEMPTS; ++attempt) {
    makeFolder(folder, output);
    const before = marksIn(folder);
    const held = before.find(({ path, owner }) => owner !== undefined && owner !== ownTag && !isGone(path, owner));
    if (held) throw journalInUse(output, `process ${held.owner!.split("-")[0]}`);
    const last = before.at(-1);
    const path = markPath(folder, last ? last.at + 1 : 0);
    if (!addMark(path, output)) continue;
    const [mine, previous] = marksIn(folder).reverse();
    if (mine?.path === path && previous?.path === last?.path && previous?.owner === last?.owner) {
      for (const mark of before) removeFile(mark.path);
      return;
    }
    removeFile(path); // what it followed has been taken over and is done
  }
  throw journalInUse(output, "other processes");
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
    utimesSync(ownMark(folder), new Date(), new Date());
  } catch {
    // the next time
  }
}

/** Says that this file is about to be put in place as the output. */
export function markFinishing(folder: string, file: string): void {
  try {
    const mark = ownMark(folder);
    withMark(mark, inodeOf(file), (temporary) => renameSync(temporary, mark));
  } catch {
    // without it a run that is killed within milliseconds leaves a folder of no use
  }
}

/** Removes the journal of an output that was put in place by a process which was killed before it could clear up. */
export function removeFinishedJournal(output: string): void {
  const folder = journalFolder(output);
  const inode = inodeOf(output);
  if (inode === undefined) return;
  const last = marksIn(folder).at(-1);
  if (last?.owner === undefined) rmdirIfEmpty(folder);
  else if (last.output === inode && isGone(last.path, last.owner)) {
    claimJournal(output); // not from under another that takes it up
    removeJournal(folder);
  }
}

/** By their ids. Parts that belong to none are removed. */
export function readEntries(folder: string): Map<string, Entry> {
  const entries = new Map<string, Entry>();
  const found = namesIn(folder).flatMap((name) => {
    const [, id, ending] = entryName.exec(name) ?? [];
    return id === undefined ? [] : [{ path: join(folder, name), id, ending }];
  });
  for (const { path, id, ending } of found) {
    const entry = ending === "json" ? jsonOf(textOf(path)) : undefined;
    if (isEntry(entry)) entries.set(id, entry);
  }
  for (const { path, id } of found) if (!entries.has(id)) removeFile(path);
  return entries;
}

export function removeJournal(folder: string): void {
  for (const name of namesIn(folder)) if (entryName.test(name)) removeFile(join(folder, name));
  for (const { path } of marksIn(folder)) removeFile(path);
  rmdirIfEmpty(folder);
}

const isGone = (mark: string, owner: string) => isLeftBehind(mark, owner, FOREIGN_MS);

function makeFolder(folder: string, output: string): void {
  try {
    return mkdirSync(folder);
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw writeFault(output, error, 0, 0);
  }
  const names = namesIn(folder);
  // Marks of others come and go meanwhile, and so does the folder.
  const isOurs = (name: string) => markName.test(name) && (readMark(join(folder, name)) ?? !lookAt(join(folder, name)));
  const found = lookAt(folder);
  if (!found || (found.isDirectory() && (names.length === 0 || names.some(isOurs)))) return;
  throw new FileError(
    `${folder} is in the way: finished layers of ${output} would be kept there until it is whole. Move it, or write under another name.`,
    { file: folder },
  );
}

const markPath = (folder: string, at: number) => join(folder, at === 0 ? "journal.json" : `journal.${at}.json`);

/** In their order. */
function marksIn(folder: string): (Partial<Mark> & { path: string; at: number })[] {
  return namesIn(folder)
    .flatMap((name) => {
      const path = join(folder, name);
      const found = markName.exec(name);
      const mark = found && readMark(path);
      return mark ? [{ owner: mark.owner, output: mark.output, path, at: Number(found[1] ?? 0) }] : [];
    })
    .sort((a, b) => a.at - b.at);
}

/** Undefined when this is none. One that was not written to its end has no owner. */
function readMark(path: string): Partial<Mark> | undefined {
  const text = textOf(path);
  const mark = jsonOf(text) as Partial<Mark> | undefined;
  return mark?.loewner === "journal" ? mark : text === "" ? {} : undefined;
}

const ownMark = (folder: string) => marksIn(folder).find(({ owner }) => owner === ownTag)!.path;

/** False when another was faster, or has removed the folder. */
function addMark(path: string, output: string): boolean {
  try {
    withMark(path, undefined, (temporary) => putNew(temporary, path));
    return true;
  } catch (error) {
    const code = codeOf(error instanceof FileError ? error.cause : error);
    if (code === "EEXIST" || code === "ENOENT") return false;
    rmdirIfEmpty(dirname(path));
    throw writeFault(output, error, 0, 0);
  }
}

/** A mark is put in place whole: who reads it half would take it for one that nobody has. Until then it lies beside the folder. */
function withMark(path: string, output: string | undefined, put: (temporary: string) => void): void {
  const temporary = temporaryName(dirname(path));
  try {
    createTemporary(temporary, (error) => {
      throw error;
    });
    const mark: Mark = { loewner: "journal", owner: ownTag, output };
    writeFileSync(temporary, JSON.stringify(mark));
    put(temporary);
  } finally {
    removeTemporary(temporary);
  }
}

function textOf(path: string): string | undefined {
  try {
    return isRegularFile(path) ? readFileSync(path, "utf8") : undefined;
  } catch {
    return undefined;
  }
}

function jsonOf(text = ""): unknown {
  try {
    return JSON.parse(text);
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

function inodeOf(path: string): string | undefined {
  try {
    return String(statSync(path, { bigint: true }).ino);
  } catch {
    return undefined;
  }
}
