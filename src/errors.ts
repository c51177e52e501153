/**
 * The errors that loewner throws. Each is a class with a stable `code` and the facts of the case as fields, so that a
 * program can branch on them and a person can read them: every message says what was found, what was expected, where,
 * and what to do.
 */
export type LoewnerErrorCode =
  | "INVALID_INPUT"
  | "INVALID_FORMAT"
  | "LIMIT"
  | "FILE"
  | "OUT_OF_MEMORY"
  | "ABORTED"
  | "DISPOSED"
  | "WORKER_LOST"
  | "CLUSTER"
  | "VERIFICATION_FAILED"
  | "UNSUPPORTED_RUNTIME";

/** Where a fault lies; every field is optional, and what is known is in the message too. */
export interface ErrorPlace {
  /** File path or a name that stands for the bytes. */
  file?: string;
  /** Name of the tensor or of the argument. */
  tensor?: string;
  /** Zero-based row. */
  row?: number;
  /** Zero-based column. */
  column?: number;
  /** Byte offset in the file. */
  offset?: number;
}

/** Longest message: past it the middle is left out, since the end says what to do. */
const mostCharacters = 2000;

/** What would act on a terminal or not be seen there: control characters, line ends, marks that turn the direction of text, what has no width. */
const acting = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;

/** Text that came from a file, safe to print: what would act on a terminal is written as \u{1b}. */
export function printable(text: string): string {
  return text.replace(acting, (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`);
}

/** The same by escapes of UTF-16 units, for JSON. */
export function printableJson(text: string): string {
  const escape = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return text.replace(acting, (char) => [...Array(char.length).keys()].map((i) => escape(char[i])).join(""));
}

function cut(text: string): string {
  if (text.length <= mostCharacters) return text;
  const half = mostCharacters / 2 - 3;
  return `${text.slice(0, half)} ... ${text.slice(-half)}`;
}

/** Base class of every error that this package throws on purpose. Its message is one printable line, whatever names it quotes. */
export class LoewnerError extends Error {
  readonly code: LoewnerErrorCode;
  readonly place: ErrorPlace;

  constructor(code: LoewnerErrorCode, message: string, place: ErrorPlace = {}, options?: ErrorOptions) {
    super(cut(printable(message)), options);
    this.name = new.target.name;
    this.code = code;
    this.place = place;
  }
}

/** An argument or a matrix entry that no computation can use: a rank of 0, a NaN in row 7, a glob that matches nothing. */
export class InvalidInputError extends LoewnerError {
  constructor(message: string, place?: ErrorPlace, options?: ErrorOptions) {
    super("INVALID_INPUT", message, place, options);
  }
}

/** A file whose bytes break its format's specification. */
export class InvalidFormatError extends LoewnerError {
  constructor(message: string, place?: ErrorPlace, options?: ErrorOptions) {
    super("INVALID_FORMAT", message, place, options);
  }
}

/** A file holds more than is read into memory unless that is asked for; the message names the option that allows more. */
export class LimitError extends LoewnerError {
  /** Name of the limit, as in `limits`. */
  readonly limit: string;
  /** How many there are; where counting stopped, one more than may be. */
  readonly found: number;
  /** How many there may be. */
  readonly most: number;

  constructor(message: string, facts: { limit: string; found: number; most: number }, place?: ErrorPlace) {
    super("LIMIT", message, place);
    this.limit = facts.limit;
    this.found = facts.found;
    this.most = facts.most;
  }
}

/** The operating system refused: no such file, a folder, no space left, output exists. `cause` holds its own error. */
export class FileError extends LoewnerError {
  constructor(message: string, place?: ErrorPlace, options?: ErrorOptions) {
    super("FILE", message, place, options);
  }
}

/** The job needs more memory than WebAssembly (4 GiB) or the runtime gives; the message says how much, and what to do. */
export class OutOfMemoryError extends LoewnerError {
  constructor(message: string, place?: ErrorPlace, options?: ErrorOptions) {
    super("OUT_OF_MEMORY", message, place, options);
  }
}

/** The caller's AbortSignal fired; `cause` is the signal's reason. */
export class AbortedError extends LoewnerError {
  constructor(reason?: unknown) {
    super("ABORTED", "Stopped: the AbortSignal that was passed in has fired.", {}, { cause: reason });
  }
}

/** A call on an instance after its dispose(). */
export class DisposedError extends LoewnerError {
  constructor() {
    super("DISPOSED", "This loewner instance was disposed of; create another with createLoewner().");
  }
}

/** A thread of this instance could not be started, or ended while it was needed; the instance is of no more use. */
export class WorkerLostError extends LoewnerError {
  constructor(message: string, options?: ErrorOptions) {
    super("WORKER_LOST", message, {}, options);
  }
}

/** Redis was not reached or is not fit for it, no worker came, or too many were lost; the message says which and what to do. */
export class ClusterError extends LoewnerError {
  constructor(message: string, options?: ErrorOptions) {
    super("CLUSTER", message, {}, options);
  }
}

/** A compressed file does not match its original, or its certificate does not hold. */
export class VerificationError extends LoewnerError {
  constructor(message: string, place?: ErrorPlace, options?: ErrorOptions) {
    super("VERIFICATION_FAILED", message, place, options);
  }
}

/** WebAssembly with SIMD may not be compiled here, or not run; `cause` is what the runtime said. */
export class UnsupportedRuntimeError extends LoewnerError {
  constructor(message: string, options?: ErrorOptions) {
    super("UNSUPPORTED_RUNTIME", message, {}, options);
  }
}

/** True for every error that loewner throws on purpose; narrows by `code` when one is given. */
export function isLoewnerError(error: unknown, code?: LoewnerErrorCode): error is LoewnerError {
  return error instanceof LoewnerError && (code === undefined || error.code === code);
}

/** @throws {AbortedError} when the signal has fired. */
export function throwIfAborted(signal?: AbortSignal): void {
  if (signal?.aborted) throw new AbortedError(signal.reason);
}
