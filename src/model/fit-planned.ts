// Planned layers fitted, side by side, each once for each way to store it.
import { score } from "../low-rank.js";
import type { Loewner, LowRankOptions, ObjectiveName, OpenMatrix } from "../types/index.js";
import { fitLayer, laidOut, proveLayer, type FitOptions, type FittedLayer } from "./fit.js";
import type { Calibration } from "./calibrate/calibrate.js";
import type { HeldLayers } from "./held-layers.js";
import type { LayerJournal } from "./journal.js";
import { matrixOf, type Layer, type Model } from "./model.js";
import { type ModelProgress, worksOf } from "./model-progress.js";
import { notFinite } from "./not-finite.js";
import { weightsOf, type Plan, type PlannedLayer, type PlanOptions, type Skipped } from "./plan-options.js";
import { byLayer, sideBySide } from "./side-by-side.js";
import type { Spill } from "./spill.js";
import type { StoredLayer } from "./stored.js";

/**
 * What `auto` minimises for models: sums of whole rows' errors. A model reads rows, and loss follows these; the least sum of
 * entries' errors has rows a seventh longer, and cost sentiment and language models measured here more loss than SVD.
 */
export const modelObjective: ObjectiveName = "l21";

/** How layers are fitted. */
export interface FittingOptions
  extends
    Pick<LowRankOptions, "p" | "method" | "objective" | "tolerance" | "seed" | "maxWork">,
    Pick<PlanOptions, "operators" | "weights" | "signal"> {
  /** By name of the layer: second moments of what it is multiplied by, and the axis of its tensor that these run over, as `calibrate` has them. */
  calibration?: Pick<Calibration, "moments" | "axes">;
  /** Gives a place for what memory should not hold; without it factors of all layers stay in memory until they are written. */
  spill?: () => Promise<Spill>;
  /** Bytes of a left factor that is given such a place. Default 64 MiB. */
  spillBytes?: number;
}

/** Layers as they were fitted; those that hold NaN or infinity are among the skipped. */
export interface Fits<Fitted> {
  readonly chosen: readonly PlannedLayer[];
  /** In the order of `chosen`. */
  readonly made: readonly Fitted[];
  readonly skipped: Skipped[];
}

/** A layer that is only tried. */
export interface Draft extends FittedLayer {
  /** Numbers of the rows that its value has; undefined: all. */
  readonly only?: Uint32Array;
}

export class Fitting {
  /** What was fitted already, by layer and targets. */
  private readonly made = new Map<string, StoredLayer>();
  private readonly drafts = new Map<string, FittedLayer>();
  /** Layers of which parts were fitted: what was found out of them serves the whole. */
  private readonly opened = new Map<string, OpenedLayer>();

  constructor(
    private readonly loewner: Loewner,
    private readonly model: Model,
    private readonly options: FittingOptions,
    private readonly journal: LayerJournal | undefined,
    private readonly held?: HeldLayers,
  ) {}

  fit(planned: Omit<Plan, "bytesAfter">, progress: ModelProgress): Promise<Fits<StoredLayer>> {
    const { loewner, model, options, journal, held, drafts } = this;
    return this.each(planned, progress, async (planned, signal) => {
      const key = keyOf(planned);
      const run = { ...options, signal };
      const known = { journal, held, draft: drafts.get(key), sources: this.opened.get(planned.layer.name) };
      const found = this.made.get(key) ?? (await fitOnce(loewner, model, planned, run, progress, known));
      this.made.set(key, found);
      progress.end(planned.layer.name);
      return found;
    });
  }

  /**
   * The same, to be tried: nothing is proved, or kept for a run that takes this one up.
   * @param rowsOf numbers of the rows of a table that are worth trying; undefined: all
   */
  draft(
    planned: Omit<Plan, "bytesAfter">,
    progress: ModelProgress,
    rowsOf: (layer: Layer) => Uint32Array | undefined = () => undefined,
  ): Promise<Fits<Draft>> {
    const { loewner, model, options, drafts, opened } = this;
    return this.each(planned, progress, async (planned, signal) => {
      const { layer, targets } = planned;
      const sources = new OpenedLayer(loewner, model, layer);
      const fit = fitOptions(planned, { ...options, signal }, progress, draftShare);
      const only = targets[0].type === "transform" ? rowsOf(layer) : undefined;
      if (only) {
        opened.set(layer.name, sources);
        return { ...(await fitLayer(loewner, layer, sources.of(layer), targets[0], { ...fit, only })), only };
      }
      try {
        const drafted = await fitBest(loewner, sources, planned, fit);
        drafts.set(keyOf(planned), drafted);
        return drafted;
      } finally {
        sources.close();
      }
    });
  }

  /** What drafts found out is let go. */
  close(): void {
    for (const sources of this.opened.values()) sources.close();
    this.opened.clear();
  }

  private async each<Fitted extends object>(
    { chosen, skipped }: Omit<Plan, "bytesAfter">,
    progress: ModelProgress,
    fit: (planned: PlannedLayer, signal: AbortSignal) => Promise<Fitted>,
  ): Promise<Fits<Fitted>> {
    progress.share(
      new Map(chosen.map(({ layer, targets }) => [layer.name, worksOf(layer, targets).reduce((a, b) => a + b, 0)])),
    );
    for (const { name } of skipped) progress.end(name);
    const fitted = await sideBySide(
      chosen,
      byLayer(this.loewner, this.model, ({ layer }) => layer, this.options.signal),
      async (planned, signal) => {
        try {
          return await fit(planned, signal);
        } catch (error) {
          progress.end(planned.layer.name);
          return notFinite(error, planned.layer);
        }
      },
    );
    const left = chosen.flatMap(({ layer: { name } }, i) => {
      const reason = fitted[i];
      return typeof reason === "string" ? [{ name, reason }] : [];
    });
    return {
      chosen: chosen.filter((_, i) => typeof fitted[i] !== "string"),
      made: fitted.filter((one) => typeof one !== "string"),
      skipped: [...skipped, ...left],
    };
  }
}

/** Of the progress of a layer, what a draft brings it to. */
const draftShare = 0.5;

const keyOf = ({ layer, targets }: PlannedLayer) => JSON.stringify([layer.name, targets]);

/** What there is of a layer already. */
interface Known {
  readonly journal?: LayerJournal;
  /** Of other compressions. */
  readonly held?: HeldLayers;
  /** Fitted, and not proved. */
  readonly draft?: FittedLayer;
  /** What a draft found out of it. */
  readonly sources?: OpenedLayer;
}

/** What an earlier run made of the layer, or what is made of it now. */
async function fitOnce(
  loewner: Loewner,
  model: Model,
  planned: PlannedLayer,
  options: FittingOptions,
  progress: ModelProgress,
  known: Known,
): Promise<StoredLayer> {
  const { journal } = known;
  if (!journal) return fitProved(loewner, model, planned, options, progress, known);
  const { layer, targets, costs, own } = planned;
  const { p = 1, method = "auto", objective = modelObjective, tolerance = 0.01, seed = 0 } = options;
  const { maxWork, operators, weights, signal } = options;
  const moments = momentsOf(layer, options);
  const facts = {
    ...{ targets, costs, p: String(own.p ?? p), method: own.method ?? method, objective, tolerance, seed, maxWork },
    ...{ uniform: operators === "onnxruntime", power: weights?.power },
    ...(moments && { moments: await journal.digest(moments) }),
  };
  const make = () => fitProved(loewner, model, planned, { ...options, spill: journal.spill }, progress, known);
  return journal.layer(layer, facts, weightsOf(layer, weights), signal, make);
}

async function fitProved(
  loewner: Loewner,
  model: Model,
  planned: PlannedLayer,
  options: FittingOptions,
  progress: ModelProgress,
  { held, draft, sources: opened }: Known,
): Promise<StoredLayer> {
  const fit = fitOptions(planned, options, progress);
  // What one target's fit finds out of the layer serves the next.
  const sources = opened ?? new OpenedLayer(loewner, model, planned.layer, held);
  try {
    const best = draft ?? (await fitBest(loewner, sources, planned, fit, held));
    const proved = await proveLayer(loewner, sources.of(best), best, fit);
    held?.prove(best, proved);
    return proved;
  } finally {
    if (sources !== opened) sources.close();
  }
}

interface ComparedFit extends FitOptions {
  readonly objective: ObjectiveName;
}

function fitOptions(
  { layer, targets, own }: PlannedLayer,
  options: FittingOptions,
  progress: ModelProgress,
  share = 1,
): ComparedFit {
  const { objective = modelObjective, tolerance, seed, maxWork, signal, operators } = options;
  const { spill, spillBytes } = options;
  return {
    ...{ objective, tolerance, seed, maxWork, signal, spill, spillBytes },
    p: own.p ?? options.p,
    method: own.method ?? options.method,
    moments: momentsOf(layer, options),
    sample: options.calibration?.moments.get(layer.name)?.sample,
    rowWeights: weightsOf(layer, options.weights),
    rowWeightsPower: options.weights?.power,
    uniform: operators === "onnxruntime",
    onProgress: progress.calls(layer.name, share, worksOf(layer, targets)),
  };
}

/**
 * Fits each target, and keeps the one of the least measure, by its error in the objective as it came out: ties go to the first. Proved
 * only where the objective is what is proved.
 */
async function fitBest(
  loewner: Loewner,
  sources: OpenedLayer,
  { layer, targets, costs }: PlannedLayer,
  fit: ComparedFit,
  held?: HeldLayers,
): Promise<FittedLayer> {
  const { objective } = fit;
  let best: FittedLayer | undefined;
  let least = Infinity;
  for (const [i, target] of targets.entries()) {
    const own = laidOut(layer, target);
    const source = sources.of(own);
    const fitted = () => fitLayer(loewner, own, source, target, fit);
    let next = held ? await held.table(layer, target, fitted) : await fitted();
    if (objective === "operator") next = await proveLayer(loewner, source, next, fit);
    // The cost is of squares, the objective is a norm.
    const measure = score(next, objective) * Math.sqrt(costs?.[i] ?? 1);
    if (!best || measure < least) [best, least] = [next, measure];
  }
  return best!;
}

/** Of the inputs that run over the layer's columns, as trellis codes have it. */
function momentsOf({ name, inputAxis }: Layer, { calibration }: FittingOptions): Float64Array | undefined {
  return calibration?.axes.get(name) === inputAxis ? calibration?.moments.get(name)?.h : undefined;
}

/** A layer's matrix, and its transpose, each opened once; where other compressions hold it, theirs. */
class OpenedLayer {
  private readonly opened = new Map<boolean, OpenMatrix>();

  constructor(
    private readonly loewner: Loewner,
    private readonly model: Model,
    private readonly layer: Layer,
    private readonly held?: HeldLayers,
  ) {}

  of({ transposed }: Pick<Layer, "transposed">): OpenMatrix {
    const { opened, loewner, model, layer, held } = this;
    const shared = held?.open({ ...layer, transposed });
    if (shared) return shared;
    const found = opened.get(transposed) ?? loewner.open(matrixOf(model, { name: layer.name, transposed }));
    opened.set(transposed, found);
    return found;
  }

  close(): void {
    for (const source of this.opened.values()) source.close();
  }
}
