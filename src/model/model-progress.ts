// Progress of a model as a whole: layers run side by side, each by several calls, and what is told never goes back.
import type { Progress } from "../types/index.js";
import { bitsOf, type Target } from "./fit.js";
import { shapeOf, type Layer } from "./model.js";

export type ProgressListener = (progress: Progress & { layer: string }) => void;

/** Multiply-adds of a sweep over a layer: what layers are compared by. */
export function workOf(layer: Pick<Layer, "shape" | "transposed">): number {
  const [rows, cols] = shapeOf(layer);
  return rows * cols * cols;
}

/**
 * What finding a layer's form takes, call by call, and proving its bound at the end: in multiply-adds of sweeps that take as long, by
 * times measured of layers of 64 to 1536 columns.
 */
export function worksOf(layer: Pick<Layer, "shape" | "transposed">, targets: readonly Target[]): number[] {
  const [rows, cols] = shapeOf(layer);
  const entries = rows * cols;
  const calls = targets.flatMap((target) => {
    if (target.type === "trellis") return [11_000 * entries];
    if (target.type === "transform") return [entries * (16_000 + 5 * cols) + 40 * cols ** 3];
    if (target.dense) return [600 * entries];
    const factors = 100 * entries * cols;
    return bitsOf(target.type) === undefined ? [factors] : [factors, 600 * entries];
  });
  return [...calls, 6 * entries * cols + 25 * cols ** 3];
}

export class ModelProgress {
  private work: ReadonlyMap<string, number>;
  /** Of each layer's work. */
  private readonly done = new Map<string, number>();
  private readonly total: number;
  private sum = 0;
  private last: string | undefined;
  private isShared = false;

  constructor(
    layers: readonly Layer[],
    private readonly listener: ProgressListener | undefined,
  ) {
    this.work = new Map(layers.map((layer) => [layer.name, workOf(layer)]));
    this.total = Math.max(
      1,
      layers.reduce((sum, layer) => sum + workOf(layer), 0),
    );
  }

  /**
   * Once it is known what layers become: what is left of the whole is shared out anew, and `calls` speaks of these shares from then on.
   * Again, it does nothing.
   * @param work of each layer, in any unit
   */
  share(work: ReadonlyMap<string, number>): void {
    const sum = [...work.values()].reduce((a, b) => a + b, 0);
    if (this.isShared || sum === 0) return;
    this.isShared = true;
    let [left, rest] = [this.total - this.sum, sum];
    this.work = new Map(
      [...work].map(([name, each]) => {
        const part = Math.round((each / rest) * left);
        left -= part;
        rest -= each;
        return [name, part];
      }),
    );
    this.done.clear();
  }

  /**
   * For the next calls on a layer, which bring it to the share `to` of its work; only `end` completes it.
   * @param works of these calls beside each other, about; there may be fewer or more
   */
  calls(layer: string, to: number, works: readonly number[] = [1]): ((progress: Progress) => void) | undefined {
    if (!this.listener) return undefined;
    const from = (this.done.get(layer) ?? 0) / (this.work.get(layer) || 1);
    const whole = works.reduce((a, b) => a + b, 0) || 1;
    let [finished, at] = [0, 0];
    return ({ stage, done, total }) => {
      const share = Math.min(1, (finished + (works[at] ?? 0) * (done / total)) / whole);
      if (done === total) finished += works[at++] ?? 0;
      this.advance(layer, from + (to - from) * share, 1);
      this.tell(layer, stage);
    };
  }

  /** A layer is done with, or is left alone. */
  end(layer: string): void {
    this.advance(layer, 1);
    if (this.last !== undefined) this.tell(layer, "done");
  }

  /** All layers are, if anything has been told at all. */
  finish(): void {
    this.sum = this.total;
    if (this.last !== undefined) this.tell(this.last, "done");
  }

  private advance(layer: string, share: number, short = 0): void {
    const before = this.done.get(layer) ?? 0;
    const whole = this.work.get(layer) ?? 0;
    const now = Math.max(before, Math.min(whole - short, Math.floor(share * whole)));
    this.done.set(layer, now);
    this.sum += now - before;
  }

  private tell(layer: string, stage: string): void {
    this.last = layer;
    this.listener?.({ layer, stage, done: this.sum, total: this.total });
  }
}
