/** Runs a model and what became of it on the same inputs, and says how far apart the answers are and how long each took. */
import { InvalidInputError, throwIfAborted, VerificationError } from "../../errors.js";
import type { Progress } from "../../types/index.js";
import type { ModelInput } from "./inputs.js";
import { type ComparedOutput, OutputDifference } from "./output-difference.js";
import { type Fault, free, Runner, turn } from "./runner.js";
import type { OnnxRuntime, RunnableModel, RuntimeTensor } from "./runtime.js";
import { cut, sharedRows } from "./slices.js";
import { checkOptions, type Names } from "../../option-names.js";

const compareOnnxNames: Names<CompareOptions> = {
  repeats: 1,
  rowsAtOnce: 1,
  more: 1,
  threads: 1,
  signal: 1,
  onProgress: 1,
};

export interface CompareOptions {
  /** Timed runs of each model, whose median is reported. Default 5. */
  readonly repeats?: number;
  /** Rows of the first dimension in one run, at most, where all inputs share an open one. Default 64. */
  readonly rowsAtOnce?: number;
  /**
   * Inputs of further runs, which are compared until the largest of 64 vectors were in each output that has any: one run of a few made-up
   * rows says little of how often the largest logit stays. Undefined: there are no others.
   */
  readonly more?: (run: number) => Promise<readonly ModelInput[] | undefined>;
  /** Threads inside an operator (onnxruntime-node). Default 1, so that times compare. */
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

/** A figure of each model. */
export interface Both {
  readonly original: number;
  readonly compressed: number;
}

export interface OnnxComparison {
  /** In the order of the original model. */
  readonly outputs: readonly ComparedOutput[];
  /** Median time of a run on all rows, or on the first `rowsAtOnce` of them; ratio: compressed / original. */
  readonly seconds: Both & { readonly ratio: number };
  /** Time to make a session of bytes that are read already (onnxruntime-node reads them itself). */
  readonly loadSeconds: Both;
  readonly bytes: { readonly before: number; readonly after: number };
  /** Runs that were compared: what all rows took, and those of more inputs; and the rows of the first of them; rows is absent where the inputs were not cut. */
  readonly runs: number;
  readonly rows?: number;
}

/** Outputs of one run are kept below about this many bytes, by cutting rows. */
const maxOutputBytes = 2 ** 26;
/** Vectors whose largest element is compared, at least, where inputs can be made up. */
const leastVectors = 64;

/**
 * Runs both models on `inputs` and compares each output.
 *
 * Inputs that share an open first dimension are run in slices of it, at most `rowsAtOnce` rows each and fewer where the outputs
 * are large, so that memory does not grow with the number of rows. Every slice goes through both models; the first one is then
 * timed, the models taking turns.
 * @throws {InvalidInputError} when the runtime cannot load or run the original.
 * @throws {VerificationError} when it can, but not the compressed model, or an output is gone. Both have the runtime's message.
 */
export async function compareOnnx(
  runtime: OnnxRuntime,
  original: RunnableModel,
  compressed: RunnableModel,
  inputs: readonly ModelInput[],
  options: CompareOptions = {},
): Promise<OnnxComparison> {
  checkOptions("compareOnnx", options, compareOnnxNames);
  const { repeats = 5, rowsAtOnce = 64, threads = 1, more, signal, onProgress } = options;
  for (const [name, value] of Object.entries({ repeats, rowsAtOnce, threads })) {
    if (!Number.isSafeInteger(value) || value < 1)
      throw new InvalidInputError(`${name} must be a whole number of at least 1; got ${value}.`);
  }
  const a = await Runner.open(runtime, original, threads, cannotUseOriginal);
  try {
    throwIfAborted(signal);
    const b = await Runner.open(runtime, compressed, threads, cannotUseCompressed);
    try {
      checkInterface(a, b);
      const bytes = { before: original.byteLength, after: compressed.byteLength };
      return { ...(await compareRunners(a, b, inputs, { repeats, rowsAtOnce, more, signal, onProgress })), bytes };
    } finally {
      await b.release();
    }
  } finally {
    await a.release();
  }
}

async function compareRunners(
  a: Runner,
  b: Runner,
  inputs: readonly ModelInput[],
  { repeats, rowsAtOnce, more, signal, onProgress }: CompareOptions & { repeats: number; rowsAtOnce: number },
): Promise<Omit<OnnxComparison, "bytes">> {
  const rows = sharedRows(inputs);
  const step = rows === undefined ? undefined : await fittingRows(a, inputs, rows, rowsAtOnce);
  const slices = step === undefined || rows === undefined ? [inputs] : cut(inputs, rows, step);
  const total = slices.length + repeats;
  const differences = new Map(a.outputNames.map((name) => [name, new OutputDifference(name)]));
  const compare = async (slice: readonly ModelInput[], done: number) => {
    await turn();
    throwIfAborted(signal);
    onProgress?.({ stage: "running both models", done, total });
    const [before, after] = [await a.run(slice), await b.run(slice)];
    for (const [name, difference] of differences) difference.add(before.outputs[name], after.outputs[name]);
    free(before.outputs);
    free(after.outputs);
  };
  for (const [i, slice] of slices.entries()) await compare(slice, i);
  let runs = slices.length;
  const isFew = ({ top1Vectors = leastVectors }: ComparedOutput) => top1Vectors < leastVectors;
  while (more && [...differences.values()].some((difference) => isFew(difference.result()))) {
    const next = await more(runs);
    if (!next) break;
    await compare(next, slices.length);
    ++runs;
  }
  const times: { a: number[]; b: number[] } = { a: [], b: [] };
  for (let i = 0; i < repeats; ++i) {
    await turn();
    throwIfAborted(signal);
    onProgress?.({ stage: "timing both models", done: slices.length + i, total });
    // In turns, so that whatever else the machine does slows both.
    for (const [runner, seconds] of [[a, times.a] as const, [b, times.b] as const]) {
      const { outputs, seconds: taken } = await runner.run(slices[0]);
      seconds.push(taken);
      free(outputs);
    }
  }
  onProgress?.({ stage: "timing both models", done: total, total });
  const seconds = { original: median(times.a), compressed: median(times.b) };
  return {
    outputs: [...differences.values()].map((difference) => difference.result()),
    seconds: { ...seconds, ratio: seconds.compressed / seconds.original },
    loadSeconds: { original: a.loadSeconds, compressed: b.loadSeconds },
    runs,
    ...(step === undefined || rows === undefined ? {} : { rows: Math.min(rows, step) }),
  };
}

const cannotUseOriginal: Fault = (name, doing, message, cause) =>
  new InvalidInputError(
    `${name}: onnxruntime cannot ${doing} the original model, so nothing can be compared: ${message}`,
    { file: name },
    { cause },
  );
const cannotUseCompressed: Fault = (name, doing, message, cause) =>
  new VerificationError(
    `${name}: onnxruntime cannot ${doing} it, though it can ${doing} the original: ${message}`,
    { file: name },
    { cause },
  );

function checkInterface(a: Runner, b: Runner): void {
  const kinds = [["input", a.inputNames, b.inputNames] as const, ["output", a.outputNames, b.outputNames] as const];
  for (const [kind, before, after] of kinds) {
    if (before.length === after.length && before.every((name) => after.includes(name))) continue;
    throw new VerificationError(
      `${b.name} has the ${kind}s ${after.join(", ")}, but ${a.name} has ${before.join(", ")}. It is not a compressed form of that model.`,
      { file: b.name },
    );
  }
}

/** Rows a run; undefined to leave the inputs whole. */
async function fittingRows(a: Runner, inputs: readonly ModelInput[], rows: number, most: number) {
  let outputs: Readonly<Record<string, RuntimeTensor>>;
  try {
    ({ outputs } = await a.run(cut(inputs, rows, 1)[0]));
  } catch {
    return undefined; // the graph has its number of rows built in, whatever it declares
  }
  const bytes = Object.values(outputs).reduce((sum, { data }) => sum + ((data as ArrayBufferView).byteLength ?? 0), 0);
  free(outputs);
  const fitting = Math.min(most, Math.max(1, Math.floor(maxOutputBytes / Math.max(bytes, 1))));
  return fitting < rows ? fitting : undefined;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((x, y) => x - y);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
