// Eigenvalues and eigenvectors of a symmetric matrix by cyclic Jacobi rotations.
// Jacobi 1846; Golub, Van Loan, Matrix Computations, 4th ed., section 8.5.
//
// Shapes   S d x d symmetric; values d, descending; vectors d x d, one eigenvector a column: S V = V diag(values)
// Cost     about 10 passes of 4 d^3 multiply-adds
import { type Dense, fill } from "./matrix.js";

/** c, s of the rotation that makes [[app, apq], [apq, aqq]] diagonal; the smaller of the two angles. */
export function jacobiRotation(app: number, apq: number, aqq: number): { c: number; s: number } {
  if (apq === 0) return { c: 1, s: 0 };
  const theta = (aqq - app) / (2 * apq);
  const t = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.hypot(theta, 1));
  const c = 1 / Math.hypot(t, 1);
  return { c, s: t * c };
}

/** Columns p and q of a row-major matrix <- (c p - s q, s p + c q). */
export function rotateColumns(
  data: Float64Array,
  rows: number,
  cols: number,
  p: number,
  q: number,
  c: number,
  s: number,
) {
  for (let i = 0; i < rows; ++i) {
    const x = data[i * cols + p];
    const y = data[i * cols + q];
    data[i * cols + p] = c * x - s * y;
    data[i * cols + q] = s * x + c * y;
  }
}

export function jacobiEigen(a: Dense): { values: Float64Array; vectors: Dense } {
  const d = a.cols;
  const s = a.data.slice();
  const v = fill(d, d, (i, j) => (i === j ? 1 : 0)).data;
  for (let pass = 0, rotated = true; rotated && pass < 60; ++pass) {
    rotated = false;
    for (let p = 0; p < d; ++p) {
      for (let q = p + 1; q < d; ++q) {
        const apq = s[p * d + q];
        if (Math.abs(apq) <= Number.EPSILON * Math.sqrt(Math.abs(s[p * d + p])) * Math.sqrt(Math.abs(s[q * d + q])))
          continue;
        rotated = true;
        const r = jacobiRotation(s[p * d + p], apq, s[q * d + q]);
        rotateColumns(s, d, d, p, q, r.c, r.s);
        for (let j = 0; j < d; ++j) {
          const x = s[p * d + j];
          const y = s[q * d + j];
          s[p * d + j] = r.c * x - r.s * y;
          s[q * d + j] = r.s * x + r.c * y;
        }
        s[p * d + q] = s[q * d + p] = 0;
        rotateColumns(v, d, d, p, q, r.c, r.s);
      }
    }
  }
  const order = Array.from({ length: d }, (_, i) => i).sort((i, j) => s[j * d + j] - s[i * d + i]);
  return {
    values: Float64Array.from(order, (i) => s[i * d + i]),
    vectors: fill(d, d, (i, j) => v[i * d + order[j]]),
  };
}
