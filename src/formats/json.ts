/**
 * A strict JSON reader (RFC 8259) for headers that come from strangers. Unlike JSON.parse it refuses duplicate keys,
 * deep nesting and huge counts of values, keeps the order of keys (also of those that look like numbers), is safe for
 * names such as __proto__ (objects become Maps), and says at which byte of the file it stopped.
 *
 * Cost: one pass over the bytes; depth of recursion at most `limits.jsonDepth`.
 */
import { InvalidFormatError, printable } from "../errors.js";
import { overLimit, type ReadLimits } from "./limits.js";

/** What `parseJson` gives: objects are Maps in the order of the text. */
export type JsonValue = null | boolean | number | string | JsonValue[] | Map<string, JsonValue>;

export interface JsonOptions {
  readonly limits: ReadLimits;
  /** Refuse numbers with a fraction or an exponent. Default false. */
  readonly integersOnly?: boolean;
}

/** Where the bytes come from, for error messages. */
export interface JsonOrigin {
  readonly file: string;
  /** "header", "index", ... */
  readonly part: string;
  /** Offset of the first byte in the file. */
  readonly offset: number;
}

/**
 * Parses a whole JSON text in UTF-8; whitespace may surround it.
 * @throws {InvalidFormatError} when it is not JSON; the place holds the byte offset in the file.
 * @throws {LimitError} for more values, or deeper nesting, than there may be.
 */
export function parseJson(bytes: Uint8Array, options: JsonOptions, origin: JsonOrigin): JsonValue {
  const scanner = new Scanner(bytes, options, origin);
  const value = scanner.value(0);
  scanner.end();
  return value;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const escapes: Record<string, string> = { '"': '"', "\\": "\\", "/": "/", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };

class Scanner {
  private at = 0;
  private values = 0;
  private readonly utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

  constructor(
    private readonly bytes: Uint8Array,
    private readonly options: JsonOptions,
    private readonly origin: JsonOrigin,
  ) {}

  value(depth: number): JsonValue {
    if (++this.values > this.options.limits.jsonValues) throw this.over("jsonValues", "values");
    switch (this.peek()) {
      case 0x7b:
        return this.object(depth + 1);
      case 0x5b:
        return this.array(depth + 1);
      case QUOTE:
        return this.string();
      case 0x74:
        return this.word("true", true);
      case 0x66:
        return this.word("false", false);
      case 0x6e:
        return this.word("null", null);
      default:
        return this.number();
    }
  }

  end(): void {
    if (this.peek() !== -1) throw this.unexpected("the end");
  }

  private object(depth: number): Map<string, JsonValue> {
    this.descend(depth);
    const map = new Map<string, JsonValue>();
    if (this.skip(0x7d)) return map;
    do {
      if (this.peek() !== QUOTE) throw this.unexpected("a name in double quotes");
      const nameAt = this.at;
      const name = this.string();
      if (map.has(name)) throw this.failure(`the name ${quote(name)} stands twice in one object`, nameAt);
      if (!this.skip(COLON)) throw this.unexpected("':'");
      map.set(name, this.value(depth));
    } while (this.skip(COMMA));
    if (!this.skip(0x7d)) throw this.unexpected("',' or '}'");
    return map;
  }

  private array(depth: number): JsonValue[] {
    this.descend(depth);
    const items: JsonValue[] = [];
    if (this.skip(0x5d)) return items;
    do items.push(this.value(depth));
    while (this.skip(COMMA));
    if (!this.skip(0x5d)) throw this.unexpected("',' or ']'");
    return items;
  }

  private descend(depth: number): void {
    if (depth > this.options.limits.jsonDepth) throw this.over("jsonDepth", "objects and lists inside one another");
    this.at++;
  }

  private string(): string {
    const { bytes } = this;
    const opened = this.at;
    let from = ++this.at;
    let text = "";
    for (;;) {
      const byte = bytes[this.at];
      if (byte === QUOTE) break;
      if (byte === undefined) throw this.failure("a string that does not end", opened);
      if (byte < 0x20) throw this.unexpected("no control character in a string");
      if (byte !== BACKSLASH) {
        this.at++;
        continue;
      }
      text += this.text(from, this.at);
      text += this.escape();
      from = this.at;
    }
    text += this.text(from, this.at);
    this.at++;
    // Halves of a surrogate pair have no UTF-8 form: such a name could be read but never be written back.
    if (!isWellFormed(text)) throw this.failure("a string with half of a surrogate pair", opened);
    return text;
  }

  private escape(): string {
    const letter = String.fromCharCode(this.bytes[this.at + 1] ?? 0);
    if (letter === "u") {
      const digits = String.fromCharCode(...this.bytes.subarray(this.at + 2, this.at + 6));
      if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw this.failure("\\u without four hexadecimal digits", this.at);
      this.at += 6;
      return String.fromCharCode(parseInt(digits, 16));
    }
    if (!Object.hasOwn(escapes, letter)) throw this.failure("an unknown escape in a string", this.at);
    this.at += 2;
    return escapes[letter];
  }

  private text(from: number, to: number): string {
    try {
      return from === to ? "" : this.utf8.decode(this.bytes.subarray(from, to));
    } catch {
      throw this.failure("a string that is not UTF-8", from);
    }
  }

  private number(): number {
    const start = this.at;
    while (this.at < this.bytes.length && /[-+.0-9eE]/.test(String.fromCharCode(this.bytes[this.at]))) {
      if (++this.at - start > 400) throw this.failure("a number of more than 400 characters", start);
    }
    const text = String.fromCharCode(...this.bytes.subarray(start, this.at));
    if (text === "") throw this.unexpected("a value");
    if (!/^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$/.test(text)) {
      throw this.failure(`${quote(text)}, which is not a JSON number`, start);
    }
    if (this.options.integersOnly && !/^-?[0-9]+$/.test(text)) {
      throw this.failure(`${text} where only whole numbers may stand`, start);
    }
    return Number(text);
  }

  private word<T>(text: string, value: T): T {
    for (let i = 0; i < text.length; i++) {
      if (this.bytes[this.at + i] !== text.charCodeAt(i)) throw this.unexpected("a value");
    }
    this.at += text.length;
    return value;
  }

  /** The next byte that is not whitespace, or -1 at the end. */
  private peek(): number {
    const { bytes } = this;
    for (;;) {
      const byte = bytes[this.at];
      if (byte === undefined) return -1;
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return byte;
      this.at++;
    }
  }

  private skip(byte: number): boolean {
    if (this.peek() !== byte) return false;
    this.at++;
    return true;
  }

  private unexpected(expected: string): InvalidFormatError {
    const byte = this.bytes[this.at];
    const found =
      byte === undefined
        ? "the end"
        : byte > 0x20 && byte < 0x7f
          ? `'${String.fromCharCode(byte)}'`
          : `byte 0x${byte.toString(16).padStart(2, "0")}`;
    return this.failure(`${found} where ${expected} was expected`, this.at);
  }

  private over(name: "jsonDepth" | "jsonValues", what: string) {
    const { file, part, offset } = this.origin;
    const { limits } = this.options;
    const place = { file, offset: offset + this.at };
    return overLimit(limits, name, `the ${part} has more than ${limits[name]} ${what}`, undefined, place);
  }

  private failure(what: string, at: number): InvalidFormatError {
    const { file, part, offset } = this.origin;
    return new InvalidFormatError(
      `${file}: the ${part} is not JSON that can be read: found ${what} (byte ${offset + at} of the file). The file is damaged or was not made by a safetensors library; get or save it again.`,
      { file, offset: offset + at },
    );
  }
}

/**
 * For text that JSON.parse has read: what walks over its answer calls itself once a level.
 * @throws {LimitError} when objects and lists lie deeper in one another than they may.
 */
export function checkJsonDepth(text: string, limits: ReadLimits, file: string): void {
  let depth = 0;
  for (let at = 0; at < text.length; ++at) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      for (++at; at < text.length && text.charCodeAt(at) !== QUOTE; ++at) if (text.charCodeAt(at) === BACKSLASH) ++at;
    } else if (code === 0x5b || code === 0x7b) {
      if (++depth <= limits.jsonDepth) continue;
      const what = `it has more than ${limits.jsonDepth} objects and lists inside one another`;
      throw overLimit(limits, "jsonDepth", what, undefined, { file });
    } else if (code === 0x5d || code === 0x7d) --depth;
  }
}

/** A name in double quotes for a message of one line: cut to 100 characters, with control and direction marks escaped. */
export function quote(name: string): string {
  const text = JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}...` : name);
  return printable(text);
}

/** A value of JSON.parse for a message: its JSON, cut to 100 characters. JSON.parse reads deeper nesting than JSON.stringify writes. */
export function shownJson(value: unknown): string {
  let text: string;
  try {
    text = JSON.stringify(value) ?? String(value);
  } catch {
    return "something nested too deep to show";
  }
  return text.length > 100 ? `${text.slice(0, 100)}...` : text;
}

/** False when a string holds half of a surrogate pair, which UTF-8 cannot store. */
export function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}
