// Row weights of `compress`: from counts in an .npy vector, or from the tokenizer that goes with the model.
import { InvalidArgumentError, type Command } from "commander";
import { InvalidFormatError, InvalidInputError, type LoewnerError } from "../errors.js";
import { f16ToF32 } from "../half.js";
import { jsonBytes, type LimitOptions } from "../formats/limits.js";
import { openFile, type FileSource } from "../node/files/file.js";
import { readNpyArray } from "../formats/npy-array.js";
import { sniff, sniffedBytes } from "../formats/sniff.js";
import { parseNumber } from "./options.js";
import { readTokenizer, type Tokenizer } from "../model/tokens/tokenizer.js";
import {
  checkPower,
  defaultRowWeightsPower,
  fitsTable,
  isPadded,
  misfit,
  rowWeightsOf,
  tokenWeights,
} from "../model/tokens/weights.js";

/** What --row-weights names, ready for any table. */
export interface RowWeightsFile {
  /** Weights for a table of so many rows, mean 1; undefined where the file is not about such a table. */
  weightsFor(rows: number): Float64Array | undefined;
  /** The error for a table that should have fitted and does not: it has both sizes. */
  misfit(rows: number): LoewnerError;
  /** Absent for .npy files. */
  tokenizer?: Tokenizer;
  /** Of the last table that was asked for: what of it has no count, or of the file no row; absent where nothing is. */
  readonly note?: string;
  /** For reports: where the weights come from, and the power; what is said of a table is of the last that was asked for. */
  readonly description: string;
}

export interface RowWeightOptions {
  rowWeights?: string;
  rowWeightsPower?: number;
}

/** --row-weights and --row-weights-power. */
export function addRowWeights(command: Command): Command {
  return command
    .option(
      "--row-weights <file>",
      "how often each row's token occurs: an .npy vector of counts, or tokenizer.json to estimate them",
    )
    .option(
      "--row-weights-power <g>",
      `power of the counts, a multiple of 1/8 up to 1 (default: ${defaultRowWeightsPower})`,
      parsePower,
    );
}

function parsePower(text: string): number {
  const power = parseNumber(text);
  try {
    checkPower(power);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
  return power;
}

/**
 * @param path an .npy vector of counts or shares (floats, integers or bool, one a row), or a tokenizer.json
 * @param power of the counts, a multiple of 1/8 from 0 to 1
 * @throws {FileError} when it cannot be read
 * @throws {LimitError} when it is larger than is read
 * @throws {InvalidFormatError} when it is neither, or damaged
 * @throws {InvalidInputError} when the array is no vector, a count is negative or not finite, or the power is another
 */
export async function readRowWeights(
  path: string,
  power = defaultRowWeightsPower,
  options: LimitOptions = {},
): Promise<RowWeightsFile> {
  checkPower(power);
  const source = await openFile(path);
  try {
    const start = await source.slice(0, Math.min(source.size, sniffedBytes));
    if (start[0] === 0x93) return await fromCounts(source, power, options);
    const isJson = /^(\xef\xbb\xbf)?\s*\{/.test(String.fromCharCode(...start));
    if (!isJson) {
      throw new InvalidFormatError(
        `${path}: row weights come from an .npy vector of counts or from a tokenizer.json; this is neither.${sniff(start)}`,
        { file: path },
      );
    }
    return fromTokenizer(await jsonBytes(source, options), path, power, options);
  } finally {
    await source.close();
  }
}

async function fromCounts(source: FileSource, power: number, options: LimitOptions): Promise<RowWeightsFile> {
  const file = source.name;
  const { data, dtype, shape } = await readNpyArray(source, { limits: options.limits });
  if (data.length === 0 || !(shape.length === 1 || (shape.length === 2 && shape[1] === 1))) {
    throw new InvalidInputError(
      `${file} has the shape (${shape.join(", ")}); counts are a vector, one number a row: save it after .reshape(-1).`,
      { file },
    );
  }
  const counts = Float64Array.from(
    dtype === "float16" ? f16ToF32(data as Uint16Array) : (data as ArrayLike<number | bigint>),
    Number,
  );
  let weights: Float64Array;
  try {
    weights = rowWeightsOf(counts, power);
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    throw new InvalidInputError(`${file}: ${error.message}`, { ...error.place, file }, { cause: error });
  }
  let note: string | undefined;
  return {
    weightsFor: (rows) => {
      if (rows === weights.length) return weights;
      if (!isPadded(rows, counts.length)) return undefined;
      note = `${file} has ${counts.length} counts, the table ${rows} rows: those beyond them count as never read.`;
      return rowWeightsOf(
        Float64Array.from({ length: rows }, (_, row) => counts[row] ?? 0),
        power,
      );
    },
    get note() {
      return note;
    },
    misfit: (rows) =>
      new InvalidInputError(
        `${file} has ${weights.length} counts, but the table has ${rows} rows; it needs one a row.`,
        { file },
      ),
    description: `${file}: ${weights.length} counts, to the power ${power}; rows of a table beyond them count as never read`,
  };
}

function fromTokenizer(bytes: Uint8Array, path: string, power: number, options: LimitOptions): RowWeightsFile {
  const tokenizer = readTokenizer(bytes, path, options);
  let { source, omitted } = tokenWeights(tokenizer, tokenizer.size);
  return {
    weightsFor(rows) {
      if (!fitsTable(tokenizer, rows)) return undefined;
      const found = tokenWeights(tokenizer, rows);
      ({ source, omitted } = found);
      return rowWeightsOf(found.weights, power);
    },
    misfit: (rows) => misfit(tokenizer, rows),
    tokenizer,
    get note() {
      return omitted && `${path} is read ${omitted}.`;
    },
    get description() {
      return `${source}, to the power ${power}`;
    },
  };
}
