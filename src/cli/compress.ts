import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Command } from "commander";
import { InvalidInputError, isLoewnerError } from "../errors.js";
import { codeOf } from "../node/files/faults.js";
import { type FileToWrite, writeAllAtomically } from "../node/files/file.js";
import { checkOutputsIn } from "../node/files/inner-path.js";
import { noteOriginal, refuseOriginal } from "../node/files/originals.js";
import {
  compressModel,
  defaultRowWeightsPower,
  planCompression,
  readPlan,
  type CompressedModel,
  type Model,
  type OutputFile,
  type PlanFile,
  type ShrinkOptions,
  type ShrunkModel,
} from "../model/index.js";
import { type FolderJournal, openJournal } from "../node/journal/journal.js";
import { removeFinishedJournal } from "../node/journal/folder.js";
import type { Loewner } from "../types/index.js";
import { checkCombination } from "./combinations.js";
import {
  compressedBefore,
  joinedLayers,
  joinedTensors,
  nothingDone,
  reportJson,
  reportLayers,
  reportPlan,
} from "./compress-report.js";
import { addCompressOptions, type Options } from "./compress-options.js";
import { runCommand, type Context } from "./context.js";
import { withModel, type OpenModel } from "./models.js";
import { checkOneSize } from "./options.js";
import { calibrationInputs, checkQuality, defaultOutput, sayOutcome, tokenizerOf } from "./quality.js";
import { checkShrunk, sayRequantised } from "./requantise.js";
import { readRowWeights } from "./row-weights.js";
import { verify } from "./verify.js";
import { version } from "./version.js";
import { prepareRun, whyNotRun } from "./verify-onnx.js";

export function addCompress(program: Command): void {
  addCompressOptions(
    program
      .command("compress <model>")
      .description(
        "make a model (.onnx or .safetensors) as small as its answers allow, each layer with a proven error bound",
      ),
  ).action((model: string, options: Options) => runCommand(options, (context) => compress(context, model, options)));
}

async function compress(context: Context, path: string, options: Options): Promise<void> {
  const { dryRun } = options;
  checkOneSize(options, { whole: true, optional: true });
  const sized = (["keep", "rank", "energy", "budget", "bytes"] as const).some((key) => options[key] !== undefined);
  checkQuality(options, sized);
  checkCombination(options);
  const plan = options.plan === undefined ? undefined : await planFrom(options.plan, context);
  const compressOpen = async (open: OpenModel) => {
    if (options.for === "memory" && open.kind !== "onnx")
      throw new InvalidInputError(
        `${path} is a safetensors model, which no runtime computes with as it lies: --for memory is for ONNX.`,
        { file: path },
      );
    const output = options.output ?? defaultOutput(open, open.path === path || isInside(open.path, path));
    // Fitting may take long: what --verify lacks is told first.
    if (options.verify && open.kind === "onnx" && (await whyNotRun(options)) === undefined)
      await prepareRun(open, options);
    const weights = await weightsOf(options);
    const tokenizer = (await tokenizerOf(context, open, options.tokenizer)) ?? weights?.tokenizer;
    const inputs = dryRun ? undefined : await calibrationInputs(context, open, options);
    if (!dryRun) await checkOutput(context, open, output, options);
    const { p, method, groups, objective, tolerance, seed, maxWork, keep, rank, energy, budget, bytes } = options;
    const { for: purpose, operators = purpose === "memory" ? "onnxruntime" : undefined } = options;
    const { minRank, multipleOf, quality, cosine, maxError } = options;
    // A plan says of what it names all there is to say.
    const isOpen = plan === undefined && (keep ?? rank ?? energy) === undefined;
    const { layers = isOpen ? ["all"] : undefined, exclude } = options;
    // Factors are asked for by what is said of them; of codes, "the layer's own type" would be floats.
    const isOfFactors = multipleOf !== undefined || (method !== undefined && method !== "auto");
    const isAuto =
      (plan === undefined && (isOpen || (keep !== undefined && !isOfFactors))) ||
      (options.requantise && (rank ?? energy) === undefined);
    const { dtype = isAuto ? "auto" : undefined } = options;
    const wanted: ShrinkOptions = {
      ...{ p, method, groups, objective, tolerance, seed, maxWork, keep, rank, energy, budget, bytes, maxError },
      ...{ layers, exclude, minRank, multipleOf, operators, purpose, dtype, plan },
      ...{ weights, tokenizer },
      mayGrow: false,
      mainName: basename(output),
      signal: context.signal,
      onProgress: context.progress,
    };
    if (dryRun) {
      const planned = await context.withLoewner(async (loewner) => {
        if (!isOpen) return planCompression(loewner, open.model, wanted);
        const { foretell } = await import("../model/quality/foretell.js");
        return foretell(loewner, open.model, { ...wanted, quality, cosine });
      });
      return reportPlan(context, open.model, planned);
    }
    const before = compressedBefore(open.model);
    const isShrunk = isOpen || inputs !== undefined;
    const result: ShrunkModel = await write(context, open.model, output, options, async (loewner, journal) => {
      if (!isShrunk) return { ...(await compressModel(loewner, open.model, { ...wanted, journal })), notes: [] };
      const { shrinkModel } = await import("../model/quality/shrink.js");
      return shrinkModel(loewner, open.model, { ...wanted, quality, cosine, inputs, journal });
    });
    if (before !== undefined) result.notes.push(before);
    if (weights?.note !== undefined) result.notes.push(weights.note);
    const joined = await joinedTensors(open.model);
    reportLayers(context, open.model, result, joined);
    await sayRequantised(context, open.model, result);
    // Without factors there is nothing to prove.
    const checked =
      options.verify && result.layers.length
        ? await withModel(context, output, (small) => verify(context, open, small, options))
        : undefined;
    reportJson(context, path, output, result, checked, joined);
    sayOutcome(context, open, output, result, checked !== undefined);
    if (checked?.failure) throw checked.failure;
  };
  await withModel(context, path, compressOpen, options);
}

/** A model in a folder that was named: what comes of it goes beside it. */
const isInside = (file: string, folder: string) => file.startsWith(join(folder, "/"));

async function write<Result extends CompressedModel>(
  context: Context,
  model: Model,
  output: string,
  { force, resume, requantise }: Options,
  make: (loewner: Loewner, journal: FolderJournal) => Promise<Result>,
): Promise<Result> {
  const { signal } = context;
  const journal = openJournal(output, { version, resume });
  context.onInterrupt = () => (journal.abandon() ? staysIn(journal) : undefined);
  if (journal.earlierSeconds > 0 && !resume)
    context.say(
      `${journal.folder} holds ${journal.earlierSeconds.toFixed(1)} s of work of a run that ended early; this one starts anew. Stop it and give --resume to go on from there.`,
    );
  try {
    const result = await context.withLoewner((loewner) => make(loewner, journal));
    if (result.layers.length === 0 && joinedLayers(model).length === 0) throw nothingDone(model, result.skipped);
    if (requantise) checkShrunk(model, result);
    const files = result.files.map(({ name, byteLength, write }): FileToWrite => ({
      path: name === "" ? output : join(dirname(output), name),
      byteLength,
      write: (sink) => write(sink, { signal }),
    }));
    await checkOutputsIn(output, besides(result.files));
    await journal.giveWay(result.bytesAfter);
    await writeAllAtomically(files, { force, signal, onWritten: (main) => journal.finishing(main) });
    await journal.finish();
    context.endProgress();
    return result;
  } catch (error) {
    if ((await journal.stop()) && isLoewnerError(error)) error.message += ` ${staysIn(journal)}`;
    throw error;
  } finally {
    context.onInterrupt = undefined;
  }
}

const staysIn = ({ folder }: FolderJournal) =>
  `What was finished is kept in ${folder}: the same command with --resume goes on from there.`;

/** Where files will go beside the main one is told by the model as it is: of these too none may be what was read. */
async function checkOutput(context: Context, { path, kind, model }: OpenModel, output: string, options: Options) {
  const other = kind === "onnx" ? /\.(safetensors|json)$/i : /\.onnx$/i;
  if (other.test(output)) {
    throw new InvalidInputError(
      `${path} is ${kind === "onnx" ? "an ONNX" : "a safetensors"} model, and so will be what comes out: name the output .${kind}, not ${output}.`,
      { file: output },
    );
  }
  refuseOriginal(output);
  removeFinishedJournal(output);
  const names = besides(await model.layOut([], { mainName: basename(output) }));
  await checkOutputsIn(output, names);
  await context.checkOutputs([...names.map((name) => join(dirname(output), name)), output], options);
}

const besides = (files: readonly OutputFile[]) => files.map(({ name }) => name).filter((name) => name !== "");

async function weightsOf({ rowWeights, rowWeightsPower: power = defaultRowWeightsPower, limit }: Options) {
  return rowWeights === undefined
    ? undefined
    : Object.assign(await readRowWeights(rowWeights, power, { limits: limit }), { power });
}

async function planFrom(path: string, { limits }: Context): Promise<PlanFile> {
  const text = await readFile(path, "utf8").catch((cause: Error) => {
    const reasons: Record<string, string> = { ENOENT: "no such file. Check the path", EISDIR: "it is a folder" };
    const reason = reasons[codeOf(cause)] ?? cause.message;
    throw new InvalidInputError(`Cannot read the plan ${path}: ${reason}.`, { file: path }, { cause });
  });
  noteOriginal(path);
  return readPlan(text, path, { limits });
}
