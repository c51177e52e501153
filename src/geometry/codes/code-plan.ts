// What a transform code of so many bytes is made of: bits of the components, rows that are kept exactly, and the error to expect.
import type { EngineRows } from "../../engine/engine.js";
import { trellisError } from "../../code-trellis.js";
import { InvalidInputError } from "../../errors.js";
import type { TransformCodeOptions } from "../../types/index.js";
import { narrowLimit } from "../basis/spectrum.js";
import { transpose } from "../basis/small-dense.js";
import type { Run } from "../run.js";
import type { Axes, Moments } from "./axes.js";
import { planBits, planError, shape, type BitPlan } from "./bands.js";
import { exactRowBytes, exactRowLoss } from "./exact-rows.js";

export interface CodePlan {
  axes: Axes;
  bits: BitPlan;
  /** Root mean square of each row's components; -1 of rows of zeros. */
  sizes: Float64Array;
  /** Levels for scales, at most, that of rows of zeros apart. */
  levels: number;
  /** Of the stored scale to that. */
  ratio: number;
  exact: { bits: 8 | 4; rowBytes: number; most: number };
  /** Squared error beside the rows' squares. */
  predicted: number;
}

export interface Planning {
  moments: Moments;
  axes: (wide: boolean) => Promise<Axes>;
  options: TransformCodeOptions;
}

/** Shares of the rows that are tried as exact ones. */
const exactShares = [0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.008, 0.01];
/** Their bytes beside all. */
const mostExactBytes = 0.04;
/** Rows for a level of the scales, at least. */
const rowsOfLevel = 8;

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

  /** Axes that are good enough for the components that are stored. */
  private async axes(bytes: number): Promise<Axes> {
    const { dtype, rows } = this.rows.source;
    const { axes } = this.given;
    if (dtype === "f64") return axes(true);
    const narrow = await axes(false);
    const { bands } = planBits({ values: narrow.variances, rows, windowBits: this.windowBits }, bytes);
    const last =
      Math.min(
        rows,
        narrow.variances.length,
        bands.reduce((sum, { cols }) => sum + cols, 0),
      ) - 1;
    return last < 0 || narrow.variances[last] > narrowLimit * narrow.variances[0] ? narrow : axes(true);
  }

  /** @throws {InvalidInputError} where `most` bytes do not even hold centre and scales */
  async plan(most: number): Promise<CodePlan> {
    const { moments, options } = this.given;
    const { source } = this.rows;
    const { rows: n, cols: d, name = "A" } = source;
    const { windowBits, levels } = this;
    const least = this.fixedBytes(1);
    if (!(most >= least)) {
      throw new InvalidInputError(
        `A code of ${name} (${n} x ${d}) takes at least ${least} bytes, for its centre and a scale a row; ${most} were allowed.`,
        { tensor: name },
      );
    }
    const room = Math.max(0, most - this.fixedBytes(levels));
    const exactBits = 4;
    const rowBytes = exactRowBytes(d, exactBits);
    const { exactRows: wanted = "auto" } = options;
    const axes = await this.axes(room);
    const spectrum = { values: axes.variances, rows: n, windowBits };
    const counts =
      wanted === "auto"
        ? [
            ...new Set(
              exactShares.map((share) =>
                Math.min(Math.ceil(share * n), Math.floor((mostExactBytes * most) / rowBytes)),
              ),
            ),
          ]
        : [wanted];
    const middle = planBits(spectrum, room - rowBytes * counts[counts.length >> 1]);
    const { sizes, errors } = await this.sizes(axes, middle);
    const { rowWeights } = options;
    const keys = errors.map((x, i) => (rowWeights?.[i] ?? 1) * x).sort();
    const total = keys.reduce((sum, x) => sum + x, 0);
    const most1 = counts[counts.length - 1];
    const tops = new Float64Array(most1 + 1);
    for (let k = 0; k < most1; ++k) tops[k + 1] = tops[k] + keys[n - 1 - k];
    let best: { bits: BitPlan; predicted: number } | undefined;
    for (const count of counts) {
      const bits = planBits(spectrum, room - rowBytes * count);
      const exact = Math.min(most1, Math.floor((room - bits.bytes) / rowBytes));
      const rest = total - tops[Math.max(0, exact)] * (1 - exactRowLoss(d, exactBits));
      const predicted = middle.error > 0 ? (rest * bits.error) / middle.error : rest;
      if (!best || predicted < best.predicted) best = { bits, predicted };
    }
    const { bits, predicted } = best!;
    const { unit } = moments.profile;
    return {
      axes,
      bits,
      sizes: sameComponents(bits, middle) ? sizes : (await this.sizes(axes, bits)).sizes,
      levels,
      ratio: options.scale === "unbiased" ? enlargement(bits, axes, windowBits) : 1,
      exact: { bits: exactBits, rowBytes, most: most1 },
      predicted: moments.squares > 0 ? predicted / unit / unit / moments.squares : 0,
    };
  }

  /** Sizes of the rows along the stored components, and the squared error to expect of each. */
  private async sizes(axes: Axes, { bands }: BitPlan): Promise<{ sizes: Float64Array; errors: Float64Array }> {
    const { run, rows, windowBits } = this;
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
    return { sizes, errors: sizes.map((x, i) => both[2 * i + 1] + x * x * noise) };
  }

  /** The fewest bytes that are expected to err by no more than this, or as many as there is a use for. */
  async bytesFor(error: number): Promise<{ bytes: number; error: number; isMost: boolean }> {
    const { moments, axes } = this.given;
    const { rows: n, cols: d, dtype } = this.rows.source;
    const { variances } = await axes(dtype === "f64");
    const { unit } = moments.profile;
    const spectrum = { values: variances, rows: n, windowBits: this.windowBits };
    const scale = moments.squares > 0 ? moments.weight / unit / unit / moments.squares : 0;
    const plan = planError(spectrum, scale > 0 ? error / scale : Infinity);
    const exact = Math.ceil(exactShares[0] * n) * exactRowBytes(d, 4);
    const bytes = this.fixedBytes(this.levels) + plan.bytes + exact;
    return { bytes, error: plan.error * scale, isMost: plan.error * scale > error };
  }
}

const sameComponents = (a: BitPlan, b: BitPlan) => {
  const [of, other] = [a, b].map(({ bands }) => bands.reduce((sum, { cols }) => sum + cols, 0));
  return of === other;
};

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
