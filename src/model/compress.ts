// A model in, a smaller one out: every chosen layer becomes factors or codes, everything else passes through.
import type { Loewner } from "../types/index.js";
import { compressedLayer, type CompressedLayer } from "./compressed-layer.js";
import { Fitting, modelObjective, type FittingOptions } from "./fit-planned.js";
import { LayerJournal, type Journal } from "./journal.js";
import type { Model, OutputFile } from "./model.js";
import { openPlan, planningShare } from "./plan.js";
import type { PlannedLayer, PlanOptions, Skipped } from "./plan-options.js";
import type { StoredLayer } from "./stored.js";
import type { Tokenizer } from "./tokens/tokenizer.js";

export { modelObjective } from "./fit-planned.js";
export type { CompressedLayer } from "./compressed-layer.js";

export interface CompressOptions extends PlanOptions, FittingOptions {
  /** Keeps layers as they are finished, for a run that takes this one up; takes the place of `spill`. */
  journal?: Journal;
  /** Of the model, as `readTokenizer` gives it: the report names the tokens of rows that are kept nearly exactly. */
  tokenizer?: Tokenizer;
}

/** What compress made: the files are still to be written. */
export interface CompressedModel {
  /** Data files first, the main file ("") last. */
  files: OutputFile[];
  layers: CompressedLayer[];
  skipped: Skipped[];
  bytesBefore: number;
  bytesAfter: number;
  seconds: number;
  seed: number;
  /** Layers that an earlier run had finished, from the journal. */
  resumed: string[];
  /** Layers that the journal had something of which could not be taken up. */
  anew: Skipped[];
}

/**
 * A layer that holds NaN or infinity is left alone, and is among the skipped with row and column.
 * @throws {InvalidInputError} for options out of range
 */
export async function compressModel(
  loewner: Loewner,
  model: Model,
  options: CompressOptions,
): Promise<CompressedModel> {
  const started = performance.now();
  const journal = options.journal && new LayerJournal(options.journal, model);
  const plan = await openPlan(loewner, model, options, planningShare, journal);
  const { progress } = plan;
  const { chosen, skipped } = await plan.targets();
  for (const { name } of skipped) progress.end(name);
  const stored = await new Fitting(loewner, model, options, journal).fit(chosen, progress);
  return compressedModel(model, { chosen, skipped, stored }, options, started, journal);
}

interface Made {
  readonly chosen: readonly PlannedLayer[];
  readonly skipped: readonly Skipped[];
  /** Text: why a layer is left alone after all. */
  readonly stored: readonly (StoredLayer | string)[];
}

/** The files laid out, and what there is to tell. */
export async function compressedModel(
  model: Model,
  { chosen, skipped, stored }: Made,
  options: CompressOptions,
  started: number,
  journal?: LayerJournal,
): Promise<CompressedModel> {
  const layers: CompressedLayer[] = [];
  const kept: StoredLayer[] = [];
  const left = [...skipped];
  for (const [i, planned] of chosen.entries()) {
    const made = stored[i];
    if (typeof made === "string") {
      left.push({ name: planned.layer.name, reason: made });
      continue;
    }
    const report = compressedLayer(made, planned, options.objective ?? modelObjective, options.tokenizer);
    if (made.rowWeights) report.rowWeights = options.weights?.description ?? "given";
    layers.push(report);
    kept.push(made);
  }
  const files = await model.layOut(kept, options);
  return {
    ...{ files, layers, skipped: left, bytesBefore: model.byteLength },
    bytesAfter: files.reduce((sum, file) => sum + file.byteLength, 0),
    seconds: (performance.now() - started) / 1000,
    seed: options.seed ?? 0,
    resumed: journal?.resumed ?? [],
    anew: journal?.anew ?? [],
  };
}
