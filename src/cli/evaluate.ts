import { availableParallelism } from "node:os";
import { type Command, InvalidArgumentError } from "commander";
import { InvalidInputError } from "../errors.js";
import type { OnnxModel } from "../formats/onnx/types.js";
import { poolings, type Pooling } from "../model/evaluate/pooling.js";
import type { Evaluations, EvaluateOptions } from "../model/evaluate/evaluate.js";
import type { EvaluationData, Task } from "../model/evaluate/task.js";
import type { InstalledRuntime, RuntimeKind } from "../node/onnxruntime.js";
import { type CommonOptions, type Context, runCommand } from "./context.js";
import { sayScores } from "./evaluate-report.js";
import { withModel } from "./models.js";
import { addModelCommon, collect, parseChoice, parseCount, parseRank, parseSeed, parseShare } from "./options.js";
import { version } from "./version.js";

export type EvaluateCommand = CommonOptions &
  Pick<EvaluateOptions, "text" | "label" | "labels" | "k" | "maxLength" | "batch" | "samples" | "seed"> & {
    data?: string[];
    task?: string;
    tokenizer?: string;
    passages?: string;
    relevance?: string;
    pooling?: Pooling;
    maskShare?: number;
    runtime?: RuntimeKind;
  };

export function addEvaluate(program: Command): void {
  const command = program
    .command("evaluate <model> [others...]")
    .description(
      "score a model, and smaller ones beside it, on the task that it is for: with intervals and differences",
    )
    .option(
      "--data <file>",
      "examples: .tsv, .csv, .jsonl, or token ids: .npz, .npy, a folder of .npy (may be given more than once)",
      collect,
    )
    .option(
      "--task <name>",
      "what to score: a task of GLUE (sst2, stsb, ...), classification, retrieval, masked, causal, or a module of your own",
    )
    .option("--tokenizer <file>", "the model's tokenizer.json (default: the one beside the model)")
    .option("--text <columns>", "columns of the text, or of the two texts of a pair: a or a,b", parseList)
    .option("--label <column>", "column of the label")
    .option("--labels <names>", "names of the classes, in the order of the model's outputs", parseList)
    .option("--passages <file>", "retrieval: what is searched, with id and text")
    .option("--relevance <file>", "retrieval: which passage answers which query: query-id, corpus-id, score")
    .option("--k <n>", "retrieval: passages that count (default: 10)", parseRank)
    .option(
      "--pooling <name>",
      "vector of a text from its tokens': mean, cls or max (default: mean)",
      parseChoice(...poolings),
    )
    .option("--mask-share <share>", "masked: tokens that are hidden (default: 0.15)", parseShare)
    .option("--max-length <n>", "tokens a text, at most (default: what tokenizer and model take)", parseRank)
    .option("--batch <n>", "texts that run at once, at most (default: 64)", parseRank)
    .option("--samples <n>", "samples that intervals are of; 0: none (default: 1000)", parseCount)
    .option("--seed <n>", "seed of the samples, and of what is hidden", parseSeed)
    .option("--runtime <name>", "node or web (default: node if it is installed)", parseChoice("node", "web"));
  addModelCommon(command)
    .addHelpText(
      "after",
      `
Examples:
  loewner evaluate model.onnx model.small.onnx --data dev.tsv --task stsb
  loewner evaluate model.onnx --data reviews.csv --text review --label stars
  loewner evaluate model.onnx small.onnx --data queries.jsonl --passages corpus.jsonl --relevance test.tsv`,
    )
    .action((model: string, others: string[], options: EvaluateCommand) =>
      runCommand(options, (context) => evaluate(context, [model, ...others], options)),
    );
}

function parseList(text: string): string[] {
  const names = text.split(",").map((name) => name.trim());
  if (names.some((name) => name === ""))
    throw new InvalidArgumentError("names with commas between were expected: a,b.");
  return names;
}

async function evaluate(context: Context, paths: readonly string[], options: EvaluateCommand): Promise<void> {
  await withOnnx(context, paths, [], async (models) => {
    const scoring = await Scoring.open(context, models[0].path, options);
    const result = await scoring.score(models);
    context.endProgress();
    context.json({ command: "evaluate", version, runtime: scoring.runtime.name, data: scoring.data.name, ...result });
    sayScores(context, result);
  });
}

/** A model that is open, and the path that it was found at. */
export interface OpenOnnx {
  readonly path: string;
  readonly model: OnnxModel;
}

/** Opens one after the other. @throws {InvalidInputError} for a model of another format */
export async function withOnnx(
  context: Context,
  paths: readonly string[],
  open: readonly OpenOnnx[],
  body: (models: readonly OpenOnnx[]) => Promise<void>,
): Promise<void> {
  if (open.length === paths.length) return body(open);
  await withModel(context, paths[open.length], async (found) => {
    if (found.kind !== "onnx")
      throw new InvalidInputError(
        `${found.path} is a safetensors model, which has no graph to run: evaluate scores ONNX models. Export it to ONNX first.`,
        { file: found.path },
      );
    await withOnnx(context, paths, [...open, { path: found.path, model: found.file }], body);
  });
}

/** Data, task and runtime of a command: for any number of models. */
export class Scoring {
  private constructor(
    readonly data: EvaluationData,
    readonly runtime: InstalledRuntime,
    private readonly task: Task | undefined,
    private readonly options: Omit<EvaluateOptions, "runtime">,
  ) {}

  /** Whatever is missing is told before anything runs. @param first path of the model that all is read off */
  static async open(context: Context, first: string, options: EvaluateCommand): Promise<Scoring> {
    const { data: paths = [], passages, relevance, limit: limits, threads = "auto" } = options;
    const { readEvaluationData, classNames, tokenizerBeside } = await import("../node/evaluation-data.js");
    const { loadRuntime } = await import("../node/onnxruntime.js");
    const task = options.task === undefined ? undefined : await taskOf(options.task);
    const data = await readEvaluationData({ data: paths, passages, relevance, columns: task?.columns, limits });
    const tokenizer = data.table && (options.tokenizer ?? (await tokenizerBeside(first)));
    const { loadTokenizer } = await import("../node/tokenizers.js");
    const { text, label, k, pooling, maskShare, maxLength, batch, samples, seed } = options;
    const { labels = await classNames(first, { limits }) } = options;
    return new Scoring(data, await loadRuntime(options.runtime), task, {
      ...{ text, label, labels, k, pooling, maskShare, maxLength, batch, samples, seed, sampleSeed: seed },
      ...(tokenizer !== undefined && { tokenizer: await loadTokenizer(tokenizer, { limits }) }),
      threads: threads === "auto" ? availableParallelism() : threads,
      signal: context.signal,
      onProgress: context.progress,
    });
  }

  async score(models: readonly OpenOnnx[]): Promise<Evaluations> {
    const { evaluateModels } = await import("../model/evaluate/evaluate.js");
    const { guessTask } = await import("../model/evaluate/guess.js");
    const { runnableFile } = await import("../node/onnxruntime.js");
    const { data, runtime, options } = this;
    const task = this.task ?? guessTask(models[0].model, data, options);
    const evaluated = models.map(({ path, model }) => ({ model, runnable: runnableFile(runtime, path, model) }));
    return evaluateModels(evaluated, data, task, { ...options, runtime });
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
