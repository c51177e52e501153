import type { Command } from "commander";
import { InvalidInputError, VerificationError } from "../errors.js";
import {
  compareUntouched,
  verifyLayers,
  type Untouched,
  type Verification,
  type VerifiedLayer,
} from "../model/index.js";
import { type CommonOptions, runCommand, type Context } from "./context.js";
import { withModel, type OpenModel } from "./models.js";
import { addModelCommon } from "./options.js";
import { addRowWeights, readRowWeights, type RowWeightOptions, type RowWeightsFile } from "./row-weights.js";
import { number } from "./text.js";
import {
  addRunOptions,
  prepareRun,
  runFailure,
  verifyOnnx,
  whyNotRun,
  type OnnxRunReport,
  type RunOptions,
} from "./verify-onnx.js";

type Options = CommonOptions & RowWeightOptions & RunOptions & { run?: boolean };

export function addVerify(program: Command): void {
  const command = program
    .command("verify <model> <compressed>")
    .description(
      "compute errors and certificates afresh and compare; ONNX: run both models on the same inputs; safetensors: every other tensor byte for byte",
    )
    .option("--no-run", "ONNX: prove only, do not run the models");
  addModelCommon(addRunOptions(addRowWeights(command)))
    .addHelpText(
      "after",
      `
Examples:
  loewner verify model.safetensors small.safetensors
  loewner verify model.onnx small.onnx --inputs input_ids=ids.npy`,
    )
    .action((model: string, compressed: string, options: Options) =>
      runCommand(options, (context) =>
        withModel(
          context,
          model,
          (original) =>
            withModel(context, compressed, async (small) => {
              const { report, failure } = await verify(context, original, small, options);
              context.json({ input: original.path, compressed: small.path, ...report }, failure);
              if (failure) throw failure;
            }),
          { requantise: true },
        ),
      ),
    );
}

/** What verify found, for --json, and the error to end with where that is a fault. People have been told already. */
export async function verify(context: Context, original: OpenModel, compressed: OpenModel, options: Options) {
  const isAsked = original.kind === "onnx" && compressed.kind === "onnx" && options.run !== false;
  const notRun = isAsked ? await whyNotRun(options) : undefined;
  const runs = isAsked && notRun === undefined;
  // Proofs may take long: an input that cannot be read is told first.
  if (runs) await prepareRun(original, options);
  const proved = await proveLayers(context, original, compressed, options);
  const faults = faultsOf(proved, original, compressed, options);
  sayLayers(context, proved, original);
  const answers = runs ? await verifyOnnx(context, original, compressed, options) : undefined;
  const failure = faults ?? (answers && runFailure(answers, compressed.path));
  if (notRun !== undefined) context.say(notRun);
  if (!failure) context.say(outcomeOf(proved, answers, compressed));
  const notes = notRun === undefined ? {} : { notes: [notRun] };
  return { report: { ...proved, ...answers, ...notes, ok: failure === undefined }, failure };
}

async function proveLayers(
  context: Context,
  original: OpenModel,
  compressed: OpenModel,
  options: Options,
): Promise<Verification & Partial<Untouched>> {
  if (original.kind !== compressed.kind) {
    throw new InvalidInputError(
      `${original.path} is ${original.kind}, but ${compressed.path} is ${compressed.kind}; compare files of one format.`,
      { file: compressed.path },
    );
  }
  const { rowWeights: path, rowWeightsPower } = options;
  // The file says which power compress took; weights are small, and read again for another.
  const powers = [...compressed.model.described.values()].map((layer) => layer.rowWeightsPower);
  checkPower(rowWeightsPower, powers, compressed);
  const read = new Map<number | undefined, RowWeightsFile>();
  if (path !== undefined) {
    for (const power of new Set(powers)) read.set(power, await readRowWeights(path, power ?? rowWeightsPower, context));
  }
  const run = {
    weightsFor: (rows: number, power: number | undefined) => read.get(power)?.weightsFor(rows),
    signal: context.signal,
    onProgress: context.progress,
  };
  const proved = await context.withLoewner((loewner) => verifyLayers(loewner, original.model, compressed.model, run));
  context.endProgress();
  if (original.kind !== "safetensors" || compressed.kind !== "safetensors") return proved;
  const rest = await compareUntouched(original.file, compressed.file, compressed.model);
  return { ...proved, ...rest, missing: [...new Set([...proved.missing, ...rest.missing])] };
}

/** @throws {InvalidInputError} for another power than the file says */
function checkPower(given: number | undefined, powers: readonly (number | undefined)[], { path }: OpenModel): void {
  const other = powers.find((power) => power !== undefined && power !== given);
  if (given === undefined || other === undefined) return;
  throw new InvalidInputError(
    `${path} says that its row weights are counts to the power ${other}, not ${given}: leave --row-weights-power out, or compress again with it.`,
    { file: path },
  );
}

function sayLayers(
  context: Context,
  { layers, unproved, altered, untouched }: Verification & Partial<Untouched>,
  { path }: OpenModel,
): void {
  const isAll = context.options.verbose || layers.length <= mostLayers;
  for (const layer of layers) if (isAll || !layer.ok) sayLayer(context, layer);
  for (const name of unproved)
    context.say(`not proved  ${name}: ${path} holds it as the same factors, so there is no table to prove it by`);
  for (const name of altered) context.say(`FAILED  ${name}: ${path} holds it as factors too, but not as these`);
  if (untouched !== undefined) context.say(`${untouched} other tensors are the same to the byte`);
}

/** Layers that are named though they are as they should be, at most: --verbose names all. */
const mostLayers = 10;

function sayLayer(context: Context, { name, ok, difference, saved, computed, faults }: VerifiedLayer): void {
  context.say(`${ok ? "ok    " : "FAILED"}  ${name}`);
  for (const fault of faults) context.say(`        the file says that ${fault}`);
  if (!context.options.verbose) return;
  context.say(`        errors as saved to ${difference.toExponential(1)}; l_1 ${number(computed.objective.l1)}`);
  context.say(`        bound saved ${number(saved.bound)}, proved afresh ${number(computed.bound)}`);
}

/** The last line of what is well. */
function outcomeOf(
  { layers, unproved }: Verification,
  answers: OnnxRunReport | undefined,
  { path }: OpenModel,
): string {
  const count = `${layers.length} ${layers.length === 1 ? "layer" : "layers"}`;
  const rest = unproved.length ? ` (${unproved.length} not proved)` : "";
  const cosines = answers?.outputs.flatMap(({ cosine }) => cosine ?? []) ?? [];
  const agreement = cosines.length
    ? ` Its answers agree to ${Math.min(...cosines).toFixed(4)} with the original's (cosine).`
    : answers
      ? " It runs, as the original does."
      : "";
  return `${path} is what it says it is: errors and bounds of ${count} proved afresh${rest}.${agreement}`;
}

function faultsOf(
  { layers, changed = [], missing, altered }: Verification & Partial<Untouched>,
  original: OpenModel,
  { path }: OpenModel,
  { rowWeights }: Options,
): VerificationError | undefined {
  const failed = layers.filter((layer) => !layer.ok).map((layer) => layer.name);
  const what = [
    failed.length && `${failed.join(", ")} ${failed.length > 1 ? "are" : "is"} not what the file says`,
    changed.length && `changed: ${changed.join(", ")}`,
    missing.length && `missing or of another shape: ${missing.join(", ")}`,
    altered.length && `other factors than in the original: ${altered.join(", ")}`,
  ].filter(Boolean);
  if (what.length === 0 && layers.length > 0) return undefined;
  if (what.length === 0) {
    return new VerificationError(
      `Nothing of ${path} was proved: ${original.path} holds the same factors. Give the model as it was before it was compressed.`,
      { file: path },
    );
  }
  const others = failed.length && rowWeights ? ", or pass the row weights that it was compressed with" : "";
  return new VerificationError(
    `${path} does not match ${original.path}: ${what.join("; ")}. Compress it again from the original${others}.`,
    { file: path },
  );
}
