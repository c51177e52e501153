/**
 * A journal in a folder beside the output, for Node, Deno and Bun:
 *
 *   OUT.partial/journal.json      marks the folder as a journal, and says which process has it (journal.<n>.json: the n-th to take it over)
 *               <digest>.json     an entry: name, key, text, seconds, size and SHA-256 of each part; the digest is of the name
 *               <digest>.<n>      its parts
 *
 * An entry counts when its .json is there, which is put in place last; bytes are checked when it is taken up, so nothing needs to
 * be flushed while a run goes on. The folder goes when the output is there.
 */
import { createHash, type Hash } from "node:crypto";
import { renameSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { FileError } from "../../errors.js";
import { readChunks, type ByteSource } from "../../formats/bytes.js";
import { openFile, type FileSource } from "../files/file.js";
import { freeBytes } from "../files/space.js";
import { removeFile, removeLeftBehind, removeTemporary, TemporaryFile } from "../files/temporary.js";
import type { Spill } from "../../model/spill.js";
import type { Journal, JournalFinding, JournalPart } from "../../model/journal.js";
import { memoryBytes } from "../../model/kinds/matrix-journal.js";
import {
  claimJournal,
  entryId,
  journalFolder,
  journalInUse,
  markFinishing,
  readEntries,
  removeJournal,
  touchMark,
  type Entry,
  type EntryPart,
} from "./folder.js";

export interface JournalOptions {
  /** Of what computes: entries of another version are not taken up. */
  version: string;
  /** Take up what is there. Default false: it stays until this run replaces it or is finished, and is not looked at. */
  resume?: boolean;
  /** A journal of less work than this goes when a run that does not resume fails or is interrupted. Default 10. */
  worthSeconds?: number;
}

/** Outputs whose journals this process has open. */
const inUse = new Set<string>();

/**
 * Opens the journal of an output, `<output>.partial`. Finish or stop it in the end.
 * @throws {FileError} when that is something else, cannot be made, or another run that has not ended has it
 */
export function openJournal(output: string, options: JournalOptions): FolderJournal {
  const name = resolve(output);
  if (inUse.has(name)) throw journalInUse(output, "this process");
  claimJournal(output);
  inUse.add(name);
  return new FolderJournal(output, options);
}

export class FolderJournal implements Journal {
  readonly folder: string;
  readonly version: string;
  /** Seconds of work, of one thread, that an earlier run left here. */
  readonly earlierSeconds: number;
  private readonly resume: boolean;
  private readonly worthSeconds: number;
  private readonly entries: Map<string, Entry>;
  private readonly sources: FileSource[] = [];
  /** Parts that lie here already, under temporary names. */
  private readonly spilled = new Map<ByteSource, PlacedPart>();
  private readonly temporaries = new Set<string>();
  private readonly writers: PartWriter[] = [];
  /** Entries that memory does not hold as well. */
  private readonly needed = new Set<string>();
  private readonly touching: ReturnType<typeof setInterval>;
  private full = false;

  constructor(
    private readonly output: string,
    { version, resume = false, worthSeconds = 10 }: JournalOptions,
  ) {
    this.folder = journalFolder(output);
    this.version = version;
    this.resume = resume;
    this.worthSeconds = worthSeconds;
    removeLeftBehind(this.folder);
    this.entries = readEntries(this.folder);
    this.earlierSeconds = this.seconds;
    this.touching = setInterval(() => touchMark(this.folder), 60_000);
    this.touching.unref?.();
  }

  async digest(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<string> {
    const hash = createHash("sha256");
    for await (const chunk of chunks) hash.update(chunk);
    return hash.digest("hex");
  }

  async find(name: string, key: string): Promise<JournalFinding> {
    const id = entryId(name);
    const entry = this.resume ? this.entries.get(id) : undefined;
    if (!entry) return { state: "absent" };
    if (entry.key !== key) return { state: "changed", key: entry.key };
    const parts: FileSource[] = [];
    try {
      for (const [i, { size, sha256 }] of entry.parts.entries()) {
        const source = await openFile(this.at(`${id}.${i}`));
        this.sources.push(source);
        parts.push(source);
        if (source.size !== size || (await this.digest(readChunks(source))) !== sha256) return { state: "damaged" };
        if (size > memoryBytes) this.needed.add(id);
      }
    } catch (error) {
      if (error instanceof FileError) return { state: "damaged" };
      throw error;
    }
    return { state: "found", text: entry.text, parts };
  }

  async keep(entry: Omit<Entry, "parts">, parts: readonly JournalPart[]): Promise<void> {
    if (this.full) return;
    const id = entryId(entry.name);
    const placed: PlacedPart[] = [];
    try {
      for (const part of parts) placed.push(this.spilled.get(part as ByteSource) ?? (await this.write(part)));
      const whole: Entry = { ...entry, parts: placed.map(({ size, sha256 }) => ({ size, sha256 })) };
      placed.push(await this.write(new TextEncoder().encode(JSON.stringify(whole))));
      this.drop(id);
      placed.forEach(({ path }, i) => this.place(path, `${id}.${i < parts.length ? i : "json"}`));
      this.entries.set(id, whole);
      if (parts.some((part) => !(part instanceof Uint8Array))) this.needed.add(id);
    } catch {
      this.full = true; // parts that are in place already belong to no entry, and go with the folder
      for (const part of placed) if (![...this.spilled.values()].includes(part)) this.remove(part.path);
    }
  }

  async spill(): Promise<Spill> {
    const writer = await this.newPart();
    let source: FileSource | undefined;
    return {
      sink: writer,
      finish: async () => {
        const part = await writer.end();
        source = await openFile(part.path);
        this.sources.push(source);
        this.spilled.set(source, part);
        return source;
      },
      discard: async () => {
        if (!this.writers.includes(writer)) return;
        await writer.close();
        if (source) {
          await source.close();
          this.spilled.delete(source);
          this.sources.splice(this.sources.indexOf(source), 1);
        }
        this.writers.splice(this.writers.indexOf(writer), 1);
        this.remove(writer.file.path);
      },
    };
  }

  /**
   * Where the disk has no room for `bytes` more, but would have it without what memory holds as well, that goes: an output is worth
   * more than the means to make it again.
   */
  async giveWay(bytes: number): Promise<void> {
    const free = await freeBytes(dirname(resolve(this.output)));
    if (free === undefined || free >= bytes) return;
    const spare = [...this.entries].filter(([id]) => !this.needed.has(id));
    const sizes = spare.flatMap(([, { parts }]) => parts.map(({ size }) => size));
    if (free + sizes.reduce((sum, size) => sum + size, 0) < bytes) return;
    this.full = true;
    for (const [id] of spare) this.drop(id);
  }

  /** Says that this file is about to be put in place as the output. */
  finishing(file: string): void {
    markFinishing(this.folder, file);
  }

  /** The output is there: the folder goes. */
  async finish(): Promise<void> {
    await this.close();
    removeJournal(this.folder);
  }

  /** The run ends without an output; true when the folder stays, to be taken up. */
  async stop(): Promise<boolean> {
    await this.close();
    return this.abandon();
  }

  /** The same at once, for handlers of signals just before the exit. */
  abandon(): boolean {
    this.temporaries.forEach((path) => this.remove(path));
    const stays = this.entries.size > 0 && (this.resume || this.seconds >= this.worthSeconds);
    if (!stays) removeJournal(this.folder);
    return stays;
  }

  private async close(): Promise<void> {
    clearInterval(this.touching);
    inUse.delete(resolve(this.output));
    await Promise.all(this.writers.map((writer) => writer.close()));
    await Promise.all(this.sources.map((source) => source.close().catch(() => undefined)));
    this.temporaries.forEach((path) => this.remove(path));
  }

  private get seconds(): number {
    return [...this.entries.values()].reduce((sum, { seconds }) => sum + seconds, 0);
  }

  private async write(part: JournalPart): Promise<PlacedPart> {
    const writer = await this.newPart();
    try {
      for await (const chunk of part instanceof Uint8Array ? [part] : readChunks(part)) await writer.write(chunk);
      return await writer.end();
    } catch (error) {
      await writer.close();
      this.remove(writer.file.path);
      throw error;
    }
  }

  private place(path: string, name: string): void {
    renameSync(path, this.at(name));
    this.remove(path); // it is no temporary file any more
  }

  private drop(id: string): void {
    const parts = this.entries.get(id)?.parts ?? [];
    this.entries.delete(id);
    removeFile(this.at(`${id}.json`));
    parts.forEach((_, i) => removeFile(this.at(`${id}.${i}`)));
  }

  private async newPart(): Promise<PartWriter> {
    const writer = new PartWriter(await TemporaryFile.create(this.at("part")));
    this.temporaries.add(writer.file.path);
    this.writers.push(writer);
    return writer;
  }

  private remove(path: string): void {
    removeTemporary(path);
    this.temporaries.delete(path);
  }

  private at(name: string): string {
    return join(this.folder, name);
  }
}

type PlacedPart = EntryPart & { path: string };

/** Bytes on their way to a file, digested as they pass. */
class PartWriter {
  private readonly hash: Hash = createHash("sha256");

  constructor(readonly file: TemporaryFile) {}

  async write(bytes: Uint8Array): Promise<void> {
    await this.file.write(bytes);
    this.hash.update(bytes);
  }

  async end(): Promise<PlacedPart> {
    await this.file.close();
    return { path: this.file.path, size: this.file.size, sha256: this.hash.digest("hex") };
  }

  async close(): Promise<void> {
    await this.file.close().catch(() => undefined);
  }
}
