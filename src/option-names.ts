// Options by their names: one that does not exist is refused, and the message names the nearest that does.
import { InvalidInputError } from "./errors.js";
import { kindOf } from "./matrix.js";
import { nearest } from "./nearest.js";

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
