// Centre and axes of rows: their weighted mean, and the eigenvectors of their scatter matrix.
//
// p = 2: mean and covariance. Else row i counts f_i = (x_i' H^-1 x_i / d)^(p/2 - 1) times, x_i = a_i - centre and H the scatter matrix
// that comes of it: the fixed point is the ellipsoid of the Lewis weights (Cohen, Peng, arXiv 1412.0588) of the centred rows, and the
// centre their mean under the same factors. Far rows count less for p < 2 (Maronna, Robust M-estimators of multivariate location and
// scatter, 1976).
import type { EngineRows } from "../../engine/engine.js";
import type { RowSource } from "../../matrix.js";
import { trace, transpose } from "../basis/small-dense.js";
import { whiten, type Whitening } from "../basis/whiten.js";
import { profileOf } from "../profile.js";
import type { Run } from "../run.js";
import { times, type Metric } from "./metric.js";
import { checkRange } from "./quantise.js";

/** Of the rows that are not zero. */
export interface Scatter {
  /** cols numbers that f32 holds. */
  centre: Float64Array;
  /** Power of two: H, and what else is of rows times it. */
  unit: number;
  /** cols x cols: the scatter matrix about the centre. */
  H: Float64Array;
  /** Sum of their weights, and of s_i |a_i|^2. */
  weight: number;
  squares: number;
  /** cols x cols: sum of s_i a_i' a_i, times unit^2. */
  moments: Float64Array;
  /** Rows of zeros. */
  zeros: number;
}

export interface Axes extends Scatter {
  /** Variances along the axes, falling: of rows times `unit`, in the metric's coordinates. */
  variances: Float64Array;
  /** cols x cols, orthogonal: row j is the axis of variances[j]. */
  vectors: Float64Array;
  /** Sum of s_i a_i M a_i'; without a metric that of the squares. */
  metricSquares: number;
}

/** Steps, and the change of H, entry by entry beside 1 in its own whitened coordinates, that end them. */
const mostSteps = 12;
const settled = 0.03;
/** Products in f32 serve below this condition number. */
const safeCondition = 1e4;
/** Rows whose medians are the first centre, as sums about it cancel little; so many of them follow one another. */
const sampleRows = 64;
const sampleRun = 16;

/** A metric changes the axes alone: in other coordinates the same rows count the same. */
export async function axesIn(run: Run, scatter: Scatter, metric: Metric | undefined): Promise<Axes> {
  const { H, centre, moments, unit, squares } = scatter;
  const d = centre.length;
  const half = await times(run, H, metric?.root, d);
  const matrix = metric ? await times(run, transpose(half, d, d), metric.root, d) : H;
  const { values, vectors } = await run.engine.dense("eigen", { matrix, n: d });
  const counted = metric && moments.reduce((sum, x, at) => sum + x * metric.matrix[at], 0) / unit / unit;
  return { ...scatter, variances: values.map((x) => Math.max(0, x)), vectors, metricSquares: counted ?? squares };
}

export async function scatterOf(run: Run, rows: EngineRows, p: number, wide: boolean): Promise<Scatter> {
  const { source } = rows;
  const { cols: d } = source;
  let centre = await medians(run, source);
  let unit = 1;
  let known: Pick<Scatter, "weight" | "squares" | "moments" | "zeros"> | undefined;
  let whitening: Whitening | undefined;
  let H = new Float64Array();
  for (let step = 0; step < mostSteps; ++step) {
    const { transform, rank = d, triangular = false, condition = 1 } = whitening ?? {};
    const params = { p, unit, wide: wide || condition > safeCondition, triangular, rank };
    const { gram, moments, ...profiled } = await run.sweep("scatter", rows, "axes", params, { centre, transform });
    const [total, squares, zeros] = moments.subarray(d);
    if (!known) {
      const profile = profileOf(run, source, profiled);
      checkRange(profile, source);
      if (profile.unit !== unit) {
        ({ unit } = profile);
        continue;
      }
      known = { weight: total, squares, moments: aboutZero(gram, moments, centre, unit), zeros };
    }
    const shift = moments.subarray(0, d).map((x) => x / (total || 1));
    H = gram.map((x, i) => x / (total || 1) - shift[Math.floor(i / d)] * shift[i % d]);
    centre = centre.map((x, j) => (total > 0 ? Math.fround(x + shift[j] / unit) : 0));
    if (p === 2) {
      // Where the first centre was far off, the sums cancelled.
      if (shift.reduce((sum, x) => sum + x * x, 0) > trace(H, d)) continue;
      break;
    }
    if (transform && (await changeOf(run, H, transform, rank, d)) < settled) break;
    whitening = await whiten(run.engine, H, source);
    if (whitening.rank === 0) break;
  }
  return { ...known!, centre, unit, H };
}

/** sum s_i (x_i + c)' (x_i + c) of rows x_i about c, times `unit`. */
function aboutZero(gram: Float64Array, sums: Float64Array, centre: Float64Array, unit: number): Float64Array {
  const d = centre.length;
  const [c, total] = [centre.map((x) => x * unit), sums[d]];
  return gram.map((x, at) => {
    const [i, j] = [Math.floor(at / d), at % d];
    return x + c[i] * sums[j] + sums[i] * c[j] + total * c[i] * c[j];
  });
}

async function medians(run: Run, source: RowSource): Promise<Float64Array> {
  const { rows, cols } = source;
  const count = Math.min(rows, sampleRows);
  const first = (k: number) => Math.floor((k * (rows - count)) / count / sampleRun) * sampleRun;
  const at = Array.from({ length: count }, (_, k) => first(k - (k % sampleRun)) + k);
  const sample = await run.gather(source, at);
  const column = new Float64Array(count);
  return Float64Array.from({ length: cols }, (_, j) =>
    Math.fround(column.map((_, i) => sample[i * cols + j]).sort()[count >> 1]),
  );
}

/** |T' H T / c - I|_F beside |I|_F, c the mean of its diagonal. */
async function changeOf(run: Run, H: Float64Array, T: Float64Array, rank: number, d: number): Promise<number> {
  const half = await run.engine.dense("multiply", { left: H, right: T, rows: d, inner: d, cols: rank });
  const size = { rows: rank, inner: d, cols: rank };
  const whole = await run.engine.dense("multiply", { left: transpose(T, d, rank), right: half, ...size });
  const mean = trace(whole, rank) / rank;
  // |X / c - I|^2 = |X|^2 / c^2 - 2 tr X / c + rank
  const squares = whole.reduce((sum, x) => sum + x * x, 0);
  return Math.sqrt(Math.max(0, squares / (mean * mean * rank) - 1));
}
