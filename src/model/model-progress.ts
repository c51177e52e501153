// Progress of a model as a whole: layers run side by side, each by several calls, and what is told never goes back.
import type { Progress } from "../types/index.js";
import { shapeOf, type Layer } from "./model.js";

export type ProgressListener = (progress: Progress & { layer: string }) => void;

/** Multiply-adds of a sweep over a layer: what layers are compared by. */
export function workOf(layer: Pick<Layer, "shape" | "transposed">): number {
  const [rows, cols] = shapeOf(layer);
  return rows * cols * cols;
}

export class ModelProgress {
  private readonly work: ReadonlyMap<string, number>;
  /** Of each layer's work. */
  private readonly done = new Map<string, number>();
  private readonly total: number;
  private sum = 0;
  private last: string | undefined;

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

  /** For the next `calls` calls, about, on a layer, which bring it to the share `to` of its work; only `end` completes it. */
  calls(layer: string, to: number, calls = 1): ((progress: Progress) => void) | undefined {
    if (!this.listener) return undefined;
    const from = (this.done.get(layer) ?? 0) / (this.work.get(layer) ?? 1);
    let finished = 0;
    return ({ stage, done, total }) => {
      const share = Math.min(1, (finished + done / total) / calls);
      if (done === total) ++finished;
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
    for (const layer of this.work.keys()) this.advance(layer, 1);
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
