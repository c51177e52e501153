// Which layers are compressed, and to what: a rank and a way to store it for each, from a size for each layer, or from a size of
// the whole file that is spread over them by their spectra.
import { InvalidInputError } from "../errors.js";
import { rankForEnergy, rankForKeep } from "../options.js";
import type { Loewner, LowRankOptions, Progress, RowWeights } from "../types/index.js";
import { allocate } from "./budget.js";
import { optionsFor, shortlist, type Candidates, type Option } from "./choices.js";
import { bitsOf, type Target } from "./fit.js";
import { select, type Selection } from "./layers.js";
import { matrixOf, shapeOf, type Layer, type LayOutOptions, type Model } from "./model.js";
import { checkPlan, type LayerPlan, type PlanFile } from "./plan-file.js";
import { emptyLayer, targetBytes } from "./sizes.js";
import type { StoredType } from "./stored.js";

/** Exactly one of the five, for the layers that a plan file says nothing of. */
export interface SizeOptions {
  rank?: number;
  /** Share of the layer's elements (with type "auto": of its bytes) that its factors may take. */
  keep?: number;
  energy?: number;
  /** Share of the whole model's bytes that the result may take. */
  budget?: number;
  /** Bytes that the result may take. */
  bytes?: number;
}

/** Row weights for any table of tokens that they fit. */
export interface LayerWeights {
  /** For a table of so many rows; undefined where there are none. */
  weightsFor(rows: number): RowWeights | undefined;
  /** The error when no chosen layer fits, told the rows of the largest. */
  misfit?(rows: number): Error;
  /** Power of the counts that was taken, and where they come from: recorded in the file and in the report. */
  power?: number;
  description?: string;
}

/** p, tolerance and seed are written into the file: they matter for its size alone here. */
export interface PlanOptions
  extends Selection, SizeOptions, LayOutOptions, Pick<LowRankOptions, "p" | "tolerance" | "seed"> {
  /** How numbers are stored. Default: as the layer's own. "auto": whichever bits and rank err least at the size asked for. */
  type?: StoredType | "auto";
  /** Smallest rank that a budget may give. Default 1. */
  minRank?: number;
  /** Ranks that keep or a budget gives are multiples of this. Default 1, in few bits 8. */
  multipleOf?: number;
  plan?: PlanFile;
  /** Of the rows of tables of tokens. */
  weights?: LayerWeights;
  signal?: AbortSignal;
  onProgress?: (progress: Progress & { layer: string }) => void;
}

export interface Skipped {
  name: string;
  reason: string;
}

export interface PlannedLayer {
  readonly layer: Layer;
  /** Tried in turn; the best in the objective is kept. One, unless the way to store it is left open. */
  readonly targets: readonly Target[];
  /** Why these. */
  readonly because: string;
  /** What the plan file says of it. */
  readonly own: LayerPlan;
}

export interface Plan {
  readonly chosen: readonly PlannedLayer[];
  readonly skipped: readonly Skipped[];
  /** Of the files that would be written, at most: numbers in the metadata may be shorter than thought. */
  readonly bytesAfter: number;
}

/** @throws {InvalidInputError} when a size, a layer or a plan cannot be used: the message says which */
export async function planCompression(loewner: Loewner, model: Model, options: PlanOptions): Promise<Plan> {
  const { planner, ...choice } = await choose(loewner, model, options);
  return { ...choice, bytesAfter: await planner.size(choice.chosen) };
}

/** The plan without its size, which laying the files out tells. */
export async function chooseTargets(
  loewner: Loewner,
  model: Model,
  options: PlanOptions,
): Promise<Omit<Plan, "bytesAfter">> {
  const { chosen, skipped } = await choose(loewner, model, options);
  return { chosen, skipped };
}

async function choose(loewner: Loewner, model: Model, options: PlanOptions) {
  if (options.plan) checkPlan(options.plan, model);
  const { chosen: layers, skipped } = select(model, withPlan(options));
  const planner = new Planner(loewner, model, options);
  const planned: PlannedLayer[] = [];
  const shared: { layer: Layer; own: LayerPlan }[] = [];
  for (const layer of layers) {
    const own = options.plan?.layers[layer.name] ?? {};
    checkNames(model, layer);
    if (own.skip) skipped.push({ name: layer.name, reason: "the plan says so" });
    else if (sizesIn(own).length === 0 && isOfFile(options)) shared.push({ layer, own });
    else {
      const result = await planner.alone(layer, own);
      if (typeof result === "string") skipped.push({ name: layer.name, reason: result });
      else planned.push(result);
    }
  }
  if (shared.length) planned.push(...(await planner.spread(shared, planned, skipped)));
  planned.sort((a, b) => layers.indexOf(a.layer) - layers.indexOf(b.layer));
  return { chosen: planned, skipped, planner };
}

/** A plan's own layers are chosen, unless others are named. */
function withPlan({ layers, exclude, plan }: PlanOptions): Selection {
  if (!plan || layers?.length) return { layers, exclude };
  return { exclude, names: Object.keys(plan.layers).filter((name) => !plan.layers[name].skip) };
}

const sizesIn = (size: SizeOptions) =>
  (["rank", "keep", "energy", "budget", "bytes"] as const).filter((key) => size[key] !== undefined);
const isOfFile = ({ budget, bytes }: SizeOptions) => budget !== undefined || bytes !== undefined;

function checkNames(model: Model, { name }: Layer): void {
  const taken = [`${name}.left`, `${name}.right`].find((factor) => model.isTaken(factor));
  if (taken === undefined) return;
  throw new InvalidInputError(`${model.name} already has a tensor named ${taken}; leave ${name} out with --exclude.`, {
    file: model.name,
    tensor: taken,
  });
}

class Planner {
  private readonly candidates = new Map<string, Candidates>();

  constructor(
    private readonly loewner: Loewner,
    private readonly model: Model,
    private readonly options: PlanOptions,
  ) {}

  /** A layer by a size of its own; text: why it is left alone. */
  async alone(layer: Layer, own: LayerPlan): Promise<PlannedLayer | string> {
    const [rows, cols] = shapeOf(layer);
    const size = sizesIn(own).length ? own : this.options;
    const type = this.typeOf(layer, own);
    if (sizesIn(size).length !== 1) {
      throw new InvalidInputError(
        `Give exactly one of rank, keep, energy, budget and bytes for ${layer.name}; got ${sizesIn(size).join(" and ") || "none"}.`,
        { tensor: layer.name },
      );
    }
    if (type === "auto") return this.openChoice(layer, own, size.keep);
    const most = Math.min(rows, cols);
    if (size.rank !== undefined && size.rank > most) {
      throw new InvalidInputError(
        `rank ${size.rank} is above min(rows, cols) = ${most} of ${layer.name} (${rows} x ${cols}); ask for less, or leave the layer out with --exclude.`,
        { tensor: layer.name },
      );
    }
    let rank = size.rank ?? 0;
    let because = `rank ${rank} was asked for`;
    if (size.keep !== undefined) {
      rank = this.stepped(rankForKeep(size.keep, rows, cols), layer, type);
      because = `rank ${rank}: the factors hold at most ${size.keep} of its ${rows * cols} elements`;
      if (rank === 0)
        return `keep ${size.keep} leaves it no rank${this.stepOf(layer, type) > 1 ? ` that is a multiple of ${this.stepOf(layer, type)}` : " at all"}`;
    } else if (size.energy !== undefined) {
      const { singularValues } = await this.candidatesFor(layer);
      rank = rankForEnergy(size.energy, singularValues, most);
      because = `rank ${rank}: the smallest that holds ${size.energy} of the sum of squared singular values`;
    }
    const target = { rank, type };
    const bytes = targetBytes(rows, cols, target);
    if (bytes >= layer.bytes)
      return `would not shrink: rank ${rank} takes ${bytes} bytes, the layer has ${layer.bytes}`;
    return { layer, own, targets: [target], because };
  }

  /** `keep` of a layer's bytes, whatever way stores it best. */
  private async openChoice(layer: Layer, own: LayerPlan, keep: number | undefined): Promise<PlannedLayer | string> {
    if (keep === undefined) {
      throw new InvalidInputError(
        `dtype auto chooses rank and bits for a size: give keep, budget or bytes for ${layer.name}, or name a dtype.`,
        { tensor: layer.name },
      );
    }
    const bytes = keep * layer.bytes;
    const targets = shortlist(await this.optionsOf(layer, "auto"), bytes);
    if (targets.length === 0) return `nothing fits into ${Math.floor(bytes)} bytes, ${keep} of it`;
    return { layer, own, targets, because: `the best found in ${keep} of its ${layer.bytes} bytes` };
  }

  /** A size of the whole file, spread over layers. */
  async spread(
    shared: readonly { layer: Layer; own: LayerPlan }[],
    fixed: readonly PlannedLayer[],
    skipped: Skipped[],
  ): Promise<PlannedLayer[]> {
    const { model, options } = this;
    const asked = options.bytes ?? Math.floor(options.budget! * model.byteLength);
    const lists: Option[][] = [];
    for (const { layer, own } of shared) lists.push(await this.optionsOf(layer, this.typeOf(layer, own)));
    const plannedOf = (chosen: readonly Option[]) =>
      shared.flatMap(({ layer, own }, i): PlannedLayer[] => {
        const { bytes, rank } = chosen[i];
        if (rank === undefined) return [];
        const targets = this.typeOf(layer, own) === "auto" ? shortlist(lists[i], bytes) : [targetOf(chosen[i])];
        const because = `${bytes} bytes of a budget of ${asked}: least total error over ${shared.length} layers, by their spectra`;
        return [{ layer, own, targets, because }];
      });
    const smallest = lists.map((list) => list.reduce((a, b) => (b.bytes < a.bytes ? b : a)));
    let available = asked - (await this.size(fixed)) + shared.reduce((sum, { layer }) => sum + layer.bytes, 0);
    // New nodes and metadata are known once a plan is laid out. What they are over by comes off what was spent, so each round
    // spends less.
    for (;;) {
      const found = allocate(lists, available);
      const chosen = found ?? smallest;
      const planned = plannedOf(chosen);
      const size = await this.size([...fixed, ...planned]);
      if (size > asked && found) {
        available = found.reduce((sum, { bytes }) => sum + bytes, 0) - (size - asked);
        continue;
      }
      if (size > asked) {
        throw new InvalidInputError(
          `${asked} bytes are too few for ${model.name}: the chosen layers at their smallest make ${size} bytes. Allow more, choose more layers with --layers, or a smaller dtype.`,
          { file: model.name },
        );
      }
      shared.forEach(({ layer: { name } }, i) => {
        if (chosen[i].rank !== undefined) return;
        const only = lists[i].length === 1;
        skipped.push({ name, reason: only ? "no rank would make it smaller" : "the budget has room for it as it is" });
      });
      return planned;
    }
  }

  /** Bytes of the files with these layers; of targets that are still open, the largest. */
  async size(planned: readonly PlannedLayer[]): Promise<number> {
    const { p, tolerance, seed, weights, operators } = this.options;
    const recorded = { tolerance, seed, rowWeightsPower: weights?.power, uniform: operators === "onnxruntime" };
    const empty = planned.map(({ layer, own, targets }, place) => {
      const [rows, cols] = shapeOf(layer);
      const bytes = (target: Target) => targetBytes(rows, cols, target);
      const largest = targets.reduce((a, b) => (bytes(b) > bytes(a) ? b : a));
      const weighted = weights !== undefined && isOfTokens(layer);
      return emptyLayer(layer, largest, { ...recorded, p: own.p ?? p, weighted, place });
    });
    const files = await this.model.layOut(empty, this.options);
    return files.reduce((sum, file) => sum + file.byteLength, 0);
  }

  private typeOf({ dtype }: Layer, own: LayerPlan): StoredType | "auto" {
    return own.dtype ?? this.options.type ?? (dtype.toLowerCase() as StoredType);
  }

  private stepped(rank: number, layer: Layer, type: StoredType): number {
    const step = this.stepOf(layer, type);
    return Math.floor(rank / step) * step;
  }

  /**
   * Below 8 bits columns are padded to whole bytes: ranks in between would pay for them all the same. onnxruntime's MatMulNBits
   * takes blocks of 16.
   */
  private stepOf({ kind }: Layer, type: StoredType | "auto"): number {
    const { multipleOf, operators } = this.options;
    const bits = type === "auto" ? 4 : bitsOf(type);
    if (multipleOf !== undefined || bits === undefined) return multipleOf ?? 1;
    if (operators === "onnxruntime" && (kind === "tied" || kind === "head")) return 16;
    return bits < 8 ? 8 : 1;
  }

  private async optionsOf(layer: Layer, type: StoredType | "auto"): Promise<Option[]> {
    const { minRank } = this.options;
    const multipleOf = this.stepOf(layer, type);
    return optionsFor(await this.candidatesFor(layer), { type, minRank, multipleOf });
  }

  private async candidatesFor(layer: Layer): Promise<Candidates> {
    let found = this.candidates.get(layer.name);
    if (!found) {
      const { onProgress, signal } = this.options;
      const [rows, cols] = shapeOf(layer);
      const singularValues = await this.loewner.singularValues(matrixOf(this.model, layer), {
        rowWeights: weightsOf(layer, this.options.weights),
        signal,
        onProgress: onProgress && ((progress) => onProgress({ ...progress, layer: layer.name })),
      });
      found = { rows, cols, bytes: layer.bytes, singularValues };
      this.candidates.set(layer.name, found);
    }
    return found;
  }
}

/** Only rows that are tokens have weights. */
export function weightsOf(layer: Layer, weights: LayerWeights | undefined): RowWeights | undefined {
  return isOfTokens(layer) ? weights?.weightsFor(shapeOf(layer)[0]) : undefined;
}

const isOfTokens = ({ kind }: Layer) => kind === "embedding" || kind === "tied" || kind === "head";

function targetOf({ rank, type, dense }: Option): Target {
  return { rank: rank!, type: type!, ...(dense && { dense }) };
}
