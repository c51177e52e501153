// The sweeps that a robust subspace is made of, and when f32 is enough for them.
import type { EngineRows } from "../../engine/engine.js";
import { areRootScalesNarrow } from "../basis/narrow.js";
import type { Profile } from "../profile.js";
import type { Run } from "../run.js";
import { transpose } from "../basis/small-dense.js";
import { narrowLimit } from "../basis/spectrum.js";

/** What one sweep tells of a subspace; distances are times the profile's unit. */
export interface Sums {
  /** sum_i s_i dist_i^p */
  objective: number;
  /** The same, smoothed below the floor: what reweighting lowers, sweep by sweep. */
  smooth: number;
  /** Weighted mean distance. */
  mean: number;
  /** Every distance is rounding. */
  exact: boolean;
}

/** Error of a distance beside |a_i|: typical for f32 sums, generous for f64. */
const narrowError = 4 * 2 ** -24;
const wideError = 16 * 2 ** -53;
/** f32 is left where its errors come to more than this share of the distances (both as p-means over the rows). */
const narrowNoise = 1e-5;
/** Below this share of the largest, an eigenvalue of sums in f32 is noise. */
const uselessLimit = 64 * 2 ** -24;

export class SubspaceSweeps {
  /** Sweeps that made a new subspace. */
  count = 0;
  /** Products and Gram matrices are summed in f64: always for f64 rows; once set, it stays. */
  wide: boolean;
  /** An eigenvalue at the cut was too small for sums in f32 to be trusted to the last: what they settle on is to be gone on from in f64. */
  isCoarse = false;
  /** A typical distance: it keeps weights near 1. */
  size = 1;
  private noise = 0;

  private constructor(
    private readonly run: Run,
    private readonly rows: EngineRows,
    private readonly unit: number,
    private readonly rank: number,
    private readonly p: number,
    private readonly coarseLimit: number,
  ) {
    this.wide = rows.source.dtype === "f64" || !(unit < 2 ** 100 && unit > 2 ** -100);
  }

  static async create(
    run: Run,
    rows: EngineRows,
    { unit }: Profile,
    { rank, p, tolerance }: { rank: number; p: number; tolerance: number },
  ): Promise<SubspaceSweeps> {
    // An error of the Gram matrix beside the eigenvalue at the cut shows in the sum by as much: no more is asked for than that.
    const coarseLimit = Math.min(narrowLimit, 2 ** -24 / tolerance);
    const sweeps = new SubspaceSweeps(run, rows, unit, rank, p, coarseLimit);
    sweeps.noise = await run.power(narrowNoise, p);
    sweeps.wide ||= !(await areRootScalesNarrow(rows, 1));
    return sweeps;
  }

  /** Sums of a subspace, given as the first rows of an orthonormal d x d basis; `keep`: distances become row state. */
  async measure(basis: Float64Array, keep = false): Promise<Sums> {
    for (;;) {
      const sums = this.read((await this.sweep(basis, 0, false, keep)).sums);
      if (sums) return sums;
    }
  }

  /** Sums of a subspace, and the next: the top eigenvectors under its weights, with their complement. */
  async step(basis: Float64Array, floor: number): Promise<Sums & { next: Float64Array }> {
    const { cols: d } = this.rows.source;
    ++this.count;
    for (;;) {
      const result = await this.sweep(basis, floor, true, false);
      const sums = this.read(result.sums);
      if (!sums) continue;
      const count = this.isOutside ? d : this.rank;
      const { values, vectors } = await this.run.engine.dense("eigen", { matrix: result.gram!, n: d, count });
      const cut = values[Math.min(d - 1, this.rank)] / values[0];
      if (!this.wide && !(cut > uselessLimit)) this.wide = true;
      else {
        if (!this.wide && !(cut > this.coarseLimit)) this.isCoarse = true;
        return { ...sums, next: vectors };
      }
    }
  }

  /** Nothing when f32 was too coarse: the sweep is to be repeated, in f64. */
  private read([objective, smooth, distances, weights, rounding]: Float64Array): Sums | undefined {
    if (!this.wide && rounding > this.noise * objective) {
      this.wide = true;
      return undefined;
    }
    return { objective, smooth, mean: weights > 0 ? distances / weights : 0, exact: objective <= rounding };
  }

  /** By the complement where that is less work; both ways are as exact. */
  private get isOutside(): boolean {
    const { cols: d } = this.rows.source;
    return d - this.rank <= 2 * this.rank;
  }

  private sweep(basis: Float64Array, floor: number, reweight: boolean, keep: boolean) {
    const { run, rows, rank, p, unit, wide, size } = this;
    const { cols: d } = rows.source;
    const right = basis.slice(0, rank * d);
    const rest = basis.slice(rank * d, d * d);
    const columnScale = unit === 1 ? undefined : new Float64Array(d).fill(unit);
    return run.sweep(
      "subspace",
      rows,
      "robust subspace",
      { p, unit, floor, size, error: wide ? wideError : narrowError, wide, reweight, keep },
      this.isOutside
        ? { complement: transpose(rest, d - rank, d), columnScale }
        : { basis: transpose(right, rank, d), right, columnScale },
    );
  }
}
