// Where the restarts of a robust subspace begin: random subspaces, and spans of random rows, in turn. Each depends on the
// seed and its own number alone.
import type { RowSource } from "../../matrix.js";
import type { Run } from "../run.js";
import { transpose } from "../basis/small-dense.js";

/** Streams of the random generator, one a purpose. */
const normalStream = 48;
const rowStream = 49;

/** Orthonormal rows, d x d, the first `rank` spanning start number `index`. */
export async function randomStart(
  run: Run,
  source: RowSource,
  rank: number,
  seed: number,
  index: number,
): Promise<Float64Array> {
  const { cols: d } = source;
  const rows =
    index % 2 === 0 ? await normals(run, rank * d, seed, index) : await someRows(run, source, rank, seed, index);
  const product = { left: transpose(rows, rank, d), right: rows, rows: d, inner: rank, cols: d };
  const matrix = await run.engine.dense("multiply", product);
  return (await run.engine.dense("eigen", { matrix, n: d })).vectors;
}

function normals(run: Run, count: number, seed: number, index: number): Promise<Float64Array> {
  return run.engine.dense("random", { kind: "normal", seed, stream: normalStream, first: index * count, count });
}

/** `rank` different rows of A, each scaled to length 1. */
async function someRows(run: Run, source: RowSource, rank: number, seed: number, index: number): Promise<Float64Array> {
  const { rows: n, cols: d } = source;
  const draw = { kind: "uniform", seed, stream: rowStream, first: index * rank, count: rank } as const;
  const values = await run.engine.dense("random", draw);
  // Floyd's sample without replacement (Bentley, Floyd 1987).
  const chosen = new Set<number>();
  values.forEach((u, i) => {
    const last = n - rank + i;
    const row = Math.floor(u * (last + 1));
    chosen.add(chosen.has(row) ? last : row);
  });
  const rows = await run.gather(
    source,
    [...chosen].sort((a, b) => a - b),
  );
  for (let start = 0; start < rows.length; start += d) normalise(rows.subarray(start, start + d));
  return rows;
}

/** x / |x|, whatever its scale; zeros stay zeros. */
export function normalise(x: Float64Array): void {
  const top = x.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  if (top === 0) return;
  let sum = 0;
  for (const v of x) sum += (v / top) * (v / top);
  const size = Math.sqrt(sum);
  for (let i = 0; i < x.length; ++i) x[i] = x[i] / top / size;
}
