/**
 * What is asked of a hub: the commit of a revision, the files of a commit, the bytes of a file from some offset on.
 *
 * The first two go through @huggingface/hub, which is loaded when it is needed: most models are files. The bytes do not: its blobs
 * give no status once a stream has begun, and take a whole file for the range that was asked for, so that a resumed download would be
 * wrong. Every request passes through one function, which turns whatever goes wrong into an error for people.
 *
 * Nothing that a hub says is trusted: names that are no paths inside a folder are left out, sizes must be sizes, and the list has an end.
 */
import { FileError, InvalidFormatError, isLoewnerError, throwIfAborted } from "../../errors.js";
import { staysInFolder } from "../../formats/inner-path.js";
import { quote } from "../../formats/json.js";
import { isCommit } from "./address.js";
import { bounded, HubUnreachableError, isPrivate, request } from "./node-request.js";

export interface HubFile {
  readonly path: string;
  readonly size: number;
  /** Of its bytes; "git": SHA-1 of the git blob. Undefined where the hub gives neither. */
  readonly digest?: { readonly kind: "sha256" | "git"; readonly hex: string };
}

/** Files of one commit; models have tens. */
const mostFiles = 100_000;

export interface HubClient {
  readonly endpoint: string;
  /** The commit that a branch, a tag or a commit names. */
  commitOf(repo: string, revision: string): Promise<string>;
  /** All files of a commit, in the order of the hub. */
  filesOf(repo: string, commit: string): Promise<HubFile[]>;
  /** Bytes of a file. `start` is where they begin: `from`, or 0 when the hub ignored the range. */
  bytes(
    repo: string,
    commit: string,
    file: HubFile,
    from: number,
  ): Promise<{ start: number; body: AsyncIterable<Uint8Array> }>;
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
 */
export function hubClient(options: { endpoint: string; token?: string; signal?: AbortSignal }): HubClient {
  const { endpoint, token, signal } = options;
  const { origin } = new URL(endpoint);

  const asking =
    (subject: Subject): typeof fetch =>
    async (input, init) => {
      throwIfAborted(signal);
      const url = new URL(input instanceof Request ? input.url : input);
      const response = await request(url, { origin, token }, { headers: init?.headers, signal });
      if (response.ok) return subject.file === undefined ? bounded(response) : response;
      await response.body?.cancel().catch(() => undefined);
      throw statusError(response, subject, endpoint, token);
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
        const fetch = asking({ repo, revision: commit });
        for await (const entry of listFiles({ repo, revision: commit, recursive: true, hubUrl: endpoint, fetch })) {
          if (entry.type !== "file" || !staysInFolder(entry.path)) continue;
          if (files.push(hubFile(entry, endpoint)) > mostFiles)
            throw misunderstood(endpoint, `it lists more than ${mostFiles} files`);
        }
        return files;
      });
    },
    async bytes(repo, commit, { path, size }, from) {
      const url = `${endpoint}/${repo}/resolve/${commit}/${path.split("/").map(encodeURIComponent).join("/")}`;
      const headers = { "Accept-Encoding": "identity", ...(from > 0 && { Range: `bytes=${from}-` }) };
      const response = await asking({ repo, revision: commit, file: path })(url, { headers });
      const body = response.body as unknown as AsyncIterable<Uint8Array> | null;
      if (!body) throw misunderstood(endpoint, `${path} came without a body`);
      if (response.status !== 206) return { start: 0, body };
      const range = response.headers.get("Content-Range");
      const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(range ?? "") ?? [];
      if (start === undefined || Number(start) !== from || (total !== "*" && Number(total) !== size)) {
        await response.body!.cancel().catch(() => undefined);
        const sent = range === null ? "no range" : `the range ${quote(range)}`;
        throw misunderstood(endpoint, `for bytes ${from} to ${size} of ${path} it sent ${sent}`);
      }
      return { start: from, body };
    },
  };
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
