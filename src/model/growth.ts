// Layers that save less than the file says of them: nodes that unpack, tables of levels, a description.
import { valueBytes } from "./kinds/index.js";
import type { LayOutOptions, Model } from "./model.js";
import type { StoredLayer } from "./stored.js";

/** Whatever is written of a layer beside its numbers takes less. */
const mostBeside = 1 << 14;

/**
 * The layers whose files are larger with them than with what they stand for, each with the reason. What several share (tables, rotations)
 * counts for the last of them.
 *
 * Cost: the files are laid out once a layer that saves less than 16 KiB, once every layer where the whole grows. Nothing is written.
 */
export async function growingLayers(
  model: Model,
  stored: readonly StoredLayer[],
  options: LayOutOptions,
): Promise<Map<StoredLayer, string>> {
  const size = async (layers: readonly StoredLayer[]) => {
    const files = await model.layOut(layers, options);
    return files.reduce((sum, file) => sum + file.byteLength, 0);
  };
  const growing = new Map<StoredLayer, string>();
  // Functions whose bodies stand in place of their calls may take more.
  const asItWas = Math.min(model.byteLength, await size([]));
  for (;;) {
    const kept = stored.filter((layer) => !growing.has(layer));
    const whole = await size(kept);
    const isLarger = kept.length > 0 && whole >= asItWas;
    const costs: { layer: StoredLayer; cost: number }[] = [];
    for (const layer of kept) {
      const saved = model.tensorBytes(layer.name) - valueBytes(layer.value);
      if (!isLarger && saved >= mostBeside) continue;
      costs.push({ layer, cost: whole - (await size(kept.filter((each) => each !== layer))) });
    }
    const dropped = costs.filter(({ cost }) => cost >= 0);
    // Each saves a little less than what they share.
    if (dropped.length === 0 && isLarger) dropped.push(costs.reduce((a, b) => (b.cost > a.cost ? b : a)));
    if (dropped.length === 0) return growing;
    for (const { layer, cost } of dropped) {
      const more = cost > 0 ? `${cost} bytes larger` : "no smaller";
      growing.set(
        layer,
        `would not shrink: with it as ${layer.type} the file would be ${more}, for what is written beside its numbers`,
      );
    }
  }
}
