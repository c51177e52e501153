// Data, task and runtime of evaluate, and the options that say them.
import { availableParallelism } from "node:os";
import { InvalidInputError } from "../errors.js";
import type { OnnxModel } from "../formats/onnx/types.js";
import type { Pooling } from "../model/evaluate/pooling.js";
import type { Curve, CurveOptions } from "../model/evaluate/curve.js";
import type { EvaluatedModel, Evaluations, EvaluateOptions } from "../model/evaluate/evaluate.js";
import type { EvaluationData, Task } from "../model/evaluate/task.js";
import type { InstalledRuntime, RuntimeKind } from "../node/onnxruntime.js";
import type { Loewner } from "../types/index.js";
import type { CommonOptions, Context } from "./context.js";

export type EvaluateCommand = CommonOptions &
  Pick<EvaluateOptions, "text" | "label" | "labels" | "k" | "maxLength" | "maskShare" | "batch" | "samples" | "seed"> &
  Pick<CurveOptions, "layers" | "exclude" | "p"> & {
    data?: string[];
    task?: string;
    tokenizer?: string;
    passages?: string;
    relevance?: string;
    pooling?: Pooling;
    runtime?: RuntimeKind;
    curve?: number[];
    methods?: string[];
    metric?: string;
    output?: string;
    html?: string;
    svg?: string;
    force?: boolean;
    resume?: boolean;
  };

/** A model that is open, and the path that it was found at. */
export interface OpenOnnx {
  readonly path: string;
  readonly model: OnnxModel;
}

/** Data, task and runtime of a command: for any number of models. */
export class Scoring {
  private constructor(
    readonly data: EvaluationData,
    readonly runtime: InstalledRuntime,
    private readonly task: Task | undefined,
    private readonly options: Omit<EvaluateOptions, "runtime">,
    /** Of the first model, where nobody named one. */
    private readonly ownTokenizer: string | undefined,
  ) {}

  /**
   * Whatever is missing is told before anything runs.
   * @param address of the model that all is read off, as it was given
   * @param first its path
   */
  static async open(context: Context, address: string, first: string, options: EvaluateCommand): Promise<Scoring> {
    const { data: paths = [], passages, relevance, limit: limits, threads = "auto" } = options;
    const { readEvaluationData, classNames, tokenizerOf } = await import("../node/evaluation-data.js");
    const { loadRuntime } = await import("../node/onnxruntime.js");
    const task = options.task === undefined ? undefined : await taskOf(options.task);
    const data = await readEvaluationData({
      data: paths,
      passages,
      relevance,
      columns: task?.columns,
      ragged: task?.ragged,
      limits,
    });
    const hub = { limits, signal: context.signal, offline: options.offline };
    const tokenizer = data.table && (options.tokenizer ?? (await tokenizerOf(address, first, hub)));
    const { loadTokenizer } = await import("../node/tokenizers.js");
    const { text, label, k, pooling, maskShare, maxLength, batch, samples, seed } = options;
    const { labels = await classNames(first, { limits }) } = options;
    const own = {
      ...{ text, label, labels, k, pooling, maskShare, maxLength, batch, samples, seed, sampleSeed: seed },
      ...(tokenizer !== undefined && { tokenizer: await loadTokenizer(tokenizer, { limits }) }),
      threads: threads === "auto" ? availableParallelism() : threads,
      signal: context.signal,
      onProgress: context.progress,
    };
    const isOwn = options.tokenizer === undefined;
    return new Scoring(data, await loadRuntime(options.runtime), task, own, isOwn ? tokenizer : undefined);
  }

  async score(models: readonly OpenOnnx[]): Promise<Evaluations> {
    const { evaluateModels } = await import("../model/evaluate/evaluate.js");
    const { otherTokenizers } = await import("../node/evaluation-data.js");
    const { data, runtime, options, ownTokenizer } = this;
    const evaluated = await Promise.all(models.map((open) => this.evaluated(open)));
    const paths = models.map(({ path }) => path);
    const notes = ownTokenizer === undefined ? [] : await otherTokenizers(ownTokenizer, paths);
    const result = await evaluateModels(evaluated, data, await this.taskFor(models[0]), { ...options, runtime });
    return { ...result, notes: [...notes, ...result.notes] };
  }

  async curve(
    loewner: Loewner,
    open: OpenOnnx,
    own: Pick<CurveOptions, "sizes" | "methods" | "layers" | "exclude" | "p" | "known" | "onPoint">,
  ): Promise<Curve> {
    const { evaluateCurve } = await import("../model/evaluate/curve.js");
    const { data, runtime, options } = this;
    const task = await this.taskFor(open);
    return evaluateCurve(loewner, await this.evaluated(open), data, task, { ...options, ...own, runtime });
  }

  private async taskFor({ model }: OpenOnnx): Promise<Task | string> {
    const { guessTask } = await import("../model/evaluate/guess.js");
    return this.task ?? guessTask(model, this.data, this.options);
  }

  private async evaluated({ path, model }: OpenOnnx): Promise<EvaluatedModel> {
    const { runnableFile } = await import("../node/onnxruntime.js");
    return { model, runnable: runnableFile(this.runtime, path, model) };
  }
}

/** Of this package by name, or the default export of a module. */
async function taskOf(name: string): Promise<Task> {
  const { taskNamed } = await import("../model/evaluate/evaluate.js");
  if (!/\.[cm]?js$/.test(name)) return taskNamed(name);
  const { resolve } = await import("node:path");
  const { pathToFileURL } = await import("node:url");
  const loaded = (await import(pathToFileURL(resolve(name)).href).catch((cause: Error) => {
    throw new InvalidInputError(`Cannot load the task ${name}: ${cause.message}`, { file: name }, { cause });
  })) as { default?: Partial<Task> };
  if (typeof loaded.default?.name === "string" && typeof loaded.default.prepare === "function")
    return loaded.default as Task;
  throw new InvalidInputError(
    `${name} has no task as its default export: an object with name, description and prepare.`,
    {
      file: name,
    },
  );
}
