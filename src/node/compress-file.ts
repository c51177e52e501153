/** Path in, path out: opens a model, compresses it, writes the smaller one, closes everything. */
import { basename, dirname, join } from "node:path";
import { InvalidInputError } from "../errors.js";
import type { LimitOptions } from "../formats/limits.js";
import { kindOf } from "../matrix.js";
import { shrinkNames } from "../model/option-tables.js";
import { usualTexts } from "../model/calibrate/text-files.js";
import type { Model } from "../model/model.js";
import type { ShrinkOptions, ShrunkModel } from "../model/quality/shrink.js";
import { safetensorsModel } from "../model/safetensors/model.js";
import { checkOptions, type Names } from "../option-names.js";
import type { Loewner } from "../types/index.js";
import { checkTarget, writeAllAtomically } from "./files/file.js";
import { checkOutputsIn } from "./files/inner-path.js";
import { refuseInputs } from "./files/originals.js";
import { openSpill } from "./files/spill.js";
import { resolveModel } from "./hub/hub.js";
import { type OpenModel, openModelPath } from "./open.js";
import type { RuntimeKind } from "./onnxruntime.js";

/** What the file decides, and what is for paths to say. */
type Decided =
  "inputs" | "mainName" | "halves" | "spill" | "journal" | "tokenizer" | "type" | "mayGrow" | "calibration";

interface FileOptions extends LimitOptions {
  /**
   * ONNX: paths of inputs as the model gets them, texts (.txt, .jsonl, .tsv) or arrays (.npz, .npy). The answers are compared on them.
   * onnxruntime-node or onnxruntime-web must be installed.
   */
  calibrate?: string | readonly string[];
  /** Path of the model's tokenizer.json; texts need it, and @huggingface/tokenizers. */
  tokenizer?: string;
  /** Columns of .tsv files, or fields of .jsonl files, that hold texts. Default: the only column, or "text". */
  columns?: readonly string[];
  /** Texts that are used, at most. Default 200. */
  texts?: number;
  /** The package that runs the model. Default: whichever is installed. */
  runtime?: RuntimeKind;
  /** Default "auto", one a core. Never changes the output. */
  threads?: number | "auto";
  /** Bytes that may be held at most: see `createLoewner`. */
  memory?: number;
  /** Replaces an output that exists. Default false. */
  force?: boolean;
}

/** Sizes, layers, dtypes and quality as `shrinkModel` has them; the defaults are the command line's. */
export interface CompressFileOptions extends Omit<ShrinkOptions, Decided>, FileOptions {}

const fileNames: Names<FileOptions> = {
  ...{ calibrate: 1, tokenizer: 1, columns: 1, texts: 1, runtime: 1, threads: 1, memory: 1, force: 1, limits: 1 },
};
const decided: Names<Record<Decided, unknown>> = {
  ...{ inputs: 1, mainName: 1, halves: 1, spill: 1, journal: 1, tokenizer: 1, type: 1, mayGrow: 1, calibration: 1 },
};
const without = (object: object, names: object) =>
  Object.fromEntries(Object.entries(object).filter(([name]) => !Object.hasOwn(names, name)));
const names = { ...without(shrinkNames, decided), ...fileNames } as Names<CompressFileOptions>;

/** What came of it. */
export interface CompressedFile extends Omit<ShrunkModel, "files"> {
  /** All files that were written, the model itself last. */
  paths: string[];
}

/**
 * Compresses a model as `loewner compress` does: the same options give the same bytes. Where no size is given, `quality` (default "high")
 * says how much may be lost; with `calibrate` that is measured on those inputs.
 *
 * The output is there whole when the promise resolves; where it rejects nothing is left of it. What is read is never written to.
 * @param input path of a .onnx or .safetensors file, of the index of one in several files, or of a folder with one of these; an http address
 *   of such a file; or hf:owner/name[@revision][/file]
 * @param output path, with the ending of the input's format; data beside it is named after it
 * @throws {InvalidInputError} for an option that does not exist or is out of range, an output of the other format, and where nothing can be
 *   made smaller
 * @throws {FileError} when a file cannot be read or written, and when the output exists and `force` is not set
 * @throws {InvalidFormatError} when a file breaks its format
 * @throws {AbortedError} when `signal` fires
 */
export async function compressFile(
  input: string,
  output: string,
  options: CompressFileOptions = {},
): Promise<CompressedFile> {
  for (const [name, path] of Object.entries({ input, output }))
    if (typeof path !== "string" || path === "")
      throw new InvalidInputError(`${name} must be a path; got ${path === "" ? "an empty string" : kindOf(path)}.`);
  checkOptions("compressFile", options, names);
  const { limits, signal, force, threads = "auto", memory, calibrate, tokenizer } = options;
  const isNamed = /^hf:/i.test(input);
  const { path } = isNamed ? await resolveModel(input, { limits, signal }) : { path: input };
  const open = await openModelPath(path, { limits, signal });
  const isRead = () => [...open.files, ...[calibrate ?? []].flat(), ...(tokenizer === undefined ? [] : [tokenizer])];
  try {
    refuseInputs(output, isRead());
    checkEnding(open, output);
    await checkTarget(output, { force });
    const model = await modelOf(open);
    const { createLoewner } = await import("../create.js");
    const loewner = await createLoewner({ threads, memory });
    try {
      const { files, ...result } = await shrunk(loewner, model, open, output, options);
      if (result.layers.length === 0) throw nothingDone(input, result);
      const besides = files.map(({ name }) => name).filter((name) => name !== "");
      await checkOutputsIn(output, besides);
      const placed = files.map(({ name, byteLength, write }) => ({
        path: name === "" ? output : join(dirname(output), name),
        byteLength,
        write: (sink: Parameters<typeof write>[0]) => write(sink, { signal }),
      }));
      for (const each of placed) refuseInputs(each.path, isRead());
      await writeAllAtomically(placed, { force, signal });
      return { ...result, paths: placed.map((file) => file.path) };
    } finally {
      loewner.dispose();
    }
  } finally {
    await open.close();
  }
}

/** The options that say how a layer is stored are those of the command line, with its defaults. */
async function shrunk(
  loewner: Loewner,
  model: Model,
  open: OpenModel,
  output: string,
  options: CompressFileOptions,
): Promise<ShrunkModel> {
  const { calibrate, quality, cosine, plan, keep, rank, energy, method, multipleOf, purpose } = options;
  const isOpen = plan === undefined && (keep ?? rank ?? energy) === undefined;
  const isOfFactors = multipleOf !== undefined || (method !== undefined && method !== "auto");
  const isAuto = plan === undefined && (isOpen || (keep !== undefined && !isOfFactors));
  const wanted: ShrinkOptions = {
    ...(isOpen && { layers: ["all"] }),
    ...(isAuto && { dtype: "auto" }),
    ...(purpose === "memory" && { operators: "onnxruntime" }),
    mayGrow: false,
    ...without(options, { ...fileNames, quality, cosine }),
    mainName: basename(output),
    spill: () => openSpill(dirname(output)),
  };
  if (calibrate === undefined && !isOpen) {
    const { compressModel } = await import("../model/compress.js");
    return { ...(await compressModel(loewner, model, wanted)), notes: [] };
  }
  const inputs = calibrate === undefined ? undefined : await inputsOf(open, calibrate, options);
  const { shrinkModel } = await import("../model/quality/shrink.js");
  return shrinkModel(loewner, model, { ...wanted, quality, cosine, inputs });
}

async function inputsOf(
  open: OpenModel,
  calibrate: string | readonly string[],
  { tokenizer, columns, texts: mostTexts = usualTexts, runtime, limits, signal }: CompressFileOptions,
): Promise<ShrinkOptions["inputs"]> {
  if (open.kind !== "onnx")
    throw new InvalidInputError(
      `${open.path} is a safetensors model, which has no graph to run: calibrate is for ONNX.`,
      {
        file: open.path,
      },
    );
  const { readCalibrationData } = await import("./calibration-data.js");
  const { loadRuntime } = await import("./onnxruntime.js");
  const paths = typeof calibrate === "string" ? [calibrate] : calibrate;
  const { feeds } = await readCalibrationData(open.file, paths, { tokenizer, columns, mostTexts, limits, signal });
  return { model: open.file, feeds, runtime: await loadRuntime(runtime) };
}

async function modelOf(open: OpenModel): Promise<Model> {
  if (open.kind === "safetensors") return safetensorsModel(open.file, { config: open.config });
  const { onnxModel } = await import("../model/onnx/model.js");
  return onnxModel(open.file);
}

function checkEnding({ kind, path }: OpenModel, output: string): void {
  const other = kind === "onnx" ? /\.(safetensors|json)$/i : /\.onnx$/i;
  if (other.test(output))
    throw new InvalidInputError(`${path} is ${kind}, and so will the output be: name it .${kind}, not ${output}.`, {
      file: output,
    });
}

function nothingDone(input: string, { skipped }: Pick<ShrunkModel, "skipped">): InvalidInputError {
  const reasons = skipped.slice(0, 3).map(({ name, reason }) => `${name}: ${reason}`);
  const why = reasons.length > 0 ? ` ${reasons.join("; ")}.` : " It has no weight of two dimensions or more.";
  return new InvalidInputError(`Nothing of ${input} was compressed, and nothing was written.${why}`, { file: input });
}
