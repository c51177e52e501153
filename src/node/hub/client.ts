/**
 * What is asked of a hub: the commit of a revision, the files of a commit, the bytes of a file from some offset on. Three addresses, and not
 * @huggingface/hub, which takes 7 MB for the first two; its download neither goes on where it broke nor looks at digests.
 *
 * Nothing that a hub says is trusted: names that are no paths inside a folder are left out, sizes must be sizes, the list has an end, and
 * so has patience with a hub that hardly sends anything.
 */
import { FileError, InvalidFormatError, isLoewnerError } from "../../errors.js";
import { staysInFolder } from "../../formats/inner-path.js";
import { defaultStallMs, Pace } from "../../formats/http-retry.js";
import { quote } from "../../formats/json.js";
import { isCommit } from "../../model/hub-address.js";
import { exchange, HubUnreachableError, isPrivate, onwards, placeOf, unreachable } from "./request.js";

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

  /** The answer to a question, which is read whole, and where it goes on. All that share `left` have no more bytes together. */
  function ask(
    url: URL,
    subject: Subject,
    left = { bytes: mostAnswerBytes },
  ): Promise<{ answer: unknown; next?: URL }> {
    const pace = new Pace(stallMs, (what) => new HubUnreachableError(slow(endpoint, what), { file: endpoint }));
    const headers = { Accept: "application/json" };
    return exchange(url, credentials, { headers, signal, pace }, async (response, chunks) => {
      if (!response.ok) throw statusError(response, subject, endpoint, token);
      const answer = parsed(await whole(chunks, left, endpoint), endpoint);
      const [, link] = /<([^<>]*)>;\s*rel="?next\b/.exec(response.headers.get("Link") ?? "") ?? [];
      if (link === undefined) return { answer };
      const next = onwards(link, url);
      if (!next) throw misunderstood(endpoint, `its list goes on at ${placeOf(link, url)}, which is not followed`);
      return { answer, next };
    });
  }

  return {
    endpoint,
    async commitOf(repo, revision) {
      const url = new URL(`${endpoint}/api/models/${repo}/revision/${encodeURIComponent(revision)}?expand=sha`);
      const sha = partsOf((await ask(url, { repo, revision })).answer).sha;
      if (typeof sha !== "string" || !isCommit(sha)) throw misunderstood(endpoint, "its answer has no commit");
      return sha;
    },
    async filesOf(repo, commit) {
      const files: HubFile[] = [];
      const paths = new Set<unknown>();
      const left = { bytes: mostAnswerBytes };
      let url: URL | undefined = new URL(`${endpoint}/api/models/${repo}/tree/${commit}?recursive=true`);
      for (let pages = 0, idle = 0; url; ++pages) {
        if (pages === mostPages) throw misunderstood(endpoint, `its list of files has more than ${mostPages} pages`);
        const known = paths.size;
        const { answer, next }: { answer: unknown; next?: URL } = await ask(url, { repo, revision: commit }, left);
        if (!Array.isArray(answer)) throw misunderstood(endpoint, "its list of files is no list");
        for (const entry of answer.map(partsOf)) {
          const { type, path } = entry;
          paths.add(path);
          if (type !== "file") continue;
          if (typeof path !== "string") throw misunderstood(endpoint, "it lists a file whose name is no text");
          if (staysInFolder(path) && files.push(hubFile(path, entry, endpoint)) > mostFiles)
            throw misunderstood(endpoint, `it lists more than ${mostFiles} files`);
        }
        idle = paths.size > known ? 0 : idle + 1;
        if (next && idle === mostIdlePages)
          throw misunderstood(endpoint, `${idle} pages in a row of its list of files bring nothing new`);
        url = next;
      }
      return files;
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

/** The text of an answer; takes its bytes off `left`. */
async function whole(chunks: AsyncIterable<Uint8Array>, left: { bytes: number }, endpoint: string): Promise<string> {
  const parts: Uint8Array[] = [];
  try {
    for await (const chunk of chunks) {
      if ((left.bytes -= chunk.byteLength) < 0)
        throw misunderstood(endpoint, `an answer of more than ${mostAnswerBytes} bytes`);
      parts.push(chunk);
    }
  } catch (error) {
    throw isLoewnerError(error) ? error : unreachable(endpoint, error);
  }
  return new TextDecoder().decode(Buffer.concat(parts));
}

function parsed(text: string, endpoint: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw misunderstood(endpoint, oneLine((error as Error).message), error);
  }
}

type Parts = Readonly<Record<string, unknown>>;

/** What an object has; nothing of what is none. */
function partsOf(value: unknown): Parts {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function slow(endpoint: string, what: string, path?: string): string {
  return path === undefined
    ? `${endpoint} sends ${what}. Try again later, or name another hub in HF_ENDPOINT.`
    : `${path}: ${endpoint} sends ${what}. What came is kept: run the same command again later to go on from there.`;
}

function hubFile(path: string, entry: Parts, endpoint: string): HubFile {
  const lfs = entry.lfs ? partsOf(entry.lfs) : undefined;
  const size = lfs?.size ?? entry.size;
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 0)
    throw misunderstood(endpoint, `the size of ${quote(path)} is ${typeof size === "number" ? size : "no number"}`);
  const oid = lfs ? lfs.oid : entry.oid;
  const [, hex] = /^(?:sha256:)?([0-9a-f]+)$/.exec(typeof oid === "string" ? oid : "") ?? [];
  const digest = hex?.length === (lfs ? 64 : 40) ? ({ kind: lfs ? "sha256" : "git", hex } as const) : undefined;
  return { path, size, digest };
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
