// Matrices whose rows lie in one of several subspaces, up to noise, with far rows in between that lie in none.
import { bell } from "./matrices.js";

export interface Union {
  readonly a: { data: Float32Array; rows: number; cols: number };
  /** The subspace of each row; -1: far off, in none. */
  readonly truth: Int32Array;
}

/** Row i is in subspace i mod groups; every `far`-th is far off instead. */
export function unionOfSubspaces(
  rows: number,
  cols: number,
  { groups, rank, far = Infinity, noise = 0.05 }: { groups: number; rank: number; far?: number; noise?: number },
): Union {
  const data = new Float32Array(rows * cols);
  const truth = Int32Array.from({ length: rows }, (_, i) => (i % far === far - 1 ? -1 : i % groups));
  for (let i = 0; i < rows; ++i) {
    for (let j = 0; j < cols; ++j) {
      let x = noise * bell(1, i * cols + j);
      if (truth[i] < 0) x = 20 * bell(2, i * cols + j);
      else for (let t = 0; t < rank; ++t) x += bell(3, i * rank + t) * bell(4 + truth[i], t * cols + j);
      data[i * cols + j] = x;
    }
  }
  return { a: { data, rows, cols }, truth };
}

/** Rows in subspaces that are not in the group where most of their subspace's rows are. */
export function strays(truth: Int32Array, groups: Uint8Array, count: number): number {
  let wrong = 0;
  for (let g = 0; g < count; ++g) {
    const sizes = new Int32Array(256);
    for (let i = 0; i < truth.length; ++i) if (truth[i] === g) ++sizes[groups[i]];
    wrong += sizes.reduce((a, b) => a + b, 0) - Math.max(...sizes);
  }
  return wrong;
}
