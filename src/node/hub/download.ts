/**
 * One file from a hub to its place in the cache. Bytes go to `.<name>.<process id>.part` beside it; a connection that breaks
 * is taken up where it broke, in this run or a later one; the file is put in place only when its size and digest are right.
 *
 * The process id in the name keeps two processes from writing to one partial file: a later run takes over what a process
 * that no longer runs left behind.
 */
import { createHash, type Hash } from "node:crypto";
import { type FileHandle, open, readdir, rename, stat, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { FileError, isLoewnerError, throwIfAborted } from "../../errors.js";
import { codeOf, writeFault } from "../files/faults.js";
import { isRunning } from "../files/owner.js";
import { writeWhole } from "../files/temporary.js";
import { makeFolder } from "./cache.js";
import type { HubClient, HubFile } from "./client.js";
import { HubUnreachableError } from "./request.js";

/** Attempts in a row that may bring nothing, and attempts in all that may begin anew, before the download gives up. */
const MAX_FAILURES = 5;
const FIRST_PAUSE_MS = 100;

export interface DownloadOptions {
  signal?: AbortSignal;
  /** Called with the bytes of the file that are on disk. */
  onBytes?: (done: number) => void;
}

/**
 * Downloads `file` to `target`.
 * @throws {HubUnreachableError} when the connection breaks again and again; what came is kept for the next run.
 * @throws {FileError} when the hub refuses, or sends less than 1 KB/s, the bytes are not those that the hub announced, or the disk is full.
 * @throws {AbortedError} when `signal` fires; what came is kept for the next run.
 */
export async function download(
  client: HubClient,
  { repo, commit, file, target }: { repo: string; commit: string; file: HubFile; target: string },
  options: DownloadOptions = {},
): Promise<void> {
  await makeFolder(dirname(target));
  const partial = await takePartial(target);
  let keep = true;
  try {
    const handle = await open(partial, "a+").catch((error: unknown) => fault(target, error, 0, file.size));
    try {
      let resumed = (await handle.stat()).size > 0;
      for (;;) {
        const digest = await transfer(client, { repo, commit, file, target }, handle, options);
        if (file.digest === undefined || digest === file.digest.hex) break;
        if (!resumed) {
          keep = false;
          throw wrongBytes(client.endpoint, repo, file, digest);
        }
        resumed = false; // what an earlier run left may be at fault: once more, from the beginning
        await handle.truncate(0);
      }
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(partial, target).catch((error: unknown) => fault(target, error, file.size, file.size));
  } catch (error) {
    if (isFull(error)) keep = false;
    if (!keep) await unlink(partial).catch(() => undefined);
    throw error;
  } finally {
    taken.delete(partial);
  }
}

/** Partial files that downloads of this process are writing to. */
const taken = new Set<string>();

/** Bytes of a file that earlier runs left behind. */
export async function partialBytes(target: string): Promise<number> {
  const sizes = (await partials(target)).map(({ path }) => stat(path).then(({ size }) => size, () => 0)); // prettier-ignore
  return Math.max(0, ...(await Promise.all(sizes)));
}

async function partials(target: string): Promise<{ path: string; id: number }[]> {
  const folder = dirname(target);
  const prefix = `.${basename(target)}.`;
  const names = await readdir(folder).catch((): string[] => []);
  return names.flatMap((name) => {
    const [, id] = /^(\d+)(?:-\d+)?\.part$/.exec(name.startsWith(prefix) ? name.slice(prefix.length) : "") ?? [];
    return id === undefined ? [] : [{ path: join(folder, name), id: Number(id) }];
  });
}

/** A partial file for this process alone: one that a process which is gone left behind, or a new name. */
async function takePartial(target: string): Promise<string> {
  const nameFor = (n: number) => join(dirname(target), `.${basename(target)}.${process.pid}${n ? `-${n}` : ""}.part`);
  let n = 0;
  while (taken.has(nameFor(n))) n++;
  const own = nameFor(n);
  taken.add(own);
  for (const { path, id } of await partials(target)) {
    if (path === own) break;
    if (taken.has(path) || (id !== process.pid && isRunning(id))) continue;
    const moved = await rename(path, own).then(
      () => true,
      () => false, // another process was faster
    );
    if (moved) break;
  }
  return own;
}

/** Brings the partial file to its full size and gives the digest of all of it. */
async function transfer(
  client: HubClient,
  { repo, commit, file, target }: { repo: string; commit: string; file: HubFile; target: string },
  handle: FileHandle,
  { signal, onBytes }: DownloadOptions,
): Promise<string> {
  let hash = newHash(file);
  let at = (await handle.stat()).size;
  if (at > file.size) await handle.truncate((at = 0));
  await hashStart(handle, at, hash);
  onBytes?.(at);
  const pace = client.paceOf(file);
  let failures = 0;
  let restarts = 0;
  const take = async (start: number, chunks: AsyncIterable<Uint8Array>) => {
    if (start !== at) {
      ++restarts;
      await handle.truncate((at = 0));
      hash = newHash(file);
    }
    for await (const chunk of chunks) {
      throwIfAborted(signal);
      if (at + chunk.byteLength > file.size) throw wrongSize(client.endpoint, repo, file);
      await writeWhole(handle, chunk, (count) => (at += count)).catch((error: unknown) =>
        fault(target, error, at, file.size),
      );
      hash.update(chunk);
      failures = 0;
      onBytes?.(at);
    }
    if (at < file.size) throw new Error("the connection ended early");
  };
  while (at < file.size) {
    try {
      await client.receive(repo, commit, file, at, pace, take);
    } catch (error) {
      throwIfAborted(signal);
      if (isLoewnerError(error) && !(error instanceof HubUnreachableError)) throw error;
      if (restarts === MAX_FAILURES) throw broken(client.endpoint, repo, file, at, error, noRanges);
      if (++failures === MAX_FAILURES) throw broken(client.endpoint, repo, file, at, error, noProgress);
      const pause = FIRST_PAUSE_MS * 2 ** failures;
      await delay(pause, undefined, { signal }).catch(() => throwIfAborted(signal));
      pace.spent(pause);
    }
  }
  return hash.digest("hex");
}

/** git hashes a file behind a header with its length. */
function newHash({ digest, size }: HubFile): Hash {
  return digest?.kind === "git" ? createHash("sha1").update(`blob ${size}\0`) : createHash("sha256");
}

async function hashStart(handle: FileHandle, end: number, hash: Hash): Promise<void> {
  const buffer = new Uint8Array(Math.min(end, 1 << 20));
  for (let at = 0; at < end;) {
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.byteLength, end - at), at);
    if (bytesRead === 0) return;
    hash.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
}

function fault(target: string, error: unknown, written: number, needed: number): never {
  throw writeFault(target, error, written, needed);
}

/** A partial file on a full disk is in everybody's way, and writeFault says that no unfinished file is left. */
function isFull(error: unknown): boolean {
  return ["ENOSPC", "EDQUOT", "EFBIG"].includes(codeOf((error as Error).cause));
}

function wrongBytes(endpoint: string, repo: string, { path, digest }: HubFile, found: string): FileError {
  const kind = digest!.kind === "git" ? "git blob id" : "SHA-256";
  return new FileError(
    `${path} of ${repo} came damaged from ${endpoint}: its ${kind} is ${found}, and ${digest!.hex} was announced. It was not kept; try again, or name another hub in HF_ENDPOINT.`,
    { file: `hf:${repo}/${path}` },
  );
}

function wrongSize(endpoint: string, repo: string, { path, size }: HubFile): FileError {
  return new FileError(
    `${path} of ${repo} is longer at ${endpoint} than the ${size} bytes that were announced. Try again, or name another hub in HF_ENDPOINT.`,
    { file: `hf:${repo}/${path}` },
  );
}

/** How it broke several times, and what to do. */
const noProgress = ["without progress", "What came is kept: run the same command again to go on from there."] as const;
const noRanges = [
  "anew from the beginning",
  "It does not send parts of files: try again on a better network, or name another hub in HF_ENDPOINT.",
] as const;

function broken(
  endpoint: string,
  repo: string,
  { path, size }: HubFile,
  at: number,
  cause: unknown,
  [how, remedy]: readonly [string, string],
): HubUnreachableError {
  return new HubUnreachableError(
    `${path} of ${repo}: the connection to ${endpoint} broke after ${at} of ${size} bytes, ${MAX_FAILURES} times ${how} (${(cause as Error).message}). ${remedy}`,
    { file: `hf:${repo}/${path}`, offset: at },
    { cause },
  );
}
