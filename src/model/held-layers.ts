// What several compressions of one model share: layers held open, with what calls find out about them, what spectra say of ways to store
// them, and tables in few bits, which are the same at every size that has room for them.
import type { Loewner, OpenMatrix } from "../types/index.js";
import type { Candidates } from "./choices.js";
import type { FittedLayer, Target } from "./fit.js";
import { valueBytes } from "./kinds/index.js";
import { matrixOf, shapeOf, type Layer, type Model } from "./model.js";
import type { PlanOptions } from "./plan-options.js";

/** Square matrices of a layer's width, of f64, that its fits leave behind: Gram matrices, eigenvectors, ellipsoids. */
const factsOfLayer = 12;
/** Bytes that are held, about. */
const usualBytes = 2 ** 30;

/**
 * Compressions with different options but for sizes, methods and types: p, weights, seed, tolerance and calibration are the same.
 *
 * Memory: `most` bytes, about. Layers that there is no room for are opened for each compression anew, as by one alone.
 */
export class HeldLayers {
  /** By type and method, then by name. */
  private readonly candidates = new Map<string, Map<string, Candidates>>();
  private readonly opened = new Map<string, OpenMatrix>();
  private readonly tables = new Map<string, FittedLayer>();
  private left: number;

  constructor(
    private readonly loewner: Loewner,
    private readonly model: Model,
    most = usualBytes,
  ) {
    this.left = most;
  }

  /** The layer's matrix, not to be closed; undefined where there is no room for it. */
  open(layer: Pick<Layer, "name" | "shape" | "transposed" | "bytes">): OpenMatrix | undefined {
    const key = JSON.stringify([layer.name, layer.transposed]);
    const found = this.opened.get(key);
    if (found) return found;
    const [, cols] = shapeOf(layer);
    if (!this.take(layer.bytes + factsOfLayer * 8 * cols * cols)) return undefined;
    const opened = this.loewner.open(matrixOf(this.model, layer));
    this.opened.set(key, opened);
    return opened;
  }

  /** Spectra of layers, by name, as these options have a planner compute them. */
  candidatesFor({ dtype, method }: PlanOptions): Map<string, Candidates> {
    const way = JSON.stringify([dtype, method]);
    const found = this.candidates.get(way) ?? new Map<string, Candidates>();
    this.candidates.set(way, found);
    return found;
  }

  /** What `fit` makes of a layer; of a table in few bits, what it made for another size. */
  async table({ name }: Layer, target: Target, fit: () => Promise<FittedLayer>): Promise<FittedLayer> {
    if (!("dense" in target && target.dense)) return fit();
    const key = JSON.stringify([name, target]);
    const found = this.tables.get(key) ?? (await fit());
    if (!this.tables.has(key) && this.take(valueBytes(found.value))) this.tables.set(key, found);
    return found;
  }

  /** What was fitted need not be proved again. */
  prove(fitted: FittedLayer, proved: FittedLayer): void {
    for (const [key, table] of this.tables) if (table === fitted) this.tables.set(key, proved);
  }

  /** All that is held open. */
  close(): void {
    for (const source of this.opened.values()) source.close();
  }

  private take(bytes: number): boolean {
    if (bytes > this.left) return false;
    this.left -= bytes;
    return true;
  }
}
