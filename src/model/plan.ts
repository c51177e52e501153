// Which layers are compressed, and to what: a rank and a way to store it for each, from a size for each layer, or from a size of
// the whole file that is spread over them by their spectra.
import { InvalidInputError } from "../errors.js";
import type { Loewner } from "../types/index.js";
import { checkedPlan } from "./checked.js";
import type { HeldLayers } from "./held-layers.js";
import type { LayerJournal } from "./journal.js";
import { select } from "./layers.js";
import { ModelProgress } from "./model-progress.js";
import { compressNames } from "./option-tables.js";
import { shapeOf, type Layer, type Model } from "./model.js";
import { notFinite } from "./not-finite.js";
import { checkPlan, type LayerPlan } from "./plan-file.js";
import {
  isOfFile,
  isOfTokens,
  sizesIn,
  weightsOf,
  type Plan,
  type PlannedLayer,
  type PlanOptions,
} from "./plan-options.js";
import { Planner, type SpreadSize } from "./planner.js";
import { byLayer, sideBySide } from "./side-by-side.js";

/** @throws {InvalidInputError} when a size, a layer, a plan or row weights cannot be used: the message says which */
export async function planCompression(loewner: Loewner, model: Model, options: PlanOptions): Promise<Plan> {
  const open = await openPlan(loewner, model, checkedPlan("planCompression", model, options, compressNames), 1);
  open.progress.finish();
  const { chosen, skipped } = await open.targets();
  return { chosen, skipped, bytesAfter: await open.planner.size(chosen) };
}

/** What spectra take of the time that a layer does. */
export const planningShare = 0.1;

/** Which layers are compressed, and, of those with a size of their own, to what; the rest of a size of the whole can be asked for again and again. */
export interface OpenPlan {
  /** In the order of the file. */
  readonly layers: readonly Layer[];
  readonly planner: Planner;
  readonly progress: ModelProgress;
  /** The plan without its size, which laying the files out tells. @param size of the whole; default: that of the options */
  targets(size?: SpreadSize): Promise<Omit<Plan, "bytesAfter">>;
}

/**
 * @param share of the progress of each layer that planning takes
 * @param held what other compressions of the model left
 */
export async function openPlan(
  loewner: Loewner,
  model: Model,
  options: PlanOptions,
  share: number,
  journal?: LayerJournal,
  held?: HeldLayers,
): Promise<OpenPlan> {
  if (options.plan) checkPlan(options.plan, model);
  const { chosen: layers, skipped } = selectWithPlan(model, options);
  checkWeights(model, layers, options);
  const progress = new ModelProgress(layers, options.onProgress);
  const progressOf = (layer: string) => progress.calls(layer, share);
  const planner = new Planner(loewner, model, options, progressOf, journal, held?.candidatesFor(options));
  const fixed: PlannedLayer[] = [];
  const shared: { layer: Layer; own: LayerPlan }[] = [];
  const choices = await sideBySide(
    layers,
    byLayer(loewner, model, (layer) => layer, options.signal),
    async (layer, signal) => {
      const own = options.plan?.layers[layer.name] ?? {};
      checkNames(model, layer);
      if (own.skip) return "the plan says so";
      const unfit = planner.unfit(layer, own);
      if (unfit !== undefined) return unfit;
      try {
        if (sizesIn(own).length > 0 || !isOfFile(options)) return await planner.alone(layer, own, signal);
        await planner.look(layer, own, signal);
        return { layer, own };
      } catch (error) {
        return notFinite(error, layer);
      }
    },
  );
  choices.forEach((choice, i) => {
    if (typeof choice === "string") skipped.push({ name: layers[i].name, reason: choice });
    else if ("targets" in choice) fixed.push(choice);
    else shared.push(choice);
  });
  const targets = async (size: SpreadSize = options) => {
    const left = [...skipped];
    // With nothing to spread it over either: a size of the whole that a plan's own sizes pass is refused.
    const spread = isOfFile(options) ? await planner.spread(shared, fixed, left, size) : [];
    const chosen = [...fixed, ...spread];
    chosen.sort((a, b) => layers.indexOf(a.layer) - layers.indexOf(b.layer));
    return { chosen, skipped: left };
  };
  return { layers, planner, progress, targets };
}

/** A plan's own layers are chosen, unless others are named. */
function selectWithPlan(model: Model, { layers, names, exclude, plan }: PlanOptions) {
  if (!plan || layers?.length || names) return select(model, { layers, names, exclude });
  const planned = Object.keys(plan.layers).filter((name) => !plan.layers[name].skip);
  return select(model, { exclude, names: planned }, "not in the plan");
}

/** Before anything is computed: weights that no chosen layer can take are those of another model. */
function checkWeights(model: Model, chosen: readonly Layer[], { weights }: PlanOptions): void {
  if (!weights || weights.optional || chosen.some((layer) => weightsOf(layer, weights))) return;
  const tables = chosen.filter(isOfTokens).map((layer) => shapeOf(layer)[0]);
  if (weights.misfit && tables.length) throw weights.misfit(Math.max(...tables));
  const rows = chosen.map((layer) => `${layer.name} (${shapeOf(layer)[0]})`).join(", ");
  throw new InvalidInputError(
    `The row weights fit no chosen layer of ${model.name}: a table of tokens with as many rows is needed; chosen are ${rows || "none"}.`,
    { file: model.name },
  );
}

function checkNames(model: Model, { name }: Layer): void {
  const taken = [`${name}.left`, `${name}.right`].find((factor) => model.isTaken(factor));
  if (taken === undefined) return;
  throw new InvalidInputError(`${model.name} already has a tensor named ${taken}; leave ${name} out with --exclude.`, {
    file: model.name,
    tensor: taken,
  });
}
