// Second moments of activations, summed up batch by batch.
import type { Loewner } from "../../types/index.js";
import { bitsOf } from "../onnx/input-numbers.js";
import type { Rows } from "./rows.js";

export interface Sum {
  /** Adds the rows of a run, all finite. */
  add(rows: Rows, signal?: AbortSignal): Promise<void>;
  /** d x d, row-major, symmetric. */
  finish(signal?: AbortSignal): Promise<Float64Array>;
}

/** Rows that are gathered before they are summed: a sweep has costs of its own, as much as those of some hundred rows. */
export const gatheredRows = (cols: number) => Math.max(512, cols);

/** X'X in f64. Kept are the sum, and rows that fill half as many bytes. */
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
    const { data } = await this.loewner.gram({ data: joined(gathered, rows * cols), rows, cols }, { signal });
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
 * of that many (reservoir sampling; Vitter 1985, algorithm R), the same in every engine.
 */
export class LewisSum implements Sum {
  private readonly most: number;
  private readonly bits: (i: number) => number;
  private rows: Rows["data"];
  private kept = 0;
  private seen = 0;
  private squares = 0;

  /** @param name makes the choice of rows its own */
  constructor(
    private readonly loewner: Loewner,
    private readonly cols: number,
    private readonly p: number,
    name: string,
  ) {
    this.most = mostRows(cols);
    this.bits = bitsOf(0, name);
    this.rows = new Float32Array(0);
  }

  async add({ data, rows }: Rows): Promise<void> {
    const { cols } = this;
    this.reserve(Math.min(this.most, this.seen + rows), data instanceof Float64Array);
    for (const x of data) this.squares += x * x;
    for (let i = 0; i < rows; ++i, ++this.seen) {
      const fits = this.kept < this.most;
      const at = fits ? this.kept++ : Math.floor((this.bits(this.seen) / 2 ** 32) * (this.seen + 1));
      if (at < this.most) this.rows.set(data.subarray(i * cols, (i + 1) * cols), at * cols);
    }
  }

  async finish(signal?: AbortSignal): Promise<Float64Array> {
    const { cols, kept } = this;
    const a = { data: this.rows.subarray(0, kept * cols), rows: kept, cols };
    const { gram } = await this.loewner.lewisWeights(a, { p: this.p, tolerance, signal });
    let trace = 0;
    for (let j = 0; j < cols; ++j) trace += gram.data[j * (cols + 1)];
    return trace > 0 ? gram.data.map((x) => (x / trace) * this.squares) : gram.data;
  }

  /** Room for so many rows, by doubling. */
  private reserve(rows: number, wide: boolean): void {
    if (rows * this.cols <= this.rows.length) return;
    const length = Math.min(this.most, Math.max(rows, (2 * this.rows.length) / this.cols)) * this.cols;
    const grown = wide ? new Float64Array(length) : new Float32Array(length);
    grown.set(this.rows);
    this.rows = grown;
  }
}
