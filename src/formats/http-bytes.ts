/**
 * Bytes behind an HTTP address, read by ranges (RFC 9110, section 14): the same seam as files. In browsers, Node, Deno and Bun.
 *
 * Every answer says which state of the file it belongs to, by its ETag, else its Last-Modified, and by the file's length; all must
 * be those of the first answer. That proves as much as If-Match or If-Range would, and unlike them a page may ask another
 * origin so without a preflight.
 */
import { FileError, InvalidInputError, throwIfAborted } from "../errors.js";
import { type ByteSource, changed, checkRange } from "./bytes.js";
import { defaultStallMs, Pace, TransientError, retry, unlessStalled, unreachable } from "./http-retry.js";
import { checkOptions, type Names } from "../option-names.js";

const openHttpNames: Names<HttpOptions> = { fetch: 1, headers: 1, signal: 1, stallMs: 1 };

export interface HttpOptions {
  /** Default: the runtime's own. */
  fetch?: typeof fetch;
  /** Sent with every request, such as Authorization. */
  headers?: Readonly<Record<string, string>>;
  /** Ends what is under way, and every later read, with AbortedError. */
  signal?: AbortSignal;
  /**
   * Milliseconds after which an answer of which nothing comes is given up, and asked for again; a range that comes at less than 1 KB/s for
   * so long is an error. Default 60,000.
   */
  stallMs?: number;
}

/** What tells one state of a file from another. */
interface Version {
  etag: string | null;
  modified: string | null;
}

export function isHttpAddress(text: string): boolean {
  return /^https?:\/\//i.test(text);
}

/**
 * Opens an address for reading by ranges: one request finds the size. Ranges that fail for a passing reason (no connection, status 408, 429
 * or 5xx, a body cut short or of which nothing comes any more) are asked for again, from where they broke, up to five times with
 * growing pauses.
 *
 * A page that reads from another origin sees the size only if that server exposes Content-Range or answers HEAD
 * (Access-Control-Expose-Headers: Content-Range, ETag).
 * @throws {InvalidInputError} when it is no http or https address.
 * @throws {FileError} when there is no such file or it may not be read, the server does not do ranges, packs them, cannot be reached, or
 *   sends less than 1 KB/s; from reads also when the file has changed since it was opened.
 * @throws {AbortedError} when `signal` fires.
 */
export async function openHttp(address: string | URL, options: HttpOptions = {}): Promise<ByteSource> {
  checkOptions("openHttp", options, openHttpNames);
  const { signal, stallMs = defaultStallMs } = options;
  const url = parse(address);
  const name = `${url.origin}${url.pathname}`; // a query may hold a signature
  const ask = asking(url, name, options);

  const first = await retry(name, signal, () => opening(ask, name));
  const { size } = first;

  /** What a range brings before it ends or breaks, into `target`; the number of bytes. */
  async function receive(target: Uint8Array, start: number, pace: Pace): Promise<number> {
    const response = await ask("GET", `bytes=${start}-${start + target.byteLength - 1}`);
    try {
      check(response, start);
      return await fill(target, response, name, pace);
    } catch (error) {
      await discard(response);
      throw error;
    }
  }

  function check(response: Response, start: number): void {
    const now = versionOf(response);
    if (first.etag !== null && now.etag !== null) {
      if (now.etag !== first.etag) throw changed(name, start, `its ETag was ${first.etag} and is ${now.etag} now`);
    } else if (first.modified !== null && now.modified !== null && now.modified !== first.modified) {
      throw changed(name, start, `it was last modified ${first.modified}, and again ${now.modified}`);
    }
    if (response.status === 416) {
      const now = contentRange(response)?.total;
      throw changed(name, start, `it had ${size} bytes and has ${now ?? "fewer"} now`);
    }
    if (response.status === 200) throw ignoresRanges(name);
    checkEncoding(response, name);
    const range = contentRange(response);
    if (range?.total !== undefined && range.total !== size)
      throw changed(name, start, `it had ${size} bytes and has ${range.total} now`);
    if (range?.start !== undefined && range.start !== start)
      throw new FileError(
        `${name}: the server sent the range from byte ${range.start} on where byte ${start} was asked for. Download the file, and name the copy.`,
        { file: name, offset: start },
      );
  }

  async function readInto(target: Uint8Array, start: number): Promise<void> {
    checkRange(name, size, start, start + target.byteLength);
    const pace = new Pace(stallMs, (what) => tooSlow(name, start + done, what));
    let done = 0;
    while (done < target.byteLength) {
      await retry(name, signal, async () => {
        const got = await receive(target.subarray(done), start + done, pace);
        done += got;
        if (got === 0) throw new TransientError("it sent no bytes");
      });
    }
  }

  return {
    name,
    size,
    readInto,
    at: (offset) => ({ address: url.href, offset }),
    async slice(start, end) {
      checkRange(name, size, start, end);
      const bytes = new Uint8Array(end - start);
      await readInto(bytes, start);
      return bytes;
    },
  };
}

function parse(address: string | URL): URL {
  const url = URL.canParse(String(address)) ? new URL(address) : undefined;
  const bad = (what: string) => {
    const name = url ? `${url.protocol}//${url.host}${url.pathname}` : String(address); // a password is not repeated
    return new InvalidInputError(`${name} ${what}. Write it as https://host/path/A.npy.`, { file: name });
  };
  if (!url) throw bad("is no address");
  if (!isHttpAddress(url.href)) throw bad("is no http or https address");
  if (url.username || url.password)
    throw bad("holds a name and password, which fetch does not take; send them as headers: { Authorization }");
  url.hash = "";
  return url;
}

type Ask = (method: "GET" | "HEAD", range?: string) => Promise<Response>;

/** One request; answers 200, 206 and 416 are the caller's to judge. */
function asking(url: URL, name: string, options: HttpOptions): Ask {
  const { fetch = globalThis.fetch, headers, signal, stallMs = defaultStallMs } = options;
  return async (method, range) => {
    throwIfAborted(signal);
    const stop = new AbortController();
    const asked = fetch(url, {
      method,
      signal: signal ? AbortSignal.any([signal, stop.signal]) : stop.signal,
      // Compressed, a range would not be of the file's own bytes.
      headers: { ...headers, "Accept-Encoding": "identity", ...(range && { Range: range }) },
    });
    let response: Response;
    try {
      response = await unlessStalled(asked, stallMs, () => stop.abort());
    } catch (cause) {
      throwIfAborted(signal);
      throw cause instanceof TransientError ? cause : unreachable(cause);
    }
    if (url.protocol === "https:" && response.url.startsWith("http:")) {
      await discard(response);
      throw new FileError(
        `${name}: the server redirects from https to http, where anyone on the way could change the bytes. Ask for another address of the file.`,
        { file: name },
      );
    }
    const { status } = response;
    if (status === 200 || status === 206 || status === 416) return response;
    await discard(response);
    if (status === 408 || status === 429 || status >= 500)
      throw new TransientError(`it answered HTTP ${status}`, 1000 * Number(response.headers.get("Retry-After")) || 0);
    throw refused(name, status);
  };
}

/** The size, and which state of the file all later answers must belong to. */
async function opening(ask: Ask, name: string): Promise<Version & { size: number }> {
  const response = await ask("GET", "bytes=0-0");
  await discard(response);
  const range = contentRange(response);
  const version = versionOf(response);
  if (response.status === 200) throw ignoresRanges(name);
  checkEncoding(response, name);
  if (range?.total !== undefined) return { ...version, size: range.total };
  // Another origin may keep Content-Range from a page, but never Content-Length.
  const head = await ask("HEAD");
  await discard(head);
  const length = head.status === 200 ? head.headers.get("Content-Length") : null;
  if (length === null || !/^\d+$/.test(length))
    throw new FileError(
      `${name}: the server does not say how long the file is. Have it expose the header Content-Range, or download the file and name the copy.`,
      { file: name },
    );
  return { ...version, size: Number(length) };
}

/** Copies a body into `target`, as far as it goes; the number of bytes. */
async function fill(target: Uint8Array, response: Response, name: string, pace: Pace): Promise<number> {
  if (!response.body) return 0;
  let done = 0;
  const reader = response.body.getReader();
  for (;;) {
    const next = pace.wait(reader.read(), () => void reader.cancel().catch(() => undefined));
    const { done: ended, value } = await next.catch((cause: unknown) => {
      if (cause instanceof FileError) throw cause;
      if (done === 0) throw cause instanceof TransientError ? cause : unreachable(cause);
      return { done: true, value: undefined } as const; // the rest is asked for anew
    });
    if (ended) return done;
    if (done + value.byteLength > target.byteLength) {
      await reader.cancel().catch(() => undefined);
      throw new FileError(
        `${name}: the server sent more than the ${target.byteLength} bytes that were asked for. Download the file, and name the copy.`,
        { file: name },
      );
    }
    target.set(value, done);
    done += value.byteLength;
    pace.came(value.byteLength);
  }
}

/** A range of a packed file is unpacked on its way, into bytes that are no range of the file's own. */
function checkEncoding({ headers }: Response, name: string): void {
  const encoding = headers.get("Content-Encoding");
  if (encoding === null || encoding.trim().toLowerCase() === "identity") return;
  throw new FileError(
    `${name}: the server packs what it sends (Content-Encoding: ${encoding}), though it was asked not to; ranges of that are not of the file. Turn that off for this file, or download it and name the copy.`,
    { file: name },
  );
}

function versionOf({ headers }: Response): Version {
  return { etag: headers.get("ETag"), modified: headers.get("Last-Modified") };
}

/** "bytes 0-99/1234", or "bytes *" + "/1234" where there is no such range; undefined where a page may not see it. */
function contentRange({ headers }: Response): { start?: number; total?: number } | undefined {
  const [, start, total] = /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(headers.get("Content-Range") ?? "") ?? [];
  if (total === undefined) return undefined;
  return {
    ...(start !== undefined && { start: Number(start) }),
    ...(total !== "*" && { total: Number(total) }),
  };
}

/** Frees the connection of a body that nobody reads. */
async function discard(response: Response): Promise<void> {
  if (!response.body?.locked) await response.body?.cancel().catch(() => undefined);
}

function ignoresRanges(name: string): FileError {
  return new FileError(
    `${name}: the server does not answer ranges; it sent the whole file (HTTP 200) where a part was asked for. Download the file and name the copy, or serve it by one that does, such as nginx or an object store.`,
    { file: name },
  );
}

function tooSlow(name: string, offset: number, what: string): FileError {
  return new FileError(
    `${name} cannot be read: the server sends ${what}. Try again later, or download the file and name the copy.`,
    { file: name, offset },
  );
}

function refused(name: string, status: number): FileError {
  const what =
    status === 404 || status === 410
      ? `No such file: ${name} (HTTP ${status}). Check the address.`
      : status === 401 || status === 403
        ? `${name} may not be read (HTTP ${status}). It may need a header Authorization, or an address that is signed anew.`
        : `${name} cannot be read: the server answered HTTP ${status}. Check the address.`;
  return new FileError(what, { file: name });
}
