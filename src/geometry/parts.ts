// A call made of calls: each part gets a run of its own, whose progress advances the whole by its share.
import type { Engine } from "../engine/engine.js";
import type { RowSource } from "../matrix.js";
import type { RunOptions } from "../types/index.js";
import { noCache } from "./matrix-cache.js";
import { Run } from "./run.js";

export class Parts {
  private done = 0;
  private readonly total: number;
  private readonly started = performance.now();

  /** @param work multiply-adds of the whole call, as far as can be told beforehand */
  constructor(
    private readonly engine: Engine,
    private readonly options: RunOptions,
    work: number,
    /** Passed on to each run. */
    private readonly scalable?: RowSource,
  ) {
    this.total = Math.max(1, Math.round(work));
  }

  get seconds(): number {
    return (performance.now() - this.started) / 1000;
  }

  /** The run of the next part, which is `share` of the whole and will take `work` multiply-adds. */
  next(share: number, work: number): Run {
    const { total } = this;
    const { onProgress, signal } = this.options;
    const from = this.done;
    this.done += share;
    const own: RunOptions = {
      signal,
      onProgress:
        onProgress &&
        ((progress) => {
          if (progress.stage === "done") return;
          const done = Math.floor((from + (share * progress.done) / progress.total) * total);
          onProgress({ stage: progress.stage, done: Math.min(done, total - 1), total });
        }),
    };
    const run = new Run(this.engine, own, noCache, this.scalable);
    run.expect(work);
    return run;
  }

  finish(): void {
    this.options.onProgress?.({ stage: "done", done: this.total, total: this.total });
  }
}
