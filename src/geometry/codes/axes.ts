// Centre and axes of rows: their weighted mean, and the eigenvectors of their scatter matrix.
//
// p = 2: mean and covariance. Else row i counts f_i = (x_i' H^-1 x_i / d)^(p/2 - 1) times, x_i = a_i - centre and H the scatter matrix
// that comes of it: the fixed point is the ellipsoid of the Lewis weights (Cohen, Peng, arXiv 1412.0588) of the centred rows, and the
// centre their mean under the same factors. Far rows count less for p < 2 (Maronna, Robust M-estimators of multivariate location and
// scatter, 1976).
import type { EngineRows } from "../../engine/engine.js";
import type { ResultOf } from "../../engine/operations/index.js";
import { transpose } from "../basis/small-dense.js";
import { whiten } from "../basis/whiten.js";
import { profileOf, type Profile } from "../profile.js";
import type { Run } from "../run.js";

/** Of the rows that are not zero. */
export interface Moments {
  profile: Profile;
  /** cols numbers that f32 holds. */
  mean: Float64Array;
  /** Sum of the row weights. */
  weight: number;
  /** Sum of s_i |a_i|^2. */
  squares: number;
  /** Rows of zeros. */
  zeros: number;
}

export async function columnMoments(run: Run, rows: EngineRows): Promise<Moments> {
  const { cols } = rows.source;
  const { moments, ...profiled } = await run.sweep("columnSums", rows, "profile", {}, {});
  const profile = profileOf(run, rows.source, profiled as ResultOf<"profile">);
  const [weight, squares, zeros] = moments.subarray(cols);
  const mean = moments.subarray(0, cols).map((x) => (weight > 0 ? Math.fround(x / weight) : 0));
  return { profile, mean, weight, squares, zeros };
}

export interface Axes {
  /** cols numbers that f32 holds. */
  centre: Float64Array;
  /** Variances along the axes, of rows times the profile's unit, falling. */
  variances: Float64Array;
  /** cols x cols: row j is the axis of variances[j]. */
  vectors: Float64Array;
}

const stage = "axes";
/** Steps, and the change of H, entry by entry beside 1 in its own whitened coordinates, that end them. */
const mostSteps = 12;
const settled = 0.03;
/** Products in f32 serve below this condition number. */
const safeCondition = 1e4;

export async function axesOf(
  run: Run,
  rows: EngineRows,
  { profile, mean, weight }: Moments,
  { p, wide }: { p: number; wide: boolean },
): Promise<Axes> {
  const { source } = rows;
  const { cols: d } = source;
  const { unit } = profile;
  let centre = mean;
  const plain = { p, unit, wide, triangular: false, rank: d };
  const { gram } = await run.sweep("scatter", rows, stage, plain, { centre });
  let H = gram.map((x) => (weight > 0 ? x / weight : 0));
  for (let step = 0; p !== 2 && step < mostSteps; ++step) {
    const { transform, rank, triangular, condition } = await whiten(run.engine, H, source);
    if (rank === 0) break;
    const params = { p, unit, wide: wide || condition > safeCondition, triangular, rank };
    const found = await run.sweep("scatter", rows, stage, params, { centre, transform });
    const total = found.moments![d];
    const shift = found.moments!.subarray(0, d).map((x) => x / total);
    H = found.gram.map((x, i) => x / total - shift[Math.floor(i / d)] * shift[i % d]);
    centre = centre.map((x, j) => Math.fround(x + shift[j] / unit));
    if ((await changeOf(run, H, transform, rank, d)) < settled) break;
  }
  const { values, vectors } = await run.engine.dense("eigen", { matrix: H, n: d });
  return { centre, variances: values.map((x) => Math.max(0, x)), vectors };
}

/** |T' H T / c - I|_F beside |I|_F, c the mean of its diagonal. */
async function changeOf(run: Run, H: Float64Array, T: Float64Array, rank: number, d: number): Promise<number> {
  const half = await run.engine.dense("multiply", { left: H, right: T, rows: d, inner: d, cols: rank });
  const size = { rows: rank, inner: d, cols: rank };
  const whole = await run.engine.dense("multiply", { left: transpose(T, d, rank), right: half, ...size });
  let trace = 0;
  for (let k = 0; k < rank; ++k) trace += whole[k * (rank + 1)];
  const mean = trace / rank;
  const squares = whole.reduce((sum, x, i) => {
    const rest = x / mean - (i % (rank + 1) === 0 ? 1 : 0);
    return sum + rest * rest;
  }, 0);
  return Math.sqrt(squares / rank);
}
