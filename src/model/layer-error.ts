// Errors of numbers, told of the layer whose numbers they are.
import { InvalidInputError, isLoewnerError } from "../errors.js";

/** Numbers that leave the range of f64 or of a type, as those who compute say it; others are of options. */
const ofNumbers = /\bf(16|32|64)\b|1e-300|power of two/;
/** The way out that a matrix has: a layer is no one's to multiply. */
const scaling = /(: (it goes|multiply)|[.:;,]? (Multiply|Scale|Bring|take a wider factorType)).*$/s;

/** The same error with the layer's name in it and as its place, where it is of numbers; any other as it is. */
export function ofLayer(error: unknown, name: string): unknown {
  if (!isLoewnerError(error, "INVALID_INPUT") || !ofNumbers.test(error.message)) return error;
  const { place, message } = error;
  if (place.file !== undefined || (place.tensor !== undefined && place.tensor !== name)) return error;
  if (message.includes("--exclude")) return error;
  const what = message.replace(scaling, "").replace(/\.$/, "");
  const whose = what.includes(name) ? "" : `${name}: `;
  return new InvalidInputError(
    `${whose}${what}. Its numbers are too large or too small to be computed with in this way: store it as another type (--dtype), or leave the layer out with --exclude ${name}.`,
    { ...place, tensor: name },
    { cause: error },
  );
}
