/**
 * Models from a hub, kept on disk:
 *
 *   <cache>/hub/<host>/<owner>/<name>/refs/<revision>      the commit that a branch or tag last named
 *                                     <commit>.json        the files of the commit: path, size, digest
 *                                     <commit>/<path>      the files themselves, regular and whole
 *
 * so that a model and what belongs to it lie in one folder. Host and revision are percent-encoded.
 */
import { lstat, mkdir, readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { writeFault } from "../files/faults.js";
import { staysInFolder } from "../../formats/inner-path.js";
import { writeAtomically } from "../files/file.js";
import { isCommit } from "../../model/hub-address.js";
import type { HubFile } from "./client.js";

export interface HubCache {
  /** The commit that a revision named when it was last asked for; undefined when it never was. */
  readRef(revision: string): Promise<string | undefined>;
  writeRef(revision: string, commit: string): Promise<void>;
  /** The files of a commit; undefined when they were never asked for. */
  readListing(commit: string): Promise<HubFile[] | undefined>;
  writeListing(commit: string, files: readonly HubFile[]): Promise<void>;
  /** Where a file lies, or will. */
  pathOf(commit: string, path: string): string;
  /** True when it is there, whole: files are put in place only after their digest was checked. */
  has(commit: string, file: HubFile): Promise<boolean>;
}

/** $LOEWNER_CACHE, else $XDG_CACHE_HOME/loewner, else ~/.cache/loewner. */
export function cacheFolder(env: Readonly<Record<string, string | undefined>> = process.env): string {
  if (env.LOEWNER_CACHE) return env.LOEWNER_CACHE;
  return join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "loewner");
}

export function hubCache(root: string, endpoint: string, repo: string): HubCache {
  const { host, pathname } = new URL(endpoint);
  const folder = join(root, "hub", encodeURIComponent(host + pathname.replace(/\/+$/, "")), ...repo.split("/"));
  const refPath = (revision: string) => join(folder, "refs", encodeURIComponent(revision));
  const pathOf = (commit: string, path: string) => join(folder, commit, ...path.split("/"));
  const listingPath = (commit: string) => join(folder, `${commit}.json`);
  return {
    pathOf,
    async readRef(revision) {
      const commit = await readFile(refPath(revision), "utf8").catch(() => "");
      return isCommit(commit) ? commit : undefined;
    },
    writeRef: (revision, commit) => writeText(refPath(revision), commit),
    async readListing(commit) {
      try {
        const files: unknown = JSON.parse(await readFile(listingPath(commit), "utf8"));
        return Array.isArray(files) && files.every(isHubFile) ? files : undefined;
      } catch {
        return undefined; // asked for again
      }
    },
    writeListing: (commit, files) => writeText(listingPath(commit), JSON.stringify(files)),
    async has(commit, { path, size }) {
      const found = await lstat(pathOf(commit, path)).catch(() => undefined);
      return found !== undefined && found.isFile() && found.size === size;
    },
  };
}

/** Makes a folder of the cache. */
export async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch((error: unknown) => Promise.reject(writeFault(path, error, 0, 0)));
}

async function writeText(path: string, text: string): Promise<void> {
  await makeFolder(dirname(path));
  await writeAtomically(path, { force: true }, (sink) => sink.write(new TextEncoder().encode(text)));
}

function isHubFile(value: unknown): value is HubFile {
  const { path, size, digest } = (value ?? {}) as Partial<HubFile>;
  return (
    typeof path === "string" &&
    staysInFolder(path) &&
    Number.isSafeInteger(size) &&
    size! >= 0 &&
    (digest === undefined || ((digest.kind === "sha256" || digest.kind === "git") && typeof digest.hex === "string"))
  );
}
