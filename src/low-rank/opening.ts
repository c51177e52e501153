// What every method begins with, in as few sweeps as there can be: profile, Gram matrix and spectrum where a method asks for
// them, else the start of Lewis weights, and the rank.
import { profiledStart } from "../geometry/lewis/start.js";
import { setWeights, type Run } from "../geometry/run.js";
import { profiledGram, spectrum } from "../geometry/basis/spectrum.js";
import type { RowSource } from "../matrix.js";
import { rankForEnergy } from "../options.js";
import type { ChosenMethod, LowRankFactorOptions, LowRankOptions } from "../types/index.js";
import { fitters, vectorsWanted } from "./candidates.js";
import { Left } from "./left.js";
import type { LowRankProblem } from "./problem.js";
import { askedRank, groupsOf } from "./rank.js";

export async function openProblem(
  run: Run,
  source: RowSource,
  options: LowRankOptions | LowRankFactorOptions,
  methods: readonly ChosenMethod[],
): Promise<LowRankProblem> {
  const { p = 1, tolerance = 0.01, seed = 0, factorType = source.dtype, rowWeights } = options;
  const rows = run.open(source);
  setWeights(rows, options);
  const { rows: n, cols: d } = source;
  const most = Math.min(n, d);
  let rank = askedRank(options, n, d);
  const wantsVectors = methods.some((method) => fitters[method].needsSpectrum);
  const needsSpectrum = wantsVectors || rank === 0;
  const vectors = vectorsWanted(run, methods, rank, d);
  const { scales: profile, gram } = needsSpectrum ? await profiledGram(run, rows) : await profiledStart(run, rows, p);
  const plain = needsSpectrum
    ? await spectrum(run, rows, profile, {
        cut: cutOf(rank, options, most),
        vectors: wantsVectors ? vectors : 0,
        first: gram,
        cache: run.cache,
      })
    : undefined;
  rank ||= rankForEnergy(options.energy!, plain!.singularValues, most);
  const left = new Left(options.left, n, rank, factorType);
  const start = needsSpectrum ? undefined : gram;
  return {
    run,
    rows,
    profile,
    p,
    rank,
    factorType,
    rowWeights,
    tolerance,
    seed,
    groups: groupsOf(options),
    spectrum: plain,
    vectors,
    start,
    left,
  };
}

/** The eigenvalue that the rank asked for is read off at. */
function cutOf(rank: number, { energy }: Pick<LowRankOptions, "energy">, most: number) {
  const singular = (values: Float64Array) => values.map((x) => Math.sqrt(Math.max(0, x)));
  return (values: Float64Array) => rank || rankForEnergy(energy!, singular(values), most);
}
