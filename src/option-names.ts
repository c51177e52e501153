// Options by their names: one that does not exist is refused, and the message names the nearest that does.
import { InvalidInputError } from "./errors.js";
import { kindOf } from "./matrix.js";

type KeysOf<Options> = Options extends unknown ? keyof Options : never;

/** Every option of a type, and nothing else: the compiler holds the list and the type together. */
export type Names<Options> = Readonly<Record<KeysOf<Options>, 1>>;

/**
 * @param call as it is called, for the message: "lowRank"
 * @throws {InvalidInputError} for options that are no object, and for one that is given and does not exist
 */
export function checkOptions(call: string, options: unknown, names: Readonly<Record<string, 1>>): void {
  if (options === undefined) return;
  if (typeof options !== "object" || options === null || Array.isArray(options) || ArrayBuffer.isView(options))
    throw new InvalidInputError(
      `The options of ${call} must be an object, such as { ${Object.keys(names)[0]}: ... }; got ${kindOf(options)}.`,
    );
  const unknown = Object.entries(options).find(([name, value]) => value !== undefined && !Object.hasOwn(names, name));
  if (!unknown) return;
  const all = Object.keys(names);
  const near = nearest(unknown[0], all);
  const way = near === undefined ? `It has ${all.sort().join(", ")}.` : `Did you mean "${near}"?`;
  throw new InvalidInputError(`${call} has no option "${unknown[0]}". ${way}`);
}

/** The name that takes the fewest letters put in, left out or exchanged; undefined where none is near. */
export function nearest(word: string, names: readonly string[]): string | undefined {
  const lower = word.toLowerCase();
  const distances = names.map((name) => {
    const other = name.toLowerCase();
    const isPart = lower.length > 2 && (other.startsWith(lower) || lower.startsWith(other));
    return isPart ? 1 : lettersApart(lower, other);
  });
  const least = Math.min(...distances);
  return least < word.length && least <= Math.max(1, word.length / 3) ? names[distances.indexOf(least)] : undefined;
}

/** Levenshtein's distance, two neighbours exchanged counting once. */
function lettersApart(a: string, b: string): number {
  let before: number[] = [];
  let above = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; ++i) {
    const row = [i];
    for (let j = 1; j <= b.length; ++j) {
      const changed = above[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      row[j] = Math.min(changed, above[j] + 1, row[j - 1] + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        row[j] = Math.min(row[j], before[j - 2] + 1);
    }
    [before, above] = [above, row];
  }
  return above[b.length];
}
