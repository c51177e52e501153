/** Addresses of models on a hub: hf:owner/name[@revision][/file]. */
import { InvalidInputError } from "../errors.js";
import { staysInFolder } from "../formats/inner-path.js";

export interface HubAddress {
  /** owner/name */
  readonly repo: string;
  /** Branch, tag or commit; "main" when none is given. */
  readonly revision: string;
  /** Path inside the repository, with /. */
  readonly file?: string;
}

const part = "(?!\\.+(?:[/@]|$))[\\w.-]+";
// refs/pr/1 and refs/convert/x are revisions with slashes in them; other slashes are written as %2F.
const address = new RegExp(`^hf:(${part}/${part})(?:@(refs/[^/@]+/[^/@]+|[^/@]+))?(?:/(.+))?$`);

/**
 * Reads an address; undefined for any text that does not begin with "hf:".
 * @throws {InvalidInputError} when it begins so and is no address.
 */
export function parseHubAddress(text: string): HubAddress | undefined {
  if (!text.startsWith("hf:")) return undefined;
  const bad = (what: string) =>
    new InvalidInputError(
      `${text} is no address of a model: ${what}. Write hf:owner/name, hf:owner/name@revision or hf:owner/name/path/to/file.`,
      { file: text },
    );
  const match = address.exec(text);
  if (!match) throw bad("owner and name were expected after hf:");
  const [, repo, revision = "main", file] = match;
  if (file !== undefined && !staysInFolder(file)) throw bad(`${file} is no path inside a repository`);
  let decoded: string;
  try {
    decoded = decodeURIComponent(revision);
  } catch {
    throw bad(`the revision ${revision} has a % that encodes nothing`);
  }
  // It is a part of an address, and of a path in the cache.
  if (/^\.*$|\p{Cc}/u.test(decoded)) throw bad(`${revision} is no revision`);
  return { repo, revision: decoded, file };
}

/** True for a full commit, whose content never changes. */
export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}
