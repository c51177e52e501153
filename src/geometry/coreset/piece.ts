// What a stream holds: rows with their weights, and which rows of the stream they are. The union of coresets is one of the union.
import type { Matrix } from "../../matrix.js";

export interface Piece {
  rows: Matrix;
  weights: Float64Array;
  /** Which rows of the stream they are. */
  indices: Int32Array;
}

/** The rows of all pieces, in their order. There is at least one piece. */
export function merge(pieces: (Piece | undefined)[], cols: number): Piece {
  const some = pieces.filter((piece) => piece !== undefined);
  const count = some.reduce((total, { rows }) => total + rows.rows, 0);
  const wide = some[0].rows.data instanceof Float64Array;
  const data = wide ? new Float64Array(count * cols) : new Float32Array(count * cols);
  const weights = new Float64Array(count);
  const indices = new Int32Array(count);
  let at = 0;
  for (const piece of some) {
    data.set(piece.rows.data, at * cols);
    weights.set(piece.weights, at);
    indices.set(piece.indices, at);
    at += piece.rows.rows;
  }
  return { rows: { data, rows: count, cols }, weights, indices };
}
