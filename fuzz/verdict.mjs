// What may come of an input: a result, or an error on purpose that a person can read.
import { isLoewnerError } from "../build/lib/errors.js";

/** Codes that bytes from outside may end in. ABORTED, DISPOSED and the like would be faults of this harness. */
const codes = new Set([
  "INVALID_INPUT",
  "INVALID_FORMAT",
  "LIMIT",
  "FILE",
  "OUT_OF_MEMORY",
  "VERIFICATION_FAILED",
  "CLUSTER",
]);

/** A result that does not come back the same: thrown by targets. */
export class Mismatch extends Error {}

/** @param {unknown} error @param {import("./targets.mjs").Target} target */
export function isAllowed(error, target) {
  return (isLoewnerError(error) && codes.has(error.code)) || target.allows?.(error) === true;
}

/** As long as the message of a LoewnerError may be. */
const longest = 2000;

/** What is wrong with an error that is allowed: its message is one line, without what would act on a terminal. */
export function faultOf(error) {
  const { message } = error;
  if (!isLoewnerError(error)) return undefined;
  if (message.length > longest) return `a message of ${message.length} characters; at most ${longest} were expected`;
  const odd = /[\p{Cc}\p{Zl}\p{Zp}\u202a-\u202e\u2066-\u2069]/u.exec(message);
  if (odd) return `a message with the character U+${odd[0].codePointAt(0).toString(16)}, unescaped`;
  if (error.code === "INVALID_FORMAT" && error.place.file === undefined) return "a message that names no file";
  return undefined;
}

/** The message without what differs from input to input, so that messages can be counted. */
export function patternOf({ code, message }) {
  const text = message
    .slice(0, 400)
    .replace(/"(?:[^"\\]|\\.)*"/g, '"…"')
    .replace(/'[^']*'/g, "'…'")
    .replace(/-?\d+(\.\d+)?(e[+-]?\d+)?/gi, "#")
    .replace(/\[[#, ]*\]/g, "[#]")
    .replace(/\([#, ]*\)/g, "(#)");
  return `${code}: ${text.slice(0, 140)}`;
}
