// Spectrum of A from the eigenvalues of its Gram matrix: one sweep. It sees nothing below 1e-8 of sigma_1.
//
// Sums in f32 lose small eigenvalues on heavy-tailed rows. They are used only where the eigenvalue at the cut stays above
// 10^4 * 2^-24 of the largest; else the sweep is repeated in f64.
import type { EngineRows } from "../../engine/engine.js";
import type { ResultOf } from "../../engine/operations/index.js";
import { blockRows } from "../../engine/sweep.js";
import { noCache, type Cache } from "../matrix-cache.js";
import { areRootScalesNarrow } from "./narrow.js";
import { profileOf, type Profile } from "../profile.js";
import type { Run } from "../run.js";
import { transpose } from "./small-dense.js";

/** As progress names it. */
export const stage = "Gram matrix";

/** f32 sums are trusted where an eigenvalue is above this share of the largest. */
export const narrowLimit = 1e4 * 2 ** -24;

export interface Spectrum {
  /** d singular values, descending. */
  singularValues: Float64Array;
  /** Gram matrix of diag(s)^(1/2) A times unit^2, d x d. */
  gram: Float64Array;
  /** Row j: the right singular vector of singularValues[j]. As many as were asked for. */
  vectors: Float64Array;
  /** The Gram matrix was summed in f64. */
  wide: boolean;
}

/**
 * Profile and Gram matrix in one sweep: it goes by the matrix being neither huge nor tiny, and its sums in f32 (of f32 rows) being
 * enough, as they mostly are; else `spectrum` sweeps again.
 */
export function profiledGram(run: Run, rows: EngineRows): Promise<{ scales: Profile; gram: Float64Array }> {
  const { source } = rows;
  return run.cache.once("profiled gram", async () => {
    const params = { wide: source.dtype === "f64", profile: true };
    const { gram, ...profiled } = await run.sweep("gram", rows, stage, params, {});
    const profile = () => Promise.resolve(profileOf(run, source, profiled as ResultOf<"profile">));
    return { scales: await run.cache.once("profile", profile), gram };
  });
}

interface SpectrumRequest {
  /** The eigenvalue (counted from 0) that must be trusted, from the eigenvalues. */
  cut: (values: Float64Array) => number;
  /** How many of the vectors, those of the largest singular values first. */
  vectors: number;
  /** What `profiledGram` found. */
  first?: Float64Array;
  /** Of these rows, where other calls may have found it. */
  cache?: Cache;
}

export async function spectrum(
  run: Run,
  rows: EngineRows,
  { unit, top }: Profile,
  { cut, vectors: count, first, cache = noCache }: SpectrumRequest,
): Promise<Spectrum> {
  const { cols: d, dtype } = rows.source;
  const columnScale = unit === 1 ? undefined : new Float64Array(d).fill(unit);
  let summed: Float64Array | undefined;
  const narrow = dtype !== "f64" && unit <= 2 ** 120 && (await areRootScalesNarrow(rows, top * unit));
  if (unit === 1 && (narrow || dtype === "f64")) summed = first;
  for (let wide = !narrow; ; wide = true, summed = undefined) {
    const { gram, values, vectors } = await cache.once(`spectrum ${wide} ${count}`, async () => {
      const gram = summed ?? (await run.sweep("gram", rows, stage, { wide }, { columnScale })).gram;
      return { gram, ...(await run.engine.dense("eigen", { matrix: gram, n: d, count })) };
    });
    if (!wide && !(values[Math.min(d - 1, cut(values))] > narrowLimit * values[0])) continue;
    const singularValues = values.map((x) => Math.sqrt(Math.max(0, x)) / unit);
    return { singularValues, gram, vectors, wide };
  }
}

/**
 * What sums and eigenvalues may err by, in an eigenvalue of a Gram matrix: its entries are sums over the rows of a block, then over
 * blocks, and |M|' |M| has a norm of at most the trace (Higham, Accuracy and stability of numerical algorithms, 3.1); eigenvalues
 * and the products before them are good to a few d units in the last place.
 */
export function eigenvalueError(gram: Float64Array, d: number, rows: number, wide: boolean): number {
  let trace = 0;
  for (let j = 0; j < d; ++j) trace += gram[j * (d + 1)];
  const depth = Math.min(rows, blockRows) + 32;
  return (depth * (wide ? 2 ** -53 : 2 ** -24) + 4 * d * 2 ** -53) * trace;
}

/**
 * sigma_1(M (I - P)), P = R'R, for G = M'M (times unit^2, as all Gram matrices here; so the result is times unit) and R k x d with
 * nearly orthonormal rows: from the largest eigenvalue of (I - P) G (I - P).
 * @param inverse the pseudoinverse, d x k, in place of R'
 */
export async function residualNorm(
  run: Run,
  gram: Float64Array,
  right: Float64Array,
  rank: number,
  d: number,
  inverse = transpose(right, rank, d),
): Promise<number> {
  const { engine } = run;
  // The rows of `right` are only as orthonormal as its type: I - R'R is what the stored factor really leaves.
  const leave = await engine.dense("multiply", { left: inverse, right, rows: d, inner: rank, cols: d });
  for (let i = 0; i < d * d; ++i) leave[i] = (i % (d + 1) === 0 ? 1 : 0) - leave[i];
  let top = 0;
  for (let i = 0; i < d; ++i) top = Math.max(top, gram[i * (d + 1)]);
  if (top === 0) return 0;
  const half = await engine.dense("multiply", { left: gram, right: leave, rows: d, inner: d, cols: d });
  const rest = await engine.dense("multiply", { left: leave, right: half, rows: d, inner: d, cols: d });
  const { values } = await engine.dense("eigen", { matrix: rest, n: d, count: 0 });
  return Math.sqrt(Math.max(0, values[0]));
}
