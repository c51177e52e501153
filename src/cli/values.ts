// What options may be given: read strictly, and a mistyped value is an error that says what was expected.
import { InvalidArgumentError } from "commander";
import { defaultLimits, limitFlag, limitsOf, type ReadLimits } from "../formats/limits.js";
import { describeRange, isInRange, type PRange } from "../options.js";

export function parseNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value))
    throw new InvalidArgumentError("a number was expected, such as 0.5.");
  return value;
}

/** "0.5", or "50%". NaN for anything else. */
function shareIn(text: string): number {
  const [, percent] = /^\s*([\d.]+)\s*%\s*$/.exec(text) ?? [];
  return percent === undefined ? parseNumber(text) : Number(percent) / 100;
}

export function parseRank(text: string): number {
  const isShare = /%\s*$/.test(text);
  const value = isShare ? NaN : parseNumber(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError(
      `a whole number of at least 1 was expected${isShare ? "; for a share of the size use --keep" : ""}.`,
    );
  return value;
}

/** Above 0 and at most 1: "0.72", or "72%". */
export function parseShare(text: string): number {
  if (isSize(text))
    throw new InvalidArgumentError("a share was expected, such as 0.5 or 50%; for a size in bytes use --bytes.");
  const value = shareIn(text);
  if (!(value > 0 && value <= 1))
    throw new InvalidArgumentError(
      `a share above 0 and at most 1 was expected, such as 0.72 or 72%${value > 1 && value <= 100 ? `; did you mean ${value}%?` : "."}`,
    );
  return value;
}

/** Above 0 and below 1: "0.05", or "5%". */
export function parseFraction(text: string): number {
  const value = shareIn(text);
  if (!(value > 0 && value < 1))
    throw new InvalidArgumentError("a number between 0 and 1 was expected, such as 0.99 or 99%.");
  return value;
}

/** p within a range, `inf` included where the range is. */
export function parsePWithin(range: PRange) {
  return (text: string): number => {
    const value = /^inf(inity)?$/i.test(text.trim()) ? Infinity : parseNumber(text);
    if (!isInRange(value, range)) throw new InvalidArgumentError(`a number with ${describeRange(range)} was expected.`);
    return value;
  };
}

/** 0 < p, `inf` included. */
export const parseP = parsePWithin({ above: 0, to: Infinity });

export function parsePositive(text: string): number {
  const value = parseNumber(text);
  if (!(value > 0)) throw new InvalidArgumentError("a number above 0 was expected.");
  return value;
}

const units: Record<string, number> = {
  "": 1,
  b: 1,
  ...{ k: 1e3, m: 1e6, g: 1e9, kb: 1e3, mb: 1e6, gb: 1e9 },
  ...{ ki: 2 ** 10, mi: 2 ** 20, gi: 2 ** 30, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30 },
};

const sizePattern = /^([\d.]+)\s*([a-z]*)$/i;

/** Bytes with a unit, which no share has. */
function isSize(text: string): boolean {
  const [, , unit = ""] = sizePattern.exec(text.trim()) ?? [];
  return unit !== "" && units[unit.toLowerCase()] !== undefined;
}

/** "25MB" or "25M" (10^6 bytes), "800kB", "1.5GiB" (2^30), or bytes. */
export function parseBytes(text: string): number {
  if (/%\s*$/.test(text))
    throw new InvalidArgumentError("a size was expected, such as 25MB; for a share of the size use --budget.");
  const found = sizePattern.exec(text.trim());
  const unit = found && units[found[2].toLowerCase()];
  const value = found ? Number(found[1]) * (unit ?? NaN) : NaN;
  if (!(value >= 1)) throw new InvalidArgumentError("a size was expected, such as 25MB, 800kB, 1.5GiB or 1000000.");
  return Math.floor(value);
}

export function parseSeed(text: string): number {
  const value = parseNumber(text);
  if (!Number.isSafeInteger(value) || value < 0)
    throw new InvalidArgumentError("a whole number of at least 0 was expected.");
  return value;
}

/** A whole number of at least 0. */
export const parseCount = parseSeed;

/** One of a few words: `choices` has them, for shells that complete what is typed. */
export interface ChoiceParser {
  (text: string): string;
  readonly choices: readonly string[];
}

export function parseChoice(...choices: string[]): ChoiceParser {
  return choiceOf(choices, (text) => text.toLowerCase());
}

/** @param nameOf the one of `choices` that a word stands for */
export function choiceOf(choices: readonly string[], nameOf: (text: string) => string): ChoiceParser {
  const parse = (text: string) => {
    const name = nameOf(text.trim());
    if (!choices.includes(name)) throw new InvalidArgumentError(`one of ${choices.join(", ")} was expected.`);
    return name;
  };
  return Object.assign(parse, { choices });
}

/** What others call the types that numbers are stored in. */
const typeNames: Record<string, string> = {
  ...{ fp64: "f64", float64: "f64", double: "f64" },
  ...{ fp32: "f32", float32: "f32", float: "f32" },
  ...{ fp16: "f16", float16: "f16", half: "f16", bfloat16: "bf16" },
};

/** The type of numbers that a word stands for: fp16, q8 and 4bit are f16, int8 and int4. */
export function typeName(text: string): string {
  const name = text.toLowerCase();
  const [, bits] = /^(?:i|q|u?int|w)?(\d)(?:[-_ ]?bits?)?$/.exec(name) ?? [];
  return bits === undefined ? (typeNames[name] ?? name) : `int${bits}`;
}

export function collect(text: string, previous: string[] = []): string[] {
  return [...previous, text];
}

/** A port to listen on, `least` or above. */
export function parsePort(least: 0 | 1) {
  return (text: string): number => {
    const port = Number(text);
    if (!/^\d+$/.test(text) || port < least || port > 65535)
      throw new InvalidArgumentError(`a whole number from ${least} to 65535 was expected.`);
    return port;
  };
}

/** As many as `createLoewner` takes; it checks the range. */
export function parseThreads(text: string): number | "auto" {
  if (text === "auto") return text;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError("a whole number of at least 1, or auto, was expected.");
  return value;
}

/** name=value, one of many; names as in `ReadLimits`, with dashes. */
export function parseLimit(text: string, previous: Partial<ReadLimits> = {}): Partial<ReadLimits> {
  const names = Object.keys(defaultLimits) as (keyof ReadLimits)[];
  const [, flag, value] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
  const name = names.find((each) => limitFlag(each) === flag);
  if (name === undefined)
    throw new InvalidArgumentError(`name=value was expected, of ${names.map(limitFlag).join(", ")}.`);
  const limits = { ...previous, [name]: /Bytes$/.test(name) ? parseBytes(value) : parseRank(value) };
  try {
    limitsOf({ limits });
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
  return limits;
}
