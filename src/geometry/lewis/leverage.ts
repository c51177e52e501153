// Leverage scores tau_i = a_i' (A'A)^+ a_i: two sweeps, the Gram matrix and then |a_i T|^2. Direct, so nothing converges.
import type { RowSource } from "../../matrix.js";
import type { LeverageResult, WeightedOptions } from "../../types/index.js";
import { profile } from "../profile.js";
import type { Run } from "../run.js";
import { scaleRows } from "../basis/small-dense.js";
import { whiten } from "../basis/whiten.js";

/** Scores of diag(s)^(1/2) A in f64, whatever the type of A. Cost: n d (1.5 d + O(1)) multiply-adds. */
export async function leverageScores(
  run: Run,
  source: RowSource,
  { rowWeights }: WeightedOptions,
): Promise<LeverageResult> {
  const { rows: n, cols: d } = source;
  const rows = run.open(source);
  run.expect(n * (2 * d + 4 * d * d));
  const { columnScale } = await profile(run, rows);
  if (rowWeights) rows.state.set("scale", Float64Array.from(rowWeights, Math.sqrt));
  const { gram } = await run.sweep("gram", rows, "Gram matrix", { wide: true }, { columnScale });
  const { transform, rank, triangular } = await whiten(run.engine, gram, source);
  const scaled = scaleRows(transform, columnScale);
  await run.sweep("leverage", rows, "leverage scores", { wide: true, triangular }, { transform: scaled });
  const scores = (await rows.state.get("leverage"))!;
  // Rounding goes above 1 where a row is all there is in its direction.
  for (let i = 0; i < n; ++i) scores[i] = Math.min(1, rowWeights ? scores[i] * rowWeights[i] : scores[i]);
  run.finish();
  return { scores, rank, iterations: 1, residual: 0, converged: true, seconds: run.seconds };
}
