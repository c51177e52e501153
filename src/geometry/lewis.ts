// l_p Lewis weights: the w with w_i = tau_i(W^(1/2-1/p) A), and the ellipsoid |Mx|_2 <= 1, M = W^(1/2-1/p) A, that they give.
//
// Cohen, Peng, l_p row sampling by Lewis weights (arXiv 1412.0588) for p < 2; Lee's iteration for 2 <= p < 4. The start
// w_i = |a_i|^p with equilibrated columns is within a few percent already; one or two sweeps certify it to 1 %.
import type { EngineRows } from "../engine/sweep.js";
import type { LewisOptions, LewisResult, SandwichCertificate } from "../types.js";
import type { RowSource } from "../matrix.js";
import { idealDistortion, sandwich } from "./certificate.js";
import { profile, type Profile } from "./profile.js";
import type { Run } from "./run.js";
import { whiten, type Whitening } from "./whiten.js";

/** Weights (as row state logWeight) with their Gram matrix and what they prove. */
export interface LewisEllipsoid {
  /** M'M of A's own columns times unit^2 of the profile, d x d: squares of 1e200 would overflow. */
  gram: Float64Array;
  rank: number;
  certificate: SandwichCertificate;
  /** max |tau_i / w_i - 1| of the weights returned. */
  residual: number;
  iterations: number;
  converged: boolean;
}

interface Terms {
  total: number;
  distortion: number;
  residual: number;
}

const state = ["weights", "logWeight", "before", "scale"];

/** The sweeps that Lewis weights are made of. */
class LewisSweeps {
  constructor(
    private readonly run: Run,
    private readonly rows: EngineRows,
    private readonly p: number,
    private readonly columnScale: Float64Array,
  ) {}

  private get cols(): number {
    return this.rows.source.cols;
  }

  /** w_i = s_i |a_i|^p, and their Gram matrix. */
  async start(wide: boolean): Promise<Float64Array> {
    const { p, columnScale, rows, run } = this;
    const { gram } = await run.sweep(rows, "Lewis weights", (wide ? 2 : 1) * this.cols ** 2, {
      op: "lewisStart",
      params: { p, wide: Number(wide) },
      reads: { shared: { columnScale }, state: ["weights"] },
      writes: { state: ["logWeight", "scale"] },
      reduce: { gram: "sum" },
    });
    return gram;
  }

  /** Gram matrix of the present weights in f64. */
  async gram(): Promise<Float64Array> {
    const { columnScale, rows, run } = this;
    const { gram } = await run.sweep(rows, "Lewis weights", 2 * this.cols ** 2, {
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
    {
      gamma = 1,
      omega = 0,
      wide = true,
      wideGram = true,
      inflation = 0,
    }: { gamma?: number; omega?: number; wide?: boolean; wideGram?: boolean; inflation?: number },
  ): Promise<Terms & { gram: Float64Array }> {
    const { p, columnScale, rows, run, cols } = this;
    const transform = scaleRows(whitening.transform, columnScale);
    const { total, distortion, residual, gram } = await run.sweep(
      rows,
      "Lewis weights",
      ((wide ? 2 : 1) + (omega ? (wideGram ? 2 : 1) : 0)) * cols ** 2,
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
        writes: { state: omega ? ["logWeight", "before", "scale"] : ["scale"] },
        reduce: { total: "sum", distortion: "max", residual: "max", ...(omega ? { gram: "sum" } : {}) },
      },
    );
    return { total: total[0], distortion: distortion[0], residual: residual[0], gram };
  }
}

/**
 * For low rank: stops as soon as the certified distortion upper / lower is within `tolerance` of the ideal. Steps that
 * prove nothing run in f32 where that is safe; the Gram matrix and the sweep that certify run in f64.
 */
export async function lewisEllipsoid(
  run: Run,
  rows: EngineRows,
  { columnScale, unit }: Profile,
  { p, tolerance, maxIterations }: { p: number; tolerance: number; maxIterations: number },
): Promise<LewisEllipsoid> {
  const { source } = rows;
  const { cols: d, rows: n, dtype } = source;
  const sweeps = new LewisSweeps(run, rows, p, columnScale);
  const white = (gram: Float64Array) => whiten(run.engine, gram, d, n, dtype);
  let wide = dtype === "f64";
  let gram = await sweeps.start(wide);
  let whitening = await white(gram);
  const isSafe = () => whitening.triangular && whitening.condition <= safeCondition;
  if (!wide && !isSafe()) {
    wide = true;
    gram = await sweeps.start(wide);
    whitening = await white(gram);
  }
  /** The Gram matrix of the present weights is summed in f64. */
  let exact = wide;
  let excess = Infinity;
  for (let iterations = 0; ;) {
    const ideal = await idealDistortion(run, p, whitening.rank);
    const last = iterations >= maxIterations;
    if (excess < expectedGain * tolerance || last) {
      if (!exact) {
        gram = await sweeps.gram();
        whitening = await white(gram);
        exact = true;
      }
      const inflation = wide ? 0 : productError(whitening, d);
      const narrow =
        !wide && inflation * Math.sqrt(whitening.condition) < tolerance * Math.sqrt(squares(whitening.transform)) * 0.3;
      const terms = await sweeps.step(whitening, narrow ? { wide: false, inflation } : {});
      const certificate = await sandwich(run, p, terms.total, terms.distortion, whitening.condition, dtype === "f64");
      excess = certificate.upper / certificate.lower / ideal - 1;
      if (excess <= tolerance || last) {
        return {
          gram: unscale(gram, columnScale, unit),
          rank: whitening.rank,
          certificate,
          residual: terms.residual,
          iterations,
          converged: excess <= tolerance,
        };
      }
    }
    // The first step's Gram matrix proves nothing yet, as a rule: trained tables take two.
    const wideGram = wide || iterations > 0;
    const terms = await sweeps.step(whitening, { omega: 1, wide, wideGram });
    const { lower, upper } = await sandwich(run, p, terms.total, terms.distortion, 1, true);
    excess = upper / lower / ideal - 1;
    gram = terms.gram;
    whitening = await white(gram);
    exact = wideGram;
    if (!isSafe()) wide = true;
    ++iterations;
  }
}

/** A step shrinks the excess about this much (seen: 15 to 30-fold at p = 1), so a certifying sweep is worth its time. */
const expectedGain = 25;
/** f32 sums err by 1e-6 of the largest eigenvalue: below this they leave q good to a percent. */
const safeCondition = 1e4;

/** To `tolerance` of the defining property, max |tau_i / w_i - 1|, in f64 throughout, by Chebyshev semi-iteration. */
export async function lewisWeights(run: Run, source: RowSource, options: LewisOptions): Promise<LewisResult> {
  const { p = 1, tolerance = 1e-6, maxIterations = 200 } = options;
  const { cols: d, rows: n, dtype } = source;
  const rows = run.open(source);
  if (options.rowWeights) rows.state.set("weights", Float64Array.from(options.rowWeights));
  run.expect(n * (2 * d + 2 * d * d + 14 * 4 * d * d));
  const { columnScale } = await profile(run, rows);
  const sweeps = new LewisSweeps(run, rows, p, columnScale);
  // The map of log w contracts with a Jacobian of spectrum [0, r].
  const r = p < 2 ? 1 - p / 2 : 1 - 2 / p;
  const gamma = 2 / (2 - r);
  const rho = r / (2 - r);
  let gram = await sweeps.start(true);
  let omega = 1;
  let previous = Infinity;
  let plain = 2;
  for (let iterations = 0; ; ++iterations) {
    const whitening = await whiten(run.engine, gram, d, n, dtype);
    const last = iterations >= maxIterations;
    // Far from the fixed point, and whenever the residual grows, the plain map: it contracts everywhere.
    if (plain > 0) omega = 1;
    const terms = await sweeps.step(whitening, { gamma: plain > 0 ? 1 : gamma, omega: last ? 0 : omega });
    const converged = terms.residual <= tolerance;
    if (converged || last) {
      const certificate = await sandwich(run, p, terms.total, terms.distortion, whitening.condition, dtype === "f64");
      const now = rows.state.get("logWeight")!;
      const answer = last ? now : rows.state.get("before")!.map((x, i) => (now[i] === -Infinity ? -Infinity : x));
      const { values: weights } = await run.engine.dense({ op: "exp", values: answer });
      run.finish();
      return {
        weights,
        gram: { data: unscale(gram, columnScale, 1), rows: d, cols: d },
        rank: whitening.rank,
        certificate,
        iterations,
        residual: terms.residual,
        converged,
        seconds: run.seconds,
      };
    }
    if (terms.residual > previous) plain = 2;
    else if (plain > 0) --plain;
    else omega = omega === 1 ? 1 / (1 - (rho * rho) / 2) : 1 / (1 - (rho * rho * omega) / 4);
    previous = terms.residual;
    gram = terms.gram;
  }
}

/**
 * Error of y = x T as computed in f32, beside |x|: sums are 256 deep, then added up, and |x|_l |T_lj| summed over l is at
 * most |x| |T_j| (Higham, Accuracy and stability of numerical algorithms, 3.1).
 */
function productError({ transform }: Whitening, d: number): number {
  return 1.01 * (Math.min(d, 256) + Math.ceil(d / 256) + 2) * 2 ** -24 * Math.sqrt(squares(transform));
}

function squares(x: Float64Array): number {
  let sum = 0;
  for (const v of x) sum += v * v;
  return sum;
}

function scaleRows(matrix: Float64Array, scale: Float64Array): Float64Array {
  const width = matrix.length / scale.length;
  return matrix.map((x, i) => x * scale[Math.floor(i / width)]);
}

/** From the Gram matrix of the scaled columns to unit^2 times that of A's own: powers of two, so exact. */
function unscale(gram: Float64Array, scale: Float64Array, unit: number): Float64Array {
  const d = scale.length;
  const result = new Float64Array(d * d);
  for (let i = 0; i < d; ++i) {
    for (let j = 0; j < d; ++j) result[i * d + j] = (((gram[i * d + j] / scale[i]) * unit) / scale[j]) * unit;
  }
  return result;
}
