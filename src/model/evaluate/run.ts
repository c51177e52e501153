// Runs a model on the sequences of a task, in batches of about one length, and hands on what each of them was answered.
import { InvalidInputError, throwIfAborted } from "../../errors.js";
import type { OnnxModel } from "../../formats/onnx/types.js";
import type { Progress } from "../../types/index.js";
import { feedCheck } from "../calibrate/feeds.js";
import { floats } from "../calibrate/rows.js";
import { batchesOf, feedOfTexts, type Padding, type Sequence, textInputs } from "../calibrate/texts.js";
import { type Fault, free, Runner, turn } from "../onnx/runner.js";
import type { OnnxRuntime, RunnableModel, RuntimeTensor } from "../onnx/runtime.js";
import type { ModelOutput } from "./outputs.js";
import { pooled, type Pooling } from "./pooling.js";
import type { Answer, Answers } from "./task.js";

export interface RunOptions {
  readonly runtime: OnnxRuntime;
  /** Threads inside an operator (onnxruntime-node). */
  readonly threads: number;
  /** Sequences a batch, at most. */
  readonly batch: number;
  readonly pooling: Pooling;
  /** What shorter sequences of a batch are filled up with. */
  readonly padding?: Padding;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

/** Tokens a batch, padding among them. */
const batchTokens = 2 ** 13;
/** Bytes of what one run may put out, about. */
const mostOutputBytes = 2 ** 27;

/**
 * Same sequences are run once.
 * @param model the graph that `runnable` is of
 * @returns answers in which a number was NaN or infinite
 * @throws {InvalidInputError} when the runtime cannot load or run the model, a token id lies past its table, or the output has another
 *   shape than the graph says.
 */
export async function runSequences(
  model: OnnxModel,
  runnable: RunnableModel,
  sequences: readonly Sequence[],
  output: ModelOutput,
  answers: Answers,
  options: RunOptions,
): Promise<number> {
  const { runtime, threads, batch, pooling, padding, signal, onProgress } = options;
  const inputs = textInputs(model);
  const different = distinct(sequences);
  const tokens = Math.max(1, Math.min(batchTokens, Math.floor(mostOutputBytes / 4 / (output.cols ?? 1))));
  const perToken = output.kind === "words" || output.kind === "states";
  const batches = [...batchesOf(different, inputs, { texts: batch, tokens: perToken ? tokens : batchTokens })];
  const check = await feedCheck(model);
  const runner = await Runner.open(runtime, runnable, threads, cannotScore);
  let bad = 0;
  try {
    let done = 0;
    for (const [number, each] of batches.entries()) {
      await turn();
      throwIfAborted(signal);
      onProgress?.({ stage: "running the model", done, total: different.length });
      const feed = await feedOfTexts(model, inputs, each, padding);
      check(feed, number);
      const given = Object.entries(feed).map(([name, array]) => ({ name, source: "given", ...array }));
      const { outputs } = await runner.run(given, [output.name]);
      const read = reader(runnable.name, output, outputs[output.name], each, padding);
      for (const [row, { at, ids }] of each.entries()) {
        const whole = read(row, ids.length);
        const answer = output.kind === "states" ? pooled(whole, pooling) : whole;
        if (!answer.data.every(Number.isFinite)) bad += at.length;
        for (const sequence of at) answers.take(sequence, answer);
      }
      free(outputs);
      done += each.length;
    }
    onProgress?.({ stage: "running the model", done, total: different.length });
  } finally {
    await runner.release();
  }
  return bad;
}

/** A sequence, and the numbers of all that are like it. */
type Numbered = Sequence & { readonly at: number[] };

function distinct(sequences: readonly Sequence[]): Numbered[] {
  const found = new Map<string, Numbered>();
  for (const [at, { ids, types }] of sequences.entries()) {
    const key = `${Array.prototype.join.call(ids, ",")};${types ? Array.prototype.join.call(types, "") : ""}`;
    const same = found.get(key);
    if (same) same.at.push(at);
    else found.set(key, { ids, ...(types && { types }), at: [at] });
  }
  return [...found.values()];
}

/** Views of the answers to the sequences of a batch. */
function reader(
  file: string,
  { name, kind }: ModelOutput,
  { type, dims, data }: RuntimeTensor,
  { length }: readonly Sequence[],
  { padSide }: Padding = {},
): (row: number, tokens: number) => Answer {
  const found = floats(type, data);
  const numbers = found instanceof Float64Array ? Float32Array.from(found) : found;
  const rank = kind === "words" || kind === "states" ? 3 : 2;
  if (!numbers || dims.length !== rank || dims[0] < length) {
    throw new InvalidInputError(
      `${file}: its output "${name}" is ${type} of shape ${dims.join(" x ") || "a scalar"}; floats of ${rank} dimensions, the first of them ${length} texts, were expected. Choose another task.`,
      { file, tensor: name },
    );
  }
  const cols = dims[rank - 1];
  const each = numbers.length / dims[0];
  return (row, tokens) => {
    const rows = rank === 3 ? Math.min(tokens, dims[1]) : 1;
    const start = row * each + (padSide === "left" ? each - rows * cols : 0);
    return { data: numbers.subarray(start, start + rows * cols), rows, cols };
  };
}

const cannotScore: Fault = (name, doing, message, cause) =>
  new InvalidInputError(
    `${name}: onnxruntime cannot ${doing} the model, so it cannot be scored: ${message}`,
    { file: name },
    { cause },
  );
