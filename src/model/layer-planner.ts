// A layer by a size of its own: rank, type and bytes as they were asked for.
import { InvalidInputError } from "../errors.js";
import { rankForEnergy } from "../options.js";
import { shortlist, type Trial } from "./choices.js";
import { leastTransformBytes } from "./code-curve.js";
import { bitsOf } from "./fit.js";
import type { LayerWays } from "./layer-ways.js";
import { outputsByInputs, shapeOf, type Layer } from "./model.js";
import type { LayerPlan } from "./plan-file.js";
import { sizesIn, type PlannedLayer } from "./plan-options.js";
import { targetBytes } from "./sizes.js";

export class LayerPlanner {
  constructor(private readonly ways: LayerWays) {}

  /** A layer by a size of its own; text: why it is left alone. */
  async plan(layer: Layer, own: LayerPlan, signal?: AbortSignal): Promise<PlannedLayer | string> {
    const [rows, cols] = shapeOf(layer);
    const size = sizesIn(own).length ? own : this.ways.options;
    const type = this.ways.typeOf(layer, own);
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
    const groups = this.ways.groupsOf(own);
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
      rank = this.ways.rankWithin(available, layer, type, groups);
      because = `rank ${rank}: the factors take at most ${size.keep} of its ${layer.bytes} bytes`;
      if (rank === 0)
        return `keep ${size.keep} leaves it no rank${this.ways.stepOf(layer, type) > 1 ? ` that is a multiple of ${this.ways.stepOf(layer, type)}` : " at all"}`;
    } else if (size.energy !== undefined) {
      const { singularValues } = await this.ways.candidatesFor(layer, { codes: false, own }, signal);
      rank = rankForEnergy(size.energy, singularValues, most);
      because = `rank ${rank}: the smallest that holds ${size.energy} of the sum of squared singular values`;
    }
    const target = { rank, type, ...groups };
    const bytes = targetBytes(rows, cols, target);
    if (bytes >= layer.bytes)
      return `would not shrink: rank ${rank} takes ${bytes} bytes, the layer has ${layer.bytes}`;
    return { layer, own, targets: [target], norm: this.ways.normOf(layer), because };
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
    const trials = shortlist(await this.ways.optionsOf(layer, own, signal), bytes);
    if (trials.length === 0) return `nothing fits into ${Math.floor(bytes)} bytes, ${keep} of it`;
    const norm = this.ways.normOf(layer);
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
}

/** As a planned layer has them. */
export const apart = (trials: readonly Trial[]) => ({
  targets: trials.map(({ target }) => target),
  costs: trials.map(({ cost }) => cost),
});
