// l_p Lewis weights: the w with w_i = tau_i(W^(1/2-1/p) A), to a tolerance of that property.
import { InvalidInputError } from "../../errors.js";
import type { RowSource } from "../../matrix.js";
import type { LewisOptions, LewisResult, SandwichCertificate } from "../../types/index.js";
import { sandwich } from "../certificate.js";
import { johnWeights } from "./john.js";
import { isNarrowSafe } from "./walk.js";
import { Chebyshev, LewisSweeps, unscale } from "./sweeps.js";
import { areLewisScalesNarrow } from "../basis/narrow.js";
import { profile } from "../profile.js";
import type { Run } from "../run.js";
import { whiten } from "../basis/whiten.js";

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
  const { grams, certificate, unit, ...rest } = await convergedWeights(run, source, options);
  return { ...rest, ...writable(grams(), certificate, unit, source) };
}

/** The Gram matrix of A's own columns, that times unit^2 of the profile, and one of the scaled columns. */
type Grams = Record<"own" | "inUnits" | "scaled", Float64Array>;

interface ConvergedWeights extends Omit<LewisResult, "gram"> {
  grams(): Grams;
  unit: number;
}

/** The same for who needs no Gram matrix in A's own numbers, whose squares f64 may not hold. */
export async function convergedWeights(run: Run, source: RowSource, options: LewisOptions): Promise<ConvergedWeights> {
  const { p = 1, tolerance = 1e-6, maxIterations = sweepLimit(p) } = options;
  const { cols: d, rows: n, dtype } = source;
  const rows = run.open(source);
  if (options.rowWeights) rows.state.set("weights", Float64Array.from(options.rowWeights));
  run.expect(n * (2 * d + 2 * d * d + 14 * 4 * d * d));
  const scales = await profile(run, rows);
  const { columnScale, unit } = scales;
  if (p === Infinity) {
    const { gram, scaledGram, ...john } = await johnWeights(run, rows, scales, { tolerance, maxIterations });
    run.finish();
    const grams = () => ({ own: gram.map((x) => x / unit / unit), inUnits: gram, scaled: scaledGram });
    return { ...john, grams, unit, seconds: run.seconds };
  }
  const sweeps = new LewisSweeps(run, rows, p, columnScale);
  const schedule = new Chebyshev(p);
  let wide = dtype === "f64" || maxIterations === 0 || !(await areLewisScalesNarrow(rows, p));
  let gram = await sweeps.start(wide);
  /** Whether that matrix was summed in f64. */
  let exact = wide;
  let residual = Infinity;
  const settled = Math.max(narrowResidual, tolerance);
  for (let iterations = 0; ; ++iterations) {
    const last = iterations >= maxIterations;
    let whitening = await whiten(run.engine, gram, source);
    wide ||= last || !isNarrowSafe(whitening);
    if (wide && !exact) {
      gram = await sweeps.gram();
      whitening = await whiten(run.engine, gram, source);
    }
    const { gamma, omega } = schedule.step;
    const wideGram = wide || residual < 4 * settled || iterations + 1 >= maxIterations;
    const terms = await sweeps.step(whitening, { gamma, omega: last ? 0 : omega, wide, wideGram });
    residual = terms.residual;
    const converged = wide && residual <= tolerance;
    if (converged || last) {
      const certificate = await sandwich(run, p, terms, whitening.condition, dtype === "f64");
      const now = (await rows.state.get("logWeight"))!;
      const before = last ? now : (await rows.state.get("before"))!;
      const answer = last ? now : before.map((x, i) => (now[i] === -Infinity ? -Infinity : x));
      const weights = await run.engine.dense("exp", answer);
      run.finish();
      const scaled = gram;
      return {
        weights,
        rank: whitening.rank,
        certificate,
        unit,
        grams: () => ({
          own: unscale(scaled, columnScale, 1),
          inUnits: unscale(scaled, columnScale, unit),
          scaled,
        }),
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

/**
 * The Gram matrix of A's own columns and its certificate; where its entries, squares of A's, leave the range of f64, that of A times
 * `unit`, which lower and upper then allow for.
 * @throws {InvalidInputError} where a column of A that holds something is none in either
 */
function writable(
  { own, inUnits, scaled }: Grams,
  { lower, upper, slack }: SandwichCertificate,
  unit: number,
  { cols: d, name = "A" }: RowSource,
): Pick<LewisResult, "gram" | "certificate"> {
  const isFinite = own.every((x) => x < Infinity && x > -Infinity);
  const data = isFinite ? own : inUnits;
  const certificate = isFinite ? { lower, upper, slack } : { lower: lower / unit, upper: upper / unit, slack };
  for (let j = 0; j < d; ++j) {
    const isLost = scaled[j * d + j] > 0 && data[j * d + j] < 1e-300;
    if (!isLost && certificate.upper < Infinity) continue;
    throw new InvalidInputError(
      `The Gram matrix of ${name} cannot be written in f64: its entry (${j}, ${j}), a square of ${name}'s, is below 1e-300 or above 1.8e308. Multiply column ${j} by a power of two that brings it near the others.`,
      { tensor: name, column: j },
    );
  }
  return { gram: { data, rows: d, cols: d }, certificate };
}
