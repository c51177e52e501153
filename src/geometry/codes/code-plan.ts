// What a transform code of so many bytes is made of: bits of the components, rows that are kept exactly, and the error to expect.
import type { EngineRows } from "../../engine/engine.js";
import { trellisError } from "../../code-trellis.js";
import { InvalidInputError } from "../../errors.js";
import type { TransformCodeOptions } from "../../types/index.js";
import { narrowLimit } from "../basis/spectrum.js";
import { transpose } from "../basis/small-dense.js";
import type { Run } from "../run.js";
import type { Axes, Moments } from "./axes.js";
import { planBits, planError, shape, unevenness, type BitPlan, type Spectrum } from "./bands.js";
import { exactRowBytes, exactRowLoss, largest } from "./exact-rows.js";

export interface CodePlan {
  axes: Axes;
  bits: BitPlan;
  /** Root mean square of each row's components; -1 of rows of zeros. */
  sizes: Float64Array;
  /** Levels for scales, at most, that of rows of zeros apart. */
  levels: number;
  /** Of the stored scale to that. */
  ratio: number;
  /** Bits of an entry, and bytes, of a row that is kept exactly, and how many may be. */
  exact: { bits: 8 | 4; rowBytes: number; most: number };
  /** Squared error beside the rows' squares. */
  predicted: number;
}

export interface Planning {
  moments: Moments;
  /** Without these rows, if any. */
  axes: (wide: boolean, without?: Uint32Array) => Promise<Axes>;
  options: TransformCodeOptions;
}

/** Shares of the rows that are tried as exact ones. */
const exactShares = [0.001, 0.0025, 0.005, 0.0075, 0.01];
/** Their bytes beside all. */
const mostExactBytes = 0.04;
/** Rows for a level of the scales, at least. */
const rowsOfLevel = 8;
/** Rows that may be exact do not decide about the axes when they hold this share of the error. */
const foreignShare = 0.1;

interface Fit {
  axes: Axes;
  spectrum: Spectrum;
  plan: BitPlan;
}

/** How a plan is doing before it is carried out. */
interface Forecast extends Fit {
  /** Of each row: its root mean square over the components, and its squared error times its weight, to expect. */
  sizes: Float64Array;
  errors: Float64Array;
}

export class CodePlanner {
  constructor(
    private readonly run: Run,
    private readonly rows: EngineRows,
    private readonly given: Planning,
  ) {}

  private get windowBits() {
    return this.given.options.windowBits ?? 10;
  }

  /** Centre, scales, and one level or as many as there may be. */
  private fixedBytes(levels: number): number {
    const { rows, cols } = this.rows.source;
    return 4 * cols + rows + 4 * (levels + Number(this.given.moments.zeros > 0));
  }

  private get levels(): number {
    const { zeros } = this.given.moments;
    return Math.max(1, Math.min(256 - Number(zeros > 0), Math.floor(this.rows.source.rows / rowsOfLevel)));
  }

  private spectrum({ variances, vectors }: Axes): Spectrum {
    const { rows, cols } = this.rows.source;
    return { values: variances, rows, windowBits: this.windowBits, unevenness: unevenness(vectors, cols) };
  }

  /** Axes that are good enough for the components that are stored, and the plan. */
  private async fit(bytes: number, without?: Uint32Array): Promise<Fit> {
    const { dtype, rows, cols } = this.rows.source;
    const fitted = async (wide: boolean) => {
      const axes = await this.given.axes(wide, without);
      const spectrum = this.spectrum(axes);
      return { axes, spectrum, plan: planBits(spectrum, bytes) };
    };
    if (dtype === "f64") return fitted(true);
    const narrow = await fitted(false);
    const { variances } = narrow.axes;
    const last = Math.min(rows, cols, componentsOf(narrow.plan)) - 1;
    return last < 0 || variances[last] > narrowLimit * variances[0] ? narrow : fitted(true);
  }

  private async forecast(bytes: number, mostExact: number): Promise<Forecast> {
    const first = await this.measured(await this.fit(bytes));
    const foreign = largest(first.errors, mostExact);
    const total = first.errors.reduce((sum, x) => sum + x, 0);
    const theirs = foreign.reduce((sum, row) => sum + first.errors[row], 0);
    return theirs > foreignShare * total ? this.measured(await this.fit(bytes, foreign)) : first;
  }

  /** @throws {InvalidInputError} where `most` bytes do not even hold centre and scales */
  async plan(most: number): Promise<CodePlan> {
    const { moments, options } = this.given;
    const { rows: n, cols: d, name = "A" } = this.rows.source;
    const { windowBits, levels } = this;
    const least = this.fixedBytes(1);
    if (!(most >= least)) {
      throw new InvalidInputError(
        `A code of ${name} (${n} x ${d}) takes at least ${least} bytes, for its centre and a scale a row; ${most} were allowed.`,
        { tensor: name },
      );
    }
    const room = Math.max(0, most - this.fixedBytes(levels));
    const { exactRows: wanted = "auto" } = options;
    const countsOf = (rowBytes: number) =>
      wanted === "auto"
        ? exactShares.map((share) => Math.min(Math.ceil(share * n), Math.floor((mostExactBytes * most) / rowBytes)))
        : [wanted];
    const bytesOf = { 4: exactRowBytes(d, 4), 8: exactRowBytes(d, 8) };
    const [middle] = countsOf(bytesOf[4]).slice(-3);
    const forecast = await this.forecast(room - bytesOf[4] * middle, Math.max(...countsOf(bytesOf[4])));
    const { axes, spectrum, errors, plan } = forecast;
    const sorted = errors.slice().sort();
    const total = sorted.reduce((sum, x) => sum + x, 0);
    let best: { bits: BitPlan; predicted: number; exact: CodePlan["exact"] } | undefined;
    for (const bits of [4, 8] as const) {
      const rowBytes = bytesOf[bits];
      const counts = [...new Set(countsOf(rowBytes))];
      const mostExact = Math.max(...counts);
      for (const count of counts) {
        const found = planBits(spectrum, room - rowBytes * count);
        const exact = Math.max(0, Math.min(mostExact, Math.floor((room - found.bytes) / rowBytes)));
        const theirs = sorted.subarray(n - exact).reduce((sum, x) => sum + x, 0);
        const rest = total - theirs * (1 - exactRowLoss(d, bits));
        const predicted = plan.error > 0 ? (rest * found.error) / plan.error : rest;
        if (best && predicted >= best.predicted) continue;
        best = { bits: found, predicted, exact: { bits, rowBytes, most: mostExact } };
      }
    }
    const { bits, predicted, exact } = best!;
    const { unit } = moments.profile;
    const isSame = componentsOf(bits) === componentsOf(plan);
    return {
      ...{ axes, bits, levels, exact },
      sizes: (isSame ? forecast : await this.measured({ axes, spectrum, plan: bits })).sizes,
      ratio: options.scale === "unbiased" ? enlargement(bits, axes, windowBits) : 1,
      predicted: moments.squares > 0 ? predicted / unit / unit / moments.squares : 0,
    };
  }

  /** Looks at every row along the stored components. */
  private async measured(fit: Fit): Promise<Forecast> {
    const { axes, plan } = fit;
    const { bands } = plan;
    const { run, rows, windowBits } = this;
    const { rowWeights } = this.given.options;
    const { rows: n, cols: d } = rows.source;
    const { unit } = this.given.moments.profile;
    const squares: number[] = [];
    const axesUsed: number[] = [];
    let [first, noise] = [0, 0];
    for (const { cols, bits } of bands) {
      const inside = axes.variances.subarray(first, first + cols);
      const { shares, left } = shape(inside, cols, trellisError(bits, windowBits, cols));
      noise += left;
      shares.forEach((share, j) => {
        if (share > 0) {
          squares.push(inside[j] / share);
          axesUsed.push(first + j);
        } else noise -= inside[j];
      });
      first += cols;
    }
    const K = Math.max(1, squares.length);
    const basis = new Float64Array(K * d);
    squares.forEach((square, k) => {
      for (let j = 0; j < d; ++j) basis[k * d + j] = axes.vectors[axesUsed[k] * d + j] / Math.sqrt(square);
    });
    const both = new Float64Array(2 * n);
    await run.sweep(
      "rowSizes",
      rows,
      "sizes",
      { unit, count: Math.max(1, first) },
      {
        centre: axes.centre,
        basis: transpose(basis, K, d),
        squares: Float64Array.from(squares.length ? squares : [0]),
      },
      { emit: (start, block) => both.set(block, 2 * start), anyOrder: true },
    );
    const sizes = Float64Array.from({ length: n }, (_, i) => both[2 * i]);
    const errors = sizes.map((x, i) => (rowWeights?.[i] ?? 1) * (both[2 * i + 1] + x * x * noise));
    return { ...fit, sizes, errors };
  }

  /** The fewest bytes that are expected to err by no more than this, or as many as there is a use for. */
  async bytesFor(error: number): Promise<{ bytes: number; error: number; isMost: boolean }> {
    const { moments, axes } = this.given;
    const { rows: n, cols: d, dtype } = this.rows.source;
    const { unit } = moments.profile;
    const spectrum = this.spectrum(await axes(dtype === "f64"));
    const scale = moments.squares > 0 ? moments.weight / unit / unit / moments.squares : 0;
    const plan = planError(spectrum, scale > 0 ? error / scale : Infinity);
    const exact = Math.ceil(exactShares[0] * n) * exactRowBytes(d, 4);
    const bytes = this.fixedBytes(this.levels) + plan.bytes + exact;
    return { bytes, error: plan.error * scale, isMost: plan.error * scale > error };
  }
}

const componentsOf = ({ bands }: BitPlan) => bands.reduce((sum, { cols }) => sum + cols, 0);

/** By how much an unbiased scale is larger than one of least squares, about. */
function enlargement({ bands }: BitPlan, { variances }: Axes, windowBits: 10 | 12): number {
  let [first, error, total] = [0, 0, 0];
  for (const { bits, cols } of bands) {
    const inside = variances.subarray(first, first + cols).reduce((sum, x) => sum + x, 0);
    error += inside * trellisError(bits, windowBits, cols);
    total += inside;
    first += cols;
  }
  return total > 0 ? Math.min(4 / 3, total / (total - error)) : 1;
}
