// A model in, a smaller one out: every chosen layer becomes factors, everything else passes through.
import { score } from "../low-rank.js";
import type {
  Candidate,
  Loewner,
  LowRankCertificate,
  LowRankOptions,
  Objective,
  ObjectiveName,
  TransformCode,
} from "../types/index.js";
import { bitsOf, callsOf, fitLayer, proveLayer, type FitOptions, type FittedLayer, type Spill } from "./fit.js";
import { LayerJournal, type Journal } from "./journal.js";
import { valueBytes } from "./kinds/index.js";
import { matrixOf, type Layer, type Model, type OutputFile } from "./model.js";
import type { ModelProgress } from "./model-progress.js";
import { notFinite } from "./not-finite.js";
import { chooseTargets } from "./plan.js";
import { weightsOf, type PlannedLayer, type PlanOptions, type Skipped } from "./plan-options.js";
import { byLayer, sideBySide } from "./side-by-side.js";
import type { StoredLayer, StoredType } from "./stored.js";

/**
 * What `auto` minimises for models: sums of whole rows' errors. A model reads rows, and loss follows these; the least sum of
 * entries' errors has rows a seventh longer, and cost sentiment and language models measured here more loss than SVD.
 */
export const modelObjective: ObjectiveName = "l21";

export interface CompressOptions
  extends PlanOptions, Pick<LowRankOptions, "p" | "method" | "objective" | "tolerance" | "seed" | "maxWork"> {
  /** Gives a place for what memory should not hold; without it factors of all layers stay in memory until they are written. */
  spill?: () => Promise<Spill>;
  /** Bytes of a left factor that is given such a place. Default 64 MiB. */
  spillBytes?: number;
  /** Keeps layers as they are finished, for a run that takes this one up; takes the place of `spill`. */
  journal?: Journal;
}

export interface CompressedLayer {
  name: string;
  kind: string;
  rows: number;
  cols: number;
  /** Of transform codes: components that have bits. */
  rank: number;
  /** Share of the layer's elements that the factors hold; of its components, of transform codes. */
  keep: number;
  /** How numbers are stored. */
  dtype: StoredType;
  bytesBefore: number;
  bytesAfter: number;
  method: StoredLayer["method"];
  p: number;
  /** Of what is stored. */
  objective: Objective;
  candidates: readonly Candidate[];
  certificate: LowRankCertificate;
  /** Why this rank, this method, this way to store it. */
  explain: string;
  /** Where its row weights come from. */
  rowWeights?: string;
  /** Of transform codes: how many components have how many bits, and rows that are kept nearly exactly. */
  bands?: readonly { bits: number; components: number }[];
  exactRows?: readonly number[];
  seconds: number;
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
  const { chosen, skipped, progress } = await chooseTargets(loewner, model, options, journal);
  for (const { name } of skipped) progress.end(name);
  const fitted = await sideBySide(
    chosen,
    byLayer(loewner, model, ({ layer }) => layer, options.signal),
    (planned, signal) =>
      fitOnce(loewner, model, planned, { ...options, signal }, progress, journal).catch((error: unknown) =>
        notFinite(error, planned.layer),
      ),
  );
  const layers: CompressedLayer[] = [];
  const stored: StoredLayer[] = [];
  const left = [...skipped];
  for (const [i, planned] of chosen.entries()) {
    const { layer, because } = planned;
    const made = fitted[i];
    if (typeof made === "string") {
      left.push({ name: layer.name, reason: made });
      progress.end(layer.name);
      continue;
    }
    const report = reportOf(layer, made, `${because}; ${why(made, planned, options)}`);
    if (made.rowWeights) report.rowWeights = options.weights?.description ?? "given";
    layers.push(report);
    stored.push(made);
  }
  const files = await model.layOut(stored, options);
  return {
    ...{ files, layers, skipped: left, bytesBefore: model.byteLength },
    bytesAfter: files.reduce((sum, file) => sum + file.byteLength, 0),
    seconds: (performance.now() - started) / 1000,
    seed: options.seed ?? 0,
    resumed: journal?.resumed ?? [],
    anew: journal?.anew ?? [],
  };
}

/** What an earlier run made of the layer, or what is made of it now. */
async function fitOnce(
  loewner: Loewner,
  model: Model,
  planned: PlannedLayer,
  options: CompressOptions,
  progress: ModelProgress,
  journal: LayerJournal | undefined,
): Promise<StoredLayer> {
  if (!journal) return fitBest(loewner, model, planned, options, progress);
  const { layer, targets, costs, own } = planned;
  const { p = 1, method = "auto", objective = modelObjective, tolerance = 0.01, seed = 0 } = options;
  const { maxWork, operators, weights, signal } = options;
  const facts = {
    ...{ targets, costs, p: String(own.p ?? p), method: own.method ?? method, objective, tolerance, seed, maxWork },
    ...{ uniform: operators === "onnxruntime", power: weights?.power },
  };
  const make = () => fitBest(loewner, model, planned, { ...options, spill: journal.spill }, progress);
  const stored = await journal.layer(layer, facts, weightsOf(layer, weights), signal, make);
  progress.end(layer.name);
  return stored;
}

/**
 * Fits each target, and keeps the one of the least measure, by its error in the objective as it came out: ties go to the first. Others are
 * proved only where the objective is what is proved.
 */
async function fitBest(
  loewner: Loewner,
  model: Model,
  { layer, targets, costs, own }: PlannedLayer,
  options: CompressOptions,
  progress: ModelProgress,
): Promise<StoredLayer> {
  const { objective = modelObjective, tolerance, seed, maxWork, signal, operators } = options;
  const { spill, spillBytes } = options;
  const fit: FitOptions = {
    ...{ objective, tolerance, seed, maxWork, signal, spill, spillBytes },
    p: own.p ?? options.p,
    method: own.method ?? options.method,
    rowWeights: weightsOf(layer, options.weights),
    rowWeightsPower: options.weights?.power,
    uniform: operators === "onnxruntime",
    onProgress: progress.calls(
      layer.name,
      1,
      targets.reduce((sum, target) => sum + callsOf(target), 1),
    ),
  };
  // What one target's fit finds out of the layer serves the next.
  const source = loewner.open(matrixOf(model, layer));
  try {
    let best: FittedLayer | undefined;
    let least = Infinity;
    for (const [i, target] of targets.entries()) {
      let next = await fitLayer(loewner, layer, source, target, fit);
      if (objective === "operator") next = await proveLayer(loewner, source, next, fit);
      // The cost is of squares, the objective is a norm.
      const measure = score(next, objective) * Math.sqrt(costs?.[i] ?? 1);
      if (!best || measure < least) [best, least] = [next, measure];
    }
    const proved = await proveLayer(loewner, source, best!, fit);
    progress.end(layer.name);
    return proved;
  } finally {
    source.close();
  }
}

function why(
  { method, type, candidates, rank, value }: StoredLayer,
  { targets, layer }: PlannedLayer,
  { objective = modelObjective }: CompressOptions,
): string {
  const others = candidates.map((each) => each.method).filter((name) => name !== method);
  const reasons: string[] = [];
  if (value.kind === "transform") reasons.push(bandsOf(value));
  else if (method === "dense") reasons.push("the table itself in few bits, of full rank");
  else if (others.length) reasons.push(`${method} has the least ${objective} of ${[method, ...others].join(", ")}`);
  else reasons.push(`method ${method}`);
  if (targets.length > 1) {
    const kept = nameOf(method === "dense" ? { type, rank, dense: true } : { type, rank });
    reasons.push(`${kept} has the least ${objective} of ${targets.map(nameOf).join(", ")}`);
  } else if (type !== "transform" && bitsOf(type))
    reasons.push(`factors rotated and stored in ${bitsOf(type)} bits, right in 8`);
  else if (type !== "transform")
    reasons.push(type === layer.dtype.toLowerCase() ? `stored as ${type}, the layer's own type` : `stored as ${type}`);
  return reasons.join("; ");
}

/** A way to store a layer, in words. */
function nameOf({ type, rank, dense }: { type: StoredType; rank?: number; dense?: boolean }): string {
  if (type === "transform") return "transform codes";
  return dense ? `${type} at full rank` : `${type} at rank ${rank}`;
}

function bandsOf({ bands, cols, exact }: TransformCode): string {
  const coded = bands.map(({ bits, cols: count }) => `${Math.min(count, cols)} in ${bits} bits`);
  const components = coded.length ? `components: ${coded.join(", ")}` : "no component has bits";
  return exact ? `${components}; ${exact.rows.length} rows nearly exact` : components;
}

function reportOf({ name, kind, bytes }: Layer, best: StoredLayer, explain: string): CompressedLayer {
  const { rows, cols, rank, type, method, p, objective, candidates, certificate, seconds, value } = best;
  const keep =
    value.kind === "transform"
      ? Math.min(1, rank / cols)
      : method === "dense"
        ? 1
        : (rank * (rows + cols)) / (rows * cols);
  return {
    ...{ name, kind, rows, cols, rank, keep, dtype: type, bytesBefore: bytes, bytesAfter: valueBytes(value) },
    ...{ method, p, objective, candidates, certificate, explain, seconds },
    ...(value.kind === "transform" && {
      bands: value.bands.map(({ bits, cols: components }) => ({ bits, components })),
      exactRows: Array.from(value.exact?.rows ?? []),
    }),
  };
}
