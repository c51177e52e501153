// verify, for ONNX: both models are run on the same inputs.
import { type Command, InvalidArgumentError } from "commander";
import { isLoewnerError, VerificationError } from "../errors.js";
import type { OnnxModel } from "../formats/onnx/types.js";
import { readNamedArrays } from "../node/named-arrays.js";
import type { RuntimeKind } from "../node/onnxruntime.js";
import type { ComparedOutput } from "../model/onnx/output-difference.js";
import type { OnnxComparison } from "../model/onnx/run.js";
import type { CommonOptions, Context } from "./context.js";
import { dtypeOf } from "./documents.js";
import { collect, parseChoice, parseRank, parseSeed } from "./options.js";
import { megabytes, number, percent, table } from "./text.js";

/** A model that is open, and the file that it is in. */
export interface OpenOnnx {
  readonly path: string;
  readonly file: OnnxModel;
}

export interface RunOptions {
  /** `x.npy` or `name=x.npy`. */
  readonly inputs?: readonly string[];
  readonly shape?: Readonly<Record<string, readonly number[]>>;
  /** The first that is installed, unless given. */
  readonly runtime?: RuntimeKind;
  readonly seed?: number;
  readonly repeats?: number;
}

/** What --json prints of the runs. */
export interface OnnxRunReport extends Omit<OnnxComparison, "seconds" | "bytes"> {
  readonly runSeconds: OnnxComparison["seconds"];
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  readonly runtime: string;
  readonly inputs: readonly { name: string; dtype: string; shape: readonly number[]; source: string }[];
  /** No output has NaN or infinities that the original has not, or another shape. Loss of accuracy is not judged. */
  readonly ok: boolean;
  /** What no run on valid inputs shows. */
  readonly notes: readonly string[];
}

export function addRunOptions(command: Command): Command {
  return command
    .option("--inputs <file>", "ONNX: what to run on, x.npy or name=x.npy (may be given more than once)", collect)
    .option(
      "--shape <name=n,m>",
      "ONNX: shape of a made-up input, ids=2,128 (may be given more than once)",
      collectShape,
    )
    .option("--runtime <name>", "ONNX: node or web (default: node if it is installed)", parseChoice("node", "web"))
    .option("--seed <n>", "ONNX: seed of made-up inputs", parseSeed, 0)
    .option("--repeats <n>", "ONNX: timed runs of each model", parseRank, 5);
}

export function collectShape(text: string, previous: Record<string, number[]> = {}): Record<string, number[]> {
  const [, name, sizes] = /^(.+)=(\d+(?:,\d+)*)$/.exec(text) ?? [];
  if (name === undefined)
    throw new InvalidArgumentError("the name of an input and its shape were expected, ids=2,128.");
  return { ...previous, [name]: sizes.split(",").map(Number) };
}

/**
 * What a run needs besides the models.
 * @throws {FileError} when an array cannot be read.
 * @throws {InvalidInputError} when an array or a shape fits no input, or no onnxruntime is installed.
 */
export async function prepareRun(
  { file }: OpenOnnx,
  { inputs: files = [], shape: shapes, runtime: kind, seed, limit }: RunOptions & CommonOptions,
) {
  const { onnxInputs } = await import("../model/onnx/inputs.js");
  const { loadRuntime } = await import("../node/onnxruntime.js");
  const given = await readNamedArrays(file, files, "--inputs", { limits: limit });
  const inputs = await onnxInputs(file, { given, shapes, seed });
  /** The same shapes by another seed; undefined where nothing is made up at random. */
  const more = async (run: number) => {
    const others = await onnxInputs(file, { given, shapes, seed: (seed ?? 0) + run });
    return others.some(({ data }, i) => !isSame(data, inputs[i].data)) ? others : undefined;
  };
  return { inputs, more, runtime: await loadRuntime(kind) };
}

/**
 * Why models cannot be run here; undefined where they can.
 * @throws {InvalidInputError} the same, for options that are of nothing but a run
 */
export async function whyNotRun({ inputs, shape, runtime }: RunOptions): Promise<string | undefined> {
  const { loadRuntime } = await import("../node/onnxruntime.js");
  try {
    await loadRuntime(runtime);
    return undefined;
  } catch (error) {
    if ((inputs ?? shape ?? runtime) !== undefined || !isLoewnerError(error, "INVALID_INPUT")) throw error;
    return `The models were not run: ${error.message}`;
  }
}

const isSame = (a: ArrayLike<unknown>, b: ArrayLike<unknown>) => {
  for (let i = 0; i < a.length; ++i) if (a[i] !== b[i]) return false;
  return true;
};

/**
 * Runs both models, and says on the terminal how they compare.
 * @throws {VerificationError} when the compressed model does not load or run, and the original does.
 */
export async function verifyOnnx(
  context: Context,
  original: OpenOnnx,
  compressed: OpenOnnx,
  options: RunOptions,
): Promise<OnnxRunReport> {
  const { compareOnnx } = await import("../model/onnx/run.js");
  const { runnableFile } = await import("../node/onnxruntime.js");
  const { runtime, inputs, more } = await prepareRun(original, options);
  const { repeats } = options;
  const {
    seconds: runSeconds,
    bytes,
    ...rest
  } = await compareOnnx(
    runtime,
    runnableFile(runtime, original.path, original.file),
    runnableFile(runtime, compressed.path, compressed.file),
    inputs,
    { repeats, more, signal: context.signal, onProgress: context.progress },
  );
  context.endProgress();
  const report: OnnxRunReport = {
    runtime: runtime.name,
    inputs: inputs.map(({ name, dtype, shape, source }) => ({ name, dtype: dtypeOf(dtype), shape, source })),
    ...rest,
    outputs: rest.outputs.map((output) => ({ ...output, dtype: dtypeOf(output.dtype) })),
    ...{ runSeconds, bytesBefore: bytes.before, bytesAfter: bytes.after },
    ok: rest.outputs.every((output) => faultOf(output) === undefined),
    notes: await notesOf(original, compressed),
  };
  say(context, report, repeats);
  for (const note of report.notes) context.say(note);
  return report;
}

/** Gather refuses what is past its table; onnxruntime's own operator for tables in few bits does not. */
async function notesOf(original: OpenOnnx, { file, path }: OpenOnnx): Promise<string[]> {
  const { graphsOf } = await import("../formats/onnx/graphs.js");
  const count = ({ graph }: OnnxModel) =>
    [...graphsOf(graph)].flatMap(({ nodes }) => nodes).filter(({ opType }) => opType === "GatherBlockQuantized").length;
  if (count(file) <= count(original.file)) return [];
  return [
    `Row numbers past the end of a table give rows of zeros in ${path}, where the original fails: GatherBlockQuantized does not check them (--operators standard does).`,
  ];
}

/** The error that a report which is not ok ends in; throw it once the report is printed. */
export function runFailure({ outputs }: OnnxRunReport, file: string): VerificationError | undefined {
  const faults = outputs.flatMap((output) => faultOf(output) ?? []);
  if (faults.length === 0) return undefined;
  return new VerificationError(
    `${file} does not answer as the original does: ${faults.join("; ")}. Compress it again, in a wider type (--dtype) if it was a narrow one.`,
    { file },
  );
}

function faultOf({ name, shapes, newNonFinite, elements }: ComparedOutput): string | undefined {
  if (shapes)
    return `output "${name}" has shape ${shapes.compressed.join(" x ")} instead of ${shapes.original.join(" x ")}`;
  if (newNonFinite)
    return `output "${name}" has ${newNonFinite} of ${elements} elements NaN or infinite that were not so`;
  return undefined;
}

function say(context: Context, report: OnnxRunReport, repeats = 5): void {
  const { runtime, inputs, outputs, runSeconds, loadSeconds, bytesBefore, bytesAfter, rows } = report;
  const shapeOf = (shape: readonly number[]) => shape.join(" x ") || "scalar";
  context.say(`run in ${runtime}`);
  const fed = inputs.map(({ name, dtype, shape, source }) => [name, dtype, shapeOf(shape), source]);
  context.sayAll(table([["input", "type", "shape", "numbers"], ...fed], [0, 1, 2, 3]));
  const optional = (value: number | undefined, text: (x: number) => string) => (value === undefined ? "" : text(value));
  const compared = outputs.map((output) => [
    output.name,
    output.dtype,
    optional(output.cosine, (x) => x.toFixed(6)),
    optional(output.maxDifference, number),
    optional(output.relativeDifference, number),
    optional(output.top1Agreement, (x) => `${percent(x)} of ${output.top1Vectors}`),
    output.shapes ? "another shape" : percent(output.equal),
  ]);
  const head = ["output", "type", "cosine", "largest difference", "relative (l_2)", "same top 1", "equal"];
  context.sayAll(["", ...table([head, ...compared], [0, 1])]);
  const ms = (s: number) => `${number(1e3 * s)} ms`;
  const { original, compressed, ratio } = runSeconds;
  const each = rows === undefined ? "a run" : `a run of ${rows} rows`;
  context.sayAll([
    "",
    `${each}: ${ms(original)}, compressed ${ms(compressed)}, ${number(ratio)} times (median of ${repeats}); loading: ${ms(loadSeconds.original)}, compressed ${ms(loadSeconds.compressed)}`,
  ]);
  context.say(`size: ${megabytes(bytesBefore)}, compressed ${megabytes(bytesAfter)}`);
}
