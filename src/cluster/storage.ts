// The files that workers share with the coordinator: folders and addresses below which a worker reads, and nothing else.
import { createHash } from "node:crypto";
import { realpath } from "node:fs/promises";
import { relative, resolve, sep } from "node:path";
import { FileError, InvalidInputError } from "../errors.js";
import type { ByteSource } from "../formats/bytes.js";
import { isHttpAddress, openHttp } from "../formats/http-bytes.js";
import { openFile } from "../node/files/file.js";
import { contains } from "../node/files/inner-path.js";
import { rowsRead, rowTypeBytes, type RowSource } from "../matrix.js";
import type { RowLocation } from "../location.js";
import { transposedRows } from "../formats/transposed-rows.js";

/** Rows that tell one file from another. */
const samples = 16;

/** Marks an address that is taken from the worker's own folder on, wherever that is mounted. */
const relativeMark = "storage:";

/** Redirects could lead anywhere, past what a worker may read. */
const withoutRedirects: typeof fetch = (input, init) => fetch(input, { ...init, redirect: "error" });

/** The coordinator's side: an address below `folder` is named from there on, so that workers may have it elsewhere. */
export function addressFrom(address: string, folder: string | undefined): string {
  if (folder === undefined || isHttpAddress(address)) return address;
  const root = resolve(folder);
  if (address === root || !contains(root, address))
    throw new InvalidInputError(
      `${address} is not in the storage folder ${root}, where the workers look; move it there, or name another with --storage.`,
      { file: address },
    );
  return `${relativeMark}${relative(root, address).split(sep).join("/")}`;
}

/** The worker's side. */
export class Storage {
  /** @param roots folders, and http addresses that end in "/" */
  constructor(private readonly roots: readonly string[]) {
    for (const root of roots)
      if (isHttpAddress(root) && !root.endsWith("/"))
        throw new InvalidInputError(`${root} must end in "/": a worker reads what lies below.`, { file: root });
  }

  /**
   * Opened anew for each that asks: a file may have been replaced since. Close it.
   * @throws {FileError} for an address below no root, or one that cannot be read
   */
  async source(address: string): Promise<ByteSource & { close?(): Promise<void> }> {
    const path = await this.allowed(address);
    return isHttpAddress(path) ? openHttp(path, { fetch: withoutRedirects }) : openFile(path);
  }

  private async allowed(address: string): Promise<string> {
    if (isHttpAddress(address)) {
      const { href } = new URL(address);
      const isPlain = !/%(2e|2f|5c)/i.test(href);
      if (isPlain && this.roots.some((root) => isHttpAddress(root) && href.startsWith(new URL(root).href))) return href;
      throw this.refused(address);
    }
    const folders = this.roots.filter((root) => !isHttpAddress(root));
    for (const folder of folders) {
      const root = await realpath(folder).catch(() => resolve(folder));
      const wanted = address.startsWith(relativeMark) ? resolve(root, address.slice(relativeMark.length)) : address;
      // What a link leads to counts, not where it lies.
      const path = await realpath(wanted).catch(() => undefined);
      if (path !== undefined && path !== root && contains(root, path)) return path;
    }
    throw this.refused(address);
  }

  private refused(address: string): FileError {
    return new FileError(
      `${address} is not there, or not below what this worker may read (${this.roots.join(", ")}); start it with the --storage that holds the model.`,
      { file: address },
    );
  }
}

/** The stored rows, as the location says they are meant. */
export function storedRows(source: ByteSource, location: RowLocation, name?: string): RowSource {
  const { rows, cols, dtype, offset, transposed } = location;
  const width = cols * rowTypeBytes[dtype];
  const stored: RowSource = {
    rows,
    cols,
    dtype,
    name,
    read: (start, count) => source.slice(offset + start * width, offset + (start + count) * width),
  };
  return transposed ? transposedRows(stored) : stored;
}

/**
 * Digest of some rows, spread over all: tells another file, or another state of it. Of a transposed matrix, whose rows are read by
 * going through all of it, only the first.
 */
export async function fingerprintOf(
  source: RowSource,
  { transposed }: Pick<RowLocation, "transposed">,
): Promise<string> {
  const { rows, cols, dtype } = source;
  const hash = createHash("sha256").update(`${rows} ${cols} ${dtype}`);
  const count = transposed ? 1 : Math.min(rows, samples);
  for (let i = 0; i < count; ++i) hash.update(await rowsRead(source, Math.floor((i * rows) / count), 1));
  return hash.digest("hex");
}
