// A model in, a smaller one out: every chosen layer becomes factors or codes, everything else passes through.
import type { Loewner } from "../types/index.js";
import { compressedLayer, type CompressedLayer } from "./compressed-layer.js";
import { Fitting, type Fits, modelObjective, type FittingOptions } from "./fit-planned.js";
import { LayerJournal, type Journal } from "./journal.js";
import type { Model, OutputFile } from "./model.js";
import { openPlan, planningShare } from "./plan.js";
import type { PlanOptions, Skipped } from "./plan-options.js";
import type { StoredLayer } from "./stored.js";

export { modelObjective } from "./fit-planned.js";
export type { CompressedLayer } from "./compressed-layer.js";

export interface CompressOptions extends PlanOptions, FittingOptions {
  /** Keeps layers as they are finished, for a run that takes this one up; takes the place of `spill`. */
  journal?: Journal;
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
  const fits = await new Fitting(loewner, model, options, journal).fit(await plan.targets(), progress);
  return compressedModel(model, fits, options, started, journal);
}

/** The files laid out, and what there is to tell. */
export async function compressedModel(
  model: Model,
  { chosen, skipped, made }: Fits<StoredLayer>,
  options: CompressOptions,
  started: number,
  journal?: LayerJournal,
): Promise<CompressedModel> {
  const layers = made.map((stored, i) => {
    const report = compressedLayer(stored, chosen[i], options.objective ?? modelObjective);
    if (stored.rowWeights) report.rowWeights = options.weights?.description ?? "given";
    return report;
  });
  const files = await model.layOut(made, options);
  return {
    ...{ files, layers, skipped, bytesBefore: model.byteLength },
    bytesAfter: files.reduce((sum, file) => sum + file.byteLength, 0),
    seconds: (performance.now() - started) / 1000,
    seed: options.seed ?? 0,
    resumed: journal?.resumed ?? [],
    anew: journal?.anew ?? [],
  };
}
