// The sweeps that Lewis weights are made of: w_i = tau_i(W^(1/2-1/p) A).
//
// Cohen, Peng, l_p row sampling by Lewis weights (arXiv 1412.0588) for p < 2; Lee's iteration for p >= 2.
import type { EngineRows, Sweep, SweepResult } from "../engine/sweep.js";
import type { Run } from "./run.js";
import type { Whitening } from "./whiten.js";

export interface Terms {
  total: number;
  distortion: number;
  residual: number;
}

interface StepOptions {
  gamma?: number;
  /** 0: only the terms. */
  omega?: number;
  /** Products in f64. They are in any case where f32 does not hold the transform. */
  wide?: boolean;
  wideGram?: boolean;
  inflation?: number;
  /** Each row's own term of the distortion becomes row state rowDistortion. */
  keep?: boolean;
}

/**
 * Whether f32 holds a transform (d x m): columns of denormal f32 are scaled by what f32 holds just so, and the transform by more; of
 * huge columns or rows it is tiny, and products with it would vanish.
 */
function isNarrowTransform(transform: Float64Array, d: number): boolean {
  const width = transform.length / d;
  for (let j = 0; j < d; ++j) {
    let top = 0;
    for (let k = j * width; k < (j + 1) * width; ++k) top = Math.max(top, Math.abs(transform[k]));
    if (top >= 2 ** 120 || (top > 0 && top < 2 ** -100)) return false;
  }
  return true;
}

const state = ["weights", "logWeight", "before", "scale"];

/** The sweeps that Lewis weights are made of. */
export class LewisSweeps {
  constructor(
    private readonly run: Run,
    private readonly rows: EngineRows,
    private readonly p: number,
    private readonly columnScale: Float64Array,
  ) {}

  private get cols(): number {
    return this.rows.source.cols;
  }

  /** w_i = s_i |a_i|^p (p > 2: uniform), and their Gram matrix. */
  async start(wide: boolean): Promise<Float64Array> {
    return (await this.startWith(wide, {})).gram;
  }

  /** The same, and what else the sweep is to tell. */
  startWith(wide: boolean, more: Sweep["reduce"]): Promise<SweepResult> {
    const { p, columnScale, rows, run } = this;
    return run.sweep(rows, "Lewis weights", (wide ? 2 : 1) * this.cols * this.cols, {
      op: "lewisStart",
      params: { p, wide: Number(wide) },
      reads: { shared: { columnScale }, state: ["weights"] },
      writes: { state: ["logWeight", "scale"] },
      reduce: { gram: "sum", ...more },
    });
  }

  /** Gram matrix of the present weights in f64. */
  async gram(): Promise<Float64Array> {
    const { columnScale, rows, run } = this;
    const { gram } = await run.sweep(rows, "Lewis weights", 2 * this.cols * this.cols, {
      op: "gram",
      params: { wide: 1 },
      reads: { shared: { columnScale }, state: ["scale"] },
      writes: { state: [] },
      reduce: { gram: "sum" },
    });
    return gram;
  }

  /** Terms of the present weights; with omega > 0 also the next weights, and their Gram matrix. */
  async step(
    whitening: Whitening,
    { gamma = 1, omega = 0, wide: wanted = true, wideGram = true, inflation = 0, keep = false }: StepOptions,
  ): Promise<Terms & { gram: Float64Array }> {
    const { p, columnScale, rows, run, cols } = this;
    const transform = scaleRows(whitening.transform, columnScale);
    const wide = wanted || !isNarrowTransform(transform, cols);
    const { total, distortion, residual, gram } = await run.sweep(
      rows,
      "Lewis weights",
      ((wide ? 2 : 1) + (omega ? (wideGram ? 2 : 1) : 0)) * cols * cols,
      {
        op: "lewisStep",
        params: {
          p,
          gamma,
          omega,
          wide: Number(wide),
          wideGram: Number(wideGram),
          triangular: Number(whitening.triangular),
          inflation,
        },
        reads: { shared: { transform, columnScale }, state },
        writes: {
          state: ["scale", ...(omega ? ["logWeight", "before"] : []), ...(keep ? ["rowDistortion"] : [])],
        },
        reduce: { total: "sum", distortion: "max", residual: "max", ...(omega ? { gram: "sum" } : {}) },
      },
    );
    return { total: total[0], distortion: distortion[0], residual: residual[0], gram };
  }
}

/**
 * Step sizes. In log w the map has a Jacobian of spectrum [0, r], r = 1 - p/2 below 2 and 1 - 2/p above, so after two plain
 * steps a Chebyshev semi-iteration for [0, r] takes over (Golub, Varga 1961): about 9 sqrt(p) sweeps to 1e-8 for large p, where
 * the plain map takes 9 p.
 */
export class Chebyshev {
  private readonly gamma: number;
  private readonly rho: number;
  private omega = 1;
  private previous = Infinity;
  /** Plain steps still to do: far from the fixed point, and whenever the residual grows, for the plain map contracts everywhere. */
  private plain = 2;

  constructor(p: number) {
    const r = p < 2 ? 1 - p / 2 : 1 - 2 / p;
    this.gamma = 2 / (2 - r);
    this.rho = r / (2 - r);
  }

  get step(): { gamma: number; omega: number } {
    return this.plain > 0 ? { gamma: 1, omega: 1 } : { gamma: this.gamma, omega: this.omega };
  }

  /** The residual of the weights that the last step started from. */
  saw(residual: number): void {
    const { rho, omega } = this;
    if (residual > this.previous) this.plain = 2;
    else if (this.plain > 0) --this.plain;
    else this.omega = omega === 1 ? 1 / (1 - (rho * rho) / 2) : 1 / (1 - (rho * rho * omega) / 4);
    if (this.plain > 0) this.omega = 1;
    this.previous = residual;
  }
}

function scaleRows(matrix: Float64Array, scale: Float64Array): Float64Array {
  const width = matrix.length / scale.length;
  const result = new Float64Array(matrix.length);
  for (let i = 0; i < scale.length; ++i) {
    for (let k = i * width; k < (i + 1) * width; ++k) result[k] = matrix[k] * scale[i];
  }
  return result;
}

/** From the Gram matrix of the scaled columns to unit^2 times that of A's own: powers of two, so exact. */
export function unscale(gram: Float64Array, scale: Float64Array, unit: number): Float64Array {
  const d = scale.length;
  const result = new Float64Array(d * d);
  // The two are of one size where squares would leave the range of f64.
  const back = scale.map((x) => unit / x);
  for (let i = 0; i < d; ++i) for (let j = 0; j < d; ++j) result[i * d + j] = gram[i * d + j] * back[i] * back[j];
  return result;
}
