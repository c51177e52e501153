// Coresets of rows that come in pieces, by merge and reduce (Bentley, Saxe 1980; Har-Peled, Mazumdar 2004): the union of two
// coresets is a coreset of the union, and a coreset of a coreset, with its weights as row weights, is one of all rows.
//
// Rows gather into tiles of a fixed size, whatever the pieces were. A tile is reduced to 4 * size rows; two of a level merge
// and are reduced to one of the next, so log2(tiles) of them are held; finish() reduces what there is to `size`. With 4 * size
// rows a level adds a quarter of the variance that the last step has.
import type { Engine } from "../../engine/engine.js";
import { InvalidInputError } from "../../errors.js";
import { gatherRows, toRowSource } from "../../matrix.js";
import type { CoresetStreamOptions, CoresetStreamResult } from "../../types/index.js";
import { keepFactor } from "./check.js";
import { choose, sampleStream, toMatrix } from "./coreset.js";
import { merge, type Piece } from "./piece.js";
import { scaledWeights, timesPowerOfTwo, weightExponent } from "./far-weights.js";
import { Parts } from "../parts.js";
import { profile } from "../profile.js";
import { lewisWork } from "./sensitivities.js";

/** Stream of assembly/random.ts for level 0; level l has the l-th after it. */
const levelStream = 1024;
const directionStream = 18;
const directionCount = 64;

/** Rows of one push. What is in memory is copied at once; a row source is read when its turn comes. */
export interface Pushed {
  rows: number;
  wide: boolean;
  read: () => Promise<Float32Array | Float64Array>;
  weights: Float64Array;
}

export class Reducer {
  private readonly tileRows: number;
  private buffer: Float32Array | Float64Array | undefined;
  private readonly weights: Float64Array;
  private filled = 0;
  private count = 0;
  private readonly levels: (Piece | undefined)[] = [];
  /** Rows that have entered a reduction at each level: where its random numbers go on. */
  private readonly entered: number[] = [];
  private directions: Float64Array | undefined;
  private readonly norms = new Float64Array(directionCount);
  private worst = { iterations: 0, residual: 0, converged: true };
  private seconds = 0;
  /** A reduction that was interrupted has lost rows. */
  private broken = false;

  constructor(
    private readonly engine: Engine,
    private readonly options: CoresetStreamOptions,
  ) {
    this.tileRows = options.tileRows ?? Math.max(4096, 2 * keepFactor * options.size);
    this.weights = new Float64Array(this.tileRows);
  }

  async push(pushed: Pushed): Promise<void> {
    this.checkWhole();
    const { cols } = this.options;
    const data = await pushed.read();
    this.buffer ??= pushed.wide ? new Float64Array(this.tileRows * cols) : new Float32Array(this.tileRows * cols);
    if (pushed.wide !== this.buffer instanceof Float64Array) {
      throw new InvalidInputError(
        `The stream began with ${pushed.wide ? "f32" : "f64"} rows, and now ${pushed.wide ? "f64" : "f32"} rows were pushed; convert one of them.`,
      );
    }
    if (this.count + pushed.rows > 2 ** 31 - 1) {
      throw new InvalidInputError(
        "A stream numbers its rows in 31 bits; begin another and push both coresets to a third.",
      );
    }
    const bad = data.findIndex((x) => x - x !== 0);
    if (bad >= 0) {
      const place = { row: this.count + Math.floor(bad / cols), column: bad % cols };
      throw new InvalidInputError(
        `Row ${place.row} of the stream holds NaN or infinity at column ${place.column}; every entry must be finite. Nothing of this push was taken.`,
        place,
      );
    }
    for (let start = 0; start < pushed.rows;) {
      const rows = Math.min(pushed.rows - start, this.tileRows - this.filled);
      this.buffer.set(data.subarray(start * cols, (start + rows) * cols), this.filled * cols);
      this.weights.set(pushed.weights.subarray(start, start + rows), this.filled);
      this.filled += rows;
      this.count += rows;
      start += rows;
      if (this.filled < this.tileRows) continue;
      this.broken = true;
      await this.reduceTile();
      this.broken = false;
    }
  }

  private checkWhole(): void {
    if (this.broken) throw new InvalidInputError("This stream was interrupted and has lost rows; begin another.");
  }

  async finish(): Promise<CoresetStreamResult> {
    this.checkWhole();
    const { size, cols } = this.options;
    if (this.count === 0) throw new InvalidInputError("The stream has no rows; push some before finish().");
    const rest = this.takeBuffer();
    await this.measure(rest);
    // Higher levels hold earlier rows.
    const all = merge([...this.levels].reverse().concat(rest), cols);
    const chosen = await this.reduce(all, size, sampleStream, 0);
    const before = this.norms.slice();
    this.norms.fill(0);
    await this.measure(chosen);
    const measured = await this.ratios(before);
    this.options.onProgress?.({ stage: "done", done: this.count, total: this.count });
    return {
      ...chosen,
      count: this.count,
      realised: { measured, directions: directionCount },
      ...this.worst,
      seconds: this.seconds,
    };
  }

  private takeBuffer(): Piece {
    const { cols } = this.options;
    const { filled } = this;
    const first = this.count - filled;
    this.filled = 0;
    return {
      rows: { data: this.buffer!.slice(0, filled * cols), rows: filled, cols },
      weights: this.weights.slice(0, filled),
      indices: Int32Array.from({ length: filled }, (_, i) => first + i),
    };
  }

  private async reduceTile(): Promise<void> {
    const { size, cols } = this.options;
    let piece = this.takeBuffer();
    await this.measure(piece);
    for (let level = 0; ; ++level) {
      piece = await this.reduceLevel(piece, keepFactor * size, level);
      const other = this.levels[level];
      if (!other) {
        this.levels[level] = piece;
        return;
      }
      this.levels[level] = undefined;
      piece = merge([other, piece], cols);
    }
  }

  private async reduceLevel(piece: Piece, size: number, level: number): Promise<Piece> {
    const first = this.entered[level] ?? 0;
    // One number a row, and one for the row left over.
    this.entered[level] = first + piece.rows.rows + 1;
    return this.reduce(piece, size, levelStream + level, first);
  }

  private async reduce(piece: Piece, size: number, stream: number, first: number): Promise<Piece> {
    const { p, seed = 0, scheme, tolerance, cols } = this.options;
    if (piece.rows.rows === 0) return piece;
    const source = toRowSource(piece.rows, "the stream");
    const parts = this.parts(lewisWork(piece.rows.rows, cols));
    const far = weightExponent(piece.weights);
    const rowWeights = far === 0 ? piece.weights : scaledWeights(piece.weights, far);
    const options = { p, size, scheme, tolerance, rowWeights };
    const { choice, iterations, residual, converged } = await choose(parts, source, options, { seed, stream, first });
    this.worst = {
      iterations: Math.max(this.worst.iterations, iterations),
      residual: Math.max(this.worst.residual, residual),
      converged: this.worst.converged && converged,
    };
    this.seconds += parts.seconds;
    return {
      rows: toMatrix(await gatherRows(source, choice.indices), source),
      weights: far === 0 ? choice.weights : choice.weights.map((w) => timesPowerOfTwo(w, -far)),
      indices: choice.indices.map((i) => piece.indices[i]),
    };
  }

  /** Adds sum_i s_i |a_i x|^p of these rows for directions x that are fixed from the first tile on. */
  private async measure({ rows, weights }: Piece): Promise<void> {
    if (rows.rows === 0) return;
    const { cols, p = 1, seed = 0 } = this.options;
    const run = this.parts(rows.rows * cols * directionCount).next(1, rows.rows * cols * directionCount);
    const opened = run.open(toRowSource(rows, "the stream"));
    opened.state.set("weights", weights);
    if (!this.directions) {
      const { columnScale } = await profile(run, opened);
      const count = cols * directionCount;
      const draw = { kind: "normal", seed, stream: directionStream, first: 0, count } as const;
      const values = await run.engine.dense("random", draw);
      this.directions = values.map((x, i) => x * columnScale[Math.floor(i / directionCount)]);
    }
    const { directions } = this;
    const { norms } = await run.sweep("norms", opened, "realised error", { p, gradient: false }, { directions });
    for (let j = 0; j < directionCount; ++j) this.norms[j] += norms[j];
  }

  private async ratios(before: Float64Array) {
    let lower = Infinity;
    let upper = 0;
    for (let j = 0; j < directionCount; ++j) {
      const ratio = before[j] > 0 ? this.norms[j] / before[j] : 1;
      lower = Math.min(lower, ratio);
      upper = Math.max(upper, ratio);
    }
    const run = this.parts(1).next(1, 1);
    const { p = 1 } = this.options;
    return { lower: await run.power(lower, 1 / p), upper: await run.power(upper, 1 / p) };
  }

  /** Progress of a stream is in rows; there is no total before the end. */
  private parts(work: number): Parts {
    return new Parts(this.engine, { signal: this.options.signal }, work);
  }
}
