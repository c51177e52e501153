// Options that several commands take, parsed strictly: a mistyped number is an error that names the option.
import { InvalidArgumentError, type Command } from "commander";
import { InvalidInputError } from "../errors.js";
import type { ByteSource } from "../formats/bytes.js";
import { isHttpAddress, openHttp } from "../formats/http-bytes.js";
import { openFile, type FileSource } from "../node/files/file.js";
import { defaultLimits, limitFlag, type LimitOptions, limitsOf, type ReadLimits } from "../formats/limits.js";
import { openNpy } from "../formats/npy.js";
import { readRows, type RowSource } from "../matrix.js";
import { describeRange, isInRange, type PRange } from "../options.js";
import type { ObjectiveName } from "../types/index.js";

export function parseNumber(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value))
    throw new InvalidArgumentError("a number was expected, such as 0.5.");
  return value;
}

export function parseRank(text: string): number {
  const value = parseNumber(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError("a whole number of at least 1 was expected.");
  return value;
}

export function parseShare(text: string): number {
  const value = parseNumber(text);
  if (!(value > 0 && value <= 1))
    throw new InvalidArgumentError("a share above 0 and at most 1 was expected, such as 0.72.");
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
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
};

/** "25MB" (10^6 bytes), "800kB", "1.5GiB" (2^30), or bytes. */
export function parseBytes(text: string): number {
  const found = /^([\d.]+)\s*([a-z]*)$/i.exec(text.trim());
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

export function parseChoice(...allowed: string[]) {
  return (text: string) => {
    if (!allowed.includes(text)) throw new InvalidArgumentError(`one of ${allowed.join(", ")} was expected.`);
    return text;
  };
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

/** Holds the address of Redis, which may have a password in it that a command line would show to everybody on the machine. */
export const redisVariable = "LOEWNER_REDIS";

/** --redis, of commands that are about a cluster. */
export function addRedis(command: Command): Command {
  return command.option(
    "--redis <url>",
    `address of Redis, redis://[:password@]host:port (default: the one in ${redisVariable})`,
  );
}

/** @throws {InvalidInputError} when neither an address nor the variable is given */
export function redisAddress(given: string | true | undefined): string {
  const address = typeof given === "string" ? given : process.env[redisVariable];
  if (!address)
    throw new InvalidInputError(`Say where Redis is: --redis redis://host:6379, or in the variable ${redisVariable}.`);
  return address;
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

/** --threads, --memory, --redis, --storage, --limit, --json, --quiet, --verbose. */
export function addCommon(command: Command): Command {
  return command
    .option(
      "--threads <n>",
      "threads for matrices of more than 8 MiB, or auto: one a core; never changes the output",
      parseThreads,
      "auto",
    )
    .option(
      "--memory <size>",
      "what the computation may hold at most, such as 512MB; never changes the output",
      parseBytes,
    )
    .option(
      "--redis [url]",
      `let the workers of a cluster compute (see "loewner worker"); without a URL the one in ${redisVariable}; never changes the output`,
    )
    .option("--storage <folder>", "with --redis: name files from this folder on; workers may have it elsewhere")
    .option(
      "--limit <name=value>",
      "what may be read of a file, such as header-bytes=200MB (may be given more than once; docs/limits.md)",
      parseLimit,
    )
    .option("--json", "print one JSON document on stdout and nothing else there")
    .option("--quiet", "print nothing but errors")
    .option("--verbose", "say more: every layer, the stack of an error");
}

export function addSize(command: Command): Command {
  return command
    .option("--keep <share>", "share of the layer's size that the factors may take, above 0, at most 1", parseShare)
    .option("--rank <k>", "rank of the factors", parseRank)
    .option(
      "--energy <share>",
      "smallest rank that keeps this share of the sum of squared singular values",
      parseShare,
    );
}

/** Sizes that only a whole model has. */
export function addModelSize(command: Command): Command {
  return addSize(command)
    .option("--budget <share>", "share of the whole model's size that the result may take", parseShare)
    .option("--bytes <size>", "size of the result, such as 25MB (10^6 bytes), spread over the layers", parseBytes);
}

/** `objective`: what auto minimises unless told. */
export function addFit(command: Command, objective: ObjectiveName): Command {
  return command
    .option("--p <p>", "norm, p > 0, or inf", parseP, 1)
    .option(
      "--method <name>",
      "auto, lewis, svd, level-set, subspace, entrywise or clusters",
      parseChoice("auto", "lewis", "svd", "level-set", "subspace", "entrywise", "clusters"),
      "auto",
    )
    .option("--groups <n>", "of --method clusters: groups of rows with a subspace each (default: 4)", parseRank)
    .option("--max-work <flops>", "operations that auto may spend beyond lewis and svd (default: 2e11)", parsePositive)
    .option(
      "--objective <name>",
      "what auto minimises: lp, l21, l2 or operator",
      parseChoice("lp", "l21", "l2", "operator"),
      objective,
    )
    .option("--tolerance <t>", "certified distortion within this of the ideal", parsePositive, 0.01)
    .option("--seed <n>", "seed, recorded in the output", parseSeed, 0);
}

export function addLayers(command: Command): Command {
  return command
    .option("--layers <glob>", "tensors to compress (may be given more than once; all: every 2-D weight)", collect)
    .option("--exclude <glob>", "tensors to leave alone (may be given more than once)", collect);
}

export function addRequantise(command: Command): Command {
  return command.option(
    "--requantise",
    "ONNX: weights that are quantised already too, as the floats that their codes stand for (errors are against these)",
  );
}

/** What commands that take a model share: --offline, and what a model may be. */
export function addModelCommon(command: Command): Command {
  return addCommon(command.option("--offline", "take a model by hub address from the cache alone")).addHelpText(
    "after",
    `
A model is a .onnx or .safetensors file, the .index.json of one in several files, a folder with one of these,
hf:owner/name[@revision][/file], kept in $LOEWNER_CACHE (HF_TOKEN for private ones, HF_ENDPOINT for another hub), or an http
or https address, read by ranges and not kept.`,
  );
}

export interface SizeOptions {
  keep?: number;
  rank?: number;
  energy?: number;
  budget?: number;
  bytes?: number;
}

const matrixSizes = ["keep", "rank", "energy"] as const;
const modelSizes = [...matrixSizes, "budget", "bytes"] as const;

/**
 * @param optional a plan file may say it all
 * @throws {InvalidInputError} unless exactly one size was given
 */
export function checkOneSize(options: SizeOptions, { whole = false, optional = false } = {}): void {
  const sizes = whole ? modelSizes : matrixSizes;
  const given = sizes.filter((key) => options[key] !== undefined).map((key) => `--${key}`);
  if (given.length === 1 || (optional && given.length === 0)) return;
  const names = sizes.map((key) => `--${key}`);
  const list = `${names.slice(0, -1).join(", ")} and ${names[names.length - 1]}`;
  throw new InvalidInputError(`Give exactly one of ${list}; got ${given.join(" and ") || "none"}.`);
}

/** How files are read: a Context has it. */
type Reading = LimitOptions & { readonly signal: AbortSignal };

/** Opens a matrix in an .npy file or at an http address, hands it to `body`, closes it. */
export async function withMatrix<T>(
  path: string,
  { signal, limits }: Reading,
  body: (rows: RowSource) => Promise<T>,
): Promise<T> {
  if (/\.(safetensors|onnx)$/i.test(path)) {
    throw new InvalidInputError(`${path} is a model, not a matrix; use "loewner compress ${path}".`, { file: path });
  }
  const source: ByteSource & Partial<FileSource> = isHttpAddress(path)
    ? await openHttp(path, { signal })
    : await openFile(path);
  try {
    return await body(await openNpy(source, { limits }));
  } finally {
    await source.close?.();
  }
}

/** Row weights from an .npy vector. */
export async function readRowWeights(path: string | undefined, reading: Reading): Promise<Float64Array | undefined> {
  if (path === undefined) return undefined;
  return withMatrix(path, reading, (rows) => {
    if (rows.cols !== 1) {
      throw new InvalidInputError(
        `${path} has ${rows.rows} x ${rows.cols} numbers; row weights are one column, one number a row.`,
        { file: path },
      );
    }
    return readRows(rows);
  });
}
