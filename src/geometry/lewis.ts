// l_p Lewis weights: the w with w_i = tau_i(W^(1/2-1/p) A), to a tolerance of that property.
import type { RowSource } from "../matrix.js";
import { checkMaxIterations, checkP, checkTolerance } from "../options.js";
import type { LewisOptions, LewisResult } from "../types/index.js";
import { sandwich } from "./certificate.js";
import { johnWeights } from "./john-weights.js";
import { isNarrowSafe } from "./lewis-walk.js";
import { Chebyshev, LewisSweeps, unscale } from "./lewis-sweeps.js";
import { profile } from "./profile.js";
import type { Run } from "./run.js";
import { whiten } from "./whiten.js";

export function checkLewis({ p = 1, tolerance = 1e-6, maxIterations = 0 }: LewisOptions): void {
  checkP(p, { above: 0, to: Infinity });
  checkTolerance(tolerance);
  checkMaxIterations(maxIterations);
}

/** About three times what the semi-iteration takes to 1e-8. */
function sweepLimit(p: number): number {
  return p < Infinity ? 200 + Math.ceil(25 * Math.sqrt(Math.min(p, 1e6))) : 200;
}

/** f32 products leave the weights good to this: from there on sums are in f64. */
const narrowResidual = 1e-2;

/**
 * To `tolerance` of the defining property, max |tau_i / w_i - 1|, by Chebyshev semi-iteration; the first sweeps over f32 rows in f32
 * where that is safe, the last in f64.
 */
export async function lewisWeights(run: Run, source: RowSource, options: LewisOptions): Promise<LewisResult> {
  const { p = 1, tolerance = 1e-6, maxIterations = sweepLimit(p) } = options;
  const { cols: d, rows: n, dtype } = source;
  const rows = run.open(source);
  if (options.rowWeights) rows.state.set("weights", Float64Array.from(options.rowWeights));
  run.expect(n * (2 * d + 2 * d * d + 14 * 4 * d * d));
  const facts = await profile(run, rows);
  if (p === Infinity) {
    const john = await johnWeights(run, rows, facts, { tolerance, maxIterations });
    run.finish();
    const gram = { data: john.gram.map((x) => x / facts.unit / facts.unit), rows: d, cols: d };
    return { ...john, gram, seconds: run.seconds };
  }
  const { columnScale } = facts;
  const sweeps = new LewisSweeps(run, rows, p, columnScale);
  const schedule = new Chebyshev(p);
  let wide = dtype === "f64" || maxIterations === 0;
  let gram = await sweeps.start(wide);
  /** Whether that matrix was summed in f64. */
  let exact = wide;
  let residual = Infinity;
  const settled = Math.max(narrowResidual, tolerance);
  for (let iterations = 0; ; ++iterations) {
    const last = iterations >= maxIterations;
    let whitening = await whiten(run.engine, gram, d, n, dtype);
    wide ||= last || !isNarrowSafe(whitening);
    if (wide && !exact) {
      gram = await sweeps.gram();
      whitening = await whiten(run.engine, gram, d, n, dtype);
    }
    const { gamma, omega } = schedule.step;
    const wideGram = wide || residual < 4 * settled || iterations + 1 >= maxIterations;
    const terms = await sweeps.step(whitening, { gamma, omega: last ? 0 : omega, wide, wideGram });
    residual = terms.residual;
    const converged = wide && residual <= tolerance;
    if (converged || last) {
      const certificate = await sandwich(run, p, terms.total, terms.distortion, whitening.condition, dtype === "f64");
      const now = (await rows.state.get("logWeight"))!;
      const before = last ? now : (await rows.state.get("before"))!;
      const answer = last ? now : before.map((x, i) => (now[i] === -Infinity ? -Infinity : x));
      const { values: weights } = await run.engine.dense({ op: "exp", values: answer });
      run.finish();
      return {
        weights,
        gram: { data: unscale(gram, columnScale, 1), rows: d, cols: d },
        rank: whitening.rank,
        certificate,
        iterations,
        residual,
        converged,
        seconds: run.seconds,
      };
    }
    schedule.saw(residual);
    gram = terms.gram;
    exact = wideGram;
    if (residual < settled) wide = true;
  }
}
