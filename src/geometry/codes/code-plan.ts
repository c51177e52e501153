// What a transform code of so many bytes is made of: bits of the components, rows that are kept exactly, and the error to expect.
import type { EngineRows } from "../../engine/engine.js";
import { InvalidInputError } from "../../errors.js";
import type { TransformCodeOptions } from "../../types/index.js";
import { narrowLimit } from "../basis/spectrum.js";
import type { Run } from "../run.js";
import { axesIn, scatterOf, type Axes, type Scatter } from "./axes.js";
import { bandFactors, type BandFactors } from "./band-factors.js";
import { planBits, planError, type BitPlan, type Spectrum } from "./bands.js";
import { codeSweep } from "./code-sweep.js";
import { errorWeights } from "./error-weights.js";
import { exactRowBytes, exactRowLoss, largest } from "./exact-rows.js";
import { unevenness } from "./groups.js";
import { times, type Metric } from "./metric.js";

/** Axes, and bits along them. */
interface Fit {
  axes: Axes;
  spectrum: Spectrum;
  plan: BitPlan;
}

/** How a fit would do. */
interface Forecast extends Fit {
  factors: BandFactors;
  /** Of each row: its root mean square over the coordinates, and its squared error in the metric times its weight, to expect. */
  sizes: Float64Array;
  errors: Float64Array;
}

export interface CodePlan extends Forecast {
  /** Levels for scales, at most, that of rows of zeros apart. */
  levels: number;
  /** Bits of an entry, and bytes, of a row that is kept exactly, and how many may be. */
  exact: { bits: 8 | 4; rowBytes: number; most: number };
  /** Squared error beside the rows' squares, both in the metric. */
  predicted: number;
}

/** Shares of the rows that are tried as exact ones. */
const exactShares = [0.001, 0.0025, 0.005, 0.0075, 0.01];
/** Their bytes beside all. */
const mostExactBytes = 0.04;
/** Rows for a level of the scales, at least. */
const rowsOfLevel = 8;
/** Rows that may be exact do not decide about the axes when they hold this share of the error. */
const foreignShare = 0.1;

const sum = (x: Float64Array) => x.reduce((total, value) => total + value, 0);
const componentsOf = ({ bands }: BitPlan) => bands.reduce((total, { cols }) => total + cols, 0);

export class CodePlanner {
  private readonly known = new Map<boolean, Axes>();

  constructor(
    private readonly run: Run,
    private readonly rows: EngineRows,
    private readonly options: TransformCodeOptions,
    private readonly metric?: Metric,
  ) {}

  private async axes(wide: boolean): Promise<Axes> {
    const { run, metric } = this;
    const known = this.known.get(wide);
    if (known) return known;
    const ofCodes = `of codes ${this.options.p} ${wide}`;
    const found = async () => {
      const scatter = await run.cache.once(`scatter ${ofCodes}`, () => this.scatter(wide));
      return axesIn(run, scatter, metric);
    };
    const axes = await (metric ? found() : run.cache.once(`axes ${ofCodes}`, found));
    this.known.set(wide, axes);
    return axes;
  }

  /** Of rows that are not these. */
  private async axesWithout(without: Uint32Array, wide: boolean): Promise<Axes> {
    const { weight, squares, moments, zeros } = await this.axes(wide);
    const scatter = await this.scatter(wide, without);
    return axesIn(this.run, { ...scatter, weight, squares, moments, zeros }, this.metric);
  }

  private scatter(wide: boolean, without?: Uint32Array): Promise<Scatter> {
    const { run, rows } = this;
    const { p = 2, rowWeights } = this.options;
    const weights = Float64Array.from({ length: rows.source.rows }, (_, i) => rowWeights?.[i] ?? 1);
    without?.forEach((row) => (weights[row] = 0));
    if (rowWeights || without) rows.state.set("weights", weights);
    else rows.state.delete("weights");
    return scatterOf(run, rows, p, wide);
  }

  /** Those that are good enough for the components that `planned` stores. */
  private async fit(planned: (spectrum: Spectrum) => BitPlan, without?: Uint32Array): Promise<Fit> {
    const { run, metric } = this;
    const { rows, cols, dtype } = this.rows.source;
    // What the scatter matrix errs by along its widest axis, a metric may make much of along another.
    for (let wide = dtype === "f64" || metric !== undefined; ; wide = true) {
      const axes = await (without ? this.axesWithout(without, wide) : this.axes(wide));
      const { variances: values, vectors } = axes;
      const { windowBits = 10, aim = "error" } = this.options;
      const weights = errorWeights(values, aim);
      const stored = await times(run, vectors, metric?.inverse, cols);
      const spectrum = { values, rows, windowBits, unevenness: unevenness(stored, values), weights };
      const plan = planned(spectrum);
      const last = Math.min(rows, cols, componentsOf(plan)) - 1;
      if (wide || last < 0 || values[last] > narrowLimit * values[0]) return { axes, spectrum, plan };
    }
  }

  /** Looks at every row along the stored components. */
  private async forecast(fit: Fit): Promise<Forecast> {
    const { run, rows, options, metric } = this;
    const { axes, plan } = fit;
    const { rowWeights } = options;
    const factors = await bandFactors(run, axes, plan.bands, options, metric);
    const swept = await codeSweep(run, rows, axes, factors, options, [], Float32Array.of(1), metric);
    const { sizes } = swept;
    const errors = sizes.map((x, i) => (rowWeights?.[i] ?? 1) * (swept.errors[i] + x * x * factors.noise));
    return { ...fit, factors, sizes, errors };
  }

  /** Centre, scales, and so many levels. */
  private fixedBytes(levels: number, zeros: number): number {
    const { rows, cols } = this.rows.source;
    return 4 * cols + rows + 4 * (levels + Number(zeros > 0));
  }

  /** Levels for scales, at most. */
  private levels(zeros: number): number {
    return Math.max(1, Math.min(256 - Number(zeros > 0), Math.floor(this.rows.source.rows / rowsOfLevel)));
  }

  /** @throws {InvalidInputError} where `most` bytes do not even hold centre and scales */
  async plan(most: number): Promise<CodePlan> {
    const { options } = this;
    const { rows: n, cols: d, name = "A" } = this.rows.source;
    const { zeros, metricSquares: squares, unit } = (await this.fit((spectrum) => planBits(spectrum, 0))).axes;
    const least = this.fixedBytes(1, zeros);
    if (!(most >= least)) {
      throw new InvalidInputError(
        `A code of ${name} (${n} x ${d}) takes at least ${least} bytes, for its centre and a scale a row; ${most} were allowed.`,
        { tensor: name },
      );
    }
    const levels = this.levels(zeros);
    const room = Math.max(0, most - this.fixedBytes(levels, zeros));
    const { exactRows = "auto" } = options;
    const countsOf = (rowBytes: number) => {
      const limit = Math.floor((mostExactBytes * most) / rowBytes);
      return exactRows === "auto" ? exactShares.map((share) => Math.min(Math.ceil(share * n), limit)) : [exactRows];
    };
    const some = countsOf(exactRowBytes(d, 4));
    const middle = (spectrum: Spectrum) => planBits(spectrum, room - exactRowBytes(d, 4) * some[some.length >> 1]);
    let before = await this.forecast(await this.fit(middle));
    const foreign = largest(before.errors, some[some.length - 1]);
    if (foreign.reduce((total, row) => total + before.errors[row], 0) > foreignShare * sum(before.errors))
      before = await this.forecast(await this.fit(middle, foreign));
    const { axes, spectrum, errors, plan } = before;
    const sorted = errors.slice().sort();
    let best: Pick<CodePlan, "plan" | "predicted" | "exact"> | undefined;
    for (const bits of [4, 8] as const) {
      const rowBytes = exactRowBytes(d, bits);
      const counts = countsOf(rowBytes);
      const mostExact = counts[counts.length - 1];
      for (const count of new Set(counts)) {
        const found = planBits(spectrum, room - rowBytes * count);
        const exact = Math.max(0, Math.min(mostExact, Math.floor((room - found.bytes) / rowBytes)));
        const rest = sum(errors) - sum(sorted.subarray(n - exact)) * (1 - exactRowLoss(d, bits));
        const left = plan.error > 0 ? (rest * found.error) / plan.error : rest;
        const predicted = squares > 0 ? left / unit / unit / squares : 0;
        if (!best || predicted < best.predicted)
          best = { plan: found, predicted, exact: { bits, rowBytes, most: mostExact } };
      }
    }
    const isSame = JSON.stringify(best!.plan.bands) === JSON.stringify(plan.bands);
    const after = isSame ? before : await this.forecast({ axes, spectrum, plan: best!.plan });
    return { ...after, ...best!, levels };
  }

  /** The fewest bytes that are expected to err by no more than this, or as many as there is a use for. */
  async bytesFor(error: number): Promise<{ bytes: number; error: number; isMost: boolean }> {
    const { rows: n, cols: d } = this.rows.source;
    const { axes } = await this.fit((spectrum) => planBits(spectrum, 0));
    const { metricSquares: squares } = axes;
    const scale = squares > 0 ? axes.weight / axes.unit / axes.unit / squares : 0;
    const { plan } = await this.fit((spectrum) => planError(spectrum, scale > 0 ? error / scale : Infinity));
    const exact = Math.ceil(exactShares[0] * n) * exactRowBytes(d, 4);
    const bytes = this.fixedBytes(this.levels(axes.zeros), axes.zeros) + plan.bytes + exact;
    return { bytes, error: plan.error * scale, isMost: plan.error * scale > error };
  }
}
