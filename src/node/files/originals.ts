/**
 * What is read is never written. Once a process asks for it (`keepOriginals`: every command does), each file that it opens for reading is
 * noted, and no output may be one of them: under its own name, by another way there, or by a link of either kind.
 */
import { realpathSync, statSync } from "node:fs";
import { basename, dirname, join, resolve, sep } from "node:path";
import { InvalidInputError } from "../../errors.js";

type Identity = Readonly<{ dev: bigint; ino: bigint }>;

/** Real path, and device with inode, of what was read -> its name as it was given. Undefined: nothing is noted. */
let originals: Map<string, string> | undefined;

/** From now on no file that this process opens for reading is replaced by it: until the next call, which begins anew. */
export function keepOriginals(): void {
  originals = new Map();
}

/** Says that this file is read. openFile does so of itself. */
export function noteOriginal(path: string, identity: Identity = statSync(path, { bigint: true })): void {
  originals?.set(keyOf(identity), path).set(realOf(path), path);
}

/** @throws {InvalidInputError} for a file that was read, however it is named here */
export function refuseOriginal(output: string): void {
  const read = originalAt(output);
  if (read !== undefined) throw isInput(output, read);
}

/**
 * The same for files that one call reads, in a process that may do with its files what it likes.
 * @throws {InvalidInputError} for an output that is one of them, however it is named
 */
export function refuseInputs(output: string, inputs: readonly string[]): void {
  const identity = (path: string) => {
    const found = statSync(path, { bigint: true, throwIfNoEntry: false });
    return found && keyOf(found);
  };
  const its = identity(output);
  const read = inputs.find(
    (input) => realOf(input) === realOf(output) || (its !== undefined && identity(input) === its),
  );
  if (read !== undefined) throw isInput(output, read);
}

function isInput(output: string, read: string): InvalidInputError {
  const what = resolve(read) === resolve(output) ? "the input itself" : `the input itself, ${read}`;
  return new InvalidInputError(
    `The output ${output} is ${what}; name another file: what is read stays as it is, with --force too.`,
    { file: output },
  );
}

/** @throws {InvalidInputError} when a file that was read lies in this folder, whose files come and go */
export function refuseOriginalsIn(folder: string): void {
  const within = `${realOf(folder)}${sep}`;
  for (const [key, read] of originals ?? [])
    if (key.startsWith(within))
      throw new InvalidInputError(
        `The input ${read} lies in ${folder}, where finished layers are kept and removed; move it, or write under another name.`,
        { file: read },
      );
}

/** The name that what lies here was read by. */
export function originalAt(path: string): string | undefined {
  if (!originals) return undefined;
  const named = originals.get(realOf(path));
  try {
    return named ?? originals.get(keyOf(statSync(path, { bigint: true })));
  } catch {
    return named; // not there, or not to be looked at: whoever writes says so
  }
}

/** Absolute, links followed; of a file that is not there those of its folder. */
export function realOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const folder = dirname(resolve(path));
    return folder === resolve(path) ? folder : join(realOf(folder), basename(path));
  }
}

const keyOf = ({ dev, ino }: Identity) => `${dev}:${ino}`;
