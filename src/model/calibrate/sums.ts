// Second moments of activations, summed up batch by batch.
import type { Loewner } from "../../types/index.js";
import { Reservoir } from "./reservoir.js";
import type { Rows } from "./rows.js";

export interface Sum {
  /** Adds the rows of a run, all finite. */
  add(rows: Rows, signal?: AbortSignal): Promise<void>;
  /** d x d, row-major, symmetric. */
  finish(signal?: AbortSignal): Promise<Float64Array>;
}

/** Rows that are gathered before they are summed: a sweep has costs of its own, as much as those of some hundred rows. */
export const gatheredRows = (cols: number) => Math.max(512, cols);

/** Columns from which on products are in f32, which inputs are in anyway: a third of the time. */
const wideCols = 256;

/** X'X, summed in f64. Kept are the sum, and rows that fill half as many bytes. */
export class GramSum implements Sum {
  private readonly sum: Float64Array;
  private gathered: Rows[] = [];
  private count = 0;

  constructor(
    private readonly loewner: Loewner,
    private readonly cols: number,
  ) {
    this.sum = new Float64Array(cols * cols);
  }

  async add(rows: Rows, signal?: AbortSignal): Promise<void> {
    this.gathered.push(rows);
    this.count += rows.rows;
    if (this.count >= gatheredRows(this.cols)) await this.sweep(signal);
  }

  async finish(signal?: AbortSignal): Promise<Float64Array> {
    if (this.count > 0) await this.sweep(signal);
    return this.sum;
  }

  private async sweep(signal?: AbortSignal): Promise<void> {
    const { cols, count: rows, gathered, sum } = this;
    this.gathered = [];
    this.count = 0;
    const { data } = await this.loewner.gram(
      { data: joined(gathered, rows * cols), rows, cols },
      { signal, precision: cols < wideCols ? "f64" : "f32" },
    );
    for (let i = 0; i < data.length; ++i) sum[i] += data[i];
  }
}

function joined(parts: readonly Rows[], length: number): Rows["data"] {
  if (parts.length === 1) return parts[0].data;
  const wide = parts.some(({ data }) => data instanceof Float64Array);
  const all = wide ? new Float64Array(length) : new Float32Array(length);
  let at = 0;
  for (const { data } of parts) {
    all.set(data, at);
    at += data.length;
  }
  return all;
}

/** Rows that Lewis weights are taken of, at most; more columns take more. */
export const mostRows = (cols: number) => Math.max(8192, 8 * cols);

/** Of Lewis weights: a third of the sweeps that the default takes, and second moments are samples in any case. */
const tolerance = 0.01;

/**
 * X' W^(1 - 2/p) X, W the Lewis weights of the activations: the ellipsoid of {z : |Xz|_p <= 1}, so that a few far rows (attention
 * sinks, foreign texts) count for less where p < 2. Scaled to the trace of X'X. Rows are kept, of more than `mostRows` a random choice
 * of that many.
 */
export class LewisSum implements Sum {
  private readonly kept: Reservoir;
  private squares = 0;

  /** @param name makes the choice of rows its own */
  constructor(
    private readonly loewner: Loewner,
    private readonly cols: number,
    private readonly p: number,
    name: string,
  ) {
    this.kept = new Reservoir(cols, mostRows(cols), name);
  }

  async add(rows: Rows): Promise<void> {
    for (const x of rows.data) this.squares += x * x;
    this.kept.add(rows);
  }

  async finish(signal?: AbortSignal): Promise<Float64Array> {
    const { cols } = this;
    const { gram } = await this.loewner.lewisWeights(this.kept.rows, { p: this.p, tolerance, signal });
    let trace = 0;
    for (let j = 0; j < cols; ++j) trace += gram.data[j * (cols + 1)];
    return trace > 0 ? gram.data.map((x) => (x / trace) * this.squares) : gram.data;
  }
}
