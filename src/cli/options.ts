// Options that several commands take.
import { type Command } from "commander";
import { InvalidInputError } from "../errors.js";
import type { ByteSource } from "../formats/bytes.js";
import { isHttpAddress, openHttp } from "../formats/http-bytes.js";
import { openFile, type FileSource } from "../node/files/file.js";
import type { LimitOptions } from "../formats/limits.js";
import { openNpy } from "../formats/npy.js";
import { readRows, type RowSource } from "../matrix.js";
import type { ObjectiveName } from "../types/index.js";
import {
  collect,
  parseBytes,
  parseChoice,
  parseLimit,
  parseP,
  parsePositive,
  parseRank,
  parseSeed,
  parseShare,
  parseThreads,
} from "./values.js";

export * from "./values.js";

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

/** Adds options under a heading of their own in --help. */
export function grouped(command: Command, heading: string, add: (command: Command) => Command): Command {
  const before = command.optionsGroup();
  return add(command.optionsGroup(heading)).optionsGroup(before);
}

/** --json, --quiet, --verbose; --threads, --memory, --limit, --redis, --storage. */
export function addCommon(command: Command): Command {
  const printing = command
    .option("--json", "print one JSON document on stdout and nothing else there (docs/json.md)")
    .option("--quiet", "print nothing but errors")
    .option("--verbose", "say more: every layer, the stack of an error");
  return grouped(printing, "Memory, threads, and a cluster (none of them changes the output):", (each) =>
    each
      .option("--threads <n>", "threads for matrices of more than 8 MiB, or auto: one a core", parseThreads, "auto")
      .option("--memory <size>", "most memory that the computation may take, such as 512MB", parseBytes)
      .option(
        "--limit <name=value>",
        "raise a limit on what is read of a file, such as header-bytes=200MB (may be given more than once; docs/limits.md)",
        parseLimit,
      )
      .option(
        "--redis [url]",
        `let the workers of a cluster compute (see "loewner worker"); without a URL the one in ${redisVariable}`,
      )
      .option("--storage <folder>", "with --redis: name files from this folder on; workers may have it elsewhere"),
  );
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
    "ONNX: also compress weights that are quantised already, as the floats that their codes stand for (errors are measured against these)",
  );
}

/** What commands that take a model share: --offline, and what a model may be. */
export function addModelCommon(command: Command): Command {
  return addCommon(command.option("--offline", "take hf: models from the cache only")).addHelpText(
    "after",
    `
A model is a .onnx or .safetensors file, the .index.json of one in several files, a folder with one of these,
hf:owner/name[@revision][/file], kept in $LOEWNER_CACHE (HF_TOKEN for private ones, HF_ENDPOINT for another hub), or an http
or https address, which is read in ranges and not kept.`,
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
