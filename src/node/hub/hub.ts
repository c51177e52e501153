/**
 * Models by address: hf:owner/name[@revision][/file] becomes a local path. What is downloaded is kept (node-cache.ts
 * has the layout) and a second run downloads nothing: a branch or tag is asked for again, a commit is not.
 */
import { posix } from "node:path";
import { FileError, InvalidInputError } from "../../errors.js";
import type { LimitOptions } from "../../formats/limits.js";
import { openFile } from "../files/file.js";
import { checkSpace } from "../files/space.js";
import { externalLocations } from "../../formats/onnx/location.js";
import { readSafetensorsIndex } from "../../formats/safetensors-index.js";
import type { RunOptions } from "../../types/index.js";
import { isCommit, parseHubAddress, type HubAddress } from "../../model/hub-address.js";
import { listNames } from "../../formats/names.js";
import { chooseModelFile } from "../../model/model-file.js";
import { cacheFolder, hubCache, makeFolder, type HubCache } from "./cache.js";
import { hubClient, type HubClient, type HubFile } from "./client.js";
import { download, partialBytes } from "./download.js";
import { checkToken, HubUnreachableError } from "./request.js";
import { checkOptions, type Names } from "../../option-names.js";

const resolveModelNames: Names<ResolveOptions> = {
  limits: 1,
  signal: 1,
  onProgress: 1,
  offline: 1,
  token: 1,
  endpoint: 1,
  stallMs: 1,
  cache: 1,
};

export interface ResolveOptions extends RunOptions, LimitOptions {
  /** Use what is in the cache and ask nobody. Default false. */
  offline?: boolean;
  /** For private and gated models; sent to the hub's own origin alone, over https or to this machine. Default: $HF_TOKEN. */
  token?: string;
  /** Another hub. Default: $HF_ENDPOINT, else https://huggingface.co. */
  endpoint?: string;
  /**
   * Milliseconds after which an answer of which nothing comes is given up, and asked for again; one that comes at less than 1 KB/s for so
   * long is an error. Default 60,000.
   */
  stallMs?: number;
  /** Where downloads are kept. Default: $LOEWNER_CACHE, else $XDG_CACHE_HOME/loewner, else ~/.cache/loewner. */
  cache?: string;
}

export interface ResolvedModel {
  /** A file on this machine. */
  path: string;
  /** For people: the path itself, or which file of which commit, and where it came from. */
  description: string;
}

/** What is known of a commit. */
interface Repository {
  readonly repo: string;
  readonly commit: string;
  readonly files: readonly HubFile[];
  readonly cache: HubCache;
  /** Undefined when nobody is to be asked. */
  readonly client: HubClient | undefined;
  /** Why what is in the cache has to do. */
  readonly reason: string | undefined;
}

/**
 * Turns an address into a file on this machine; any other path passes through. With the model come its shards or external
 * data, and config.json. Without a file in the address the model is chosen as `modelFileOrder` says.
 *
 * `onProgress` counts the bytes of all these files; it is not called when nothing has to be downloaded. When the hub cannot
 * be reached, what an earlier run brought is used, and `description` says so.
 *
 * Cost: one request for a branch or tag, one for the list of files of a commit that is new, one for each file that is
 * not there yet. Memory: a chunk of the network.
 * @throws {InvalidInputError} when the address or HF_ENDPOINT cannot be read.
 * @throws {FileError} when there is no such model, revision or file, it may not be read, the disk is full, or the network
 *   fails and the cache does not have what is needed.
 * @throws {AbortedError} when `signal` fires; a later call goes on from there.
 */
export async function resolveModel(path: string, options: ResolveOptions = {}): Promise<ResolvedModel> {
  checkOptions("resolveModel", options, resolveModelNames);
  if (/^https?:\/\//i.test(path)) {
    throw new InvalidInputError(
      `${path} is a web address; write hf:owner/name[@revision][/file] for a model of the hub, or download the file first.`,
      { file: path },
    );
  }
  const address = parseHubAddress(path);
  if (!address) return { path, description: path };
  const repository = await openRepository(address, options);
  const { repo, commit, files, cache, reason } = repository;
  const where = `${repo} at ${address.revision}`;
  const names = files.map((file) => file.path);
  const { file, others } =
    address.file === undefined ? chooseModelFile(names, where) : { file: address.file, others: [] };
  if (!names.includes(file)) {
    throw new FileError(`${where} has no file ${file}; it has ${listNames(names)}.`, { file: path });
  }
  await fetchFiles(repository, await filesOfModel(repository, file, options), options);
  const notes = [
    `commit ${commit.slice(0, 8)}`,
    ...(others.length ? [`also there: ${others.join(", ")}`] : []),
    ...(reason ? [reason] : []),
  ];
  return { path: cache.pathOf(commit, file), description: `${file} of ${where} (${notes.join("; ")})` };
}

async function openRepository({ repo, revision }: HubAddress, options: ResolveOptions): Promise<Repository> {
  const endpoint = checkEndpoint(options.endpoint ?? (process.env.HF_ENDPOINT || "https://huggingface.co"));
  const cache = hubCache(options.cache ?? cacheFolder(), endpoint, repo);
  const token = checkToken(options.token ?? process.env.HF_TOKEN);
  let client = options.offline
    ? undefined
    : hubClient({ endpoint, token, signal: options.signal, stallMs: options.stallMs });
  let reason = options.offline ? "from the cache: offline" : undefined;
  let failure: HubUnreachableError | undefined;

  /** What the hub says; undefined when nobody is to be asked, or it does not answer. */
  async function ask<T>(online: (client: HubClient) => Promise<T>): Promise<T | undefined> {
    try {
      return client && (await online(client));
    } catch (error) {
      if (!(error instanceof HubUnreachableError)) throw error;
      failure = error;
      client = undefined;
      reason = `from the cache: ${endpoint} does not answer`;
      return undefined;
    }
  }
  const needed = (what: string) =>
    new FileError(
      `${failure ? `${failure.message} The cache` : `Offline, and the cache`} has no ${what} of ${repo}. Run it once with the network.`,
      { file: `hf:${repo}@${revision}` },
      { cause: failure },
    );

  const askCommit = async () => {
    const found = await ask((hub) => hub.commitOf(repo, revision));
    if (found !== undefined) await cache.writeRef(revision, found);
    return found ?? cache.readRef(revision);
  };
  const askFiles = async (of: string) => {
    const found = await ask((hub) => hub.filesOf(repo, of));
    if (found) await cache.writeListing(of, found);
    return found;
  };
  const commit = isCommit(revision) ? revision : await askCommit();
  if (commit === undefined) throw needed(`revision ${revision}`);
  const files = (await cache.readListing(commit)) ?? (await askFiles(commit)); // a commit never changes
  if (!files) throw needed(`list of files at commit ${commit.slice(0, 8)}`);
  return { repo, commit, files, cache, client, reason };
}

/** The model's file, what it names, and config.json, which tells tied weights; in the order of download. */
async function filesOfModel(repository: Repository, main: string, options: ResolveOptions): Promise<HubFile[]> {
  const { files, repo, commit, cache } = repository;
  const byPath = new Map(files.map((file) => [file.path, file]));
  const folder = posix.dirname(main);
  const configs = [
    posix.join(folder, "config.json"),
    ...(posix.basename(folder) === "onnx" ? [posix.join(folder, "..", "config.json")] : []),
  ];
  const config = configs.find((name) => byPath.has(name));
  const wanted = new Set([...(config ? [config] : []), main]);
  if (/\.(index\.json|onnx)$/i.test(main)) {
    await fetchFiles(repository, [byPath.get(main)!], { signal: options.signal }); // it names the others
    for (const name of await namedBy(cache.pathOf(commit, main), options)) wanted.add(posix.join(folder, name));
  }
  return [...wanted].map((name) => {
    const file = byPath.get(name);
    if (file) return file;
    throw new FileError(`${main} of ${repo} names ${name}, which the repository does not have.`, {
      file: `hf:${repo}/${name}`,
    });
  });
}

/** The files that an index or an ONNX model names beside itself. */
async function namedBy(path: string, { limits }: LimitOptions): Promise<Set<string>> {
  const source = await openFile(path);
  try {
    if (!/\.onnx$/i.test(path)) return new Set((await readSafetensorsIndex(source, { limits })).weightMap.values());
    const { openOnnx } = await import("../../formats/onnx/open.js");
    return externalLocations(await openOnnx(source, { limits }));
  } finally {
    await source.close();
  }
}

/** Downloads what the cache does not have. */
async function fetchFiles(
  { repo, commit, cache, client, reason }: Repository,
  files: readonly HubFile[],
  { signal, onProgress }: Pick<ResolveOptions, "signal" | "onProgress">,
): Promise<void> {
  const missing: HubFile[] = [];
  for (const file of files) if (!(await cache.has(commit, file))) missing.push(file);
  const targetOf = ({ path }: HubFile) => cache.pathOf(commit, path);
  if (missing.length === 0) return;
  if (!client) {
    throw new FileError(
      `The cache lacks ${listNames(missing.map((file) => file.path))} of ${repo} (${reason}). Run it once with the network.`,
      { file: `hf:${repo}` },
    );
  }
  const sum = (some: readonly HubFile[]) => some.reduce((bytes, { size }) => bytes + size, 0);
  const total = sum(files);
  const begun = await Promise.all(missing.map((file) => partialBytes(targetOf(file))));
  const folder = cache.pathOf(commit, ".");
  await makeFolder(folder);
  const needed = sum(missing) - begun.reduce((a, b) => a + b, 0);
  await checkSpace(folder, needed, repo, "name another folder in LOEWNER_CACHE");
  let before = total - sum(missing);
  let reported = -1; // a file that is begun anew does not turn the count back
  for (const file of missing) {
    const onBytes = (bytes: number) => {
      if (before + bytes <= reported) return;
      reported = before + bytes;
      onProgress?.({ stage: `downloading ${file.path}`, done: reported, total });
    };
    await download(client, { repo, commit, file, target: targetOf(file) }, { signal, onBytes });
    before += file.size;
  }
}

function checkEndpoint(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // What it holds may be a secret: not in the message.
  if (/[@?#]/.test(text)) {
    throw new InvalidInputError(
      `HF_ENDPOINT has a name, password, query or fragment in it; an address such as https://huggingface.co was expected. A token goes into HF_TOKEN.`,
    );
  }
  if (url && /^https?:$/.test(url.protocol)) return text.replace(/\/+$/, "");
  throw new InvalidInputError(
    `HF_ENDPOINT is ${JSON.stringify(text)}; an address such as https://huggingface.co was expected.`,
  );
}
