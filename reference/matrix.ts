// Dense f64 matrices, row-major, by the definition of each operation: the ground that the other twins stand on.
//
// Shapes   Dense { data: rows * cols f64 }; every function returns a new matrix and changes none.
// Cost     three nested loops where there are three indices.

export interface Dense {
  readonly data: Float64Array;
  readonly rows: number;
  readonly cols: number;
}

export function zeros(rows: number, cols: number): Dense {
  return { data: new Float64Array(rows * cols), rows, cols };
}

/** Entry (i, j) = entry(i, j). */
export function fill(rows: number, cols: number, entry: (i: number, j: number) => number): Dense {
  const a = zeros(rows, cols);
  for (let i = 0; i < rows; ++i) for (let j = 0; j < cols; ++j) a.data[i * cols + j] = entry(i, j);
  return a;
}

/** Widens f32 to f64, exactly. */
export function toDense(a: { data: ArrayLike<number>; rows: number; cols: number }): Dense {
  return { data: Float64Array.from(a.data), rows: a.rows, cols: a.cols };
}

export function transpose(a: Dense): Dense {
  return fill(a.cols, a.rows, (i, j) => a.data[j * a.cols + i]);
}

export function multiply(a: Dense, b: Dense): Dense {
  if (a.cols !== b.rows) throw new RangeError(`multiply: ${a.rows} x ${a.cols} times ${b.rows} x ${b.cols}`);
  const c = zeros(a.rows, b.cols);
  for (let i = 0; i < a.rows; ++i) {
    for (let k = 0; k < a.cols; ++k) {
      const aik = a.data[i * a.cols + k];
      for (let j = 0; j < b.cols; ++j) c.data[i * b.cols + j] += aik * b.data[k * b.cols + j];
    }
  }
  return c;
}

export function subtract(a: Dense, b: Dense): Dense {
  if (a.rows !== b.rows || a.cols !== b.cols) throw new RangeError("subtract: shapes differ");
  return { ...a, data: a.data.map((x, i) => x - b.data[i]) };
}

/** diag(scales) A. */
export function scaleRows(a: Dense, scales: ArrayLike<number>): Dense {
  return fill(a.rows, a.cols, (i, j) => a.data[i * a.cols + j] * scales[i]);
}

/** A diag(scales). */
export function scaleColumns(a: Dense, scales: ArrayLike<number>): Dense {
  return fill(a.rows, a.cols, (i, j) => a.data[i * a.cols + j] * scales[j]);
}

/** A' A. */
export function gram(a: Dense): Dense {
  return multiply(transpose(a), a);
}

/** The rows whose index is in `rows`, in that order; indices may repeat. */
export function takeRows(a: Dense, rows: readonly number[]): Dense {
  return fill(rows.length, a.cols, (i, j) => a.data[rows[i] * a.cols + j]);
}

/** |v|_2 of a run of entries, free of overflow and underflow. */
export function norm2(v: ArrayLike<number>, start = 0, count = v.length, stride = 1): number {
  let largest = 0;
  for (let i = 0; i < count; ++i) largest = Math.max(largest, Math.abs(v[start + i * stride]));
  if (largest === 0) return 0;
  let sum = 0;
  for (let i = 0; i < count; ++i) sum += (v[start + i * stride] / largest) ** 2;
  return largest * Math.sqrt(sum);
}

export function rowNorms(a: Dense): Float64Array {
  return Float64Array.from({ length: a.rows }, (_, i) => norm2(a.data, i * a.cols, a.cols));
}

export function columnNorms(a: Dense): Float64Array {
  return Float64Array.from({ length: a.cols }, (_, j) => norm2(a.data, j, a.rows, a.cols));
}

/** A diag(1 / |column|_2): every nonzero column has length 1. A zero column stays zero. */
export function equilibrateColumns(a: Dense): Dense {
  const norms = columnNorms(a);
  return fill(a.rows, a.cols, (i, j) => (norms[j] > 0 ? a.data[i * a.cols + j] / norms[j] : 0));
}

export function frobenius(a: Dense): number {
  return norm2(a.data);
}
