// Options that several commands take, parsed strictly: a mistyped number is an error that names the option.
import { InvalidArgumentError, type Command } from "commander";
import { InvalidInputError } from "../errors.js";
import { openFile } from "../formats/node-file.js";
import { openNpy, openSafetensors, type SafetensorsFile } from "../formats/index.js";
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

function parseShare(text: string): number {
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

function collect(text: string, previous: string[] = []): string[] {
  return [...previous, text];
}

/** --json, --quiet, --verbose. */
export function addCommon(command: Command): Command {
  return command
    .option("--json", "print one JSON document on stdout and nothing else there")
    .option("--quiet", "print nothing but errors")
    .option("--verbose", "print the stack of an error");
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

/** `objective`: what auto minimises unless told. */
export function addFit(command: Command, objective: ObjectiveName): Command {
  return command
    .option("--p <p>", "norm, p > 0, or inf", parseP, 1)
    .option(
      "--method <name>",
      "auto, lewis, svd, level-set, subspace or entrywise",
      parseChoice("auto", "lewis", "svd", "level-set", "subspace", "entrywise"),
      "auto",
    )
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

export interface SizeOptions {
  keep?: number;
  rank?: number;
  energy?: number;
}

/** @throws {InvalidInputError} unless exactly one of the three was given */
export function checkOneSize({ keep, rank, energy }: SizeOptions): void {
  const given = [
    keep !== undefined && "--keep",
    rank !== undefined && "--rank",
    energy !== undefined && "--energy",
  ].filter(Boolean);
  if (given.length !== 1) {
    throw new InvalidInputError(
      `Give exactly one of --keep, --rank and --energy; got ${given.join(" and ") || "none"}.`,
    );
  }
}

/** Opens a model, hands it to `body`, closes it. */
export async function withModel<T>(path: string, body: (file: SafetensorsFile) => Promise<T>): Promise<T> {
  if (/\.onnx$/i.test(path)) {
    throw new InvalidInputError(`${path}: ONNX models cannot be read by this version; give a .safetensors file.`, {
      file: path,
    });
  }
  if (/\.npy$/i.test(path)) {
    throw new InvalidInputError(`${path} is a matrix, not a model; use "loewner low-rank ${path}".`, { file: path });
  }
  if (/\.index\.json$/i.test(path)) {
    throw new InvalidInputError(
      `${path}: models in several files cannot be read by this version; give one .safetensors file.`,
      { file: path },
    );
  }
  const source = await openFile(path);
  try {
    return await body(await openSafetensors(source));
  } finally {
    await source.close();
  }
}

/** Opens a matrix in an .npy file, hands it to `body`, closes it. */
export async function withMatrix<T>(path: string, body: (rows: RowSource) => Promise<T>): Promise<T> {
  if (/\.(safetensors|onnx)$/i.test(path)) {
    throw new InvalidInputError(`${path} is a model, not a matrix; use "loewner compress ${path}".`, { file: path });
  }
  const source = await openFile(path);
  try {
    return await body(await openNpy(source));
  } finally {
    await source.close();
  }
}

/** Row weights from an .npy vector. */
export async function readRowWeights(path: string | undefined): Promise<Float64Array | undefined> {
  if (path === undefined) return undefined;
  return withMatrix(path, (rows) => {
    if (rows.cols !== 1) {
      throw new InvalidInputError(
        `${path} has ${rows.rows} x ${rows.cols} numbers; row weights are one column, one number a row.`,
        { file: path },
      );
    }
    return readRows(rows);
  });
}
