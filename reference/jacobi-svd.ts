// Singular value decomposition by one-sided Jacobi rotations: accurate for small singular values too, and blind to how
// the columns are scaled. Hestenes 1958; Demmel, Veselic, Jacobi's method is more accurate than QR, 1992.
//
// Shapes   A n x d; sigma d, descending; U n x d, zero columns where sigma is 0; V d x d orthogonal: A = U diag(sigma) V'
// Cost     about 10 passes of 4 n d^2 multiply-adds
import { jacobiRotation, rotateColumns } from "./jacobi-eigen.js";
import { type Dense, columnNorms, fill } from "./matrix.js";

export interface Svd {
  U: Dense;
  sigma: Float64Array;
  V: Dense;
}

export function jacobiSvd(a: Dense): Svd {
  const d = a.cols;
  const n = Math.max(a.rows, d); // zero rows below a wide A change neither sigma nor V
  const largest = a.data.reduce((m, x) => Math.max(m, Math.abs(x)), 0) || 1;
  const b = new Float64Array(n * d);
  a.data.forEach((x, i) => (b[i] = x / largest));
  const v = fill(d, d, (i, j) => (i === j ? 1 : 0)).data;
  const tolerance = Number.EPSILON * Math.sqrt(n);
  for (let pass = 0, rotated = true; rotated && pass < 60; ++pass) {
    rotated = false;
    for (let p = 0; p < d; ++p) {
      for (let q = p + 1; q < d; ++q) {
        let pp = 0;
        let pq = 0;
        let qq = 0;
        for (let i = 0; i < n; ++i) {
          const x = b[i * d + p];
          const y = b[i * d + q];
          pp += x * x;
          pq += x * y;
          qq += y * y;
        }
        // Columns at 1e-18 of the largest entry are rounding of nothing: rotating them further never ends.
        if (Math.abs(pq) <= tolerance * Math.sqrt(pp) * Math.sqrt(qq) || Math.min(pp, qq) < 1e-300) continue;
        rotated = true;
        const { c, s } = jacobiRotation(pp, pq, qq);
        rotateColumns(b, n, d, p, q, c, s);
        rotateColumns(v, d, d, p, q, c, s);
      }
    }
  }
  const norms = columnNorms({ data: b, rows: n, cols: d });
  const order = Array.from({ length: d }, (_, j) => j).sort((i, j) => norms[j] - norms[i]);
  return {
    U: fill(a.rows, d, (i, j) => (norms[order[j]] > 0 ? b[i * d + order[j]] / norms[order[j]] : 0)),
    sigma: Float64Array.from(order, (j) => norms[j] * largest),
    V: fill(d, d, (i, j) => v[i * d + order[j]]),
  };
}
