// The way to Lewis weights that are worth a certificate: steps that prove nothing run in f32 where that is safe.
//
// Up to p = 2 the start w_i = |a_i|^p with equilibrated columns is within a few percent already: one step, mostly, does.
import type { EngineRows } from "../../engine/engine.js";
import type { RowSource } from "../../matrix.js";
import { idealDistortion, sandwich } from "../certificate.js";
import { Chebyshev, LewisSweeps, unscale } from "./sweeps.js";
import { areLewisScalesNarrow } from "../basis/narrow.js";
import type { Profile } from "../profile.js";
import type { Run } from "../run.js";
import { whiten, type Whitening } from "../basis/whiten.js";

/** Weights on trial, as row state logWeight. */
export interface Trial {
  /** M'M times unit^2 of A's own columns, d x d, summed in f64: squares of 1e200 would overflow. */
  gram: Float64Array;
  /** The same of the scaled columns, and its whitening. */
  scaledGram: Float64Array;
  whitening: Whitening;
  iterations: number;
  /** Products are to be summed in f64. */
  wide: boolean;
  /** No more steps are allowed. */
  last: boolean;
  logWeight?: Float64Array;
}

interface WalkOptions {
  p: number;
  tolerance: number;
  maxIterations: number;
  /** Gram matrix of the start, where `profiledStart` made it. */
  start?: Float64Array;
  /** Trials are to be resumed by other calls: they hold their weights. */
  keep: boolean;
}

/** f32 sums err by 1e-6 of the largest eigenvalue: below this they leave q good to a percent. */
const safeCondition = 1e4;

/** Whether steps towards the weights may be summed in f32. */
export function isNarrowSafe({ triangular, condition }: Whitening): boolean {
  return triangular && condition <= safeCondition;
}

/**
 * A step shrinks the excess about this much at p = 1 (seen: 8-fold at n = 4 d, 12 at 8 d, 40 at 70 d), and raising a few rows' weights
 * halves what is left: then a sweep that certifies is worth its time.
 */
function gainOf(p: number, { rows: n, cols: d }: RowSource): number {
  return p < 2 ? 2 * Math.min(30, 4 + (0.8 * n) / d) : 4;
}

export class LewisWalk {
  readonly sweeps: LewisSweeps;
  private trial: Trial | undefined;

  constructor(
    private readonly run: Run,
    private readonly rows: EngineRows,
    private readonly profile: Profile,
    private readonly options: WalkOptions,
  ) {
    this.sweeps = new LewisSweeps(run, rows, options.p, profile.columnScale);
  }

  /** Takes up a trial, which another call may have made. */
  resume(trial: Trial): void {
    if (this.trial === trial) return;
    this.trial = trial;
    this.rows.state.set("logWeight", trial.logWeight!.slice());
  }

  /** The next weights that are likely to do: the first, or those after a trial that did not. */
  async next(): Promise<Trial> {
    const { run, rows, sweeps, profile, options } = this;
    const { p, tolerance, maxIterations } = options;
    const schedule = new Chebyshev(p);
    const gain = gainOf(p, rows.source);
    let { scaledGram: gram, whitening, wide, iterations } = this.trial ?? (await this.start());
    /** The Gram matrix of the present weights is summed in f64. */
    let exact = wide || this.trial !== undefined;
    for (let excess = Infinity; ;) {
      const last = iterations >= maxIterations;
      if (excess < gain * tolerance || last) {
        if (!exact) {
          gram = await sweeps.gram();
          whitening = await this.white(gram);
        }
        const own = unscale(gram, profile.columnScale, profile.unit);
        const logWeight = options.keep ? (await rows.state.get("logWeight"))!.slice() : undefined;
        this.trial = { gram: own, scaledGram: gram, whitening, iterations, wide, last, logWeight };
        return this.trial;
      }
      const ideal = await idealDistortion(run, p, whitening.rank);
      // Up to p = 2 one step is enough for trained tables, so its Gram matrix is summed in f64 at once.
      const wideGram = wide || p < 2 || iterations > 0;
      const terms = await sweeps.step(whitening, { ...(p > 2 ? schedule.step : { omega: 1 }), wide, wideGram });
      const { lower, upper } = await sandwich(run, p, terms, 1, true);
      excess = upper / lower / ideal - 1;
      schedule.saw(terms.residual);
      gram = terms.gram;
      whitening = await this.white(gram);
      exact = wideGram;
      if (!isNarrowSafe(whitening)) wide = true;
      ++iterations;
    }
  }

  private async start(): Promise<Pick<Trial, "scaledGram" | "whitening" | "wide" | "iterations">> {
    const { sweeps, rows, options } = this;
    const { state, source } = rows;
    const isThere = options.start !== undefined && state.names().includes("logWeight");
    const narrow = source.dtype !== "f64" && (await areLewisScalesNarrow(rows, options.p));
    let wide = !narrow;
    let scaledGram = isThere && (narrow || source.dtype === "f64") ? options.start! : await sweeps.start(wide);
    let whitening = await this.white(scaledGram);
    if (!wide && !isNarrowSafe(whitening)) {
      wide = true;
      scaledGram = await sweeps.start(wide);
      whitening = await this.white(scaledGram);
    }
    return { scaledGram, whitening, wide, iterations: 0 };
  }

  private white(gram: Float64Array): Promise<Whitening> {
    return whiten(this.run.engine, gram, this.rows.source);
  }
}
