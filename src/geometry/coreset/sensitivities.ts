// l_p sensitivities, sup_x s_i |a_i x|^p / |Ax|_p^p, bounded from Lewis weights (assembly/sensitivity.ts has the proof):
// score_i = s_i q_i^(p/2) / lower^p, where lower |Mx|_2 <= |Ax|_p is the certificate of the very weights that q comes from, so
// the bound holds for weights that have not converged too. At p = 2 the leverage scores: exact.
import type { EngineRows } from "../../engine/engine.js";
import type { RowSource } from "../../matrix.js";
import type { SandwichCertificate, SensitivityOptions, SensitivityResult } from "../../types/index.js";
import { sandwich, termsOf } from "../certificate.js";
import { leverageScores } from "../lewis/leverage.js";
import { checkLewis } from "../lewis/check.js";
import { convergedWeights } from "../lewis/weights.js";
import { checkFiniteP } from "./check.js";
import { Parts } from "../parts.js";
import { profile } from "../profile.js";
import type { Run } from "../run.js";
import { scaleRows } from "../basis/small-dense.js";
import { whiten, type Whitening } from "../basis/whiten.js";

/** What given weights prove. Row state: logWeight, scale (of M), live, score (s_i q_i^(p/2)), order (assembly/sensitivity.ts). */
export interface WeightedEllipsoid {
  columnScale: Float64Array;
  /** M'M of the scaled columns. */
  gram: Float64Array;
  whitening: Whitening;
  certificate: SandwichCertificate;
  /** max |tau_i / w_i - 1| */
  residual: number;
  /** Rank of A, by the rank rule. */
  rank: number;
  /** M sees every direction that A does. If not, weights differ by more than f64 can tell, and nothing is proved. */
  complete: boolean;
}

/** Three sweeps: row scales, Gram matrix, terms; a fourth where M may be of lower rank than A. Row state read: lewis (any weights >= 0), weights. */
export async function weightedEllipsoid(
  run: Run,
  rows: EngineRows,
  columnScale: Float64Array,
  p: number,
): Promise<WeightedEllipsoid> {
  const { cols: d, dtype } = rows.source;
  await scaleByWeights(run, rows, columnScale, p);
  const gram = await scaledGram(run, rows, columnScale);
  const whitening = await whiten(run.engine, gram, rows.source);
  const { triangular } = whitening;
  const transform = scaleRows(whitening.transform, columnScale);
  const terms = termsOf(await run.sweep("sensitivity", rows, "sensitivities", { p, triangular }, { transform }));
  const certificate = await sandwich(run, p, terms, whitening.condition, dtype === "f64");
  const rank = triangular ? d : Math.max(whitening.rank, await plainRank(run, rows, columnScale));
  const complete = whitening.rank === rank;
  return { columnScale, gram, whitening, certificate, residual: terms.residual, rank, complete };
}

/** Rank of diag(s)^(1/2) A. */
async function plainRank(run: Run, rows: EngineRows, columnScale: Float64Array): Promise<number> {
  const scale = (await rows.state.get("scale"))!;
  const s = await rows.state.get("weights");
  rows.state.set("scale", s ? s.map(Math.sqrt) : new Float64Array(rows.source.rows).fill(1));
  const gram = await scaledGram(run, rows, columnScale);
  rows.state.set("scale", scale);
  return (await whiten(run.engine, gram, rows.source)).rank;
}

export async function scaleByWeights(run: Run, rows: EngineRows, columnScale: Float64Array, p: number): Promise<void> {
  await run.sweep("lewisScale", rows, "row scales", { p }, { columnScale });
}

/** Gram matrix in f64 of the scaled columns and of the rows times their state "scale". */
export async function scaledGram(run: Run, rows: EngineRows, columnScale: Float64Array): Promise<Float64Array> {
  return (await run.sweep("gram", rows, "Gram matrix", { wide: true }, { columnScale })).gram;
}

/** Multiply-adds of the Lewis weights of n x d, roughly: 14 sweeps. */
export const lewisWork = (n: number, d: number) => n * (2 * d + 58 * d * d);

export function checkSensitivities(options: SensitivityOptions): void {
  checkFiniteP(options.p);
  checkLewis(options);
}

/** Cost: the Lewis weights, and four more sweeps. At p = 2 three sweeps in all. */
export async function sensitivities(
  run: Run,
  source: RowSource,
  options: SensitivityOptions,
): Promise<SensitivityResult> {
  const { p = 1, rowWeights } = options;
  if (p === 2) {
    const leverage = await leverageScores(run, source, options);
    const scores = leverage.scores.map((x) => Math.min(1, x));
    return { ...leverage, scores, total: sum(scores) };
  }
  const { rows: n, cols: d } = source;
  const parts = new Parts(run.engine, options, lewisWork(n, d) + 6 * n * d * d, run.scalable);
  const lewis = await convergedWeights(parts.next(0.9, lewisWork(n, d)), source, options);
  const last = parts.next(0.1, n * (4 * d + 4 * d * d));
  const rows = last.open(source);
  rows.state.set("lewis", lewis.weights);
  if (rowWeights) rows.state.set("weights", Float64Array.from(rowWeights));
  const { columnScale } = await profile(last, rows);
  const { certificate, rank, complete } = await weightedEllipsoid(last, rows, columnScale, p);
  const { lower, slack } = certificate;
  // The slack is that of the certificate; the last factor covers powers and products here.
  const factor = (await last.power((1 + slack) / lower, p)) * (1 + 2 ** -44);
  const live = (await rows.state.get("live"))!;
  // A row that the weights do not see can have any share.
  const terms = (await rows.state.get("score"))!;
  const scores = terms.map((x, i) => (complete && x > 0 ? Math.min(1, x * factor) : live[i]));
  parts.finish();
  const { iterations, residual, converged } = lewis;
  return { scores, rank, total: sum(scores), iterations, residual, converged, seconds: parts.seconds };
}

export function sum(x: Float64Array): number {
  let total = 0;
  for (const v of x) total += v;
  return total;
}
