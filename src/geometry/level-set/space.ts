// Coordinates y in which a level set L = {x : |Ax|_p <= 1} is round: x = T y with T T' = (M'M)^+ of the Lewis ellipsoid, so
// that lower |y| <= |B y|_p <= upper |y|, B = A T (n x r). Null directions of A have no coordinate. Sweeps over L in them.
import type { EngineRows } from "../../engine/engine.js";
import type { SandwichCertificate } from "../../types/index.js";
import { lewisEllipsoid } from "../lewis/ellipsoid.js";
import type { Profile } from "../profile.js";
import type { Run } from "../run.js";
import { dot, transpose } from "../basis/small-dense.js";
import { whitenInverse } from "../basis/whiten-inverse.js";
import { whiten } from "../basis/whiten.js";

export interface Slopes {
  /** |B y|_p of each point, and max |b_i y| beside it, at most 1. */
  norms: Float64Array;
  tops: Float64Array;
  /** Of points scaled to norm 1: sum_i s_i |b_i y|^(p-1) sign(b_i y) b_i, r numbers a point; empty for p = Infinity. */
  gradients: Float64Array[];
}

export class LevelSetSpace {
  private readonly cache = new Map<number, Float64Array>();

  private constructor(
    readonly run: Run,
    readonly rows: EngineRows,
    readonly p: number,
    readonly rank: number,
    /** T, d x r, for A's own columns. */
    private readonly transform: Float64Array,
    /** r x d, y = P x for x divided by columnScale. */
    private readonly inverse: Float64Array,
    private readonly columnScale: Float64Array,
    private readonly triangular: boolean,
    /** lower |y| <= |B y|_p <= upper |y|. */
    readonly lewis: SandwichCertificate,
    /** s, where there are row weights. */
    private readonly weights: Float64Array | undefined,
  ) {}

  static async open(run: Run, rows: EngineRows, scales: Profile, p: number) {
    const { cols: d } = rows.source;
    const { columnScale, unit } = scales;
    const lewis = await lewisEllipsoid(run, rows, scales, { p, ...lewisGoal });
    const gram = new Float64Array(d * d);
    for (let i = 0; i < d; ++i) {
      for (let j = 0; j < d; ++j) {
        gram[i * d + j] = (((lewis.gram[i * d + j] / unit) * columnScale[i]) / unit) * columnScale[j];
      }
    }
    const whitening = await whiten(run.engine, gram, rows.source);
    const { transform, rank, triangular } = whitening;
    const inverse = whitenInverse(whitening, gram, d);
    const own = transform.map((x, i) => x * columnScale[Math.floor(i / rank)]);
    const { certificate } = lewis;
    const weights = await rows.state.get("weights");
    return new LevelSetSpace(run, rows, p, rank, own, inverse, columnScale, triangular, certificate, weights);
  }

  /** Norms of the points, which are scaled to norm 1 in place, and the gradients there. */
  async slopes(points: Float64Array[]): Promise<Slopes> {
    const { run, rows, p, rank } = this;
    for (;;) {
      const { sums, tops, gradient } = await run.sweep("levelSetSlopes", rows, stage, { p }, this.at(points));
      let redo = false;
      for (let j = 0; j < points.length; ++j) {
        // Sums of high powers may leave the range of f64: once more, with the largest product at 1.
        redo ||= p !== Infinity && tops[j] > 0 && !(sums[j] > 1e-250 && sums[j] < 1e250);
      }
      if (redo) {
        points.forEach((y, j) => scale(y, 1 / tops[j]));
        continue;
      }
      const norms = p === Infinity ? tops : await this.powers(sums, 1 / p);
      const gradients = p === Infinity ? [] : columns(gradient!, rank, points.length);
      for (let j = 0; j < points.length; ++j) {
        scale(points[j], 1 / norms[j]);
        if (p !== Infinity && p !== 1) scale(gradients[j], norms[j] / sums[j]);
      }
      return { norms, tops: tops.map((x, j) => x / norms[j]), gradients };
    }
  }

  /** Rows with the smallest |b y| for each point, `count` of them at most, ascending. Rows that weigh or are nothing do not count. */
  async smallest(points: Float64Array[], count: number): Promise<number[][]> {
    const m = points.length;
    const lists = points.map(() => ({ sizes: [] as number[], rows: [] as number[] }));
    const columns = asColumns(points, this.rank);
    const d = this.transform.length / this.rank;
    const product = { left: this.transform, right: columns, rows: d, inner: this.rank, cols: m };
    const matrix = await this.run.engine.dense("multiply", product);
    await this.run.sweep(
      "multiply",
      this.rows,
      stage,
      { wide: true },
      { matrix },
      {
        emit: (start, block) => {
          for (let at = 0; at < block.length; ++at) {
            const { sizes, rows } = lists[at % m];
            const size = Math.abs(block[at]);
            const last = sizes.length - 1;
            if (last === count - 1 && size >= sizes[last]) continue;
            const row = start + Math.floor(at / m);
            if (size === 0 || !(this.weightOf(row) > 0)) continue;
            if (last === count - 1) {
              sizes.pop();
              rows.pop();
            }
            let place = sizes.length;
            while (place > 0 && sizes[place - 1] > size) --place;
            sizes.splice(place, 0, size);
            rows.splice(place, 0, row);
          }
        },
      },
    );
    return lists.map(({ rows }) => rows);
  }

  async powers(values: Float64Array, exponent: number): Promise<Float64Array> {
    if (exponent === 1) return values;
    return this.run.engine.dense("powers", { values, exponent });
  }

  /** Weighted Gram matrices at points of norm 1. */
  async grams(points: Float64Array[], floors: Float64Array): Promise<Float64Array[]> {
    const size = this.rank * this.rank;
    const shared = { ...this.at(points), floors };
    const { gram } = await this.run.sweep("levelSetGram", this.rows, stage, { p: this.p }, shared);
    return points.map((_, j) => gram.subarray(j * size, (j + 1) * size));
  }

  // What lies along a move from each point.

  /** p = 1: where the norm breaks. */
  breaks(points: Float64Array[], moves: Float64Array[]) {
    return this.run.sweep("levelSetBreaks", this.rows, stage, {}, this.along(points, moves));
  }

  /** p = Infinity: the first face. */
  faces(points: Float64Array[], moves: Float64Array[]) {
    return this.run.sweep("levelSetFaces", this.rows, stage, {}, this.along(points, moves));
  }

  /** Norms to the power p at these lengths of each move. */
  async trials(points: Float64Array[], moves: Float64Array[], steps: Float64Array): Promise<Float64Array> {
    const shared = { ...this.along(points, moves), steps };
    return (await this.run.sweep("levelSetTrials", this.rows, stage, { p: this.p }, shared)).sums;
  }

  /** s_i */
  weightOf(row: number): number {
    return this.weights?.[row] ?? 1;
  }

  /** Rows of B, the numbers that sweeps see. */
  async whiteRows(indices: number[]): Promise<Float64Array[]> {
    const { cache, rank, rows } = this;
    const missing = [...new Set(indices)].filter((i) => !cache.has(i)).sort((a, b) => a - b);
    if (missing.length) {
      const left = await this.run.gather(rows.source, missing);
      const shape = { rows: missing.length, inner: rows.source.cols, cols: rank };
      const matrix = await this.run.engine.dense("multiply", { left, right: this.transform, ...shape });
      missing.forEach((i, k) => cache.set(i, matrix.slice(k * rank, (k + 1) * rank)));
    }
    const result = indices.map((i) => cache.get(i)!);
    if (cache.size * rank > cacheNumbers) cache.clear();
    return result;
  }

  /** unit^2 times the quadratic form of A's own x from H (r x r) of y: d x d, zero on the null space of A. */
  formOf(H: Float64Array, unit: number): Float64Array {
    const { inverse, rank, columnScale } = this;
    const d = columnScale.length;
    const HP = new Float64Array(rank * d);
    for (let i = 0; i < rank; ++i) {
      for (let k = 0; k < rank; ++k) {
        const h = H[i * rank + k];
        for (let j = 0; j < d; ++j) HP[i * d + j] += h * inverse[k * d + j];
      }
    }
    const form = new Float64Array(d * d);
    for (let k = 0; k < rank; ++k) {
      for (let i = 0; i < d; ++i) {
        const x = inverse[k * d + i];
        for (let j = 0; j <= i; ++j) form[i * d + j] += x * HP[k * d + j];
      }
    }
    for (let i = 0; i < d; ++i) {
      for (let j = 0; j <= i; ++j) {
        const x = (((form[i * d + j] / columnScale[i]) * unit) / columnScale[j]) * unit;
        form[i * d + j] = form[j * d + i] = x;
      }
    }
    return form;
  }

  /** Whether A's column j is anything: 0 or not. */
  columnNorm(j: number): number {
    const { transform, rank } = this;
    return dot(transform, j * rank, transform, j * rank, rank);
  }

  /** A's own x of each y, one a row; within the span of `basis` (d x r, orthonormal) where it is given. */
  own(points: Float64Array[], basis?: Float64Array): Float64Array {
    const { transform, rank } = this;
    const d = this.columnScale.length;
    const X = new Float64Array(points.length * d);
    points.forEach((y, i) => {
      const x = X.subarray(i * d, (i + 1) * d);
      for (let j = 0; j < d; ++j) x[j] = dot(transform, j * rank, y, 0, rank);
      if (!basis) return;
      const z = new Float64Array(rank);
      for (let j = 0; j < d; ++j) for (let k = 0; k < rank; ++k) z[k] += basis[j * rank + k] * x[j];
      for (let j = 0; j < d; ++j) x[j] = dot(basis, j * rank, z, 0, rank);
    });
    return X;
  }

  /** Orthonormal basis of A's row space, d x r, and numbers whose product is |det| of the map from its coordinates to y. */
  rowSpace(): { basis: Float64Array; sizes: number[] } {
    const { inverse, rank, columnScale } = this;
    const d = columnScale.length;
    const sizes: number[] = [];
    if (this.triangular) {
      for (let k = 0; k < d; ++k) sizes.push(Math.abs(inverse[k * d + k]), 1 / columnScale[k]);
      return { basis: new Float64Array(), sizes };
    }
    const Q = inverse.map((x, i) => x / columnScale[i % d]);
    for (let k = 0; k < rank; ++k) {
      const row = Q.subarray(k * d, (k + 1) * d);
      const take = (by: number) => {
        scale(row, 1 / by);
        sizes.push(by);
      };
      take(row.reduce((a, x) => Math.max(a, Math.abs(x)), 0));
      // Gram-Schmidt, twice: once leaves what cancellation lets through.
      for (let pass = 0; pass < 2; ++pass) {
        for (let l = 0; l < k; ++l) {
          const along = dot(Q, k * d, Q, l * d, d);
          for (let j = 0; j < d; ++j) row[j] -= along * Q[l * d + j];
        }
        take(Math.sqrt(dot(row, 0, row, 0, d)));
      }
    }
    const basis = new Float64Array(d * rank);
    for (let k = 0; k < rank; ++k) for (let j = 0; j < d; ++j) basis[j * rank + k] = Q[k * d + j];
    return { basis, sizes };
  }

  private at(points: Float64Array[]) {
    return { transform: this.transform, points: asColumns(points, this.rank) };
  }

  private along(points: Float64Array[], moves: Float64Array[]) {
    return { ...this.at(points), moves: asColumns(moves, this.rank) };
  }
}

const stage = "level set";

const lewisGoal = { tolerance: 0.01, maxIterations: 100 };
/** Gathered rows kept at most: 32 MB. */
const cacheNumbers = 4e6;

export function scale(x: Float64Array, by: number): void {
  for (let i = 0; i < x.length; ++i) x[i] *= by;
}

/** Points as the columns of one matrix, r x m. */
function asColumns(points: Float64Array[], rank: number): Float64Array {
  const m = points.length;
  const matrix = new Float64Array(rank * m);
  for (let j = 0; j < m; ++j) for (let i = 0; i < rank; ++i) matrix[i * m + j] = points[j][i];
  return matrix;
}

function columns(matrix: Float64Array, rank: number, m: number): Float64Array[] {
  const rows = transpose(matrix, rank, m);
  return Array.from({ length: m }, (_, j) => rows.subarray(j * rank, (j + 1) * rank));
}
