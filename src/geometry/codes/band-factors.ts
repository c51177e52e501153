// The right factor of a transform code, band by band, and the coordinates that its rows are coded in.
import { decodeRows } from "../../codes.js";
import { trellisError } from "../../code-trellis.js";
import { mostEnlarged } from "../../engine/operations/transform.js";
import { toRowSource } from "../../matrix.js";
import type { CodedMatrix, TransformCodeOptions } from "../../types/index.js";
import { inverseCholesky, transpose } from "../basis/small-dense.js";
import { profile } from "../profile.js";
import type { Run } from "../run.js";
import type { Axes } from "./axes.js";
import { shape } from "./bands.js";
import type { BandPlan } from "./groups.js";
import { times, type Metric } from "./metric.js";
import { encode } from "./quantise.js";
import { randomRotation } from "./rotation.js";

export interface BandFactors {
  /** One a band. */
  rights: CodedMatrix[];
  /** Square of the length, in the metric, of a band's rows of the right factor, times unit^2. */
  squares: number[];
  /** What a band's rows of the right factor are multiplied by, so that they give back on average what was coded: 1 for least squares. */
  gains: number[];
  /** K x d, decoded, times `unit`. */
  right: Float64Array;
  /** The same without gains, each row times what comes back of a coordinate on average. */
  damped: Float64Array;
  /** Both in the metric's coordinates. */
  inMetric: { right: Float64Array; damped: Float64Array };
  /** Squared error of coordinates of variance 1 beside damped rows, with the gains. */
  noise: number;
  /** d x K: a row times `unit` times this is coded. */
  basis: Float64Array;
}

/**
 * A band's right factor is its axes, each as long as `shape` says, rotated at random and rounded. What is coded of a row a is the x of
 * least |a - (1 - e) R'x|^2 + e (1 - e) sum_k |r_k|^2 x_k^2, which is the error that the test channel leaves (bands.ts): so what rounding
 * an axis sends astray is taken back as far as that pays.
 */
export async function bandFactors(
  run: Run,
  { vectors, variances, unit }: Axes,
  bands: readonly BandPlan[],
  { seed = 0, windowBits = 10, scale }: TransformCodeOptions,
  metric?: Metric,
): Promise<BandFactors> {
  const { engine } = run;
  const d = variances.length;
  const K = bands.reduce((sum, { cols }) => sum + cols, 0);
  const right = new Float64Array(K * d);
  const [lengths, errors, backs] = [0, 1, 2].map(() => new Float64Array(K));
  const result: BandFactors = {
    ...{ rights: [], squares: [], gains: [], right, damped: right, inMetric: { right, damped: right }, basis: right },
    noise: 0,
  };
  let first = 0;
  for (const { bits, cols, rightBits } of bands) {
    const error = trellisError(bits, windowBits, cols);
    const inside = variances.subarray(first, first + cols);
    const { shares, length } = shape(inside, cols, error);
    // Past the last axis there are rows of zeros, which the rotation fills with what the others have.
    const axes = new Float64Array(cols * d);
    shares.forEach((share, j) => {
      const size = Math.sqrt(share) * length;
      for (let i = 0; i < d; ++i) axes[j * d + i] = size * vectors[(first + j) * d + i];
    });
    const rotation = await randomRotation(run, cols, seed);
    const rotated = await engine.dense("multiply", { left: rotation, right: axes, rows: cols, inner: cols, cols: d });
    const back = await times(run, rotated, metric?.inverse, d);
    const gain = scale === "unbiased" ? Math.min(mostEnlarged, 1 / (1 - error)) : 1;
    const source = toRowSource({ data: back.map((x) => (gain * x) / unit), rows: cols, cols: d }, "right");
    const rows = run.open(source);
    const how = { bits: rightBits, levels: "normal", scale: "least-squares", block: Infinity, p: 2 } as const;
    const { coded } = await encode(run, rows, await profile(run, rows), how);
    run.close(rows);
    decodeRows(coded, 0, cols).forEach((x, i) => (right[first * d + i] = x * unit));
    lengths.fill(length, first, first + cols);
    errors.fill(error, first, first + cols);
    backs.fill((1 - error) / gain, first, first + cols);
    result.rights.push(coded);
    result.squares.push(length * length);
    result.gains.push(gain);
    result.noise += cols * (error + (gain - 1) * (gain - 1)) * (1 - error) * length * length;
    first += cols;
  }
  if (K === 0) return result;
  const dampedOf = (all: Float64Array) => all.map((x, i) => backs[Math.floor(i / d)] * x);
  result.damped = dampedOf(right);
  const coordinates = await times(run, right, metric?.root, d);
  const damped = metric ? dampedOf(coordinates) : result.damped;
  result.inMetric = { right: coordinates, damped };
  // Of rows divided by their length, for x times it: entries of the matrix are near 1.
  const rows = damped.map((x, i) => x / lengths[Math.floor(i / d)]);
  const size = { rows: K, inner: d, cols: K };
  const gram = await engine.dense("multiply", { left: rows, right: transpose(rows, K, d), ...size });
  for (let k = 0; k < K; ++k) gram[k * (K + 1)] += errors[k] * (1 - errors[k]);
  const T = await inverseCholesky(engine, gram, K);
  const inverse = await engine.dense("multiply", {
    ...{ left: T, right: transpose(T, K, K), rows: K, inner: K, cols: K },
  });
  const whole = await engine.dense("multiply", { left: inverse, right: rows, rows: K, inner: K, cols: d });
  // Row a has the coordinates a L.
  const basis = metric ? await times(run, whole, transpose(metric.root, d, d), d) : whole;
  result.basis = transpose(basis, K, d).map((x, i) => x / lengths[i % K]);
  return result;
}
