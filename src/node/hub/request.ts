/**
 * One request to a hub. Redirects are followed here and not by fetch: whether a token goes on to another host is not left to the runtime,
 * and nothing goes on from https to http.
 */
import { FileError, InvalidFormatError, InvalidInputError, isLoewnerError, throwIfAborted } from "../../errors.js";
import { codeOf } from "../files/faults.js";
import type { Pace } from "../../formats/http-retry.js";

/** The hub could not be reached, or could not answer now: what is in a cache may still do. */
export class HubUnreachableError extends FileError {}

/** More than any hub needs to find a file. */
const mostRedirects = 5;

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

interface Asking {
  headers?: HeadersInit;
  signal?: AbortSignal;
  pace: Pace;
}

/** exchange() ends what is given up. */
const giveUp = () => undefined;

/**
 * Hands the answer to one request to `use`, with the chunks of its body. Whatever of the body `use` leaves is not waited for, and nothing
 * stays behind at `signal`, which a run of thousands of requests shares.
 * @throws what `request` throws, and what `use` does
 */
export async function exchange<T>(
  address: URL,
  credentials: Credentials,
  { headers, signal, pace }: Asking,
  use: (response: Response, chunks: AsyncIterable<Uint8Array>) => Promise<T>,
): Promise<T> {
  throwIfAborted(signal);
  const stop = new AbortController();
  const abort = () => stop.abort(signal!.reason);
  signal?.addEventListener("abort", abort);
  try {
    const response = await request(address, credentials, { headers, signal: stop.signal, pace });
    return await use(response, chunksOf(response, pace));
  } catch (error) {
    throwIfAborted(signal);
    throw error;
  } finally {
    signal?.removeEventListener("abort", abort);
    stop.abort();
  }
}

async function* chunksOf({ body }: Response, pace: Pace): AsyncGenerator<Uint8Array> {
  if (!body) return;
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await pace.wait(reader.read(), giveUp);
    if (done) return;
    pace.came(value.byteLength);
    yield value;
  }
}

/**
 * The answer at the end of all redirects, whatever its status.
 * @throws {HubUnreachableError} when there is none
 * @throws {InvalidFormatError} for too many redirects, or one to what is no https address
 */
export async function request(
  address: URL,
  { origin, token }: Credentials,
  { headers: given, signal, pace }: Partial<Asking>,
): Promise<Response> {
  let url = address;
  for (let redirects = 0; ; ++redirects) {
    const headers = new Headers(given);
    if (token && url.origin === origin && isPrivate(url)) headers.set("Authorization", `Bearer ${token}`);
    let response: Response;
    try {
      const asked = fetch(url, { headers, signal, redirect: "manual" });
      response = await (pace ? pace.wait(asked, giveUp) : asked);
    } catch (cause) {
      throwIfAborted(signal);
      throw isLoewnerError(cause) ? cause : unreachable(url.origin, cause);
    }
    const location = isRedirect(response) ? response.headers.get("Location") : null;
    if (location === null) return response;
    await response.body?.cancel().catch(() => undefined);
    const next = onwards(location, url);
    if (!next || redirects === mostRedirects) {
      const what =
        redirects === mostRedirects
          ? `it redirects more than ${mostRedirects} times`
          : `${url.origin} redirects to ${placeOf(location, url)}, which is not followed`;
      throw new InvalidFormatError(`${address.origin} does not answer like a model hub: ${what}. Check HF_ENDPOINT.`, {
        file: address.origin,
      });
    }
    url = next;
  }
}

/** Where an answer sends on to; undefined for what is no web address, names a password, or would go on from https to http. */
export function onwards(location: string, from: URL): URL | undefined {
  const to = URL.canParse(location, from) ? new URL(location, from) : undefined;
  const isAllowed = to && (to.protocol === "https:" || (to.protocol === "http:" && from.protocol === "http:"));
  return isAllowed && !to.username && !to.password ? to : undefined;
}

/** The same for people, without what may be a secret in it. */
export function placeOf(location: string, from: URL): string {
  if (!URL.canParse(location, from)) return "what is no address";
  const { protocol, host } = new URL(location, from);
  return `${protocol}//${host}`;
}

function isRedirect({ status }: Response): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}

/** Nobody on the way can read it. */
export function isPrivate({ protocol, hostname }: URL): boolean {
  return protocol === "https:" || /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
}

/** @param cause what fetch threw, or a body that broke */
export function unreachable(origin: string, cause: unknown): HubUnreachableError {
  const reason = (cause as Error).cause ?? cause;
  const code = codeOf(reason);
  const what = code === "undefined" ? (reason as Error).message : code;
  return new HubUnreachableError(
    `Cannot reach ${origin} (${what}). Check the network, or name another hub in HF_ENDPOINT.`,
    { file: origin },
    { cause },
  );
}
