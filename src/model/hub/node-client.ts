/**
 * What is asked of a hub: the commit of a revision, the files of a commit, the bytes of a file from some offset on.
 *
 * The first two go through @huggingface/hub, which is loaded when it is needed: most models are files. The bytes do not: its blobs
 * give no status once a stream has begun, and take a whole file for the range that was asked for, so that a resumed download would be
 * wrong. Every request passes through one function, which turns whatever goes wrong into an error for people.
 *
 * Nothing that a hub says is trusted: names that are no paths inside a folder are left out, sizes must be sizes, the list has an end, and
 * so has patience with a hub that hardly sends anything.
 */
import { FileError, InvalidFormatError, isLoewnerError, throwIfAborted } from "../../errors.js";
import { staysInFolder } from "../../formats/inner-path.js";
import { defaultStallMs, Pace } from "../../formats/http-patience.js";
import { quote } from "../../formats/json.js";
import { isCommit } from "./address.js";
import { exchange, HubUnreachableError, isPrivate, unreachable } from "./node-request.js";

export interface HubFile {
  readonly path: string;
  readonly size: number;
  /** Of its bytes; "git": SHA-1 of the git blob. Undefined where the hub gives neither. */
  readonly digest?: { readonly kind: "sha256" | "git"; readonly hex: string };
}

/** Files of one commit; models have tens. */
const mostFiles = 100_000;
/** Pages of their list; a hub puts 1000 files on one. */
const mostPages = 1000;
/** Pages in a row of which none names a file or folder that those before did not. */
const mostIdlePages = 5;
/** Bytes of all pages, or of another answer that is read whole. */
const mostAnswerBytes = 1 << 26;

export interface HubClient {
  readonly endpoint: string;
  /** The commit that a branch, a tag or a commit names. */
  commitOf(repo: string, revision: string): Promise<string>;
  /** All files of a commit, in the order of the hub. */
  filesOf(repo: string, commit: string): Promise<HubFile[]>;
  /** How fast the bytes of a file come, over all attempts. */
  paceOf(file: HubFile): Pace;
  /** Hands the bytes of a file to `take`, which is told where they begin: `from`, or 0 when the hub ignored the range. */
  receive(
    repo: string,
    commit: string,
    file: HubFile,
    from: number,
    pace: Pace,
    take: (start: number, chunks: AsyncIterable<Uint8Array>) => Promise<void>,
  ): Promise<void>;
}

/** What a request is about, for messages. */
interface Subject {
  repo: string;
  revision: string;
  file?: string;
}

/**
 * @param options.endpoint http or https, without a slash at its end
 * @param options.token as checkToken gave it; sent to the origin of `endpoint` only
 * @param options.stallMs how long nothing may come of an answer, or less than 1 KB/s
 */
export function hubClient(options: {
  endpoint: string;
  token?: string;
  signal?: AbortSignal;
  stallMs?: number;
}): HubClient {
  const { endpoint, token, signal, stallMs = defaultStallMs } = options;
  const credentials = { origin: new URL(endpoint).origin, token };

  /** fetch for questions: their answers are read whole, and have no more than `left.bytes` together. */
  const asking =
    (subject: Subject, left = { bytes: mostAnswerBytes }): typeof fetch =>
    (input, init) => {
      const url = new URL(input instanceof Request ? input.url : input);
      const pace = new Pace(stallMs, (what) => new HubUnreachableError(slow(endpoint, what), { file: endpoint }));
      return exchange(url, credentials, { headers: init?.headers, signal, pace }, async (response, chunks) => {
        if (!response.ok) throw statusError(response, subject, endpoint, token);
        return new Response(await whole(chunks, left, url.origin), response);
      });
    };

  /** fetch for the pages of a list, which has an end. `known` is the number of entries so far. */
  const turning = (subject: Subject, known: () => number): typeof fetch => {
    const ask = asking(subject, { bytes: mostAnswerBytes });
    let pages = 0;
    let idle = 0;
    let before = 0;
    return (input, init) => {
      if (pages > 0) idle = known() > before ? 0 : idle + 1;
      before = known();
      if (idle === mostIdlePages)
        throw misunderstood(endpoint, `${idle} pages in a row of its list of files bring nothing new`);
      if (++pages > mostPages) throw misunderstood(endpoint, `its list of files has more than ${mostPages} pages`);
      return ask(input, init);
    };
  };

  return {
    endpoint,
    async commitOf(repo, revision) {
      const fetch = asking({ repo, revision });
      const { modelInfo } = await import("@huggingface/hub");
      const info = await understood(endpoint, signal, () =>
        modelInfo({ name: repo, revision, hubUrl: endpoint, additionalFields: ["sha"], fetch }),
      );
      if (typeof info.sha !== "string" || !isCommit(info.sha))
        throw misunderstood(endpoint, "its answer has no commit");
      return info.sha;
    },
    filesOf(repo, commit) {
      return understood(endpoint, signal, async () => {
        const { listFiles } = await import("@huggingface/hub");
        const files: HubFile[] = [];
        const paths = new Set<unknown>();
        const fetch = turning({ repo, revision: commit }, () => paths.size);
        for await (const entry of listFiles({ repo, revision: commit, recursive: true, hubUrl: endpoint, fetch })) {
          paths.add(entry.path);
          if (entry.type !== "file" || !staysInFolder(entry.path)) continue;
          if (files.push(hubFile(entry, endpoint)) > mostFiles)
            throw misunderstood(endpoint, `it lists more than ${mostFiles} files`);
        }
        return files;
      });
    },
    paceOf: ({ path }) => new Pace(stallMs, (what) => new FileError(slow(endpoint, what, path), { file: path })),
    receive(repo, commit, file, from, pace, take) {
      const { path, size } = file;
      const url = new URL(`${endpoint}/${repo}/resolve/${commit}/${path.split("/").map(encodeURIComponent).join("/")}`);
      const headers = { "Accept-Encoding": "identity", ...(from > 0 && { Range: `bytes=${from}-` }) };
      return exchange(url, credentials, { headers, signal, pace }, async (response, chunks) => {
        if (!response.ok) throw statusError(response, { repo, revision: commit, file: path }, endpoint, token);
        if (response.status !== 206) return take(0, chunks);
        const range = response.headers.get("Content-Range");
        const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(range ?? "") ?? [];
        if (start === undefined || Number(start) !== from || (total !== "*" && Number(total) !== size)) {
          const sent = range === null ? "no range" : `the range ${quote(range)}`;
          throw misunderstood(endpoint, `for bytes ${from} to ${size} of ${path} it sent ${sent}`);
        }
        return take(from, chunks);
      });
    },
  };
}

/** The bytes of an answer; takes them off `left`. */
async function whole(
  chunks: AsyncIterable<Uint8Array>,
  left: { bytes: number },
  origin: string,
): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let excess = false;
  try {
    for await (const chunk of chunks) {
      excess = (left.bytes -= chunk.byteLength) < 0;
      if (excess) break;
      parts.push(chunk);
    }
  } catch (error) {
    throw isLoewnerError(error) ? error : unreachable(origin, error);
  }
  if (excess) throw new Error(`an answer of more than ${mostAnswerBytes} bytes`);
  return Buffer.concat(parts);
}

function slow(endpoint: string, what: string, path?: string): string {
  return path === undefined
    ? `${endpoint} sends ${what}. Try again later, or name another hub in HF_ENDPOINT.`
    : `${path}: ${endpoint} sends ${what}. What came is kept: run the same command again later to go on from there.`;
}

function hubFile(
  entry: { path: string; size: number; oid?: string; lfs?: { oid: string; size: number } },
  endpoint: string,
): HubFile {
  const { path, oid, lfs } = entry;
  const size = lfs?.size ?? entry.size;
  if (!Number.isSafeInteger(size) || size < 0)
    throw misunderstood(endpoint, `the size of ${quote(path)} is ${quote(String(size))}`);
  const sha256 = lfs?.oid.replace(/^sha256:/, "");
  const digest =
    sha256 && /^[0-9a-f]{64}$/.test(sha256)
      ? ({ kind: "sha256", hex: sha256 } as const)
      : !lfs && oid && /^[0-9a-f]{40}$/.test(oid)
        ? ({ kind: "git", hex: oid } as const)
        : undefined;
  return { path, size, digest };
}

/** An answer that is no JSON, or lacks what it should have, is the hub's fault and not a TypeError. */
async function understood<T>(endpoint: string, signal: AbortSignal | undefined, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    throwIfAborted(signal);
    if (isLoewnerError(error)) throw error;
    throw misunderstood(endpoint, oneLine((error as Error).message), error);
  }
}

/** Parsers quote what they read, whatever characters it has. */
function oneLine(text: string): string {
  return text.replace(/[\s\p{Cc}]+/gu, " ").slice(0, 200);
}

function misunderstood(endpoint: string, what: string, cause?: unknown): InvalidFormatError {
  return new InvalidFormatError(
    `${endpoint} does not answer like a model hub: ${what}. Check HF_ENDPOINT.`,
    { file: endpoint },
    { cause },
  );
}

/** The hub says what was wrong in X-Error-Code; a repository that may not be seen is answered like one that is not there. */
function statusError(
  response: Response,
  { repo, revision, file }: Subject,
  endpoint: string,
  token?: string,
): FileError {
  const { status } = response;
  const code = response.headers.get("X-Error-Code");
  const place = { file: file === undefined ? `hf:${repo}` : `hf:${repo}/${file}` };
  const withToken = !token
    ? "it is private: set HF_TOKEN"
    : isPrivate(new URL(endpoint))
      ? "the token that was given may not read it"
      : "it is private, and a token is sent over https only";
  const missing = `${endpoint} has no model ${repo}, or ${withToken}. Check the name.`;
  if (status === 403 || code === "GatedRepo") {
    const how = token ? "the token that was given has no access" : "no token was given";
    return new FileError(
      `${repo} is not open to everyone, and ${how} (HTTP ${status}). Ask for access at ${endpoint}/${repo}, then set HF_TOKEN.`,
      place,
    );
  }
  if (status === 401 && token && code !== "RepoNotFound")
    return new FileError(
      `${endpoint} refuses the token for ${repo} (HTTP 401). Make a new one and set HF_TOKEN.`,
      place,
    );
  if (status === 401 || code === "RepoNotFound") return new FileError(missing, place);
  if (status === 404 && file !== undefined)
    return new FileError(`${repo} has no file ${file} at ${revision}. Check the name.`, place);
  if (code === "RevisionNotFound")
    return new FileError(`${repo} has no revision ${revision}. Name a branch, a tag or a commit of it.`, place);
  if (status === 404) return new FileError(`${missing.slice(0, -1)} and the revision ${revision}.`, place);
  if (status === 429 || status >= 500)
    return new HubUnreachableError(`${endpoint} cannot answer now (HTTP ${status}). Try again later.`, place);
  return new FileError(`${endpoint} answered HTTP ${status} for ${place.file}.`, place);
}
