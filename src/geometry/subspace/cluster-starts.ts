// Where clusters of rows begin: for each group a row and those that point where it does, or away from it, whose span is its subspace. The
// next group's row is drawn from those that point far from all subspaces so far (as k-means++ draws centres). Lengths of rows count for
// nothing, so that far rows are no likelier than others. A start depends on the seed and its own number alone.
import type { RowSource } from "../../matrix.js";
import { transpose } from "../basis/small-dense.js";
import type { Run } from "../run.js";
import { normalise } from "./starts.js";

/** Of random numbers. */
const rowStream = 51;
/** Neighbours of a row, for each dimension of the subspace. */
const neighboursPerVector = 2;
/** Rows that are multiplied at a time. */
const slabRows = 1024;

interface StartRequest {
  readonly rank: number;
  readonly groups: number;
  readonly seed: number;
  readonly start: number;
}

export class ClusterStarts {
  private constructor(
    private readonly run: Run,
    /** Rows of A scaled to length 1, row-major; rows of zeros stay. */
    private readonly directions: Float64Array,
    private readonly cols: number,
  ) {}

  static async create(run: Run, source: RowSource): Promise<ClusterStarts> {
    const { rows, cols } = source;
    const data = await run.gather(
      source,
      Int32Array.from({ length: rows }, (_, i) => i),
    );
    for (let at = 0; at < data.length; at += cols) normalise(data.subarray(at, at + cols));
    return new ClusterStarts(run, data, cols);
  }

  /** Orthonormal rows for each group, d x d, of which the first `rank` span its subspace. */
  async of({ rank, groups, seed, start }: StartRequest): Promise<Float64Array[]> {
    const { run, directions, cols: d } = this;
    const n = directions.length / d;
    const draw = { kind: "uniform", seed, stream: rowStream, first: start * groups, count: groups } as const;
    const draws = await run.engine.dense("random", draw);
    // Rows of zeros are near everything.
    const far = Float64Array.from({ length: n }, (_, i) => (this.row(i).some((x) => x !== 0) ? 1 : 0));
    const bases: Float64Array[] = [];
    for (const u of draws) {
      const rows = this.nearest(drawn(far, u), Math.min(n, neighboursPerVector * rank));
      const product = {
        left: transpose(rows, rows.length / d, d),
        right: rows,
        rows: d,
        inner: rows.length / d,
        cols: d,
      };
      const matrix = await run.engine.dense("multiply", product);
      const { vectors } = await run.engine.dense("eigen", { matrix, n: d });
      bases.push(vectors);
      const squares = await this.squaresWithin(vectors.subarray(0, rank * d), rank);
      // Sines of angles to the nearest subspace.
      for (let i = 0; i < n; ++i) far[i] = Math.min(far[i], Math.sqrt(Math.max(0, 1 - squares[i])));
    }
    return bases;
  }

  private row(i: number): Float64Array {
    return this.directions.subarray(i * this.cols, (i + 1) * this.cols);
  }

  /** The rows with the largest |cosines| to row `of`, itself among them. */
  private nearest(of: number, count: number): Float64Array {
    const { directions, cols: d } = this;
    const centre = this.row(of);
    const cosines = Float64Array.from({ length: directions.length / d }, (_, i) => {
      let sum = 0;
      for (let j = 0; j < d; ++j) sum += directions[i * d + j] * centre[j];
      return Math.abs(sum);
    });
    const order = Array.from(cosines, (_, i) => i).sort((a, b) => cosines[b] - cosines[a] || a - b);
    const rows = new Float64Array(count * d);
    for (let i = 0; i < count; ++i) rows.set(this.row(order[i]), i * d);
    return rows;
  }

  /** Of each row, the squared length of its projection on an orthonormal basis. */
  private async squaresWithin(basis: Float64Array, rank: number): Promise<Float64Array> {
    const { run, directions, cols: d } = this;
    const n = directions.length / d;
    const right = transpose(basis, rank, d);
    const squares = new Float64Array(n);
    for (let first = 0; first < n; first += slabRows) {
      const rows = Math.min(slabRows, n - first);
      const left = directions.slice(first * d, (first + rows) * d);
      const product = await run.engine.dense("multiply", { left, right, rows, inner: d, cols: rank });
      for (let i = 0; i < rows * rank; ++i) squares[first + Math.floor(i / rank)] += product[i] * product[i];
    }
    return squares;
  }
}

/** The index that share `u` of all weights falls on. */
function drawn(weights: Float64Array, u: number): number {
  const total = weights.reduce((a, b) => a + b, 0);
  let left = u * total;
  let last = 0;
  for (let i = 0; i < weights.length; ++i) {
    if (weights[i] === 0) continue;
    last = i;
    left -= weights[i];
    if (left < 0) break;
  }
  return last;
}
