import type { Command } from "commander";
import { InvalidInputError, VerificationError } from "../errors.js";
import { compareUntouched, verifyLayers, type Untouched, type Verification } from "../model/index.js";
import { type CommonOptions, runCommand, type Context } from "./context.js";
import { withModel, type OpenModel } from "./models.js";
import { addModelCommon } from "./options.js";
import { addRowWeights, readRowWeights, type RowWeightOptions, type RowWeightsFile } from "./row-weights.js";
import { number } from "./text.js";
import { addRunOptions, prepareRun, runFailure, verifyOnnx, whyNotRun, type RunOptions } from "./verify-onnx.js";

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
              context.json({ input: original.path, output: small.path, ...report });
              if (failure) throw failure;
            }),
          { requantise: true },
        ),
      ),
    );
}

/** What verify found, for --json, and the error to end with where that is a fault. People have been told already. */
export async function verify(context: Context, original: OpenModel, compressed: OpenModel, options: Options) {
  const areOnnx = original.kind === "onnx" && compressed.kind === "onnx" && options.run !== false;
  const notRun = areOnnx ? await whyNotRun(options) : undefined;
  const runs = areOnnx && notRun === undefined;
  // Proofs may take long: an input that cannot be read is told first.
  if (runs) await prepareRun(original, options);
  const proved = await proveLayers(context, original, compressed, options);
  const faults = faultsOf(proved, original, compressed, options);
  sayLayers(context, proved, original);
  const answers = runs ? await verifyOnnx(context, original, compressed, options) : undefined;
  if (notRun !== undefined) context.say(`The models were not run. ${notRun}`);
  const failure = faults ?? (answers && runFailure(answers, compressed.path));
  return { report: { ...proved, ...answers, ...(notRun && { notRun }), ok: failure === undefined }, failure };
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
  for (const { name, ok, difference, saved, computed, faults } of layers) {
    context.say(`${ok ? "ok    " : "FAILED"}  ${name}`);
    context.say(`        errors as saved to ${difference.toExponential(1)}; l_1 ${number(computed.objective.l1)}`);
    context.say(`        bound saved ${number(saved.bound)}, proved afresh ${number(computed.bound)}`);
    for (const fault of faults) context.say(`        the file says that ${fault}`);
  }
  for (const name of unproved)
    context.say(`not proved  ${name}: ${path} holds it as the same factors, so there is no table to prove it by`);
  for (const name of altered) context.say(`FAILED  ${name}: ${path} holds it as factors too, but not as these`);
  if (untouched !== undefined) context.say(`${untouched} other tensors are the same to the byte`);
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
