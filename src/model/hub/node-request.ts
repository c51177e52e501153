/**
 * One request to a hub. Redirects are followed here and not by fetch: whether a token goes on to another host is not left to the runtime,
 * and nothing goes on from https to http.
 */
import { FileError, InvalidFormatError, InvalidInputError, throwIfAborted } from "../../errors.js";
import { codeOf } from "../../formats/file-faults.js";

/** The hub could not be reached, or could not answer now: what is in a cache may still do. */
export class HubUnreachableError extends FileError {}

/** More than any hub needs to find a file. */
const mostRedirects = 5;

/** Bytes of an answer that is read whole: a commit, or one page of a list of files. */
const mostAnswerBytes = 1 << 26;

/** Where the token goes: to one origin, and over plain http only on this machine. */
export interface Credentials {
  readonly origin: string;
  readonly token: string | undefined;
}

/**
 * @returns the token without spaces around it; undefined for an empty one
 * @throws {InvalidInputError} for one that no header can hold; the message does not have it
 */
export function checkToken(text: string | undefined): string | undefined {
  const token = text?.trim();
  if (!token) return undefined;
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new InvalidInputError(
    `The token for the hub has spaces, line ends or other characters that no token has. Check HF_TOKEN.`,
  );
}

/**
 * The answer at the end of all redirects, whatever its status.
 * @throws {HubUnreachableError} when there is none
 * @throws {InvalidFormatError} for too many redirects, or one to what is no https address
 */
export async function request(
  address: URL,
  { origin, token }: Credentials,
  init: { headers?: HeadersInit; signal?: AbortSignal },
): Promise<Response> {
  let url = address;
  for (let redirects = 0; ; ++redirects) {
    const headers = new Headers(init.headers);
    if (token && url.origin === origin && isPrivate(url)) headers.set("Authorization", `Bearer ${token}`);
    let response: Response;
    try {
      response = await fetch(url, { headers, signal: init.signal, redirect: "manual" });
    } catch (cause) {
      throwIfAborted(init.signal);
      throw unreachable(url.origin, cause);
    }
    const location = isRedirect(response) ? response.headers.get("Location") : null;
    if (location === null) return response;
    await response.body?.cancel().catch(() => undefined);
    const next = URL.canParse(location, url) ? new URL(location, url) : undefined;
    const isAllowed = next && (next.protocol === "https:" || (next.protocol === "http:" && url.protocol === "http:"));
    if (!isAllowed || next.username || next.password || redirects === mostRedirects) {
      const what =
        redirects === mostRedirects
          ? `it redirects more than ${mostRedirects} times`
          : `${url.origin} redirects to ${next ? `${next.protocol}//${next.host}` : "what is no address"}, which is not followed`;
      throw new InvalidFormatError(`${address.origin} does not answer like a model hub: ${what}. Check HF_ENDPOINT.`, {
        file: address.origin,
      });
    }
    url = next;
  }
}

/** The same answer, whose body fails once it passes what such answers have. */
export function bounded(response: Response): Response {
  let bytes = 0;
  const count = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      bytes += chunk.byteLength;
      if (bytes > mostAnswerBytes) throw new Error(`an answer of more than ${mostAnswerBytes} bytes`);
      controller.enqueue(chunk);
    },
  });
  return new Response(response.body?.pipeThrough(count), response);
}

function isRedirect({ status }: Response): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}

/** Nobody on the way can read it. */
export function isPrivate({ protocol, hostname }: URL): boolean {
  return protocol === "https:" || /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
}

function unreachable(origin: string, cause: unknown): HubUnreachableError {
  const reason = (cause as Error).cause ?? cause;
  const code = codeOf(reason);
  const what = code === "undefined" ? (reason as Error).message : code;
  return new HubUnreachableError(
    `Cannot reach ${origin} (${what}). Check the network, or name another hub in HF_ENDPOINT.`,
    { file: origin },
    { cause },
  );
}
