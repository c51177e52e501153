// What compressing costs a task: scores of models on the same examples, with intervals, and what each loses beside the first.
import { InvalidInputError } from "../../errors.js";
import type { OnnxModel } from "../../formats/onnx/types.js";
import type { Progress } from "../../types/index.js";
import type { TextTokenizer } from "../calibrate/text-tokenizer.js";
import { type OnnxRuntime, type RunnableModel, runnableModel } from "../onnx/runtime.js";
import { type CountingEncoder, encoderFor } from "./encoder.js";
import { type Interval, intervals } from "./interval.js";
import { outputOf } from "./outputs.js";
import type { Pooling } from "./pooling.js";
import { runSequences } from "./run.js";
import type { EvaluationData, Metric, Task, TaskOptions, Trial } from "./task.js";
import { tasks } from "./tasks/index.js";
import { otherTables } from "./token-tables.js";

export interface EvaluateOptions extends TaskOptions {
  /** onnxruntime-node or onnxruntime-web. */
  readonly runtime: OnnxRuntime;
  /** Texts need it. */
  readonly tokenizer?: TextTokenizer;
  /** Tokens a text, at most. Default: as many as the tokenizer's file says, or 512, if the model has as many positions. */
  readonly maxLength?: number;
  /** How hidden states become one vector a text. Default "mean". */
  readonly pooling?: Pooling;
  /** Texts a batch, at most. Default 64. */
  readonly batch?: number;
  /** Samples that intervals are of; 0: no intervals. Default 1000. */
  readonly samples?: number;
  /** Of the samples. Default 1. */
  readonly sampleSeed?: number;
  /** Share of the samples that lies in an interval. Default 0.95. */
  readonly level?: number;
  /** Threads inside an operator (onnxruntime-node). Default 1. */
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

/** A model that can be run: its graph, and how a runtime gets it (default: from memory). */
export interface EvaluatedModel {
  readonly model: OnnxModel;
  readonly runnable?: RunnableModel;
}

export interface Score {
  readonly metric: string;
  readonly better: "higher" | "lower";
  /** NaN where it is undefined, as a correlation of equal values is. */
  readonly value: number;
  /** That other examples of the kind would probably give; absent without samples. */
  readonly interval?: Interval;
  /** From the first model, on the same examples; absent of the first. */
  readonly difference?: { readonly value: number; readonly interval?: Interval };
}

export interface Evaluation {
  /** File name. */
  readonly model: string;
  readonly bytes: number;
  /** The first is the task's own. */
  readonly scores: readonly Score[];
  /** Answers in which a number was NaN or infinite. */
  readonly nonFinite: number;
  /** Loading and running. */
  readonly seconds: number;
}

export interface Evaluations {
  readonly task: string;
  /** What was read of the answers: "last_hidden_state (batch x sequence x 384), mean over the tokens". */
  readonly reads: string;
  readonly examples: number;
  /** Texts that are longer than the model takes. */
  readonly truncated: number;
  /** What there is to say of the data, in sentences. */
  readonly notes: readonly string[];
  readonly models: readonly Evaluation[];
}

/** A task on its data, ready to score any number of models whose inputs and outputs are as those of the first. */
export class Evaluator {
  private constructor(
    private readonly task: Task,
    private readonly trial: Trial,
    private readonly encoder: CountingEncoder | undefined,
    private readonly options: EvaluateOptions,
    private readonly notes: readonly string[],
  ) {}

  /** Reads the data; nothing has run yet. @throws {InvalidInputError} as `evaluateModels` */
  static async open(
    first: OnnxModel,
    data: EvaluationData,
    task: string | Task,
    options: EvaluateOptions,
  ): Promise<Evaluator> {
    const chosen = typeof task === "string" ? taskNamed(task) : task;
    const { tokenizer, maxLength } = options;
    let encoder: CountingEncoder | undefined;
    const trial = await chosen.prepare({
      data,
      options,
      encoder: () => (encoder ??= encoderFor(first, needed(tokenizer, data.name), maxLength)),
      output: (...kinds) => outputOf(first, kinds),
    });
    const { sequences } = trial;
    const empty = sequences.findIndex(({ ids }) => ids.length === 0);
    if (empty < 0) return new Evaluator(chosen, trial, encoder, options, [...leftOut(data), ...trial.notes]);
    throw new InvalidInputError(
      `${data.name}: text ${empty + 1} of ${sequences.length} has no token in it. Leave it out.`,
      { file: data.name, row: empty },
    );
  }

  /** @param model its graph, whose inputs count */
  async run(
    model: OnnxModel,
    runnable: RunnableModel,
    onProgress: EvaluateOptions["onProgress"] = this.options.onProgress,
  ): Promise<Answered> {
    const { runtime, tokenizer, pooling = "mean", batch = 64, threads = 1, signal } = this.options;
    const { sequences, output } = this.trial;
    const started = performance.now();
    const answers = this.trial.answers();
    const nonFinite = await runSequences(model, runnable, sequences, output, answers, {
      ...{ runtime, threads, batch, pooling, padding: tokenizer, signal, onProgress },
    });
    return { metrics: answers.metrics(), nonFinite, seconds: (performance.now() - started) / 1e3 };
  }

  /** Scores of each, and what they are above those of the first. */
  scores(answered: readonly Answered[]): Score[][] {
    const { samples = 1000, sampleSeed: seed, level } = this.options;
    const columns = answered[0].metrics.map(({ name, better }, m) => {
      const own = answered.map(({ metrics }) => metrics[m]);
      const values = own.map((metric) => metric.score());
      const drawn =
        samples > 0
          ? intervals(
              this.trial.examples,
              own.map((metric) => (rows: Uint32Array) => metric.score(rows)),
              { samples, seed, level },
            )
          : undefined;
      return values.map((value, i): Score => ({
        ...{ metric: name, better, value },
        ...(drawn && { interval: drawn.scores[i] }),
        ...(i > 0 && { difference: { value: value - values[0], ...(drawn && { interval: drawn.differences[i] }) } }),
      }));
    });
    return answered.map((_, i) => columns.map((column) => column[i]));
  }

  get about(): Omit<Evaluations, "models"> {
    const { task, trial, encoder, notes } = this;
    const { output, examples } = trial;
    return {
      task: task.name,
      reads: `${output.description}${output.kind === "states" ? `, ${inWords[this.options.pooling ?? "mean"]}` : ""}`,
      ...{ examples, truncated: encoder?.truncated ?? 0, notes },
    };
  }
}

/** Answers of one model to a task. */
export interface Answered extends Pick<Evaluation, "nonFinite" | "seconds"> {
  readonly metrics: readonly Metric[];
}

/**
 * Scores models on one task and the same data; what the first one puts out says how answers are read.
 *
 * Cost: one run of each model on every different text; as many times the score as samples. Memory: one model at a time, and the answers
 * that the task keeps.
 * @param task a name (`taskNames`), or a task of your own
 * @throws {InvalidInputError} when the data does not fit the task, the task the model, or the runtime cannot run a model (its message)
 */
export async function evaluateModels(
  models: readonly EvaluatedModel[],
  data: EvaluationData,
  task: string | Task,
  options: EvaluateOptions,
): Promise<Evaluations> {
  if (models.length === 0) throw new InvalidInputError("There is no model to score.");
  const evaluator = await Evaluator.open(models[0].model, data, task, options);
  const answered: Answered[] = [];
  for (const [i, { model, runnable = runnableModel(model) }] of models.entries()) {
    answered.push(
      await evaluator.run(model, runnable, ({ stage, done, total }) =>
        options.onProgress?.({ stage, done: i * total + done, total: models.length * total }),
      ),
    );
  }
  const scores = evaluator.scores(answered);
  const { about } = evaluator;
  return {
    ...about,
    notes: [...about.notes, ...(await otherTables(models.map(({ model }) => model)))],
    models: models.map(({ model }, i) => {
      const { nonFinite, seconds } = answered[i];
      return { model: model.source.name, bytes: model.byteLength, scores: scores[i], nonFinite, seconds };
    }),
  };
}

/** `evaluateModels` of one. */
export async function evaluateModel(
  model: OnnxModel,
  data: EvaluationData,
  task: string | Task,
  options: EvaluateOptions,
): Promise<Omit<Evaluations, "models"> & Evaluation> {
  const { models, ...rest } = await evaluateModels([{ model }], data, task, options);
  return { ...rest, ...models[0] };
}

export const taskNames: readonly string[] = tasks.map(({ name }) => name);

/** @throws {InvalidInputError} for a name that is none of them */
export function taskNamed(name: string): Task {
  const found = tasks.find((task) => task.name === name);
  if (found) return found;
  throw new InvalidInputError(`There is no task "${name}"; there are ${taskNames.join(", ")}.`);
}

/** Lines of the data that are no examples. */
function leftOut({ table }: EvaluationData): string[] {
  const { emptyLines = 0, leftOut: short = 0 } = table ?? {};
  const counted = (count: number, one: string, more: string) =>
    count === 0 ? [] : [count === 1 ? `1 ${one} is left out.` : `${count} ${more} are left out.`];
  return [
    ...counted(emptyLines, "empty line", "empty lines"),
    ...counted(short, "line with too few fields", "lines with too few fields"),
  ];
}

const inWords: Record<Pooling, string> = {
  mean: "the mean over the tokens",
  cls: "the first token",
  max: "the largest over the tokens",
};

function needed(tokenizer: TextTokenizer | undefined, file: string): TextTokenizer {
  if (tokenizer) return tokenizer;
  throw new InvalidInputError(
    `${file} holds texts, which a tokenizer must cut into tokens: give the model's tokenizer.json too (--tokenizer).`,
    { file },
  );
}
