import { type Command, InvalidArgumentError } from "commander";
import { InvalidInputError } from "../errors.js";
import { poolings } from "../model/evaluate/pooling.js";
import { curveMethods } from "../model/evaluate/curve-methods.js";
import { type Context, runCommand } from "./context.js";
import { sayScores } from "./evaluate-report.js";
import { type EvaluateCommand, type OpenOnnx, Scoring } from "./evaluate-scoring.js";
import { withModel } from "./models.js";
import {
  addLayers,
  addModelCommon,
  collect,
  parseChoice,
  parseCount,
  parseP,
  parseRank,
  parseSeed,
  parseShare,
} from "./options.js";

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
  addLayers(
    command
      .option(
        "--curve <shares>",
        "compress to each of these shares of the layers' bytes, and score: 0.5,0.3,0.15",
        parseShares,
      )
      .option("--methods <names>", `with --curve: ${curveMethods.join(", ")} (default: svd,lewis,auto)`, parseMethods)
      .option("--p <p>", "with --curve: norm of factors", parseP)
      .option("--metric <name>", "with --html and --svg: what is drawn (default: the task's first)")
      .option("-o, --output <file>", "with --curve: JSON of all points, written as they are found")
      .option("--html <file>", "with --curve: one page with the picture and the table")
      .option("--svg <file>", "with --curve: the picture alone")
      .option("--force", "replace outputs if they exist")
      .option("--resume", "with --curve: keep the points that --output has already"),
  );
  addModelCommon(command)
    .addHelpText(
      "after",
      `
Examples:
  loewner evaluate model.onnx model.small.onnx --data dev.tsv --task stsb
  loewner evaluate model.onnx --data reviews.csv --text review --label stars
  loewner evaluate model.onnx small.onnx --data queries.jsonl --passages corpus.jsonl --relevance test.tsv
  loewner evaluate model.onnx --data dev.tsv --curve 0.5,0.3,0.15 --methods svd,lewis,auto --html curve.html`,
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

function parseShares(text: string): number[] {
  return parseList(text).map(parseShare);
}

function parseMethods(text: string): string[] {
  return parseList(text).map(parseChoice(...curveMethods));
}

async function evaluate(context: Context, paths: readonly string[], options: EvaluateCommand): Promise<void> {
  checkCurve(paths, options);
  await withOnnx(context, paths, [], async (models) => {
    const scoring = await Scoring.open(context, paths[0], models[0].path, options);
    if (options.curve) {
      const { evaluateCurveOf } = await import("./evaluate-curve.js");
      return evaluateCurveOf(context, models[0], scoring, options);
    }
    const result = await scoring.score(models);
    context.endProgress();
    context.json({ runtime: scoring.runtime.name, data: scoring.data.name, ...result });
    sayScores(context, result);
  });
}

/** @throws {InvalidInputError} for options that would be read by nothing */
function checkCurve(paths: readonly string[], options: EvaluateCommand): void {
  const { curve, methods, p, metric, output, html, svg, force, resume, layers, exclude } = options;
  const own = Object.entries({ methods, p, metric, output, html, svg, force, resume, layers, exclude });
  const unread = own.find(([, value]) => value !== undefined);
  if (curve === undefined && unread)
    throw new InvalidInputError(`--${unread[0]} is for a curve: give --curve too, or leave it out.`);
  if (curve !== undefined && paths.length > 1)
    throw new InvalidInputError(`A curve is of one model; got ${paths.length}: ${paths.join(", ")}.`);
  if (resume && output === undefined)
    throw new InvalidInputError("--resume goes on from the points in a file: name it with --output.");
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
