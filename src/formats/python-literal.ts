/**
 * Reads the Python literal in the header of an .npy file: strings, whole numbers, True, False, None, tuples, lists and
 * dicts of them, and nothing else (no names, no calls, no arithmetic), as ast.literal_eval would. Nothing is evaluated.
 */

/** A Python literal; tuples and lists are arrays, dicts are Maps. */
export type PythonLiteral = string | number | boolean | null | PythonLiteral[] | Map<string, PythonLiteral>;

/** What went wrong, and at which character of the text. */
export class PythonLiteralError extends Error {
  constructor(
    readonly what: string,
    readonly at: number,
  ) {
    super(what);
  }
}

const MAX_DEPTH = 16;

/** @throws {PythonLiteralError} when `text` is not one literal with optional whitespace around it. */
export function parsePythonLiteral(text: string): PythonLiteral {
  let at = 0;

  const fail = (what: string, where = at): never => {
    throw new PythonLiteralError(what, where);
  };
  const peek = (): string => {
    while (at < text.length && /[ \t\r\n\f]/.test(text[at])) at++;
    return text[at] ?? "";
  };
  const found = (): string => (peek() === "" ? "the end" : JSON.stringify(text[at]));
  const skip = (char: string): boolean => {
    if (peek() !== char) return false;
    at++;
    return true;
  };

  const value = (depth: number): PythonLiteral => {
    if (depth > MAX_DEPTH) fail(`nesting more than ${MAX_DEPTH} deep`);
    const char = peek();
    if (char === "{") return dict(depth);
    if (char === "(") return sequence(depth, ")");
    if (char === "[") return sequence(depth, "]");
    if (char === "'" || char === '"') return string(char);
    const word = /^(?:True|False|None|-?[0-9]+L?)(?![\w.])/.exec(text.slice(at, at + 40))?.[0];
    if (word === undefined) return fail(`${found()} where a value was expected`);
    at += word.length;
    if (word === "None") return null;
    if (word === "True" || word === "False") return word === "True";
    if (/^-?0[0-9]/.test(word)) fail(`the number ${word} with a leading zero`, at - word.length);
    return Number(word.replace("L", "")); // Python 2 wrote 3L
  };

  const dict = (depth: number): Map<string, PythonLiteral> => {
    at++;
    const map = new Map<string, PythonLiteral>();
    while (!skip("}")) {
      if (map.size > 0 && !skip(",")) fail(`${found()} where ',' or '}' was expected`);
      if (map.size > 0 && skip("}")) break;
      const quoteChar = peek();
      if (quoteChar !== "'" && quoteChar !== '"') fail(`${found()} where a key in quotes was expected`);
      const keyAt = at;
      const key = string(quoteChar);
      if (map.has(key)) fail(`the key '${key}' twice`, keyAt);
      if (!skip(":")) fail(`${found()} where ':' was expected`);
      map.set(key, value(depth + 1));
    }
    return map;
  };

  const sequence = (depth: number, close: string): PythonLiteral => {
    at++;
    const items: PythonLiteral[] = [];
    let comma = false;
    while (!skip(close)) {
      if (items.length > 0 && !comma) fail(`${found()} where ',' or '${close}' was expected`);
      items.push(value(depth + 1));
      comma = skip(",");
    }
    // (3) is a number in brackets, not a tuple.
    return close === ")" && items.length === 1 && !comma ? items[0] : items;
  };

  const string = (quoteChar: string): string => {
    const end = text.indexOf(quoteChar, at + 1);
    if (end < 0) fail("a string that does not end");
    const inside = text.slice(at + 1, end);
    if (/[\\\n]/.test(inside)) fail("an escape or a line end in a string");
    at = end + 1;
    return inside;
  };

  const result = value(0);
  if (peek() !== "") fail(`${found()} after the literal`);
  return result;
}
