// A model in, a smaller one out: every chosen layer becomes factors or codes, everything else passes through.
import type { Loewner } from "../types/index.js";
import { checkedPlan } from "./checked.js";
import { compressedLayer, type CompressedLayer } from "./compressed-layer.js";
import { Fitting, type Fits, modelObjective, type FittingOptions } from "./fit-planned.js";
import type { HeldLayers } from "./held-layers.js";
import { LayerJournal, type Journal } from "./journal.js";
import type { Model, OutputFile } from "./model.js";
import { compressNames } from "./option-tables.js";
import { openPlan, planningShare } from "./plan.js";
import type { PlanOptions, Skipped } from "./plan-options.js";
import type { StoredLayer } from "./stored.js";
import type { Tokenizer } from "./tokens/tokenizer.js";

export { modelObjective } from "./fit-planned.js";
export type { CompressedLayer } from "./compressed-layer.js";

export interface CompressOptions extends PlanOptions, FittingOptions {
  /** Keeps layers as they are finished, for a run that takes this one up; takes the place of `spill`. */
  journal?: Journal;
  /** False: a layer stays as it is where the file would be larger with it, and is among the skipped. Default true: every chosen one is replaced. */
  mayGrow?: boolean;
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
 * @throws {InvalidInputError} for options that do not exist or are out of range, and for a path in place of an open model: for paths there
 *   is `compressFile` of loewner/node
 */
export async function compressModel(loewner: Loewner, model: Model, given: CompressOptions): Promise<CompressedModel> {
  return compressHeld(loewner, model, given);
}

/** The same. @param held of the model, for other sizes of it as well: the result is what it is without */
export async function compressHeld(
  loewner: Loewner,
  model: Model,
  given: CompressOptions,
  held?: HeldLayers,
): Promise<CompressedModel> {
  const started = performance.now();
  const options = checkedPlan("compressModel", model, given, compressNames);
  const journal = options.journal && new LayerJournal(options.journal, model);
  const plan = await openPlan(loewner, model, options, planningShare, journal, held);
  const { progress } = plan;
  const fits = await new Fitting(loewner, model, options, journal, held).fit(await plan.targets(), progress);
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
  const growing = options.mayGrow === false ? await growingOf(model, made, options) : new Map<StoredLayer, string>();
  const left = chosen.flatMap(({ layer: { name } }, i) => {
    const reason = growing.get(made[i]);
    return reason === undefined ? [] : [{ name, reason }];
  });
  const kept = made.filter((stored) => !growing.has(stored));
  const planned = chosen.filter((_, i) => !growing.has(made[i]));
  const layers = kept.map((stored, i) => {
    const report = compressedLayer(stored, planned[i], options.objective ?? modelObjective, options.tokenizer);
    if (stored.rowWeights) report.rowWeights = options.weights?.description ?? "given";
    return report;
  });
  const files = await model.layOut(kept, options);
  return {
    ...{ files, layers, skipped: [...skipped, ...left], bytesBefore: model.byteLength },
    bytesAfter: files.reduce((sum, file) => sum + file.byteLength, 0),
    seconds: (performance.now() - started) / 1000,
    seed: options.seed ?? 0,
    resumed: journal?.resumed ?? [],
    anew: journal?.anew ?? [],
  };
}

/** Loaded where it is asked for. */
async function growingOf(model: Model, made: readonly StoredLayer[], options: CompressOptions) {
  const { growingLayers } = await import("./growth.js");
  return growingLayers(model, made, options);
}
