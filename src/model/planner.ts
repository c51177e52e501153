// A rank and a way to store it: for a layer by a size of its own, or for many by a size of the whole file, spread by spectra.
import { InvalidInputError } from "../errors.js";
import type { Loewner } from "../types/index.js";
import { allocate, allocateError } from "./budget.js";
import { Forecast, shortlist, type Option } from "./choices.js";
import { apart, LayerPlanner } from "./layer-planner.js";
import { LayerWays } from "./layer-ways.js";
import { shapeOf, type Layer, type Model } from "./model.js";
import type { LayerPlan } from "./plan-file.js";
import { isOfTokens, type PlannedLayer, type PlanOptions, type Skipped } from "./plan-options.js";
import { byLayer, sideBySide } from "./side-by-side.js";
import { bytesBeyond, emptyLayer, targetBytes } from "./sizes.js";

/** One of these, for the whole file. */
export interface SpreadSize extends Pick<PlanOptions, "budget" | "bytes" | "error" | "maxError"> {
  /** By name: what a layer's measure counts for beside others'. Default 1. */
  readonly sensitivities?: ReadonlyMap<string, number>;
  /** By name: what error feedback leaves of the error of trellis codes, which count by the error of their outputs then. */
  readonly feedback?: ReadonlyMap<string, number>;
}

/** Of larger files what is written beside the numbers of layers is little. */
const mostCounted = 2 ** 20;

/** Who hears of spectra, what keeps them, and what is known of them already. */
type RestOfWays =
  ConstructorParameters<typeof LayerWays> extends [unknown, unknown, unknown, ...infer Rest] ? Rest : never;

/** Chooses rank and type for layers of one model; spectra are computed once. */
export class Planner {
  private readonly ways: LayerWays;
  private readonly single: LayerPlanner;

  constructor(
    private readonly loewner: Loewner,
    private readonly model: Model,
    private readonly options: PlanOptions,
    ...more: RestOfWays
  ) {
    this.ways = new LayerWays(loewner, model, options, ...more);
    this.single = new LayerPlanner(this.ways);
  }

  /** A layer by a size of its own; text: why it is left alone. */
  alone(layer: Layer, own: LayerPlan, signal?: AbortSignal): Promise<PlannedLayer | string> {
    return this.single.plan(layer, own, signal);
  }

  /** Why a layer cannot be stored as it was asked for, whatever the size. */
  unfit(layer: Layer, own: LayerPlan): string | undefined {
    return this.ways.unfit(layer, own);
  }

  /** Computes what spreading a size takes of a layer. */
  async look(layer: Layer, own: LayerPlan, signal?: AbortSignal): Promise<void> {
    await this.ways.optionsOf(layer, own, signal);
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
        this.ways.optionsOf(layer, own, signal, {
          sensitivity: sensitivities?.get(layer.name),
          feedback: feedback?.get(layer.name),
        }),
    );
    const plannedOf = (chosen: readonly Option[], because: (bytes: number) => string) =>
      shared.flatMap(({ layer, own }, i): PlannedLayer[] => {
        const { bytes, target, cost, error } = chosen[i];
        if (target === undefined) return [];
        const trials = this.ways.typeOf(layer, own) === "auto" ? shortlist(lists[i], bytes) : [{ target, cost }];
        const expected = error / (sensitivities?.get(layer.name) ?? 1);
        return [{ layer, own, ...apart(trials), norm: this.ways.normOf(layer), expected, because: because(bytes) }];
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
      const isSmall = model.format === "onnx" && model.byteLength <= mostCounted;
      const chosen = isSmall
        ? await (
            await import("./written-bytes.js")
          ).leastWritten(shared, lists, size.error, (planned) => this.size([...fixed, ...planned]))
        : allocateError(lists, size.error);
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
      const found = this.ways.known(layer);
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
}

/** The largest weights that cannot be compressed, as a sentence. */
function blockedIn({ layers }: Model): string {
  const blocked = layers.filter((layer) => layer.blocked !== undefined).sort((a, b) => b.bytes - a.bytes);
  if (blocked.length === 0) return "";
  const bytes = blocked.reduce((sum, layer) => sum + layer.bytes, 0);
  const largest = blocked.slice(0, 3).map(({ name, blocked: reason }) => `${name} ${reason}`);
  return ` ${bytes} bytes cannot be compressed: ${largest.join("; ")}${blocked.length > 3 ? `; and ${blocked.length - 3} more` : ""}.`;
}

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
