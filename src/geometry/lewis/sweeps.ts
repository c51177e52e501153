// The sweeps that Lewis weights are made of: w_i = tau_i(W^(1/2-1/p) A).
//
// Cohen, Peng, l_p row sampling by Lewis weights (arXiv 1412.0588) for p < 2; Lee's iteration for p >= 2.
import type { EngineRows } from "../../engine/engine.js";
import { termsOf, type Terms } from "../certificate.js";
import type { Run } from "../run.js";
import { scaleRows } from "../basis/small-dense.js";
import type { Whitening } from "../basis/whiten.js";

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

export const stage = "Lewis weights";

/** The sweeps that Lewis weights are made of. */
export class LewisSweeps {
  constructor(
    private readonly run: Run,
    private readonly rows: EngineRows,
    private readonly p: number,
    private readonly columnScale: Float64Array,
  ) {}

  /** w_i = s_i |a_i|^p (p > 2: uniform), and their Gram matrix. */
  async start(wide: boolean): Promise<Float64Array> {
    const { run, rows, p, columnScale } = this;
    return (await run.sweep("lewisStart", rows, stage, { p, wide }, { columnScale })).gram;
  }

  /** Gram matrix of the present weights in f64. */
  async gram(): Promise<Float64Array> {
    const { run, rows, columnScale } = this;
    return (await run.sweep("gram", rows, stage, { wide: true }, { columnScale })).gram;
  }

  /** Terms of the present weights; with omega > 0 also the next weights, and their Gram matrix. */
  async step(whitening: Whitening, options: StepOptions): Promise<Terms & { gram: Float64Array }> {
    const { run, rows, p, columnScale } = this;
    const { gamma = 1, omega = 0, wide = true, wideGram = true, inflation = 0, keep } = options;
    const transform = scaleRows(whitening.transform, columnScale);
    const { gram, ...terms } = await run.sweep(
      "lewisStep",
      rows,
      stage,
      {
        p,
        gamma,
        omega,
        wide: wide || !isNarrowTransform(transform, rows.source.cols),
        wideGram,
        triangular: whitening.triangular,
        inflation,
        keep,
      },
      { transform, columnScale },
    );
    return { ...termsOf(terms), gram: gram! };
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

/** From the Gram matrix of the scaled columns to unit^2 times that of A's own: powers of two, so exact. */
export function unscale(gram: Float64Array, scale: Float64Array, unit: number): Float64Array {
  const d = scale.length;
  const result = new Float64Array(d * d);
  // The two are of one size where squares would leave the range of f64.
  const back = scale.map((x) => unit / x);
  for (let i = 0; i < d; ++i) for (let j = 0; j < d; ++j) result[i * d + j] = gram[i * d + j] * back[i] * back[j];
  return result;
}
