// How far a coreset is from all rows: |Cx|_p / |Ax|_p, proved for every x, and measured where it is likely to be extreme.
//
// Proved   With certificates of both, lower |M x| <= |.x|_p <= upper |M x|, and lambda the eigenvalues of M_C' M_C against M_A' M_A:
//          lower_C / upper_A lambda_min^(1/2) <= |Cx|_p / |Ax|_p <= upper_C / lower_A lambda_max^(1/2).
// Measured Random directions; then, from the extreme eigenvectors of the Gram matrix with A's own weights restricted to the
//          coreset, steps of gradient ascent (and descent) of log |Cx|_p - log |Ax|_p. All in the coordinates in which A's
//          ellipsoid is the unit ball, so that linear maps of A's columns change nothing.
import type { EngineRows } from "../../engine/engine.js";
import { toRowSource, type Matrix } from "../../matrix.js";
import type { Ratios, RealisedError, SandwichCertificate } from "../../types/index.js";
import { convergedWeights } from "../lewis/weights.js";
import type { Parts } from "../parts.js";
import type { Run } from "../run.js";
import { scaledGram, weightedEllipsoid, type WeightedEllipsoid } from "./sensitivities.js";
import { scaleRows, transpose } from "../basis/small-dense.js";

/** Stream of assembly/random.ts that directions come from. */
const directionStream = 17;
const randomDirections = 64;
/** Aimed at each end. */
const aimedDirections = 8;
const steps = 8;
/** Lengths of steps along the slope: at first, after one that got further, and after one that did not. */
const [firstStep, longer, shorter] = [2, 1.25, 0.4];

export interface Chosen {
  /** The rows, with what |row x|^p is multiplied by. */
  rows: Matrix;
  weights: Float64Array;
  /** Row scales of A's ellipsoid at these rows, times pi^(-1/2): their Gram matrix estimates A's. */
  scale: Float64Array;
}

/** Slack of a certificate from which on nothing is taken for proved. */
const mostSlack = 0.01;

/** Multiply-adds of `realisedError`, beside what the coreset's own rows take. */
export const realisedWork = (n: number, d: number) => n * d * (randomDirections + 4 * aimedDirections * (steps + 1));

export async function realisedError(
  parts: Parts,
  all: EngineRows,
  ellipsoid: WeightedEllipsoid,
  chosen: Chosen,
  { p, seed, share }: { p: number; seed: number; share: number },
): Promise<RealisedError> {
  const { columnScale, whitening } = ellipsoid;
  const { transform, rank } = whitening;
  const { rows: m, cols: d } = chosen.rows;
  const source = toRowSource(chosen.rows, "the coreset");
  const lewis = await convergedWeights(parts.next(share * 0.1, 60 * m * d * d), source, {
    p,
    rowWeights: chosen.weights,
    tolerance: 0.01,
  });
  const run = parts.next(share * 0.9, realisedWork(all.source.rows, d));
  const rows = run.open(source);
  rows.state.set("weights", chosen.weights);
  rows.state.set("lewis", lewis.weights);
  const own = await weightedEllipsoid(run, rows, columnScale, p);
  const values = (await pencil(run, own.gram, transform, rank)).values;
  const proved =
    !ellipsoid.complete || !own.complete
      ? { lower: 0, upper: Infinity }
      : provedRatios(ellipsoid.certificate, own.certificate, values, whitening.condition);
  if (rank === 0) return { measured: { lower: 1, upper: 1 }, proved, directions: 0 };

  rows.state.set("scale", chosen.scale);
  const shared = await pencil(run, await scaledGram(run, rows, columnScale), transform, rank);
  const search = new Search(run, all, rows, scaleRows(transform, columnScale), p);
  await search.random(seed);
  await search.aim(shared.vectors);
  return { measured: await search.ratios(), proved, directions: search.directions };
}

/** Eigenvalues, descending, and eigenvectors (as rows) of T' G T, T d x r. */
async function pencil(run: Run, gram: Float64Array, transform: Float64Array, rank: number) {
  if (rank === 0) return { values: new Float64Array(), vectors: new Float64Array() };
  const d = transform.length / rank;
  const product = (left: Float64Array, right: Float64Array, rows: number) =>
    run.engine.dense("multiply", { left, right, rows, inner: d, cols: rank });
  const matrix = await product(transpose(transform, d, rank), await product(gram, transform, d), rank);
  for (let i = 0; i < rank; ++i) {
    for (let j = 0; j < i; ++j) {
      matrix[i * rank + j] = matrix[j * rank + i] = (matrix[i * rank + j] + matrix[j * rank + i]) / 2;
    }
  }
  return run.engine.dense("eigen", { matrix, n: rank });
}

function provedRatios(
  all: SandwichCertificate,
  chosen: SandwichCertificate,
  values: Float64Array,
  condition: number,
): Ratios {
  if (values.length === 0) return { lower: 1, upper: 1 };
  // Near the limit of the rank rule leverages are rounding in half of their digits or more.
  if (!(all.slack < mostSlack && chosen.slack < mostSlack)) return { lower: 0, upper: Infinity };
  const top = values[0];
  // The slack covers the rounding of both ellipsoids; the eigenvalues err by units in the last place of the largest, and by what the
  // coordinates lose in A's flattest direction.
  const rounding = Math.max(16 * values.length, 4 * condition) * 2 ** -52 * top;
  const slack = (1 + all.slack) * (1 + chosen.slack);
  const least = Math.max(0, values[values.length - 1] - rounding);
  return {
    lower: ((chosen.lower / all.upper) * Math.sqrt(least)) / slack,
    upper: (chosen.upper / all.lower) * Math.sqrt(top + rounding) * slack,
  };
}

/** One direction: |Cx|_p^p / |Ax|_p^p, and the gradient of its logarithm over p where it was asked for. */
interface Measured {
  z: Float64Array;
  ratio: number;
  slope: Float64Array;
}

/** Looks for directions x = T z in which the two norms differ most; z are unit vectors of `rank` coordinates. */
class Search {
  directions = 0;
  private lowest = Infinity;
  private highest = 0;
  private readonly rank: number;

  /** @param transform T in A's own columns, d x rank */
  constructor(
    private readonly run: Run,
    private readonly all: EngineRows,
    private readonly chosen: EngineRows,
    private readonly transform: Float64Array,
    private readonly p: number,
  ) {
    this.rank = transform.length / all.source.cols;
  }

  async random(seed: number): Promise<void> {
    const { rank } = this;
    const count = randomDirections;
    const draw = { kind: "normal", seed, stream: directionStream, first: 0, count: rank * count } as const;
    const values = await this.run.engine.dense("random", draw);
    const directions = Array.from({ length: count }, (_, i) => unit(values.slice(i * rank, (i + 1) * rank)));
    await this.measure(directions, false);
  }

  /** @param vectors rows of it, the first ones where the coreset is heavy, the last ones where it is light */
  async aim(vectors: Float64Array): Promise<void> {
    const { rank } = this;
    const each = Math.min(aimedDirections, rank);
    const row = (i: number) => vectors.slice(i * rank, (i + 1) * rank);
    const signs = Array.from({ length: 2 * each }, (_, i) => (i < each ? 1 : -1));
    const starts = signs.map((_, i) => row(i < each ? i : rank - 1 - (i - each)));
    const best = (await this.measure(starts, true)).map((found) => ({ ...found, size: firstStep }));
    for (let step = 0; step < steps; ++step) {
      const tries = best.map(({ z, slope, size }, i) => move(z, slope, signs[i] * size));
      (await this.measure(tries, step + 1 < steps)).forEach((found, i) => {
        // Too far: from the best place again, with a shorter step.
        const better = signs[i] * found.ratio > signs[i] * best[i].ratio;
        if (better) best[i] = { ...found, size: best[i].size * longer };
        else best[i].size *= shorter;
      });
    }
  }

  async ratios(): Promise<Ratios> {
    const power = (x: number) => this.run.power(x, 1 / this.p);
    return { lower: await power(this.lowest), upper: await power(this.highest) };
  }

  /** Measures the directions; with `slopes` also the gradients of log |Cx|_p - log |Ax|_p in z. */
  private async measure(directions: readonly Float64Array[], slopes: boolean): Promise<Measured[]> {
    const { rank, transform } = this;
    const d = this.all.source.cols;
    const count = directions.length;
    const columns = new Float64Array(d * count);
    directions.forEach((z, j) => {
      for (let i = 0; i < d; ++i) {
        let sum = 0;
        for (let k = 0; k < rank; ++k) sum += transform[i * rank + k] * z[k];
        columns[i * count + j] = sum;
      }
    });
    const [A, C] = [await this.norms(this.all, columns, slopes), await this.norms(this.chosen, columns, slopes)];
    this.directions += count;
    return directions.map((z, j) => {
      const ratio = C.norms[j] / A.norms[j];
      if (ratio < this.lowest) this.lowest = ratio;
      if (ratio > this.highest) this.highest = ratio;
      const slope = new Float64Array(slopes ? rank : 0);
      for (let i = 0; slopes && i < d; ++i) {
        const at = ((j >> 3) * d + i) * 8 + (j & 7);
        const g = C.gradients![at] / C.norms[j] - A.gradients![at] / A.norms[j];
        for (let k = 0; k < rank; ++k) slope[k] += transform[i * rank + k] * g;
      }
      return { z, ratio, slope };
    });
  }

  private norms(rows: EngineRows, directions: Float64Array, gradient: boolean) {
    return this.run.sweep("norms", rows, "realised error", { p: this.p, gradient }, { directions });
  }
}

/** z moved by `size` times its slope along the sphere. A slope that is not finite (|Cx| = 0) moves nothing. */
function move(z: Float64Array, slope: Float64Array, size: number): Float64Array {
  const along = dot(slope, z);
  const next = z.map((x, k) => x + size * (slope[k] - along * x));
  const square = dot(next, next);
  return square > 0 && square < Infinity ? unit(next) : z;
}

function unit(z: Float64Array): Float64Array {
  const size = 1 / Math.sqrt(dot(z, z));
  return z.map((x) => x * size);
}

function dot(x: Float64Array, y: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; ++i) sum += x[i] * y[i];
  return sum;
}
