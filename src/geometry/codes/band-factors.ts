// The right factor of a transform code, band by band, and the coordinates that its rows are coded in.
import { decodeRows } from "../../codes.js";
import { toRowSource } from "../../matrix.js";
import type { CodedMatrix } from "../../types/index.js";
import { pseudoInverse } from "../basis/factors.js";
import { transpose } from "../basis/small-dense.js";
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

/** A band's axes, each of the length that makes components of variance 1, rotated at random, rounded; then what projects on them. */
export async function bandFactors(
  run: Run,
  { vectors, variances }: Axes,
  bands: readonly BandPlan[],
  { unit, seed }: { unit: number; seed: number },
): Promise<BandFactors> {
  const d = variances.length;
  const K = bands.reduce((sum, { cols }) => sum + cols, 0);
  const right = new Float64Array(K * d);
  const unitRows = new Float64Array(K * d);
  const roots = new Float64Array(K);
  const result: BandFactors = { rights: [], variances: [], right, basis: right };
  let first = 0;
  for (const { cols, rightBits } of bands) {
    // Past the last axis there are rows of zeros, which the rotation fills with what the others have.
    const axes = new Float64Array(cols * d);
    axes.set(vectors.subarray(first * d, Math.min(d, first + cols) * d));
    const variance = variances.subarray(first, first + cols).reduce((sum, x) => sum + x, 0) / cols;
    const root = Math.sqrt(variance);
    const rotation = await randomRotation(run, cols, seed);
    const size = { rows: cols, inner: cols, cols: d };
    const rotated = await run.engine.dense("multiply", { left: rotation, right: axes, ...size });
    const source = toRowSource({ data: rotated.map((x) => (x * root) / unit), rows: cols, cols: d }, "right");
    const rows = run.open(source);
    const target = { bits: rightBits, levels: "normal", scale: "least-squares", block: Infinity, p: 2 } as const;
    const { coded } = await encode(run, rows, await profile(run, rows), target);
    run.close(rows);
    const decoded = decodeRows(coded, 0, cols);
    decoded.forEach((x, i) => {
      right[first * d + i] = x * unit;
      unitRows[first * d + i] = (x * unit) / root;
    });
    roots.fill(root, first, first + cols);
    result.rights.push(coded);
    result.variances.push(variance);
    first += cols;
  }
  // Where there are more rows than columns, the shortest coordinates of all that give the row.
  const inverse =
    K <= d
      ? await pseudoInverse(run, unitRows, K, d)
      : transpose(await pseudoInverse(run, transpose(unitRows, K, d), d, K), K, d);
  result.basis = inverse.map((x, i) => x / roots[i % K]);
  return result;
}
