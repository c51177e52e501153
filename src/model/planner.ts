// A rank and a way to store it: for a layer by a size of its own, or for many by a size of the whole file, spread by spectra.
import { InvalidInputError } from "../errors.js";
import { defaultGroups } from "../low-rank/rank.js";
import { rankForEnergy } from "../options.js";
import type { Loewner, Progress } from "../types/index.js";
import { allocate, allocateError } from "./budget.js";
import { Forecast, optionsFor, shortlist, type Candidates, type Option, type Trial } from "./choices.js";
import { bitsOf } from "./fit.js";
import { leastTransformBytes } from "./code-curve.js";
import { matrixOf, outputsByInputs, shapeOf, type Layer, type Model } from "./model.js";
import type { LayerJournal } from "./journal.js";
import { aimOf } from "./measure.js";
import type { LayerPlan } from "./plan-file.js";
import { isOfTokens, sizesIn, weightsOf, type PlannedLayer, type PlanOptions, type Skipped } from "./plan-options.js";
import { byLayer, sideBySide } from "./side-by-side.js";
import { bytesBeyond, emptyLayer, targetBytes } from "./sizes.js";
import type { PairType, StoredType } from "./stored.js";

/** One of these, for the whole file. */
export interface SpreadSize extends Pick<PlanOptions, "budget" | "bytes" | "error" | "maxError"> {
  /** By name: what a layer's measure counts for beside others'. Default 1. */
  readonly sensitivities?: ReadonlyMap<string, number>;
  /** By name: what error feedback leaves of the error of trellis codes, which count by the error of their outputs then. */
  readonly feedback?: ReadonlyMap<string, number>;
}

/** Chooses rank and type for layers of one model; spectra are computed once. */
export class Planner {
  constructor(
    private readonly loewner: Loewner,
    private readonly model: Model,
    private readonly options: PlanOptions,
    /** Who hears of a layer's spectrum being computed. */
    private readonly progressOf: (layer: string) => ((progress: Progress) => void) | undefined,
    private readonly journal?: LayerJournal,
    /** By name; what a planner with the same options but for sizes has found, too. */
    private readonly candidates = new Map<string, Candidates>(),
  ) {}

  /** A layer by a size of its own; text: why it is left alone. */
  async alone(layer: Layer, own: LayerPlan, signal?: AbortSignal): Promise<PlannedLayer | string> {
    const [rows, cols] = shapeOf(layer);
    const size = sizesIn(own).length ? own : this.options;
    const type = this.typeOf(layer, own);
    if (sizesIn(size).length !== 1) {
      throw new InvalidInputError(
        `Give exactly one of rank, keep, energy, budget and bytes for ${layer.name}; got ${sizesIn(size).join(" and ") || "none"}.`,
        { tensor: layer.name },
      );
    }
    if (type === "auto") return this.openChoice(layer, own, size.keep, signal);
    if (type === "transform") return this.transform(layer, own, size.keep);
    if (type === "trellis") return this.trellis(layer, own, size.keep);
    const most = Math.min(rows, cols);
    const groups = this.groupsOf(own);
    if (size.rank !== undefined && size.rank > most) {
      throw new InvalidInputError(
        `rank ${size.rank} is above min(rows, cols) = ${most} of ${layer.name} (${rows} x ${cols}); ask for less, or leave the layer out with --exclude.`,
        { tensor: layer.name },
      );
    }
    let rank = size.rank ?? 0;
    let because = `rank ${rank} was asked for`;
    if (size.keep !== undefined) {
      const available = size.keep * layer.bytes;
      const dense = { rank: cols, type, dense: true };
      if (bitsOf(type) && targetBytes(rows, cols, dense) <= available)
        return {
          layer,
          own,
          targets: [dense],
          because: `all of it in ${type}: ${size.keep} of its ${layer.bytes} bytes hold that`,
        };
      rank = this.rankWithin(available, layer, type, groups);
      because = `rank ${rank}: the factors take at most ${size.keep} of its ${layer.bytes} bytes`;
      if (rank === 0)
        return `keep ${size.keep} leaves it no rank${this.stepOf(layer, type) > 1 ? ` that is a multiple of ${this.stepOf(layer, type)}` : " at all"}`;
    } else if (size.energy !== undefined) {
      const { singularValues } = await this.candidatesFor(layer, { codes: false, own }, signal);
      rank = rankForEnergy(size.energy, singularValues, most);
      because = `rank ${rank}: the smallest that holds ${size.energy} of the sum of squared singular values`;
    }
    const target = { rank, type, ...groups };
    const bytes = targetBytes(rows, cols, target);
    if (bytes >= layer.bytes)
      return `would not shrink: rank ${rank} takes ${bytes} bytes, the layer has ${layer.bytes}`;
    return { layer, own, targets: [target], norm: this.normOf(layer), because };
  }

  /** `keep` of a layer's bytes, whatever way stores it best. */
  private async openChoice(
    layer: Layer,
    own: LayerPlan,
    keep: number | undefined,
    signal?: AbortSignal,
  ): Promise<PlannedLayer | string> {
    if (keep === undefined) {
      throw new InvalidInputError(
        `dtype auto chooses rank and bits for a size: give keep, budget or bytes for ${layer.name}, or name a dtype.`,
        { tensor: layer.name },
      );
    }
    const bytes = keep * layer.bytes;
    const trials = shortlist(await this.optionsOf(layer, own, signal), bytes);
    if (trials.length === 0) return `nothing fits into ${Math.floor(bytes)} bytes, ${keep} of it`;
    const norm = this.normOf(layer);
    return { layer, own, ...apart(trials), norm, because: `the best found in ${keep} of its ${layer.bytes} bytes` };
  }

  /** `keep` of a layer's bytes in transform codes. */
  private transform(layer: Layer, own: LayerPlan, keep: number | undefined): PlannedLayer | string {
    if (keep === undefined) {
      throw new InvalidInputError(
        `dtype transform spends bytes, not a rank: give keep, budget or bytes for ${layer.name}, or name another dtype.`,
        { tensor: layer.name },
      );
    }
    const bytes = Math.floor(keep * layer.bytes);
    const least = leastTransformBytes(...shapeOf(layer));
    if (bytes >= layer.bytes) return `would not shrink: keep ${keep} leaves it ${bytes} bytes, as many as it has`;
    if (bytes < least)
      return `keep ${keep} leaves it ${bytes} bytes: centre and scales of transform codes take ${least}`;
    const because = `at most ${bytes} bytes, ${keep} of its ${layer.bytes}`;
    return { layer, own, targets: [{ type: "transform", bytes }], because };
  }

  /** Why a layer cannot be stored as it was asked for, whatever the size. */
  unfit(layer: Layer, own: LayerPlan): string | undefined {
    return this.typeOf(layer, own) === "trellis" && !isOnlyMultiplied(layer)
      ? "rows of it are read one by one: trellis codes are for weights that are only multiplied"
      : undefined;
  }

  /** `keep` of a layer's bytes in trellis codes: as many bits as fit. */
  private trellis(layer: Layer, own: LayerPlan, keep: number | undefined): PlannedLayer | string {
    if (keep === undefined) {
      throw new InvalidInputError(
        `dtype trellis spends bits, not a rank: give keep, budget or bytes for ${layer.name}, or name another dtype.`,
        { tensor: layer.name },
      );
    }
    const most = Math.min(keep * layer.bytes, layer.bytes - 1);
    const [rows, cols] = shapeOf(outputsByInputs(layer));
    const bits = ([8, 7, 6, 5, 4, 3, 2, 1] as const).find(
      (each) => targetBytes(rows, cols, { type: "trellis", bits: each }) <= most,
    );
    if (bits === undefined) return `keep ${keep} leaves it less than a bit an entry`;
    const because = `${bits} bits an entry: the most that ${keep} of its ${layer.bytes} bytes hold`;
    return { layer, own, targets: [{ type: "trellis", bits }], because };
  }

  /** Computes what spreading a size takes of a layer. */
  async look(layer: Layer, own: LayerPlan, signal?: AbortSignal): Promise<void> {
    await this.optionsOf(layer, own, signal);
  }

  /** A size of the whole file, spread over layers. */
  async spread(
    shared: readonly { layer: Layer; own: LayerPlan }[],
    fixed: readonly PlannedLayer[],
    skipped: Skipped[],
    size: SpreadSize,
  ): Promise<PlannedLayer[]> {
    const { model, options, loewner } = this;
    const { sensitivities, feedback } = size;
    const lists = await sideBySide(
      shared,
      byLayer(loewner, model, ({ layer }) => layer, options.signal),
      ({ layer, own }, signal) =>
        this.optionsOf(layer, own, signal, {
          sensitivity: sensitivities?.get(layer.name),
          feedback: feedback?.get(layer.name),
        }),
    );
    const plannedOf = (chosen: readonly Option[], because: (bytes: number) => string) =>
      shared.flatMap(({ layer, own }, i): PlannedLayer[] => {
        const { bytes, target, cost, error } = chosen[i];
        if (target === undefined) return [];
        const trials = this.typeOf(layer, own) === "auto" ? shortlist(lists[i], bytes) : [{ target, cost }];
        const expected = error / (sensitivities?.get(layer.name) ?? 1);
        return [{ layer, own, ...apart(trials), norm: this.normOf(layer), expected, because: because(bytes) }];
      });
    const note = (chosen: readonly Option[], reason: string) =>
      shared.forEach(({ layer: { name } }, i) => {
        if (chosen[i].target !== undefined) return;
        skipped.push({ name, reason: lists[i].length === 1 ? "no rank would make it smaller" : reason });
      });
    if (size.maxError !== undefined) {
      const most = size.maxError * size.maxError;
      const chosen = lists.map((list, i) => {
        const limit = most * (sensitivities?.get(shared[i].layer.name) ?? 1);
        return list.reduce((a, b) => (b.error <= limit && (a.error > limit || b.bytes < a.bytes) ? b : a));
      });
      note(chosen, "nothing smaller errs so little");
      return plannedOf(chosen, (bytes) => `${bytes} bytes: the fewest that err by ${size.maxError} at most`);
    }
    if (size.error !== undefined) {
      const chosen = allocateError(lists, size.error);
      note(chosen, "it is worth its bytes as it is");
      return plannedOf(chosen, (bytes) => `${bytes} bytes: least for what all layers may err together`);
    }
    const asked = size.bytes ?? Math.floor(size.budget! * model.byteLength);
    const smallest = lists.map((list) => list.reduce((a, b) => (b.bytes < a.bytes ? b : a)));
    let available = asked - (await this.size(fixed)) + shared.reduce((sum, { layer }) => sum + layer.bytes, 0);
    // New nodes and metadata are known once a plan is laid out. What they are over by comes off what was spent, so each round
    // spends less.
    for (;;) {
      const found = allocate(lists, available);
      const chosen = found ?? smallest;
      const planned = plannedOf(
        chosen,
        (bytes) =>
          `${bytes} bytes of a budget of ${asked}: least total error over ${shared.length} layers, by their spectra`,
      );
      const whole = await this.size([...fixed, ...planned]);
      if (whole > asked && found) {
        available = found.reduce((sum, { bytes }) => sum + bytes, 0) - (whole - asked);
        continue;
      }
      if (whole > asked) {
        const what = shared.length ? "the chosen layers at their smallest make" : "what was chosen makes";
        const ways = [
          "Allow more",
          "choose more layers with --layers",
          ...(fixed.length ? ["give those of the plan less"] : []),
          ...(options.minRank ? ["lower --min-rank"] : []),
        ];
        throw new InvalidInputError(
          `${asked} bytes are too few for ${model.name}: ${what} ${whole} bytes. ${ways.join(", ")}, or a smaller dtype.${blockedIn(model)}`,
          { file: model.name },
        );
      }
      note(chosen, "the budget has room for it as it is");
      const more = this.refined(filled(planned, asked - whole));
      return (await this.size([...fixed, ...more])) <= asked ? more : planned;
    }
  }

  /** With what is expected of transform codes of as many bytes as they have come to. */
  private refined(planned: readonly PlannedLayer[]): PlannedLayer[] {
    return planned.map((each) => {
      const { layer, targets } = each;
      const found = this.candidates.get(layer.name);
      if (!found || targets.length > 1 || targets[0].type !== "transform") return each;
      return { ...each, expected: new Forecast(found, found.aim).of(targets[0]).measure };
    });
  }

  /** Bytes of the files with these layers; of targets that are still open, the largest. */
  async size(planned: readonly PlannedLayer[]): Promise<number> {
    const { p, weights, operators } = this.options;
    const recorded = { rowWeightsPower: weights?.power, uniform: operators === "onnxruntime" };
    let beyond = 0;
    const empty = planned.map(({ layer, own, targets }, place) => {
      const [rows, cols] = shapeOf(layer);
      const bytes = (target: PlannedLayer["targets"][number]) => targetBytes(rows, cols, target);
      const largest = targets.reduce((a, b) => (bytes(b) > bytes(a) ? b : a));
      const weighted = weights !== undefined && isOfTokens(layer);
      const made = emptyLayer(layer, largest, { ...recorded, p: own.p ?? p, weighted, place });
      beyond += bytesBeyond(largest, made);
      return made;
    });
    const files = await this.model.layOut(empty, this.options);
    return files.reduce((sum, file) => sum + file.byteLength, beyond);
  }

  private typeOf({ dtype }: Layer, own: LayerPlan): StoredType | "auto" {
    return own.dtype ?? this.options.dtype ?? (dtype.toLowerCase() as StoredType);
  }

  /** Rows that are read or compared one by one, in whatever way they are stored best. */
  private mayCluster(layer: Layer, own: LayerPlan): boolean {
    const { method = "auto", p = 1 } = { ...this.options, ...own };
    const { purpose } = this.options;
    return (
      this.typeOf(layer, own) === "auto" &&
      method === "auto" &&
      p <= 2 &&
      purpose !== "memory" &&
      aimOf(layer) !== "error"
    );
  }

  /** Of a target's: groups of rows where clusters are asked for. */
  private groupsOf(own: LayerPlan): { groups?: number } {
    const { method, groups } = own.method === undefined ? this.options : own;
    return method === "clusters" ? { groups: groups ?? defaultGroups } : {};
  }

  /** The largest rank whose factors take so many bytes at most. */
  private rankWithin(available: number, layer: Layer, type: PairType, groups: { groups?: number }): number {
    const [rows, cols] = shapeOf(layer);
    const step = this.stepOf(layer, type);
    // Shares such as 0.3 are no exact numbers.
    const fits = (steps: number) =>
      steps === 0 || targetBytes(rows, cols, { rank: steps * step, type, ...groups }) <= available * (1 + 1e-9);
    let [fitting, beyond] = [0, Math.floor(Math.min(rows, cols) / step) + 1];
    while (beyond - fitting > 1) {
      const middle = (fitting + beyond) >> 1;
      if (fits(middle)) fitting = middle;
      else beyond = middle;
    }
    return fitting * step;
  }

  /**
   * Below 8 bits columns are padded to whole bytes: ranks in between would pay for them all the same. onnxruntime's MatMulNBits
   * takes blocks of 16.
   */
  private stepOf({ kind }: Layer, type: StoredType | "auto"): number {
    const { multipleOf, operators } = this.options;
    const bits = type === "auto" || isOfCodes(type) ? 4 : bitsOf(type);
    if (multipleOf !== undefined || bits === undefined) return multipleOf ?? 1;
    if (operators === "onnxruntime" && (kind === "tied" || kind === "head")) return 16;
    return bits < 8 ? 8 : 1;
  }

  private async optionsOf(
    layer: Layer,
    own: LayerPlan,
    signal?: AbortSignal,
    measured?: Pick<Candidates, "sensitivity" | "feedback">,
  ): Promise<Option[]> {
    const { minRank, purpose } = this.options;
    const type = this.typeOf(layer, own);
    // Unlike keep, which says how many, a budget has no use for 8-bit ranks between eights: bytes are the same.
    const least = type === "auto" || isOfCodes(type) || bitsOf(type) ? 8 : 1;
    const multipleOf = this.options.multipleOf ?? Math.max(least, this.stepOf(layer, type));
    const isAuto = type === "auto";
    const candidates = await this.candidatesFor(layer, { codes: isAuto || type === "transform", own }, signal);
    return optionsFor(
      { ...candidates, ...measured },
      {
        ...{ type, minRank, multipleOf, packed: purpose === "memory" },
        ...this.groupsOf(own),
      },
    );
  }

  /** Of a layer whose spectrum is known. */
  private normOf({ name }: Layer): number | undefined {
    const values = this.candidates.get(name)?.singularValues;
    if (!values) return undefined;
    // Squares of what is beside the largest neither overflow nor vanish.
    const top = values[0] || 1;
    return top * Math.sqrt(values.reduce((sum, x) => sum + (x / top) * (x / top), 0));
  }

  /** @param codes transform codes are among the ways to store it, and so may clusters be */
  private async candidatesFor(
    layer: Layer,
    { codes, own }: { codes: boolean; own: LayerPlan },
    signal?: AbortSignal,
  ): Promise<Candidates> {
    let found = this.candidates.get(layer.name);
    if (!found) {
      const [rows, cols] = shapeOf(layer);
      const rowWeights = weightsOf(layer, this.options.weights);
      // The second spectrum is that of the first Gram matrix less a centre.
      const source = this.loewner.open(matrixOf(this.model, layer));
      const spectrum = (name: string, centred: boolean) => {
        const onProgress = this.progressOf(layer.name);
        const compute = () => this.loewner.singularValues(source, { rowWeights, centred, signal, onProgress });
        return this.journal ? this.journal.numbers(layer, name, rowWeights, signal, compute) : compute();
      };
      const clustersOf = async () => {
        const { clusterTails } = await import("./cluster-forecast.js");
        return clusterTails(this.loewner, matrixOf(this.model, layer), rowWeights, { signal });
      };
      try {
        const singularValues = await spectrum("singular values", false);
        const centred = codes ? await spectrum("singular values of centred rows", true) : undefined;
        const clusters = codes && this.mayCluster(layer, own) ? await clustersOf() : undefined;
        found = {
          ...{ rows, cols, bytes: layer.bytes, singularValues, centred, clusters, aim: aimOf(layer) },
          outputsByInputs: shapeOf(outputsByInputs(layer)),
          isMultiplied: layer.inputAxis !== undefined && isOnlyMultiplied(layer),
        };
      } finally {
        source.close();
      }
      this.candidates.set(layer.name, found);
    }
    return found;
  }
}

/** The largest weights that cannot be compressed, as a sentence. */
function blockedIn({ layers }: Model): string {
  const blocked = layers.filter((layer) => layer.blocked !== undefined).sort((a, b) => b.bytes - a.bytes);
  if (blocked.length === 0) return "";
  const bytes = blocked.reduce((sum, layer) => sum + layer.bytes, 0);
  const largest = blocked.slice(0, 3).map(({ name, blocked: reason }) => `${name} ${reason}`);
  return ` ${bytes} bytes cannot be compressed: ${largest.join("; ")}${blocked.length > 3 ? `; and ${blocked.length - 3} more` : ""}.`;
}

const apart = (trials: readonly Trial[]) => ({
  targets: trials.map(({ target }) => target),
  costs: trials.map(({ cost }) => cost),
});

/** Codes of a trellis are made for bytes or bits, and have no rank. */
const isOfCodes = (type: StoredType): type is "transform" | "trellis" => type === "transform" || type === "trellis";

/** Never read row by row. */
const isOnlyMultiplied = ({ kind }: Layer) => kind === "linear" || kind === "head";

/** What is left of a budget goes to transform codes, which have a use for any byte, to each as much more as to the others. */
function filled(planned: readonly PlannedLayer[], left: number): PlannedLayer[] {
  const isOpen = ({ targets }: PlannedLayer) => targets.length === 1 && targets[0].type === "transform";
  const bytesOf = ({ targets: [target], layer }: PlannedLayer) => targetBytes(...shapeOf(layer), target);
  const spent = planned.filter(isOpen).reduce((sum, each) => sum + bytesOf(each), 0);
  return planned.map((each) => {
    if (!isOpen(each)) return each;
    const bytes = Math.min(each.layer.bytes - 1, Math.floor(bytesOf(each) * (1 + left / spent)));
    return { ...each, targets: [{ type: "transform", bytes }] };
  });
}
