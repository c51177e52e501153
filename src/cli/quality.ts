// Options of compress that say how good the result has to be, and on what inputs.
import { basename, dirname, join } from "node:path";
import type { Command } from "commander";
import { InvalidInputError } from "../errors.js";
import { usualTexts } from "../model/calibrate/text-files.js";
import { jsonBytes } from "../formats/limits.js";
import type { CompressedModel, Quality, ShrinkOptions, ShrunkModel } from "../model/index.js";
import { qualityNames } from "../model/quality/qualities.js";
import { checkTokenizer } from "../model/tokens/row-tokens.js";
import { readTokenizer, type Tokenizer } from "../model/tokens/tokenizer.js";
import { openFile } from "../node/files/file.js";
import type { RuntimeKind } from "../node/onnxruntime.js";
import { relativeErrorOf, sizesOf } from "./compress-report.js";
import type { Context } from "./context.js";
import type { OpenModel } from "./models.js";
import { collect, parseChoice, parseFraction, parseP, parseRank } from "./options.js";
import { answersOf, faultOf, type Told } from "./outcome.js";
import { percent } from "./text.js";

export interface QualityOptions {
  quality?: Quality;
  cosine?: number;
  maxError?: number;
  calibrate?: string[];
  tokenizer?: string;
  column?: string[];
  texts?: number;
  calibrationP?: number;
  runtime?: RuntimeKind;
}

export function addQuality(command: Command): Command {
  return command
    .option(
      "--quality <name>",
      `how much may be lost where no size is given: ${qualityNames.join(", ")} (default: high)`,
      parseChoice(...qualityNames),
    )
    .option("--cosine <c>", "the same as a number: mean cosine between its answers and the original's", parseFraction)
    .option(
      "--max-error <e>",
      "relative error that each layer may have, such as 0.05, in place of --quality",
      parseFraction,
    )
    .option(
      "--calibrate <file>",
      "ONNX: examples of what the model will read: texts (.txt, .jsonl, .tsv, .csv) or arrays (.npz, .npy); may be given more than once",
      collect,
    )
    .option(
      "--tokenizer <file>",
      "the model's tokenizer.json: texts of --calibrate need it, and it names rows that are kept nearly exactly",
    )
    .option(
      "--column <name>",
      "with --calibrate: column of a .tsv or .csv, or field of a .jsonl, that holds texts",
      collect,
    )
    .option("--texts <n>", "with --calibrate: texts that are used, at most (default: 200)", parseRank)
    .option(
      "--calibration-p <p>",
      "with --calibrate: norm of second moments; below 2 far inputs count for less",
      parseP,
    );
}

/** @throws {InvalidInputError} for options that would be read by nothing, or contradict each other */
export function checkQuality(options: QualityOptions, sized: boolean): void {
  const { quality, cosine, maxError, calibrate, column, texts, calibrationP } = options;
  const promises = Object.entries({ "--quality": quality, "--cosine": cosine, "--max-error": maxError });
  const given = promises.filter(([, value]) => value !== undefined).map(([name]) => name);
  if (given.length > 1) throw new InvalidInputError(`Give one of ${given.join(" and ")}.`);
  if (given.length && sized) throw new InvalidInputError(`${given[0]} finds the size; give it, or a size, not both.`);
  const unread = Object.entries({
    "--column": column,
    "--texts": texts,
    "--calibration-p": calibrationP,
  }).find(([, value]) => value !== undefined);
  if (calibrate === undefined && unread)
    throw new InvalidInputError(`${unread[0]} is for the inputs of --calibrate; give these too, or leave it out.`);
}

/** What is calibrated on, read; and what there is to say of it. */
export async function calibrationInputs(
  context: Context,
  open: OpenModel,
  { calibrate, tokenizer, column: columns, texts = usualTexts, calibrationP: p, runtime }: QualityOptions,
): Promise<ShrinkOptions["inputs"]> {
  if (!calibrate) return undefined;
  if (open.kind !== "onnx")
    throw new InvalidInputError(
      `${open.path} is a safetensors model, which has no graph to run: --calibrate is for ONNX. Export it to ONNX, or leave --calibrate out.`,
      { file: open.path },
    );
  const { readCalibrationData } = await import("../node/calibration-data.js");
  const { loadRuntime } = await import("../node/onnxruntime.js");
  const { limits, signal } = context;
  const loaded = await loadRuntime(runtime);
  const { feeds, source } = await readCalibrationData(open.file, calibrate, {
    ...{ tokenizer: calibrate.every(isArray) ? undefined : tokenizer, columns, mostTexts: texts, limits, signal },
  });
  context.say(`calibrated on ${source}, run in ${loaded.name}`);
  return { model: open.file, feeds, runtime: loaded, ...(p !== undefined && { p }) };
}

/** What it says of texts, arrays have no need of. */
const isArray = (path: string) => /\.np[yz]$/i.test(path);

/**
 * What --tokenizer names, for the tokens of rows.
 * @throws {InvalidInputError} when no table of the model can be its
 */
export async function tokenizerOf(
  { limits }: Context,
  { model }: OpenModel,
  path: string | undefined,
): Promise<Tokenizer | undefined> {
  if (path === undefined) return undefined;
  const source = await openFile(path);
  try {
    const tokenizer = readTokenizer(await jsonBytes(source, { limits }), path, { limits });
    checkTokenizer(model.layers, tokenizer);
    return tokenizer;
  } finally {
    await source.close();
  }
}

/** Beside the model, or, of one from elsewhere, here: model.onnx becomes model.small.onnx. */
export function defaultOutput({ kind, path }: OpenModel, isHere: boolean): string {
  const stem = basename(path).replace(/(\.safetensors\.index\.json|\.index\.json|\.onnx|\.safetensors)$/i, "");
  const name = `${stem || "model"}.small.${kind}`;
  return isHere ? join(dirname(path), name) : name;
}

/** The last line, after what there is to say of it: sizes, error, where it is, what next. */
export function sayOutcome(
  context: Context,
  { kind, path }: OpenModel,
  output: string,
  result: CompressedModel & Partial<ShrunkModel>,
  isVerified: boolean,
): void {
  const { agreement, notes = [], forecast, seconds, layers } = result;
  for (const note of notes) context.say(note);
  if (forecast !== undefined && !agreement && kind === "onnx")
    context.say("Answers were not compared: --calibrate with a few inputs does that, and errs less.");
  const fault = faultOf(result as Told);
  if (fault === "missed")
    context.say(
      `Answers agree less than the ${result.asked} that was asked for: no layer has more bits to take. Use --exclude for layers that err most.`,
    );
  else if (fault === "far")
    context.say("Answers differ much: allow more bytes, or leave the layers that err most out with --exclude.");
  const error = relativeErrorOf(layers);
  const told =
    answersOf(result as Told) || (layers.length && error !== undefined ? `weights are ${percent(error)} off` : "");
  const next = isVerified ? "" : ` Next: ${program} verify ${shellWord(path)} ${shellWord(output)}`;
  context.say(
    `${[sizesOf(result), told].filter(Boolean).join("; ")}. Written: ${output} (${seconds.toFixed(1)} s).${next}`,
  );
}

/** As it was called, which a line that is copied needs: npm says that npx did. */
const program = process.env.npm_command === "exec" ? "npx loewner" : "loewner";

/** As a shell reads it as one word. */
const shellWord = (text: string) => (/^[\w@%+=:,./\\-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
