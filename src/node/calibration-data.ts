/** Reads what a model is calibrated on: arrays (.npz, .npy) or texts (.txt, .jsonl, .tsv, .csv), told by the ends of their names. */
import { InvalidInputError } from "../errors.js";
import type { LimitOptions } from "../formats/limits.js";
import { readNpz } from "../formats/npz.js";
import type { OnnxModel } from "../formats/onnx/types.js";
import { arrayFeeds, type Feed } from "../model/calibrate/feeds.js";
import { checkTextBytes, evenly, isTextFile, textsIn } from "../model/calibrate/text-files.js";
import { textFeeds } from "../model/calibrate/texts.js";
import { openFile } from "./files/file.js";
import { readNamedArrays } from "./named-arrays.js";
import { loadTokenizer } from "./tokenizers.js";
import { checkOptions, type Names } from "../option-names.js";

const readCalibrationDataNames: Names<CalibrationDataOptions> = {
  limits: 1,
  tokenizer: 1,
  columns: 1,
  mostTexts: 1,
  maxLength: 1,
  signal: 1,
};

export interface CalibrationDataOptions extends LimitOptions {
  /** Path of the model's tokenizer.json; texts need it. */
  readonly tokenizer?: string;
  /** Columns of .tsv and .csv files, or fields of the objects in .jsonl files, that hold texts. Default: the only column, or "text". */
  readonly columns?: readonly string[];
  /** Texts that are used, at most; of more, so many at even distances. Default 1000. */
  readonly mostTexts?: number;
  /** Tokens a text, at most. Default: as `textFeeds`. */
  readonly maxLength?: number;
  readonly signal?: AbortSignal;
}

export interface CalibrationData {
  readonly feeds: readonly Feed[];
  /** In words: "200 of 1000 texts of calibration.txt". */
  readonly source: string;
}

/**
 * Feeds from files: each .npz is inputs of its own, by name; all .npy files together are one, `x.npy` or `name=x.npy`; of texts, every
 * line of a .txt file, a field of every line of a .jsonl file, or a column of a .tsv or .csv file, whose first line has the columns' names. Empty
 * texts are left out.
 * @throws {FileError} when a file cannot be read.
 * @throws {InvalidFormatError} when one breaks its format.
 * @throws {InvalidInputError} when a name ends in something else, texts come without a tokenizer or a tokenizer without texts,
 *   @huggingface/tokenizers is not installed, a column is missing, there is no text, or arrays do not fit the model's inputs.
 */
export async function readCalibrationData(
  model: OnnxModel,
  paths: readonly string[],
  options: CalibrationDataOptions = {},
): Promise<CalibrationData> {
  checkOptions("readCalibrationData", options, readCalibrationDataNames);
  const { tokenizer: tokenizerPath, columns, maxLength, mostTexts = 1000, limits, signal } = options;
  if (!Number.isSafeInteger(mostTexts) || mostTexts < 1)
    throw new InvalidInputError(`mostTexts must be a whole number of at least 1; got ${mostTexts}.`);
  const { texts: textPaths, npy, npz } = sorted(paths);
  if (textPaths.length > 0 && tokenizerPath === undefined) {
    throw new InvalidInputError(
      `${textPaths[0]} holds texts, which a tokenizer must cut into tokens: give the model's tokenizer.json too (--tokenizer).`,
      { file: textPaths[0] },
    );
  }
  if (textPaths.length === 0 && tokenizerPath !== undefined) {
    throw new InvalidInputError(
      `${tokenizerPath} is a tokenizer, but there are no texts (.txt, .jsonl, .tsv, .csv) for it to cut; arrays hold token ids already.`,
      { file: tokenizerPath },
    );
  }
  const feeds: Feed[] = [];
  const sources: string[] = [];
  for (const path of npz) {
    const source = await openFile(path);
    const arrays = await readNpz(source, { limits }).finally(() => source.close());
    const given = [...arrays].map(([name, array]) => [name, { ...array, source: path }] as const);
    feeds.push(...(await arrayFeeds(model, Object.fromEntries(given))));
    sources.push(path);
  }
  if (npy.length > 0) {
    feeds.push(...(await arrayFeeds(model, await readNamedArrays(model, npy, "--calibrate", { limits }))));
    sources.push(...npy);
  }
  if (tokenizerPath !== undefined) {
    const tokenizer = await loadTokenizer(tokenizerPath, { limits });
    const texts: string[] = [];
    for (const path of textPaths) texts.push(...(await readTexts(path, columns)));
    const used = evenly(texts, mostTexts);
    feeds.push(...(await textFeeds(model, used, { tokenizer, maxLength, signal })));
    const count = used.length < texts.length ? `${used.length} of ${texts.length}` : `${texts.length}`;
    sources.push(`${count} texts of ${textPaths.join(", ")}`);
  }
  return { feeds, source: sources.join(", ") };
}

function sorted(paths: readonly string[]) {
  const [texts, npy, npz]: string[][] = [[], [], []];
  for (const path of paths) {
    const list = isTextFile(path) ? texts : /\.npy$/i.test(path) ? npy : /\.npz$/i.test(path) ? npz : undefined;
    if (!list) {
      throw new InvalidInputError(
        `${path}: a model is calibrated on arrays (.npz, .npy) or texts (.txt, .jsonl, .tsv, .csv), told by the end of the name.`,
        { file: path },
      );
    }
    list.push(path);
  }
  if (paths.length === 0) throw new InvalidInputError("There is nothing to calibrate on: no files were given.");
  return { texts, npy, npz };
}

/**
 * The texts of a file; empty ones are left out. Of several columns, those of the first come first.
 * @throws {FileError} when it cannot be read.
 * @throws {InvalidFormatError} when a line is no JSON object, or has no such field or column.
 * @throws {InvalidInputError} when there is no such column, or several and none is named.
 */
export async function readTexts(path: string, columns?: readonly string[]): Promise<string[]> {
  const source = await openFile(path);
  try {
    checkTextBytes(path, source.size);
    return await textsIn(path, await source.slice(0, source.size), columns);
  } finally {
    await source.close();
  }
}
