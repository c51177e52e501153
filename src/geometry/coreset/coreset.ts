// Coresets: few rows, weighted so that sum_k weights_k |row_k x|^p estimates |Ax|_p^p without bias for every x.
//
// Cohen, Peng, l_p row sampling by Lewis weights (arXiv 1412.0588): row i with probability pi_i = min(1, m q_i), q its Lewis
// weight, counted 1 / pi_i times. The choice itself is by ordered pivotal sampling (sample.ts), in the order of the directions
// that rows point in (assembly/sensitivity.ts): rows that point alike compete, so every direction keeps its share.
import type { EngineRows } from "../../engine/engine.js";
import { InvalidInputError } from "../../errors.js";
import type { Matrix, RowSource } from "../../matrix.js";
import { checkOneARow } from "../../options.js";
import type { CoresetOptions, CoresetResult, CoresetScheme } from "../../types/index.js";
import { checkCoresetChoice } from "./check.js";
import { realisedError, realisedWork } from "./error.js";
import { leverageScores } from "../lewis/leverage.js";
import { convergedWeights } from "../lewis/weights.js";
import { Parts } from "../parts.js";
import { profile } from "../profile.js";
import type { Run } from "../run.js";
import { inclusionProbabilities, orderBy, pivotalSample } from "./sample.js";
import { lewisWork, scaleByWeights, sum, weightedEllipsoid } from "./sensitivities.js";

/** Stream of assembly/random.ts that rows are chosen by: one number a row. */
export const sampleStream = 16;
export function checkCoreset(options: CoresetOptions, source: RowSource): void {
  checkCoresetChoice(options);
  checkOneARow("scores", "scores", options.scores, source);
  if (source.rows > 2 ** 31 - 1) {
    throw new InvalidInputError(
      `${source.name ?? "A"} has ${source.rows} rows; a coreset numbers them in 31 bits. Use coresetStream on parts of it.`,
    );
  }
}

/** How random numbers are keyed: `coreset` has one draw; a stream reduces many times. */
export interface Draw {
  seed: number;
  stream: number;
  /** Index of row 0. */
  first: number;
}

/** Cost: the Lewis weights (unless `scores` are given), some four sweeps, and the measuring of the error. */
export async function coreset(run: Run, source: RowSource, options: CoresetOptions): Promise<CoresetResult> {
  const { p = 1, seed = 0 } = options;
  const { rows: n, cols: d } = source;
  const parts = new Parts(run.engine, options, lewisWork(n, d) + realisedWork(n, d), run.scalable);
  const { all, choice, ellipsoid, ...rest } = await choose(parts, source, options, {
    seed,
    stream: sampleStream,
    first: 0,
  });
  const { indices, weights, probabilities, expected } = choice;
  const rows = toMatrix(await run.gather(source, indices), source);
  const scales = await all.state.get("scale");
  const scale = probabilities.map((pi, k) => (scales ? scales[indices[k]] / Math.sqrt(pi) : 1));
  const realised = ellipsoid
    ? await realisedError(parts, all, ellipsoid, { rows, weights, scale }, { p, seed, share: 0.3 })
    : { measured: { lower: 1, upper: 1 }, proved: { lower: 1, upper: 1 }, directions: 0 };
  parts.finish();
  return { indices, weights, rows, probabilities, expected, realised, ...rest, seconds: parts.seconds };
}

/** Rows chosen, with what is known of them. */
interface Choice {
  indices: Int32Array;
  weights: Float64Array;
  probabilities: Float64Array;
  expected: number;
}

/** Everything but the measuring. No ellipsoid: all rows that count were taken. */
export async function choose(parts: Parts, source: RowSource, options: CoresetOptions, draw: Draw) {
  const { p = 1, size, rowWeights, scheme = "lewis", tolerance = 0.01 } = options;
  const { rows: n, cols: d, name = "A" } = source;
  const first = parts.next(0.05, 4 * n * d);
  const all = first.open(source);
  const s = rowWeights && Float64Array.from(rowWeights);
  if (s) all.state.set("weights", s);
  const { columnScale } = await profile(first, all);
  const live = await liveRows(first, all, columnScale, p);
  const count = sum(live);
  if (count <= size) {
    const pick = everyRow(live, s);
    return {
      all,
      choice: pick,
      ellipsoid: undefined,
      rank: await rankOf(),
      iterations: 0,
      residual: 0,
      converged: true,
    };
  }

  let how = { iterations: 0, residual: 0, converged: true };
  if (options.scores) all.state.set("lewis", Float64Array.from(options.scores));
  else {
    const lewis = await convergedWeights(parts.next(0.5, lewisWork(n, d)), source, { p, rowWeights, tolerance });
    all.state.set("lewis", lewis.weights);
    how = { iterations: lewis.iterations, residual: lewis.residual, converged: lewis.converged };
  }
  const importance = (await all.state.get("lewis"))!;
  if (options.scores && scheme !== "uniform") {
    const missed = importance.findIndex((x, i) => x === 0 && live[i] > 0);
    if (missed >= 0) {
      throw new InvalidInputError(
        `scores[${missed}] is 0, but row ${missed} of ${name} is not zero: it could never be chosen. Give it a positive score, or a row weight of 0.`,
        { row: missed },
      );
    }
  }
  const second = parts.next(0.1, 4 * n * d * d);
  const ellipsoid = await weightedEllipsoid(second, all, columnScale, p);
  let q = importance;
  if (scheme === "uniform") q = live.map((x, i) => x * (s ? s[i] : 1));
  else if (scheme !== "lewis") {
    const { scores, rank } = options.scores
      ? { scores: importance, rank: sum(importance) }
      : await leverageScores(parts.next(0.05, 6 * n * d * d), source, { rowWeights });
    q = scores;
    if (scheme === "mixed") {
      const total = s ? sum(s.map((x, i) => x * live[i])) : count;
      q = scores.map((x, i) => live[i] * (x / rank + (s ? s[i] : 1) / total));
    }
  }
  const pi = inclusionProbabilities(q, size);
  const indices = pivotalSample(
    pi,
    await rowOrder(all, scheme, ellipsoid.whitening.rank),
    await uniforms(second, n + 1, draw),
  );
  const probabilities = Float64Array.from(indices, (i) => pi[i]);
  const weights = Float64Array.from(indices, (i) => (s ? s[i] : 1) / pi[i]);
  const choice: Choice = { indices, weights, probabilities, expected: sum(pi) };
  return { all, choice, ellipsoid, rank: ellipsoid.rank, ...how };

  async function rankOf(): Promise<number> {
    return (await leverageScores(parts.next(0.05, 6 * n * d * d), source, { rowWeights })).rank;
  }
}

/** Rows that point alike are neighbours; the control takes them as they come. */
async function rowOrder(all: EngineRows, scheme: CoresetScheme, rank: number): Promise<ArrayLike<number>> {
  const { rows: n } = all.source;
  if (scheme === "uniform") return Int32Array.from({ length: n }, (_, i) => i);
  return orderBy((await all.state.get("order"))!, 2 * rank * rank);
}

async function uniforms(run: Run, count: number, { seed, stream, first }: Draw): Promise<Float64Array> {
  const result = new Float64Array(count);
  const step = 1 << 16;
  for (let i = 0; i < count; i += step) {
    const size = Math.min(step, count - i);
    const draw = { kind: "uniform", seed, stream, first: first + i, count: size } as const;
    result.set(await run.engine.dense("random", draw), i);
  }
  return result;
}

/** 1 for each row that counts, 0 for zero rows and rows of row weight 0. */
async function liveRows(run: Run, all: EngineRows, columnScale: Float64Array, p: number): Promise<Float64Array> {
  all.state.set("lewis", new Float64Array(all.source.rows));
  await scaleByWeights(run, all, columnScale, p);
  return (await all.state.get("live"))!.slice();
}

function everyRow(live: Float64Array, s: Float64Array | undefined): Choice {
  const indices = Int32Array.from(live.keys()).filter((i) => live[i] > 0);
  const probabilities = new Float64Array(indices.length).fill(1);
  return {
    indices,
    weights: Float64Array.from(indices, (i) => (s ? s[i] : 1)),
    probabilities,
    expected: indices.length,
  };
}

/** Rows that were read, in the type of their source; f16 and bf16 are widened to f32. */
export function toMatrix(data: Float64Array, { dtype, cols }: RowSource): Matrix {
  return { data: dtype === "f64" ? data : Float32Array.from(data), rows: data.length / cols, cols };
}
