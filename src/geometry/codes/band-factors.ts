// The right factor of a transform code, band by band, and the coordinates that its rows are coded in.
import { decodeRows } from "../../codes.js";
import { toRowSource } from "../../matrix.js";
import type { CodedMatrix } from "../../types/index.js";
import { inverseCholesky, transpose } from "../basis/small-dense.js";
import { profile } from "../profile.js";
import type { Run } from "../run.js";
import type { Axes } from "./axes.js";
import type { BandPlan } from "./bands.js";
import { encode } from "./quantise.js";
import { randomRotation } from "./rotation.js";

export interface BandFactors {
  /** One a band. */
  rights: CodedMatrix[];
  /** Variance of each band's components, of rows times `unit`. */
  variances: number[];
  /** K x d, decoded, times `unit`: row k is as long as component k's standard deviation, about. */
  right: Float64Array;
  /** d x K: a row times `unit` times this is coded. */
  basis: Float64Array;
}

interface Given {
  unit: number;
  seed: number;
  /** Squared error of coding a component of variance 1, of each band. */
  errors: readonly number[];
}

/**
 * A band's axes, each of the length that makes components of variance 1, rotated at random, rounded; and what gives a row's coordinates:
 * z of least |a - U'z|^2 + sum_k e_k (z_k - y_k)^2, U the rounded axes, y the coordinates along the axes as they were and e the errors of
 * coding: what rounding an axis sends astray is taken back where it costs less.
 */
export async function bandFactors(
  run: Run,
  { vectors, variances }: Axes,
  bands: readonly BandPlan[],
  { unit, seed, errors }: Given,
): Promise<BandFactors> {
  const { engine } = run;
  const d = variances.length;
  const K = bands.reduce((sum, { cols }) => sum + cols, 0);
  const [right, rounded, target] = [0, 1, 2].map(() => new Float64Array(K * d));
  const [roots, ridge] = [new Float64Array(K), new Float64Array(K)];
  const result: BandFactors = { rights: [], variances: [], right, basis: right };
  let first = 0;
  for (const [b, { cols, rightBits }] of bands.entries()) {
    // Past the last axis there are rows of zeros, which the rotation fills with what the others have.
    const axes = new Float64Array(cols * d);
    axes.set(vectors.subarray(first * d, Math.min(d, first + cols) * d));
    const variance = variances.subarray(first, first + cols).reduce((sum, x) => sum + x, 0) / cols;
    const root = Math.sqrt(variance);
    const rotation = await randomRotation(run, cols, seed);
    const rotated = await engine.dense("multiply", { left: rotation, right: axes, rows: cols, inner: cols, cols: d });
    const source = toRowSource({ data: rotated.map((x) => (x * root) / unit), rows: cols, cols: d }, "right");
    const rows = run.open(source);
    const how = { bits: rightBits, levels: "normal", scale: "least-squares", block: Infinity, p: 2 } as const;
    const { coded } = await encode(run, rows, await profile(run, rows), how);
    run.close(rows);
    const at = first * d;
    decodeRows(coded, 0, cols).forEach((x, i) => {
      right[at + i] = x * unit;
      rounded[at + i] = (x * unit) / root;
      target[at + i] = rounded[at + i] + errors[b] * rotated[i];
    });
    roots.fill(root, first, first + cols);
    ridge.fill(errors[b], first, first + cols);
    result.rights.push(coded);
    result.variances.push(variance);
    first += cols;
  }
  if (K === 0) return result;
  // (U U' + diag(e)) z = (U + diag(e) Y) a
  const size = { rows: K, inner: d, cols: K };
  const gram = await engine.dense("multiply", { left: rounded, right: transpose(rounded, K, d), ...size });
  for (let k = 0; k < K; ++k) gram[k * (K + 1)] += ridge[k];
  const T = await inverseCholesky(engine, gram, K);
  const [square, wide] = [
    { rows: K, inner: K, cols: K },
    { rows: K, inner: K, cols: d },
  ];
  const inverse = await engine.dense("multiply", { left: T, right: transpose(T, K, K), ...square });
  const whole = await engine.dense("multiply", { left: inverse, right: target, ...wide });
  result.basis = transpose(whole, K, d).map((x, i) => x / roots[i % K]);
  return result;
}
